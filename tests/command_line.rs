//! The program from its operator's view: configuration, keys, ports, signals, the demo.

use std::process::Stdio;
use std::time::Duration;

use hongyan_clock::Clock;
use http::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::process::{Gateway, Server, create_key, hongyan, run, serve};
use crate::world::{Http, Platform};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_in_the_configuration_is_named_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("hongyan.toml"), "# mine\nlisten = \"127.0.0.1:0\"\nlisen = 1\n").unwrap();
    let output = run(hongyan(&["serve", "--config", "hongyan.toml"]).current_dir(dir.path())).await;
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{stderr}");
    assert!(stderr.contains("hongyan.toml") && stderr.contains("lisen") && stderr.contains('3'), "{stderr}");
    assert!(stderr.contains("listen"), "the error suggests the right setting: {stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_that_cannot_be_used_is_a_configuration_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("occupied");
    std::fs::write(&file, "not a directory").unwrap();
    let output = run(serve(dir.path(), "http://127.0.0.1:9").env("HONGYAN_DATA_DIR", &file)).await;
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{stderr}");
    assert!(stderr.contains("occupied"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_that_it_makes_is_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let serving = Server::start(serve(dir.path(), "http://127.0.0.1:9").env("HONGYAN_DATA_DIR", &data)).await;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("master.key")), 0o600);
    let second = run(serve(dir.path(), "http://127.0.0.1:9").env("HONGYAN_DATA_DIR", &data)).await;
    assert_eq!(second.status.code(), Some(1), "one process at a time");
    assert!(text(&second.stderr).contains("another hongyan process"), "{}", text(&second.stderr));
    assert!(serving.signal("TERM").await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(hongyan(&["serve", "--listen", &address])
        .env("HONGYAN_DATA_DIR", dir.path())
        .current_dir(dir.path()))
    .await;
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains(&address) && stderr.contains("--listen"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_arguments_end_with_2() {
    let output = run(&mut hongyan(&["serve", "--colour", "red"])).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--colour"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_and_a_demo_exit_with_their_parent_only_when_asked() {
    for args in [
        &["sandbox", "--json", "--listen", "127.0.0.1:0"][..],
        &["demo", "--json", "--listen", "127.0.0.1:0", "--sandbox-listen", "127.0.0.1:0"],
    ] {
        let mut tied = hongyan(&[args, &["--exit-with-parent"]].concat());
        let mut tied = Server::start(tied.stdin(Stdio::piped())).await;
        // The parent ends: the system closes the parent's end of the pipe.
        tied.close_stdin();
        assert!(tied.ended().await.success(), "{args:?}");
        // Standard input of this process is at its end from the start.
        let free = Server::start(&mut hongyan(args)).await;
        Http::new().get(&format!("{}/_sandbox/seed", free.url("sandbox"))).await.expect(200);
        assert!(free.signal("TERM").await.success(), "{args:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_made_listed_and_revoked_while_the_server_runs() {
    let wechat = Platform::start(Clock::system()).await;
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(dir.path(), &wechat.url).await;
    let key = create_key(dir.path()).await;
    let http = Http::new();
    let bearer = format!("Bearer {key}");
    let list = async || {
        http.send(Method::GET, &format!("{}/v1/apps", gateway.url), &[("authorization", &bearer)], "").await
    };
    assert_eq!(list().await.status, 200);

    let on_dir = |args: &[&str]| {
        let mut command = hongyan(args);
        command.env("HONGYAN_DATA_DIR", dir.path()).current_dir(dir.path());
        command
    };
    let listed = run(&mut on_dir(&["key", "list", "--json"])).await;
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let keys = listed.as_array().or_else(|| listed["keys"].as_array()).unwrap();
    assert_eq!(keys.len(), 1);
    assert!(!listed.to_string().contains(&key), "the key itself is not stored");
    let id = keys[0]["id"].as_str().unwrap();
    assert!(run(&mut on_dir(&["key", "revoke", id])).await.status.success());
    assert_ne!(
        run(&mut on_dir(&["key", "revoke", id])).await.status.code(),
        Some(0),
        "a key can be revoked only once"
    );
    assert!(gateway.signal("TERM").await.success());

    let gateway = Gateway::start(dir.path(), &wechat.url).await;
    let answer =
        http.send(Method::GET, &format!("{}/v1/apps", gateway.url), &[("authorization", &bearer)], "").await;
    answer.problem(401, "unauthorized");
    assert!(gateway.signal("INT").await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_what_is_in_flight_arrive() {
    let wechat = Platform::start(Clock::system()).await;
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(dir.path(), &wechat.url).await;
    let key = create_key(dir.path()).await;
    let http = Http::new();
    let bearer = format!("Bearer {key}");
    let post = async |path: &str, body: Value| {
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        http.send(Method::POST, &format!("{}{path}", gateway.url), &headers, body.to_string()).await
    };
    post("/v1/apps", json!({ "appid": wechat.seed.appid, "secret": wechat.seed.app_secret }))
        .await
        .expect(201);
    let user = wechat.user().await;
    let form = wechat.form(&user).await;
    post("/v1/permits", json!({ "app": wechat.seed.appid, "openid": user, "kind": "form", "code": form }))
        .await
        .expect(201);
    wechat.chaos(json!({ "path": "/cgi-bin/message/wxopen/template/send", "kind": "latency", "millis": 700, "times": 1 })).await;
    let message = json!({
        "app": wechat.seed.appid, "to": user, "template": wechat.seed.legacy_template,
        "data": { "keyword1": "on its way", "keyword2": "b", "keyword3": "c" },
    });
    let accepted = post("/v1/messages", message).await.expect(202);
    assert_eq!(accepted["state"], "sending");
    let Gateway { url, .. } = &gateway;
    let path = format!("{url}/v1/messages/{}", accepted["id"].as_str().unwrap());
    let address = url.clone();
    assert!(gateway.signal("TERM").await.success());
    assert_eq!(wechat.texts(&user).await, ["on its way"]);
    assert!(
        http.try_send(Method::GET, &format!("{address}/livez"), &[], "").await.is_none(),
        "the gateway has ended"
    );

    let gateway = Gateway::start(dir.path(), &wechat.url).await;
    let path = path.replace(&address, &gateway.url);
    let message = http.send(Method::GET, &path, &[("authorization", &bearer)], "").await.expect(200);
    assert_eq!((&message["state"], &message["attempt_count"]), (&json!("sent"), &json!(1)));
    assert!(gateway.signal("TERM").await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_from_a_newer_version_is_refused_and_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    create_key(dir.path()).await;
    let file = dir.path().join("hongyan.db");
    let database = rusqlite::Connection::open(&file).unwrap();
    database.pragma_update(None, "user_version", 999).unwrap();
    database.close().unwrap();
    let before = std::fs::read(&file).unwrap();
    let output = run(&mut serve(dir.path(), "http://127.0.0.1:9")).await;
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{stderr}");
    assert!(stderr.contains("999") && stderr.contains("newer"), "{stderr}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

async fn start_demo() -> Server {
    let everywhere = ["--listen", "127.0.0.1:0", "--sandbox-listen", "127.0.0.1:0"];
    Server::start(hongyan(&["demo", "--json"]).args(everywhere)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_is_set_up_with_secrets_that_it_makes_and_wechat_accepts() {
    let demo = start_demo().await;
    let appid = demo.url("appid");
    let callback = async |flags: &[&str]| {
        let mut command = hongyan(&["app", "callback", &appid]);
        command
            .args(flags)
            .env("HONGYAN_URL", demo.url("gateway"))
            .env("HONGYAN_API_KEY", demo.url("api_key"));
        run(&mut command).await
    };
    let nothing = callback(&[]).await;
    assert!(nothing.status.success() && text(&nothing.stderr).contains("--set"), "{nothing:?}");
    let made = callback(&["--set", "--json"]).await;
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    // The values that an operator enters on WeChat's page, which checks the address at once.
    let page = json!({
        "appid": appid,
        "url": format!("{}{}", demo.url("gateway"), made["path"].as_str().unwrap()),
        "token": made["token"], "encoding_aes_key": made["encoding_aes_key"], "mode": "safe", "format": "xml",
    });
    Http::new().post(&format!("{}/_sandbox/callback", demo.url("sandbox")), &page).await.expect(200);
    let shown: Value = serde_json::from_slice(&callback(&["--json"]).await.stdout).unwrap();
    assert!(shown["verified_at"].is_string() && shown["mode"] == "sealed", "{shown}");
    let again = callback(&["--set"]).await;
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("--force"), "{again:?}");
    let plain = callback(&["--set", "--plain", "--force"]).await;
    let table = text(&plain.stdout);
    assert!(table.contains(&format!("/callback/{appid}")) && !table.contains("EncodingAESKey"), "{table}");
    assert!(callback(&["--remove"]).await.status.success());
    assert_eq!(text(&callback(&["--json"]).await.stdout).trim(), "null");
    assert!(demo.signal("TERM").await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_says_all_that_a_script_needs() {
    let demo = start_demo().await;
    for name in [
        "gateway",
        "sandbox",
        "phone",
        "console",
        "appid",
        "gateway_secret",
        "app_secret",
        "api_key",
        "openid",
    ] {
        assert!(demo.ready[name].is_string(), "{name}: {}", demo.ready);
    }
    let http = Http::new();
    let (gateway, sandbox) = (demo.url("gateway"), demo.url("sandbox"));
    let (appid, openid) = (demo.url("appid"), demo.url("openid"));
    let form =
        http.post(&format!("{sandbox}/_sandbox/forms"), &json!({ "appid": appid, "openid": openid })).await;
    let bearer = format!("Bearer {}", demo.url("api_key"));
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let permit = json!({ "app": appid, "openid": openid, "kind": "form", "code": form.text("form_id") });
    let granted =
        http.send(Method::POST, &format!("{gateway}/v1/permits"), &headers, permit.to_string()).await;
    granted.expect(201);
    // The sandbox moves the clock of both.
    let tomorrow = Clock::system().now().plus(Duration::from_secs(86_400)).to_string();
    let message = json!({
        "app": appid, "to": openid, "template": demo.ready["templates"]["legacy"], "send_at": tomorrow,
        "data": { "keyword1": "tomorrow", "keyword2": "b", "keyword3": "c" },
    });
    let url = format!("{gateway}/v1/messages");
    let accepted = http.send(Method::POST, &url, &headers, message.to_string()).await.expect(202);
    assert_eq!(accepted["state"], "scheduled");
    http.post(&format!("{sandbox}/_sandbox/clock"), &json!({ "advance_seconds": 90_000 })).await.expect(200);
    let key = [headers[0], headers[1], ("idempotency-key", "none")];
    let settled =
        http.send(Method::POST, &format!("{url}?wait=15"), &key, message.to_string()).await.expect(202);
    assert_eq!(settled["reason"]["code"], "no_permit", "the only permit went to the first: {settled}");
    let inbox = format!("{sandbox}/_sandbox/inbox?appid={appid}&openid={openid}");
    let inbox = http.get(&inbox).await.expect(200);
    assert_eq!(inbox[0]["fields"][0]["value"], "tomorrow");
    assert!(http.get(&demo.url("phone")).await.text.contains("<html"));
    assert!(demo.signal("TERM").await.success());
}
