//! A backup is made while messages are being sent, and restored elsewhere: complete and balanced, and no message is sent
//! twice.

use std::collections::HashMap;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use hongyan_clock::Clock;
use http::Method;
use serde_json::{Value, json};

use crate::process::{Gateway, create_key, hongyan, run, serve};
use crate::world::{Answer, Http, Platform};

const USERS: usize = 24;
const FORMS_EACH: usize = 60;

/// A back end with its key.
#[derive(Clone)]
struct Caller {
    http: Http,
    key: String,
}

impl Caller {
    async fn call(&self, method: Method, url: &str, key: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {}", self.key);
        let mut headers = vec![("authorization", bearer.as_str()), ("content-type", "application/json")];
        if !key.is_empty() {
            headers.push(("idempotency-key", key));
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.http.send(method, url, &headers, body).await
    }

    async fn post(&self, url: &str, body: &Value) -> Value {
        let answer = self.call(Method::POST, url, "", body).await;
        assert!(answer.status.is_success(), "{url}: {answer:?}");
        answer.body
    }

    async fn get(&self, url: &str) -> Value {
        self.call(Method::GET, url, "", &Value::Null).await.expect(200)
    }
}

/// Runs a command on a data directory.
async fn on(dir: &Path, args: &[&str]) -> Output {
    run(hongyan(args).env("HONGYAN_DATA_DIR", dir).current_dir(dir)).await
}

#[track_caller]
fn said(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[track_caller]
fn refused(output: &Output, code: i32, word: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.contains(word), "{stderr}");
}

fn legacy(wechat: &Platform, user: &str, text: &str) -> Value {
    json!({
        "app": wechat.seed.appid, "to": user, "template": wechat.seed.legacy_template,
        "data": { "keyword1": text, "keyword2": "b", "keyword3": "c" },
    })
}

fn in_seconds(seconds: u64) -> String {
    Clock::system().now().plus(Duration::from_secs(seconds)).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_made_under_load_is_whole_and_nothing_goes_out_a_second_time() {
    let wechat = Platform::start(Clock::system()).await;
    let (dir, backups) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let caller = Caller { http: Http::new(), key: create_key(dir.path()).await };
    let gateway = Gateway::start(dir.path(), &wechat.url).await;
    let url = gateway.url.clone();
    let app = json!({ "appid": wechat.seed.appid, "secret": wechat.seed.app_secret });
    caller.post(&format!("{url}/v1/apps"), &app).await;
    let users = join_all((0..USERS).map(|_| wechat.user())).await;
    for user in &users {
        let forms = join_all((0..FORMS_EACH).map(|_| wechat.form(user))).await;
        let permits: Vec<_> = forms
            .iter()
            .map(|code| json!({ "app": wechat.seed.appid, "openid": user, "kind": "form", "code": code }))
            .collect();
        caller.post(&format!("{url}/v1/permits"), &json!({ "permits": permits })).await;
    }

    // Every user gets messages without a pause until the backups are made. When half of the forms are used, some messages
    // are scheduled for later.
    let stop = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = users
        .iter()
        .map(|user| {
            let (caller, stop, url) = (caller.clone(), Arc::clone(&stop), format!("{url}/v1/messages"));
            let messages: Vec<_> =
                (0..FORMS_EACH / 2).map(|n| legacy(&wechat, user, &format!("{user} {n}"))).collect();
            let mut for_later = legacy(&wechat, user, "tomorrow");
            for_later["send_at"] = in_seconds(86_400).into();
            tokio::spawn(async move {
                for message in messages.iter().chain(std::iter::repeat(&for_later)) {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    caller.post(&url, message).await;
                }
            })
        })
        .collect();

    // Messages that are open when the last backup is made: scheduled for much later, and waiting for a permit. Some of them
    // get their permit afterwards.
    let lucky = join_all((0..USERS).map(|_| wechat.user())).await;
    let soon: Vec<_> = lucky
        .iter()
        .enumerate()
        .map(|(n, user)| {
            let mut message = legacy(&wechat, user, &format!("soon {n}"));
            message["permit"] = "wait".into();
            (format!("soon-{n}"), message)
        })
        .collect();
    for (key, message) in &soon {
        caller.call(Method::POST, &format!("{url}/v1/messages"), key, message).await.expect(202);
    }
    let mut later = legacy(&wechat, &users[0], "later");
    later["send_at"] = in_seconds(3600).into();
    let later = caller.post(&format!("{url}/v1/messages"), &later).await;
    let poor = wechat.user().await;
    let mut patient = legacy(&wechat, &poor, "patient");
    patient["permit"] = "wait".into();
    let patient = caller.post(&format!("{url}/v1/messages"), &patient).await;
    assert_eq!(patient["state"], "waiting");

    let last_backup = async || {
        let metrics = caller.call(Method::GET, &format!("{url}/metrics"), "", &Value::Null).await.text;
        let value = |line: &str| {
            line.strip_prefix("hongyan_last_backup_timestamp_seconds ").map(|at| at.parse::<i64>().unwrap())
        };
        metrics.lines().find_map(value)
    };
    assert_eq!(last_backup().await, None);
    let began = Clock::system().now().as_seconds();
    let first = backups.path().join("first.db");
    let file = first.to_str().unwrap();
    let made = said(&on(dir.path(), &["backup", file, "--json"]).await);
    let at = last_backup().await.unwrap();
    assert!((began..=Clock::system().now().as_seconds()).contains(&at), "{at}");
    assert_eq!(made["bytes"], std::fs::metadata(&first).unwrap().len());
    assert_eq!(made["master_key"]["included"], false);
    assert_eq!(made["master_key"]["at"], dir.path().join("master.key").to_str().unwrap());
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&first).unwrap().permissions().mode() & 0o777, 0o600);
    }
    refused(&on(dir.path(), &["backup", file]).await, 1, "--force");
    let messages = || {
        let copy = rusqlite::Connection::open(&first).unwrap();
        copy.query_row("SELECT COUNT(*) FROM messages", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let in_the_first = messages();
    let made = said(&on(dir.path(), &["backup", file, "--force", "--json"]).await);
    stop.store(true, Ordering::Relaxed);
    assert!(messages() > in_the_first, "messages were sent between the two backups");
    assert_eq!(std::fs::read_dir(backups.path()).unwrap().count(), 1, "no draft and no log is left");
    assert_eq!(made["schema_version"].as_i64().unwrap(), {
        let copy = rusqlite::Connection::open(&first).unwrap();
        copy.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).unwrap()
    });

    // The gateway continues after the backup: the load ends, permits come, and messages are sent. Then the gateway is lost.
    for task in load {
        task.await.unwrap();
    }
    for user in &lucky {
        let form = wechat.form(user).await;
        let permit = json!({ "app": wechat.seed.appid, "openid": user, "kind": "form", "code": form });
        caller.post(&format!("{url}/v1/permits"), &permit).await;
    }
    for (key, message) in &soon {
        let url = format!("{url}/v1/messages?wait=30");
        let answer = caller.call(Method::POST, &url, key, message).await.expect(202);
        assert_eq!((&answer["state"], &answer["replayed"]), (&json!("sent"), &json!(true)), "{answer}");
    }
    refused(&on(dir.path(), &["restore", file, "--force"]).await, 1, "another hongyan process");
    gateway.kill().await;
    refused(&on(dir.path(), &["restore", file]).await, 1, "--force");

    // Another machine, with the master key.
    let second = tempfile::tempdir().unwrap();
    std::fs::copy(dir.path().join("master.key"), second.path().join("master.key")).unwrap();
    let restored = said(&on(second.path(), &["restore", file, "--json"]).await);
    assert_eq!(restored["master_key"]["fits"], true, "{restored}");
    let still_scheduled: i64 = {
        let copy = rusqlite::Connection::open(second.path().join("hongyan.db")).unwrap();
        copy.query_row("SELECT COUNT(*) FROM messages WHERE state = 0", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(restored["messages"]["open"], still_scheduled, "only scheduled messages are open: {restored}");
    assert!(still_scheduled >= 1, "{restored}");
    assert!(restored["messages"]["unknown"].as_u64().unwrap() > USERS as u64, "{restored}");
    let gateway = Gateway::start(second.path(), &wechat.url).await;
    let url = gateway.url.clone();
    let state = async |message: &Value| {
        let id = message["id"].as_str().unwrap();
        caller.get(&format!("{url}/v1/messages/{id}")).await
    };
    assert_eq!(state(&later).await["state"], "scheduled");
    let held = state(&patient).await;
    assert_eq!((&held["state"], &held["reason"]["code"]), (&json!("unknown"), &json!("restored")));
    for (key, message) in &soon {
        let url = format!("{url}/v1/messages?wait=30");
        let answer = caller.call(Method::POST, &url, key, message).await.expect(202);
        assert_eq!((&answer["state"], &answer["replayed"]), (&json!("unknown"), &json!(true)), "{answer}");
    }
    // A new message to each user, with a form that the backup contains. A message that was in flight is settled before it.
    for (n, user) in users.iter().enumerate() {
        let url = format!("{url}/v1/messages?wait=30");
        let answer = caller.post(&url, &legacy(&wechat, user, &format!("after {n}"))).await;
        assert_eq!(answer["state"], "sent", "{answer}");
    }
    let mut seen: HashMap<String, u32> = HashMap::new();
    for user in users.iter().chain(&lucky) {
        for text in wechat.texts(user).await {
            *seen.entry(text).or_default() += 1;
        }
    }
    for user in &users {
        let permits = format!("{url}/v1/permits?app={}&openid={user}", wechat.seed.appid);
        let totals = caller.get(&permits).await["totals"].clone();
        let count = |name: &str| totals[name].as_u64().unwrap();
        let sum: u64 = ["available", "reserved", "spent", "expired", "revoked"].into_iter().map(count).sum();
        assert_eq!((count("granted"), sum), (FORMS_EACH as u64, FORMS_EACH as u64), "{totals}");
    }
    let twice: Vec<_> = seen.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "delivered twice: {twice:?}");
    assert!((0..USERS).all(|n| seen.contains_key(&format!("soon {n}"))), "the first gateway sent them");
    assert!(gateway.signal("TERM").await.success());

    // Over the lost database, as it was: waiting messages go on waiting. The lost database is kept.
    let again = said(&on(dir.path(), &["restore", file, "--force", "--as-is", "--json"]).await);
    assert_eq!(again["messages"]["unknown"], 0);
    assert!(again["messages"]["open"].as_u64().unwrap() > USERS as u64, "{again}");
    let aside = again["moved_aside"].as_str().unwrap();
    let kept = rusqlite::Connection::open(aside).unwrap();
    let sent: i64 =
        kept.query_row("SELECT COUNT(*) FROM messages WHERE state = 4", [], |row| row.get(0)).unwrap();
    assert!(sent >= USERS as i64, "the log of the old database was moved aside with it");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_backup_is_refused_and_nothing_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    create_key(dir.path()).await;
    let database = dir.path().join("hongyan.db");
    let before = std::fs::read(&database).unwrap();
    let files = || {
        let entries = std::fs::read_dir(dir.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        // SQLite creates these files when it reads a plain copy of a database.
        names.retain(|name| !name.ends_with("-wal") && !name.ends_with("-shm"));
        names.sort();
        names
    };
    let garbage = dir.path().join("garbage.db");
    std::fs::write(&garbage, "not a database at all, but as long as a header of one would be. ".repeat(20))
        .unwrap();
    let cut = dir.path().join("cut.db");
    std::fs::write(&cut, &before[..before.len() / 2]).unwrap();
    let newer = dir.path().join("newer.db");
    std::fs::write(&newer, &before).unwrap();
    let raw = rusqlite::Connection::open(&newer).unwrap();
    raw.pragma_update(None, "user_version", 999).unwrap();
    raw.close().unwrap();
    assert!(on(dir.path(), &["key", "list"]).await.status.success());
    // The first restore creates the lock file.
    refused(&on(dir.path(), &["restore", "missing.db", "--force"]).await, 78, "no such file");
    let there = files();
    refused(&on(dir.path(), &["restore", "garbage.db", "--force"]).await, 78, "not an SQLite database");
    refused(&on(dir.path(), &["restore", "cut.db", "--force"]).await, 78, "damaged");
    refused(&on(dir.path(), &["restore", "newer.db", "--force"]).await, 78, "newer");
    assert_eq!(files(), there);
    assert_eq!(std::fs::read(&database).unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_with_hold_pauses_every_app_and_one_without_its_key_says_so() {
    let wechat = Platform::start(Clock::system()).await;
    let dir = tempfile::tempdir().unwrap();
    let caller = Caller { http: Http::new(), key: create_key(dir.path()).await };
    let gateway = Gateway::start(dir.path(), &wechat.url).await;
    let app = json!({ "appid": wechat.seed.appid, "secret": wechat.seed.app_secret });
    caller.post(&format!("{}/v1/apps", gateway.url), &app).await;
    let file = dir.path().join("copy.db");
    assert!(on(dir.path(), &["backup", file.to_str().unwrap()]).await.status.success());
    assert!(gateway.signal("TERM").await.success());

    let other = tempfile::tempdir().unwrap();
    let restored = said(&on(other.path(), &["restore", file.to_str().unwrap(), "--hold", "--json"]).await);
    assert_eq!(restored["apps_paused"], 1);
    assert_eq!(restored["master_key"]["fits"], false);
    assert!(restored["master_key"]["problem"].as_str().unwrap().contains("master.key"), "{restored}");
    std::fs::copy(dir.path().join("master.key"), other.path().join("master.key")).unwrap();
    let gateway = Gateway::start(other.path(), &wechat.url).await;
    let app = caller.get(&format!("{}/v1/apps/{}", gateway.url, wechat.seed.appid)).await;
    assert_eq!(app["paused"]["code"], "operator", "{app}");
    assert!(app["paused"]["detail"].as_str().unwrap().contains("copy.db"), "{app}");
    let trail = caller.get(&format!("{}/v1/audit", gateway.url)).await;
    let line = &trail["audit"][0];
    let said = ["call", "object", "result"].map(|name| line[name].as_str().unwrap());
    assert_eq!((said, &line["actor"]["kind"]), (["restore", "copy.db", "ok"], &json!("cli")), "{trail}");
    assert!(gateway.signal("TERM").await.success());
}

/// Changes of a schema with names that SQLite, the migration library or Hongyan use, each with the expected error.
fn hidden_poisons() -> [(String, &'static str); 6] {
    let hidden = |statements: &str| format!("PRAGMA writable_schema = ON; {statements}");
    let insert = |kind: &str, name: &str, table: &str, sql: &str| {
        hidden(&format!("INSERT INTO sqlite_schema VALUES ('{kind}', '{name}', '{table}', 0, '{sql}')"))
    };
    let evil = |name: &str, table: &str| {
        format!("CREATE TRIGGER {name} AFTER INSERT ON {table} BEGIN DELETE FROM api_keys; END")
    };
    let other_words = |from: &str, to: &str, name: &str| {
        hidden(&format!(
            "UPDATE sqlite_schema SET sql = replace(sql, '{from}', '{to}') WHERE name = '{name}'"
        ))
    };
    [
        (
            insert("trigger", "sqlite_evil", "audit", &evil("sqlite_evil", "audit")),
            "trigger sqlite_evil on audit",
        ),
        (
            insert("trigger", "sqlite_stat1", "audit", &evil("sqlite_stat1", "audit")),
            "trigger sqlite_stat1 on audit",
        ),
        (evil("evil", "refinery_schema_history"), "trigger evil on refinery_schema_history"),
        (
            insert("view", "sqlite_evil", "sqlite_evil", "CREATE VIEW sqlite_evil AS SELECT 1"),
            "view sqlite_evil on sqlite_evil",
        ),
        (
            other_words("state IN (1, 2)", "state IN (1)", "messages_queued"),
            "index messages_queued on messages",
        ),
        (
            other_words("beats INTEGER NOT NULL", "beats INTEGER NOT NULL CHECK (0)", "heartbeat"),
            "table heartbeat on heartbeat",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_was_in_other_hands_is_refused_by_a_restore_a_check_and_a_start() {
    let wechat = Platform::start(Clock::system()).await;
    let dir = tempfile::tempdir().unwrap();
    let caller = Caller { http: Http::new(), key: create_key(dir.path()).await };
    let gateway = Gateway::start(dir.path(), &wechat.url).await;
    let app = json!({ "appid": wechat.seed.appid, "secret": wechat.seed.app_secret });
    caller.post(&format!("{}/v1/apps", gateway.url), &app).await;
    let user = wechat.user().await;
    let permit =
        json!({ "app": wechat.seed.appid, "openid": user, "kind": "form", "code": wechat.form(&user).await });
    caller.post(&format!("{}/v1/permits", gateway.url), &permit).await;
    let message = legacy(&wechat, &user, "good");
    caller.post(&format!("{}/v1/messages?wait=10", gateway.url), &message).await;
    let good = dir.path().join("good.db");
    assert!(on(dir.path(), &["backup", good.to_str().unwrap()]).await.status.success());
    assert!(gateway.signal("TERM").await.success());

    let trigger = "CREATE TRIGGER evil AFTER UPDATE ON heartbeat BEGIN DELETE FROM api_keys; END";
    let other_lane =
        |table: &str| format!("UPDATE {table} SET id = CAST(substr(id, 1, 15) || x'ff' AS BLOB)");
    let poisons = [
        (trigger.to_owned(), "trigger evil on heartbeat"),
        (other_lane("messages"), "a message in the lane"),
        (other_lane("user_entries"), "a permit, or an entry of a message, in the lane"),
        ("UPDATE messages SET lane = 255".to_owned(), "a message in the lane 255"),
    ];
    let poisons = poisons.into_iter().chain(hidden_poisons());
    for (poison, named) in poisons {
        let poisoned = dir.path().join("poisoned.db");
        std::fs::copy(&good, &poisoned).unwrap();
        let raw = rusqlite::Connection::open(&poisoned).unwrap();
        raw.execute_batch(&poison).unwrap_or_else(|why| panic!("{poison}: {why}"));
        raw.close().unwrap();
        let before = std::fs::read(dir.path().join("hongyan.db")).unwrap();
        refused(&on(dir.path(), &["restore", "poisoned.db", "--force"]).await, 78, named);
        assert_eq!(std::fs::read(dir.path().join("hongyan.db")).unwrap(), before, "{named}");

        // The file was put there by hand.
        let other = tempfile::tempdir().unwrap();
        std::fs::copy(dir.path().join("master.key"), other.path().join("master.key")).unwrap();
        std::fs::copy(&poisoned, other.path().join("hongyan.db")).unwrap();
        refused(&run(&mut serve(other.path(), &wechat.url)).await, 78, named);
        let report = on(other.path(), &["check", "--json"]).await;
        let report: Value = serde_json::from_slice(&report.stdout).unwrap();
        let checks = report["checks"].as_array().unwrap();
        let database = checks.iter().find(|check| check["what"] == "database").unwrap();
        assert_eq!(database["state"], "not_ok", "{report}");
        assert!(database["detail"].as_str().unwrap().contains(named), "{report}");
    }
    // The same file without the poison is accepted.
    said(&on(dir.path(), &["restore", "good.db", "--force", "--json"]).await);
}
