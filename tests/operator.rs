//! An operator in a hurry: a check before the start, a restore as root, a key from the wrong directory.

use std::path::Path;
use std::process::Output;

use hongyan_clock::Clock;
use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::process::{Gateway, Server, create_key, hongyan, run, serve};
use crate::tls::write_new_pair;
use crate::world::{Http, Platform, World};

/// No server answers at this address.
const NOWHERE: &str = "http://127.0.0.1:9";

/// The user and the group `nobody` of every Linux.
pub const NOBODY: u32 = 65_534;

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn on(dir: &Path, args: &[&str]) -> Command {
    let mut command = hongyan(args);
    command.env("HONGYAN_DATA_DIR", dir).env("HONGYAN_LISTEN", "127.0.0.1:0").current_dir(dir);
    command
}

/// The finding of `check` about one subject.
fn found<'a>(report: &'a Value, what: &str) -> &'a Value {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["what"] == what).unwrap_or_else(|| panic!("no {what}: {report}"))
}

async fn check(dir: &Path, wechat: &str, code: i32) -> Value {
    let output = run(on(dir, &["check", "--json"]).env("HONGYAN_WECHAT_BASE_URL", wechat)).await;
    assert_eq!(output.status.code(), Some(code), "{} {}", stdout(&output), stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A data directory with one app.
async fn with_an_app(wechat: &Platform) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(dir.path(), &wechat.url).await;
    let bearer = format!("Bearer {}", create_key(dir.path()).await);
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let app = json!({ "appid": wechat.seed.appid, "secret": wechat.seed.app_secret });
    Http::new()
        .send(Method::POST, &format!("{}/v1/apps", gateway.url), &headers, app.to_string())
        .await
        .expect(201);
    assert!(gateway.signal("TERM").await.success());
    // Where others may enter the temporary directory, the check looks at the modes of the files in it.
    set_mode(&dir.path().join("hongyan.db"), 0o600);
    dir
}

fn set_mode(file: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_is_red_where_serve_refuses_and_no_key_is_made_that_opens_nothing() {
    let wechat = Platform::start(Clock::system()).await;
    let dir = with_an_app(&wechat).await;
    let report = check(dir.path(), &wechat.url, 0).await;
    assert_eq!(report["ok"], true, "{report}");
    assert!(found(&report, "clock")["detail"].as_str().unwrap().contains("agrees"), "{report}");

    let key = dir.path().join("master.key");
    let right = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let report = check(dir.path(), &wechat.url, 78).await;
    assert_eq!(found(&report, "master key")["state"], "not_ok", "{report}");
    let app = found(&report, &format!("app {}", wechat.seed.appid));
    assert_eq!((&app["state"], &app["ok"]), (&json!("not_looked_at"), &json!(false)), "{report}");
    let refused = run(&mut serve(dir.path(), &wechat.url)).await;
    assert_eq!(refused.status.code(), Some(78));
    assert!(
        stderr(&refused).contains("no master key") && stderr(&refused).contains("master.key"),
        "{refused:?}"
    );
    assert!(!key.exists(), "no key was generated in place of the right key");

    std::fs::write(&key, "0a".repeat(32)).unwrap();
    let report = check(dir.path(), &wechat.url, 78).await;
    let wrong = found(&report, "master key")["detail"].as_str().unwrap();
    assert!(wrong.contains("another master key"), "{report}");
    assert_eq!(run(&mut serve(dir.path(), &wechat.url)).await.status.code(), Some(78));

    std::fs::write(&key, right).unwrap();
    // A file that every user of the machine may read is not secret.
    set_mode(dir.path(), 0o755);
    set_mode(&key, 0o644);
    let report = check(dir.path(), &wechat.url, 78).await;
    let modes = found(&report, "owners and modes");
    assert!(modes["detail"].as_str().unwrap().contains("master.key"), "{report}");
    set_mode(&key, 0o600);
    let gateway = Gateway::start(dir.path(), &wechat.url).await;
    assert!(gateway.signal("TERM").await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_is_red_where_every_user_may_read_the_tls_key() {
    let wechat = Platform::start(Clock::system()).await;
    let dir = with_an_app(&wechat).await;
    let (certificate, key) = (dir.path().join("certificate.pem"), dir.path().join("tls.key"));
    write_new_pair(&certificate, &key);
    for (mode, code) in [(0o644, 78), (0o640, 0)] {
        set_mode(&key, mode);
        let mut command = on(dir.path(), &["check", "--json"]);
        command.env("HONGYAN_WECHAT_BASE_URL", &wechat.url).env("HONGYAN_TLS_LISTEN", "127.0.0.1:0");
        let command = command.env("HONGYAN_TLS_CERTIFICATE", &certificate).env("HONGYAN_TLS_KEY", &key);
        let output = run(command).await;
        assert_eq!(output.status.code(), Some(code), "{mode:o}: {} {}", stdout(&output), stderr(&output));
        assert_eq!(stdout(&output).contains("tls.key can be read by every user"), code != 0, "{mode:o}");
    }
}

/// Answers every request as WeChat would, with another date.
async fn answers_at(date: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let body = r#"{"errcode":41001,"errmsg":"access_token missing"}"#;
            let answer = format!(
                "HTTP/1.1 200 OK\r\n{date}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_clock_is_not_ok_and_one_that_cannot_be_compared_not_green() {
    let dir = tempfile::tempdir().unwrap();
    let report = check(dir.path(), &answers_at("date: Fri, 01 May 2020 01:30:00 GMT\r\n").await, 1).await;
    let clock = found(&report, "clock");
    assert_eq!(clock["state"], "not_ok", "{report}");
    assert!(clock["detail"].as_str().unwrap().contains("ahead of"), "{report}");
    let report = check(dir.path(), &answers_at("").await, 1).await;
    assert_eq!((&found(&report, "clock")["state"], &report["ok"]), (&json!("not_looked_at"), &json!(false)));
    let report = check(dir.path(), NOWHERE, 1).await;
    assert_eq!(found(&report, "clock")["state"], "not_looked_at", "{report}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the check creates no file");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_asks_the_gateway_that_runs_and_tries_the_port_of_one_that_does_not() {
    let wechat = Platform::start(Clock::system()).await;
    let dir = with_an_app(&wechat).await;
    let gateway = Gateway::start(dir.path(), &wechat.url).await;
    let address = gateway.url.strip_prefix("http://").unwrap().to_owned();
    let ask = async |listen: &str, code: i32| -> Value {
        let mut command = on(dir.path(), &["check", "--json", "--wechat-base-url", &wechat.url]);
        let output = run(command.env("HONGYAN_LISTEN", listen)).await;
        assert_eq!(output.status.code(), Some(code), "{}", stdout(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let report = ask(&address, 0).await;
    assert!(found(&report, "gateway")["detail"].as_str().unwrap().contains("is ready"), "{report}");
    let report = ask("127.0.0.1:9", 1).await;
    assert!(found(&report, "gateway")["detail"].as_str().unwrap().contains("does not answer"), "{report}");
    assert!(gateway.signal("TERM").await.success());
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let report = ask(&taken.local_addr().unwrap().to_string(), 78).await;
    assert!(found(&report, "gateway")["detail"].as_str().unwrap().contains("in use"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_look_make_no_database_and_a_new_one_is_announced() {
    let dir = tempfile::tempdir().unwrap();
    let key = "key_019a3c5e7b9170018a2b3c4d5e6f7001";
    for args in [&["key", "list"][..], &["key", "revoke", key], &["backup", "copy.db"]] {
        let output = run(hongyan(args).current_dir(dir.path())).await;
        assert_eq!(output.status.code(), Some(78), "{args:?}");
        assert!(stderr(&output).contains("hongyan.db"), "{args:?}: {}", stderr(&output));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "{args:?}");
    }
    let create = ["key", "create", "--name", "orders"];
    let place = std::fs::canonicalize(dir.path()).unwrap().join("hongyan-data/hongyan.db");
    let first = run(hongyan(&create).current_dir(dir.path())).await;
    assert!(first.status.success() && stdout(&first).starts_with("hyk_"), "{first:?}");
    let said = stderr(&first);
    assert!(said.contains("a new database was made") && said.contains(place.to_str().unwrap()), "{said}");
    let second = run(hongyan(&create).current_dir(dir.path())).await;
    let said = stderr(&second);
    assert!(!said.contains("a new database was made") && said.contains(place.to_str().unwrap()), "{said}");
}

/// A directory that `nobody` may enter, with a data directory in it; `None` where the tests do not run as root.
pub fn of_nobody() -> Option<(tempfile::TempDir, std::path::PathBuf)> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    let dir = tempfile::tempdir().unwrap();
    if std::fs::metadata(dir.path()).unwrap().uid() != 0 {
        return None;
    }
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    chown(&data, Some(NOBODY), Some(NOBODY)).unwrap();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o700)).unwrap();
    Some((dir, data))
}

pub fn owners(dir: &Path) -> Vec<(String, u32)> {
    use std::os::unix::fs::MetadataExt;
    let mut all: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().uid())
        })
        .collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn what_root_does_in_the_gateways_directory_leaves_it_to_the_gateway() {
    use std::os::unix::fs::MetadataExt;
    // Only root can act for another user.
    let Some((dir, data)) = of_nobody() else { return };
    let as_nobody = |mut command: Command| {
        command.uid(NOBODY).gid(NOBODY);
        command
    };
    // A key before the first start, and then the gateway as its own user.
    create_key(&data).await;
    assert!(owners(&data).iter().all(|(_, user)| *user == NOBODY), "{:?}", owners(&data));
    let server = Server::start(&mut as_nobody(serve(&data, NOWHERE))).await;
    assert!(server.signal("TERM").await.success());
    // Root can also serve the directory, and nothing that other users write meanwhile is lost.
    let server = Server::start(&mut serve(&data, NOWHERE)).await;
    let written = create_key(&data).await;
    assert!(data.join("hongyan.db-wal").exists(), "the log is still the gateway's log");
    assert!(owners(&data).iter().all(|(_, user)| *user == NOBODY), "{:?}", owners(&data));
    let apps = format!("{}/v1/apps", server.url("gateway"));
    let bearer = format!("Bearer {written}");
    Http::new().send(Method::GET, &apps, &[("authorization", &bearer)], "").await.expect(200);
    assert!(server.signal("TERM").await.success());
    let server = Server::start(&mut serve(&data, NOWHERE)).await;
    let apps = format!("{}/v1/apps", server.url("gateway"));
    Http::new().send(Method::GET, &apps, &[("authorization", &bearer)], "").await.expect(200);
    assert!(server.signal("TERM").await.success());
    // A restore over the database keeps owner and mode.
    let (database, backup) = (data.join("hongyan.db"), dir.path().join("copy.db"));
    assert!(run(&mut on(&data, &["backup", backup.to_str().unwrap()])).await.status.success());
    set_mode(&database, 0o600);
    let restored = run(&mut on(&data, &["restore", backup.to_str().unwrap(), "--force"])).await;
    assert!(restored.status.success(), "{}", stderr(&restored));
    assert!(stderr(&restored).contains("0600"), "{}", stderr(&restored));
    let about = std::fs::metadata(&database).unwrap();
    assert_eq!((about.uid(), about.mode() & 0o777), (NOBODY, 0o600));
    assert!(owners(&data).iter().all(|(_, user)| *user == NOBODY), "{:?}", owners(&data));
    let server = Server::start(&mut as_nobody(serve(&data, NOWHERE))).await;
    assert!(server.signal("TERM").await.success());
    // Into an empty directory: the owner of the directory owns all restored files.
    for (file, _) in owners(&data) {
        std::fs::remove_file(data.join(file)).unwrap();
    }
    assert!(run(&mut on(&data, &["restore", backup.to_str().unwrap()])).await.status.success());
    assert!(owners(&data).iter().all(|(_, user)| *user == NOBODY), "{:?}", owners(&data));
    let server = Server::start(&mut as_nobody(serve(&data, NOWHERE))).await;
    assert!(server.signal("TERM").await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_another_user_is_refused_with_both_users() {
    use std::os::unix::fs::chown;
    let Some((_dir, data)) = of_nobody() else { return };
    create_key(&data).await;
    // As an older version left the directory.
    chown(data.join("hongyan.db"), Some(0), Some(0)).unwrap();
    let as_nobody = |mut command: Command| {
        command.uid(NOBODY).gid(NOBODY);
        command
    };
    for command in [
        serve(&data, NOWHERE),
        on(&data, &["key", "list"]),
        on(&data, &["key", "create", "--name", "x"]),
        on(&data, &["restore", "nothing.db", "--force"]),
    ] {
        let refused = run(&mut as_nobody(command)).await;
        let said = stderr(&refused);
        assert_eq!(refused.status.code(), Some(78), "{said}");
        for words in ["hongyan.db", "root (uid 0)", "uid 65534", "sudo -u root"] {
            assert!(said.contains(words), "{words}: {said}");
        }
    }
    assert!(!data.join("master.key").exists());
    // Root can run the check, which reports what the gateway's user would meet.
    let report = check(&data, NOWHERE, 78).await;
    let owners = found(&report, "owners and modes");
    assert!(owners["detail"].as_str().unwrap().contains("chown 65534:65534"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_words_on_the_command_line_are_wrong_usage_and_in_the_environment_configuration() {
    let dir = tempfile::tempdir().unwrap();
    for command in ["serve", "demo", "sandbox"] {
        let output = run(hongyan(&[command, "--listen", "abc"]).current_dir(dir.path())).await;
        assert_eq!(output.status.code(), Some(2), "{command}: {}", stderr(&output));
    }
    for command in [&["serve"][..], &["check"], &["key", "list"], &["backup", "x"]] {
        let mut flagged = command.to_vec();
        flagged.extend(["--database", "mysql:x"]);
        let output = run(hongyan(&flagged).current_dir(dir.path())).await;
        assert_eq!(output.status.code(), Some(2), "{command:?}: {}", stderr(&output));
        let by = async |name: &str, value: &str| {
            run(hongyan(command).env(name, value).current_dir(dir.path())).await
        };
        for (name, value, meant) in [
            ("HONGYAN_LISTEN", "abc", "127.0.0.1:8780"),
            ("HONGYAN_LOG", "warning", "did you mean warn?"),
            ("HONGYAN_LISTN", "127.0.0.1:0", "HONGYAN_LISTEN"),
        ] {
            let output = by(name, value).await;
            assert_eq!(output.status.code(), Some(78), "{command:?} {name}");
            let said = stderr(&output) + &stdout(&output);
            assert!(said.contains(meant), "{command:?} {name}: {said}");
        }
    }
    // Variables that platforms inject or that scripts leave empty are not settings.
    let mut passed = hongyan(&["key", "create", "--name", "x"]);
    passed
        .env("HONGYAN_PORT", "tcp://10.96.0.1:8780")
        .env("HONGYAN_SERVICE_HOST", "10.96.0.1")
        .env("HONGYAN_PORT_8780_TCP_ADDR", "10.96.0.1")
        .env("HONGYAN_CONFIG", "")
        .env("HONGYAN_LISTEN", "");
    let output = run(passed.current_dir(dir.path())).await;
    assert!(output.status.success(), "{}", stderr(&output));
}

fn at(world: &World, args: &[&str]) -> Command {
    let mut command = hongyan(args);
    command.env("HONGYAN_URL", &world.url).env("HONGYAN_API_KEY", &world.key);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_shown_changed_paused_resumed_and_removed() {
    let world = World::start().await;
    let appid = world.wechat.seed.appid.clone();
    let app = async |args: &[&str]| {
        let args = [&["app", args[0], &appid], &args[1..]].concat();
        run(&mut at(&world, &args)).await
    };
    assert!(stdout(&app(&["show"]).await).contains(&appid));
    assert_eq!(app(&["set"]).await.status.code(), Some(2), "there is nothing to change");
    let named = app(&["set", "--name", "tea\u{202e}", "--truncate", "true", "--json"]).await;
    let named: Value = serde_json::from_slice(&named.stdout).unwrap();
    assert_eq!((&named["name"], &named["truncate"]), (&json!("tea\u{202e}"), &json!(true)));
    let listed = run(&mut at(&world, &["app", "list"])).await;
    assert!(!stdout(&listed).contains('\u{202e}') && stdout(&listed).contains("tea\\u{202e}"), "{listed:?}");

    let user = world.wechat.user().await;
    let template = world.wechat.seed.subscribe_template.clone();
    let granted = run(&mut at(
        &world,
        &[
            "permit",
            "add",
            "--app",
            &appid,
            "--openid",
            &user,
            "--kind",
            "subscribe_once",
            "--template",
            &template,
        ],
    ))
    .await;
    assert!(stdout(&granted).starts_with("prm_"), "{granted:?}");
    let permits = run(&mut at(&world, &["permit", "list", "--app", &appid, "--openid", &user])).await;
    assert!(stderr(&permits).contains("granted 1, available 1"), "{permits:?}");

    assert!(app(&["pause", "--detail", "stocktaking"]).await.status.success());
    let send = [
        "send",
        "--app",
        &appid,
        "--to",
        &user,
        "--template",
        &template,
        "--data",
        "thing1=Latte",
        "--data",
        "date2=2026-05-01",
        "--data",
        "amount3=¥18.00",
        "--wait",
        "1",
    ];
    let waited = run(&mut at(&world, &send)).await;
    assert_eq!(waited.status.code(), Some(1), "{waited:?}");
    assert!(stderr(&waited).contains("paused: stocktaking"), "{waited:?}");
    let id = stdout(&waited).split_whitespace().next().unwrap().to_owned();
    let shown = run(&mut at(&world, &["message", "show", &id])).await;
    assert!(stdout(&shown).contains(&id) && stdout(&shown).contains("ready"), "{shown:?}");
    let listed = run(&mut at(&world, &["message", "list", "--app", &appid, "--to", &user])).await;
    assert!(stdout(&listed).contains(&id), "{listed:?}");
    assert!(run(&mut at(&world, &["message", "cancel", &id])).await.status.success());
    assert!(app(&["resume"]).await.status.success());
    assert!(world.app().await["paused"].is_null());
    let twice = [&send[..], &["--data", "thing1=Mocha"]].concat();
    let twice = run(&mut at(&world, &twice)).await;
    assert!(twice.status.code() == Some(2) && stderr(&twice).contains("thing1"), "{twice:?}");

    let rotated = app(&["rotate-secret"]).await;
    assert!(stdout(&rotated).trim().starts_with("hyg_"), "{rotated:?}");
    assert!(app(&["remove"]).await.status.success());
    assert_eq!(app(&["show"]).await.status.code(), Some(1));

    // Registered with a wrong secret, and repaired without a call of the API.
    let mut add = at(&world, &["app", "add", "--appid", &appid]);
    let added = run(add.env("HONGYAN_APP_SECRET", "00000000000000000000000000000000")).await;
    assert_eq!(added.status.code(), Some(1), "{added:?}");
    let said = stderr(&added);
    assert!(said.contains("is registered, but") && said.contains("hongyan app set"), "{said}");
    let set = async |secret: &str| {
        let mut set = at(&world, &["app", "set", &appid, "--secret-env"]);
        run(set.env("HONGYAN_APP_SECRET", secret)).await
    };
    let wrong = set("11111111111111111111111111111111").await;
    assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");
    assert!(stderr(&wrong).contains("did not accept its AppSecret"), "{wrong:?}");
    let right = set(&world.wechat.seed.app_secret).await;
    assert!(right.status.success() && !stdout(&right).contains("template_sync"), "{right:?}");
    let known = run(&mut at(&world, &["app", "templates", &appid])).await;
    assert!(known.status.success() && stdout(&known).contains(&template), "{known:?}");
    assert!(world.app().await["template_sync_failure"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_not_sent_in_the_clear_to_another_machine_unless_it_is_wanted() {
    let list = |url: &str| {
        let mut command = hongyan(&["app", "list"]);
        command.env("HONGYAN_URL", url).env("HONGYAN_API_KEY", "hyk_x");
        command
    };
    // An address for documentation (RFC 5737): no server is there, and no request is sent.
    let refused = run(&mut list("http://192.0.2.1:8780")).await;
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(stderr(&refused).contains("--insecure-http"), "{refused:?}");
    let nobody = run(&mut list("http://127.0.0.1:9")).await;
    assert_eq!(nobody.status.code(), Some(1), "{nobody:?}");
    assert!(!stderr(&nobody).contains("--insecure-http"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_takes_webhooks_on_this_machine() {
    let everywhere = ["--listen", "127.0.0.1:0", "--sandbox-listen", "127.0.0.1:0"];
    let demo = Server::start(hongyan(&["demo", "--json"]).args(everywhere)).await;
    let receiver = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bearer = format!("Bearer {}", demo.url("api_key"));
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let webhook = json!({ "url": format!("http://{}/hook", receiver.local_addr().unwrap()) });
    let webhooks = format!("{}/v1/webhooks", demo.url("gateway"));
    let http = Http::new();
    let made = http.send(Method::POST, &webhooks, &headers, webhook.to_string()).await.expect(201);
    let test = format!("{webhooks}/{}/test", made["id"].as_str().unwrap());
    http.send(Method::POST, &test, &headers, "").await;
    let (mut stream, _) =
        tokio::time::timeout(crate::world::PATIENCE, receiver.accept()).await.unwrap().unwrap();
    let mut request = [0; 1024];
    let read = stream.read(&mut request).await.unwrap();
    assert!(String::from_utf8_lossy(&request[..read]).starts_with("POST /hook "));
    drop(stream);
    assert!(demo.signal("TERM").await.success());
    // At another URL the refusal names the setting.
    let world = World::start().await;
    for (url, setting) in [
        ("http://shop.example/hook", "webhook_allow_http"),
        ("https://127.0.0.1/hook", "webhook_allow_private"),
    ] {
        let refused = world.post("/v1/webhooks", json!({ "url": url })).await.problem(422, "invalid_field");
        assert!(refused["detail"].as_str().unwrap().contains(setting), "{refused}");
    }
}
