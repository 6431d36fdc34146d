//! A disk that is full, read-only or damaged: accepted messages are kept, refusals say why, and the gateway recovers by
//! itself when the disk does.

use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use hongyan_clock::Clock;
use http::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::process::{Gateway, Server, create_key, hongyan, run, serve};
use crate::world::{Answer, Http, PATIENCE, Platform};

/// A gateway on its own directory, with an app and some users with permits.
struct Shop {
    wechat: Platform,
    http: Http,
    key: String,
    user: String,
    url: String,
}

impl Shop {
    /// Registers the app at the gateway that serves `url`.
    async fn open(wechat: Platform, url: String, key: String) -> Self {
        let user = wechat.user().await;
        let shop = Self { http: Http::new(), key, user, url, wechat };
        let app = json!({ "appid": shop.wechat.seed.appid, "secret": shop.wechat.seed.app_secret });
        shop.call(Method::POST, "/v1/apps", &app).await.expect(201);
        shop
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {}", self.key);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.http.send(method, &format!("{}{path}", self.url), &headers, body).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, &Value::Null).await
    }

    async fn grant_form(&self) {
        let code = self.wechat.form(&self.user).await;
        let permit =
            json!({ "app": self.wechat.seed.appid, "openid": self.user, "kind": "form", "code": code });
        self.call(Method::POST, "/v1/permits", &permit).await.expect(201);
    }

    fn message(&self, text: &str) -> Value {
        json!({
            "app": self.wechat.seed.appid, "to": self.user, "template": self.wechat.seed.legacy_template,
            "data": { "keyword1": text, "keyword2": "b", "keyword3": "c" },
        })
    }

    async fn post(&self, path: &str, text: &str) -> Answer {
        self.call(Method::POST, path, &self.message(text)).await
    }

    /// Plays the story of a disk that becomes full and then has space again.
    async fn runs_out_of_space(&self, full: impl AsyncFn(), freed: impl AsyncFn(), code: &str) {
        for _ in 0..3 {
            self.grant_form().await;
        }
        assert_eq!(self.post("/v1/messages?wait=15", "before").await.expect(202)["state"], "sent");
        // This message is in flight when the disk becomes full: its answer comes when its outcome cannot be stored.
        let send = "/cgi-bin/message/wxopen/template/send";
        let slow = json!({ "path": send, "kind": "latency", "millis": 3_000, "times": 1 });
        self.wechat.chaos(slow).await;
        let under_way = self.post("/v1/messages", "under way").await.expect(202);
        assert_eq!(under_way["state"], "sending");
        full().await;
        let answer = self.post("/v1/messages", "refused").await;
        answer.problem(503, code);
        let ready = self.http.get(&format!("{}/readyz", self.url)).await.expect(503);
        assert_eq!((&ready["ready"], &ready["store"]), (&json!(false), &json!("failing")));
        assert_eq!(self.http.get(&format!("{}/livez", self.url)).await.status, 200);
        // Reading needs no space. WeChat has answered by the time it has delivered.
        let path = format!("/v1/messages/{}", under_way["id"].as_str().unwrap());
        self.arrived("under way").await;
        assert_eq!(self.get(&path).await.expect(200)["state"], "sending", "the outcome waits in memory");
        let again = self.post("/v1/messages", "refused").await;
        again.problem(503, code);

        freed().await;
        let after = self.post("/v1/messages?wait=30", "after").await.expect(202);
        assert_eq!(after["state"], "sent", "without a restart: {after}");
        assert_eq!(self.http.get(&format!("{}/readyz", self.url)).await.status, 200);
        let message = self.get(&path).await.expect(200);
        assert_eq!((&message["state"], &message["attempt_count"]), (&json!("sent"), &json!(1)));
        assert_eq!(self.wechat.texts(&self.user).await, ["before", "under way", "after"]);
    }

    /// Waits until the user has a card. The sandbox has no long poll for this, so the request is repeated.
    async fn arrived(&self, text: &str) {
        let seen = async {
            while !self.wechat.texts(&self.user).await.iter().any(|seen| seen == text) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, seen).await.expect("the card arrives");
    }
}

/// Runs a system program that must succeed.
async fn system(program: &str, args: &[&str]) {
    let status = Command::new(program).args(args).status().await.unwrap();
    assert!(status.success(), "{program} {args:?}: {status}");
}

/// A small file system in memory. `None` where this process may not mount a file system.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    async fn mount(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={size}");
        let args = ["-t", "tmpfs", "-o", &size, "tmpfs", dir.path().to_str().unwrap()];
        let mounted = Command::new("mount").args(args).stderr(Stdio::null()).status().await;
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(dir));
        }
        eprintln!("not told: this process may not mount a file system");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that is being killed may still have open files.
        let _ = std::process::Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_no_file_may_grow_nothing_accepted_is_lost_and_it_goes_on_by_itself() {
    let wechat = Platform::start(Clock::system()).await;
    let dir = tempfile::tempdir().unwrap();
    let key = create_key(dir.path()).await;
    // A limit of the file size needs no privileges: the system refuses each write beyond the limit. It also sends a signal,
    // which the shell ignores, and so does the program that it starts.
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"trap "" XFSZ; exec "$0" serve --json --listen 127.0.0.1:0"#])
        .arg(env!("CARGO_BIN_EXE_hongyan"))
        .env("HONGYAN_DATA_DIR", dir.path())
        .env("HONGYAN_WECHAT_BASE_URL", &wechat.url)
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let server = Server::start(&mut command).await;
    let pid = server.pid().to_string();
    let limit = async |size: &str| system("prlimit", &["--pid", &pid, &format!("--fsize={size}")]).await;
    let shop = Shop::open(wechat, server.url("gateway"), key).await;
    shop.runs_out_of_space(
        async || limit("1:unlimited").await,
        async || limit("unlimited").await,
        "store_unavailable",
    )
    .await;
    assert!(server.signal("TERM").await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_disk_is_full_nothing_accepted_is_lost_and_it_goes_on_by_itself() {
    let Some(disk) = SmallDisk::mount("3m").await else { return };
    let wechat = Platform::start(Clock::system()).await;
    let key = create_key(disk.path()).await;
    let gateway = Gateway::start(disk.path(), &wechat.url).await;
    let shop = Shop::open(wechat, gateway.url.clone(), key).await;
    let filler = disk.path().join("filler");
    let fill = async || {
        let mut file = std::fs::File::create(&filler).unwrap();
        while file.write(&[0; 4096]).is_ok_and(|written| written > 0) {}
    };
    let free = async || std::fs::remove_file(&filler).unwrap();
    shop.runs_out_of_space(fill, free, "store_full").await;
    assert!(gateway.signal("TERM").await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_system_that_is_read_only_is_refused_at_the_start_in_words() {
    let Some(disk) = SmallDisk::mount("8m").await else { return };
    create_key(disk.path()).await;
    std::fs::write(disk.path().join("master.key"), "0".repeat(64)).unwrap();
    system("mount", &["-o", "remount,ro", disk.path().to_str().unwrap()]).await;
    let output = run(&mut serve(disk.path(), "http://127.0.0.1:9")).await;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{stderr}");
    assert!(stderr.contains("Read-only file system") && stderr.contains("writable"), "{stderr}");
}

/// The middle leaf page of a table in the database file.
fn middle_leaf(database: &Path, table: &str) -> u64 {
    let db = rusqlite::Connection::open(database).unwrap();
    let sql = "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY path";
    let mut statement = db.prepare(sql).unwrap();
    let leaves: Vec<i64> =
        statement.query_map([table], |row| row.get(0)).unwrap().map(|page| page.unwrap()).collect();
    assert!(leaves.len() > 4, "{table} has a middle leaf");
    leaves[leaves.len() / 2] as u64
}

fn overwrite(file: &Path, at: u64) {
    let mut file = std::fs::OpenOptions::new().write(true).open(file).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(&[0xa5; 64]).unwrap();
}

/// The directory of a stopped gateway with some hundred messages; the ids are in order, oldest first.
async fn with_messages(dir: &Path) -> (PathBuf, String, Vec<String>) {
    let wechat = Platform::start(Clock::system()).await;
    let key = create_key(dir).await;
    let gateway = Gateway::start(dir, &wechat.url).await;
    let shop = Shop::open(wechat, gateway.url.clone(), key).await;
    // Each message is to a different user: the explanation of a missing permit reads all messages of a user.
    let messages: Vec<_> = (0..400)
        .map(|n| {
            let mut message = shop.message(&format!("no permit {n}"));
            message["to"] = format!("oNobody{n:021}").into();
            message
        })
        .collect();
    let answer = shop.call(Method::POST, "/v1/messages", &json!({ "messages": messages })).await.expect(202);
    let ids = answer["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["id"].as_str().unwrap().to_owned());
    let ids = ids.collect();
    assert!(gateway.signal("TERM").await.success());
    (dir.join("hongyan.db"), shop.key, ids)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_is_refused_at_the_start_and_a_backup_mends_it() {
    let dir = tempfile::tempdir().unwrap();
    let (database, ..) = with_messages(dir.path()).await;
    let on = |args: &[&str]| {
        let mut command = hongyan(args);
        command.env("HONGYAN_DATA_DIR", dir.path()).current_dir(dir.path());
        command
    };
    assert!(run(&mut on(&["backup", "good.db"])).await.status.success());
    let checked =
        run(&mut on(&["check", "--deep", "--json", "--wechat-base-url", "http://127.0.0.1:9"])).await;
    assert!(String::from_utf8_lossy(&checked.stdout).contains("all pages are intact"), "{checked:?}");

    overwrite(&database, (middle_leaf(&database, "messages") - 1) * 4096);
    let before = std::fs::read(&database).unwrap();
    let output = run(&mut serve(dir.path(), "http://127.0.0.1:9")).await;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{stderr}");
    for words in ["damaged", "hongyan check", "hongyan restore"] {
        assert!(stderr.contains(words), "{words}: {stderr}");
    }
    assert_eq!(std::fs::read(&database).unwrap(), before, "the check did not change the database");
    let checked = run(&mut on(&["check", "--json", "--wechat-base-url", "http://127.0.0.1:9"])).await;
    assert_eq!(checked.status.code(), Some(78));
    let found: Value = serde_json::from_slice(&checked.stdout).unwrap();
    let finding =
        found["checks"].as_array().unwrap().iter().find(|check| check["what"] == "database").unwrap();
    assert_eq!(finding["ok"], false, "{finding}");
    let backup = run(&mut on(&["backup", "bad.db"])).await;
    assert_eq!(backup.status.code(), Some(78), "a damaged copy is not accepted as a backup");
    assert!(!dir.path().join("bad.db").exists());

    assert!(run(&mut on(&["restore", "good.db", "--force"])).await.status.success());
    let server = Server::start(&mut serve(dir.path(), "http://127.0.0.1:9")).await;
    assert!(server.signal("TERM").await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_that_is_met_later_fails_the_call_that_meets_it_and_no_other() {
    let wechat = Platform::start(Clock::system()).await;
    let dir = tempfile::tempdir().unwrap();
    let (database, key, ids) = with_messages(dir.path()).await;
    let page = middle_leaf(&database, "messages");
    // A new process has none of these pages in memory.
    let gateway = Gateway::start(dir.path(), &wechat.url).await;
    overwrite(&database, (page - 1) * 4096);
    let user = wechat.user().await;
    let shop = Shop { http: Http::new(), key, user, url: gateway.url.clone(), wechat };
    let mut damaged = 0;
    for id in &ids {
        let answer = shop.get(&format!("/v1/messages/{id}")).await;
        match answer.status.as_u16() {
            200 => assert_eq!(answer.body["id"], id.as_str()),
            _ => {
                answer.problem(500, "store_damaged");
                damaged += 1;
            }
        }
    }
    assert!((1..100).contains(&damaged), "only the messages of one page are damaged: {damaged}");
    shop.grant_form().await;
    let sent = shop.post("/v1/messages?wait=15", "goes out").await.expect(202);
    assert_eq!(sent["state"], "sent");
    assert_eq!(shop.http.get(&format!("{}/readyz", shop.url)).await.status, 200);
    gateway.kill().await;
}
