//! The command line in Chinese, by the flag or by the locale, and in English otherwise.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::process::{Gateway, create_key, hongyan, run};
use crate::world::Platform;

/// What a process said on both outputs.
fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn is_chinese(text: &str) -> bool {
    text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

/// Runs the program under a locale, with the given variables.
async fn under(locale: &str, args: &[&str], variables: &[(&str, &str)], dir: &Path) -> Output {
    let mut command = hongyan(args);
    command.env("LC_ALL", locale).current_dir(dir).env("HONGYAN_DATA_DIR", dir.join("data"));
    run(command.envs(variables.iter().copied())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn help_is_in_the_language_of_the_locale_or_of_the_flag() {
    let dir = tempfile::tempdir().unwrap();
    let help = async |locale: &str, args: &[&str]| {
        let output = under(locale, args, &[], dir.path()).await;
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", said(&output));
        assert!(output.stderr.is_empty());
        said(&output)
    };
    let whole = help("zh_CN.UTF-8", &["--help"]).await;
    for words in
        ["用法：", "命令：", "选项：", "示例：", "运行网关", "退出码：", "hongyan key create --name orders"]
    {
        assert!(whole.contains(words), "no {words} in {whole}");
    }
    assert!(!whole.contains("Usage") && !whole.contains("Print help"), "{whole}");
    let add = help("zh_CN.UTF-8", &["app", "add", "--help"]).await;
    for words in ["小程序的 appid", "--secret-file <FILE>", "可选值：", "- stable：", "默认值："]
    {
        assert!(add.contains(words), "no {words} in {add}");
    }
    assert_eq!(help("C", &["app", "add", "--help", "--lang", "zh"]).await, add);
    assert_eq!(help("C", &["--lang=zh", "help", "app", "add"]).await, add);

    let english = help("C", &["--help"]).await;
    assert!(english.contains("Usage: hongyan") && !is_chinese(&english), "{english}");
    assert_eq!(help("en_US.UTF-8", &["--help"]).await, english);
    assert_eq!(help("zh_CN.UTF-8", &["--lang", "en", "--help"]).await, english);
    assert_eq!(help("zh_CN.GB18030", &["--help"]).await, english, "the texts are UTF-8");
    let output = under("C", &["--help"], &[("HONGYAN_LANG", "zh")], dir.path()).await;
    assert_eq!(said(&output), whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_is_explained_in_chinese_and_ends_with_2() {
    let dir = tempfile::tempdir().unwrap();
    for (args, words) in [
        (&["serve", "--colour", "red"][..], &["错误：不认识的参数 --colour", "用法：hongyan serve"][..]),
        (&["chek"], &["错误：不认识的命令 chek", "check"]),
        (&["send", "--app", "wx1"], &["缺少必需的参数", "--to <OPENID>"]),
        (&["key", "create", "--name", "x", "--expires", "soon"], &["soon", "90d 或 12h"]),
        (&["--lang", "fr", "check"], &["fr", "可选值：zh, en"]),
    ] {
        let output = under("zh_CN.UTF-8", args, &[], dir.path()).await;
        let text = said(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        for word in words {
            assert!(text.contains(word), "no {word} in {text}");
        }
        let output = under("C", args, &[], dir.path()).await;
        assert_eq!(output.status.code(), Some(2));
        assert!(said(&output).starts_with("error: ") && !is_chinese(&said(&output)), "{}", said(&output));
    }
    let none = under("zh_CN.UTF-8", &[], &[], dir.path()).await;
    assert_eq!(none.status.code(), Some(2));
    assert!(none.stdout.is_empty() && said(&none).contains("用法："), "{}", said(&none));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_is_told_in_chinese_and_its_json_is_english() {
    let dir = tempfile::tempdir().unwrap();
    let variables = [("HONGYAN_WECHAT_BASE_URL", "http://127.0.0.1:9"), ("HONGYAN_LISTEN", "127.0.0.1:0")];
    let check = async |locale: &str, args: &[&str]| said(&under(locale, args, &variables, dir.path()).await);
    let chinese = check("zh_CN.UTF-8", &["check"]).await;
    for words in
        ["检查项", "数据目录", "首次启动时创建", "有问题", "微信", "没有检查", "时钟", "没有运行；可以监听"]
    {
        assert!(chinese.contains(words), "no {words} in {chinese}");
    }
    let json = check("zh_CN.UTF-8", &["check", "--json"]).await;
    assert!(!is_chinese(&json), "{json}");
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["checks"][1]["what"], "data directory", "{json}");
    let english = check("en_US.UTF-8", &["check"]).await;
    assert!(english.contains("NOT OK") && !is_chinese(&english), "{english}");

    std::fs::write(dir.path().join("hongyan.toml"), "lisen = \"127.0.0.1:0\"\n").unwrap();
    let output = under("zh_CN.UTF-8", &["serve"], &[], dir.path()).await;
    assert_eq!(output.status.code(), Some(78));
    assert!(said(&output).contains("第 1 行：没有配置项 lisen；是不是 listen？"), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_value_is_refused_is_told_in_chinese_and_in_json_in_english() {
    let dir = tempfile::tempdir().unwrap();
    let check = async |locale: &str, text: &str, args: &[&str]| {
        std::fs::write(dir.path().join("hongyan.toml"), text).unwrap();
        under(locale, args, &[], dir.path()).await
    };
    let app = "[[app]]\nappid = \"wx0123456789abcdef\"\nsecret = \"x\"\n";
    for (text, chinese, english) in [
        ("listen = \"here\"", "第 1 行：listen：应为 IP 地址和端口", "listen: takes an IP address"),
        (
            "log = \"warning\"",
            "也可按模块设置（info,hongyan_gateway=debug），不能是 \"warning\"；是不是 warn？",
            "did you mean warn?",
        ),
        ("connections = 0", "connections：应为 1 到 4096 的整数", "takes a whole number from 1 to 4096"),
        (
            "tls_listen = \"127.0.0.1:1\"",
            "TLS 不可用：tls_listen、tls_certificate 和 tls_key 要同时设置",
            "set all three or none",
        ),
        (&format!("{app}payment_units = 0"), "一次支付授予 1 到", "a payment grants 1 to"),
        (&format!("{app}{app}"), "的那一项相同", "is the same as in the entry of"),
        ("[[app]]\nname = \"x\"", "app: appid：缺少这一项，请设置 appid", "is missing: set appid"),
        (
            "[[key]]\nname = \"x\"\nscopes = [\"all\"]\nsecret = \"sesame\"",
            "应为 hyk_ 加 32 个随机字节",
            "must be hyk_",
        ),
    ] {
        let output = check("zh_CN.UTF-8", text, &["check"]).await;
        assert_eq!(output.status.code(), Some(78), "{text}\n{}", said(&output));
        assert!(said(&output).contains(chinese), "{chinese} is not in\n{}", said(&output));
        let json = said(&check("zh_CN.UTF-8", text, &["check", "--json"]).await);
        assert!(json.contains(english) && !is_chinese(&json), "{english} is not in\n{json}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_steps_of_the_set_up_and_the_warnings_are_told_in_chinese_and_logged_in_english() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hongyan.toml");
    std::fs::write(&file, "[[app]]\nappid = \"wx0123456789abcdef\"\nsecret = \"x\"\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let variables = [("HONGYAN_WECHAT_BASE_URL", "http://127.0.0.1:9"), ("HONGYAN_LISTEN", "0.0.0.0:0")];
    let check = async |locale: &str| said(&under(locale, &["check"], &variables, dir.path()).await);
    let chinese = check("zh_CN.UTF-8").await;
    for words in [
        "1 个小程序、0 个 webhook、0 个 API key；下次启动会执行：登记小程序 wx0123456789abcdef",
        "警告：listen 是 0.0.0.0:0，其他机器可以访问，且没有 TLS",
        "可被属主以外的用户读取：chmod 600",
    ] {
        assert!(chinese.contains(words), "no {words} in {chinese}");
    }
    let english = check("C").await;
    assert!(english.contains("the next start would register the app") && !is_chinese(&english), "{english}");

    // The address is in use, so this start ends after its warnings.
    let taken = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let variables = [("HONGYAN_LISTEN", address.as_str())];
    let output = under("zh_CN.UTF-8", &["serve"], &variables, dir.path()).await;
    let text = said(&output);
    let logged = text.lines().filter(|line| line.starts_with('{')).collect::<String>();
    assert!(logged.contains("which other machines can reach") && !is_chinese(&logged), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_message_and_an_absent_gateway_are_explained_in_chinese() {
    let wechat = Platform::start(hongyan_clock::Clock::system()).await;
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(dir.path(), &wechat.url).await;
    let key = create_key(dir.path()).await;
    let url = gateway.url.clone();
    let at = [("HONGYAN_URL", url.as_str()), ("HONGYAN_API_KEY", &key)];
    let said_by = async |locale: &str, args: &[&str]| said(&under(locale, args, &at, dir.path()).await);
    let unknown = ["app", "show", "wx0000000000000000"];
    let text = said_by("zh_CN.UTF-8", &unknown).await;
    assert!(text.contains("小程序未登记：") && text.contains("(unknown_app)"), "{text}");
    assert!(!is_chinese(&said_by("C", &unknown).await));

    let secret = dir.path().join("secret");
    std::fs::write(&secret, &wechat.seed.app_secret).unwrap();
    let add = [
        "app",
        "add",
        "--appid",
        &wechat.seed.appid,
        "--secret-file",
        secret.to_str().unwrap(),
        "--lang",
        "zh",
    ];
    let text = said_by("C", &add).await;
    assert!(text.contains("已登记") && text.contains("订阅消息模板：") && text.contains("hyg_"), "{text}");
    let send = |data: &'static str| {
        let seed = &wechat.seed;
        [
            "send",
            "--app",
            &seed.appid,
            "--to",
            &seed.openid,
            "--template",
            &seed.legacy_template,
            "--data",
            data,
        ]
        .map(str::to_owned)
    };
    let wrong = send("keyword9=x");
    let wrong: Vec<&str> = wrong.iter().map(String::as_str).collect();
    let text = said_by("zh_CN.UTF-8", &wrong).await;
    assert!(text.contains("个字段有误") && text.contains("keyword9"), "{text}");
    let mut without_permit = send("keyword1=x").to_vec();
    without_permit.extend(["--data", "keyword2=x", "--data", "keyword3=x"].map(str::to_owned));
    let without_permit: Vec<&str> = without_permit.iter().map(String::as_str).collect();
    let text = said_by("zh_CN.UTF-8", &without_permit).await;
    assert!(text.contains("  failed") && text.contains("该用户没有可用的下发额度"), "{text}");
    let mut as_json = without_permit.clone();
    as_json.push("--json");
    let output = under("zh_CN.UTF-8", &as_json, &at, dir.path()).await;
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap()["state"], "failed");

    let list = said_by("zh_CN.UTF-8", &["message", "list"]).await;
    assert!(list.contains("业务编号") && list.contains("no_permit"), "{list}");
    assert!(gateway.signal("TERM").await.success());
    let text = said_by("zh_CN.UTF-8", &unknown).await;
    assert!(text.contains("的网关没有应答") && text.contains("HONGYAN_URL"), "{text}");
}
