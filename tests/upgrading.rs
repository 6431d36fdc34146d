//! Upgrades of the database by a new version of the gateway, and refused downgrades.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use hongyan_clock::{Clock, UnixMillis};
use hongyan_gateway::config::Settings;
use hongyan_gateway::vault::{Purpose, Vault};
use hongyan_ledger::{Lane, MessageId, WebhookId};
use hongyan_wechat::{AppId, OpenId};
use http::Method;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::operator::{NOBODY, of_nobody, owners};
use crate::process::{Gateway, Server, create_key, run, serve};
use crate::world::{Platform, World, settings};

/// The master key of the databases in these stories.
const MASTER_KEY: [u8; 32] = [7; 32];

/// "Now" for the rows of the fixtures.
const NOW: UnixMillis = UnixMillis(1_790_000_000_000);

const SUBSCRIBE: &str = "/cgi-bin/message/subscribe/send";

fn master_key() -> String {
    hex::encode(MASTER_KEY)
}

fn released(version: i64) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../hongyan-store/tests/released")
        .join(format!("schema-{version}.sql"))
}

/// The newest version that has a fixture.
fn newest() -> i64 {
    (1..1_000).take_while(|&version| released(version).exists()).last().unwrap()
}

/// The user `n` of the fixtures.
fn user(n: i64) -> String {
    format!("oSandboxUser{n:016}")
}

/// The id number `i` of the fixtures, of a row of the user `n`.
fn id(appid: &AppId, i: u8, n: i64) -> [u8; 16] {
    let openid: OpenId = user(n).parse().unwrap();
    let mut id = [0; 16];
    id[..6].copy_from_slice(&NOW.0.to_be_bytes()[2..]);
    id[6] = 0x70;
    id[8] = 0x80;
    id[14] = i;
    id[15] = Lane::of(appid, &openid).number();
    id
}

/// Makes the database of a released schema, with secrets that [`MASTER_KEY`] opens.
fn make(dir: &Path, version: i64, appid: &AppId, app_secret: &str) -> PathBuf {
    let path = dir.join("hongyan.db");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "journal_mode", "WAL").unwrap();
    let text = fs::read_to_string(released(version)).unwrap();
    db.execute_batch(&format!("BEGIN;\n{text}COMMIT;")).unwrap();
    let vault = Vault::from_key(MASTER_KEY);
    let seal = |purpose, text: &str| vault.seal(purpose, appid, &SecretString::from(text));
    db.execute("UPDATE apps SET secret = ?", [seal(Purpose::AppSecret, app_secret)]).unwrap();
    if version >= 4 {
        let token = seal(Purpose::CallbackToken, "token");
        db.execute("UPDATE apps SET callback_token = ?, callback_aes_key = NULL", [token]).unwrap();
    }
    if version >= 5 {
        let owner = WebhookId::from_bytes(id(appid, 50, 1)).to_string();
        let secret = vault.seal_of(Purpose::WebhookSecret, &owner, &SecretString::from("whsec_AAAA"));
        // The gateway refuses this address, so no request leaves the machine.
        db.execute("UPDATE webhooks SET secret = ?, url = 'https://127.0.0.1:9/hook'", [secret]).unwrap();
    }
    db.pragma_update(None, "application_id", 0x6879_676e).unwrap();
    db.pragma_update(None, "user_version", version).unwrap();
    db.close().unwrap();
    path
}

/// What a database says: its schema, and its messages with their states.
fn content(path: &Path) -> (i64, Vec<(Vec<u8>, i64)>) {
    let db = rusqlite::Connection::open(path).unwrap();
    let whole: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
    let version = db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    let mut rows = db.prepare("SELECT id, state FROM messages ORDER BY id").unwrap();
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    (version, rows.map(Result::unwrap).collect())
}

/// Gives the sandbox the users of the fixtures. The sandbox makes up openids, so the openids are replaced in its saved state.
async fn with_users_of_fixtures(wechat: &Platform) {
    let mut invented = Vec::new();
    for _ in 2..=8 {
        invented.push(wechat.user().await);
    }
    let url = format!("{}/_sandbox/state", wechat.url);
    let mut state = wechat.http.get(&url).await.expect(200).to_string();
    for (openid, n) in invented.iter().zip(2..) {
        state = state.replace(openid, &user(n));
    }
    let json = [("content-type", "application/json")];
    wechat.http.send(Method::PUT, &url, &json, state).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_sends_the_open_messages_of_every_released_schema_once() {
    for version in 1..=newest() {
        let clock = Clock::system();
        clock.set(NOW.plus(Duration::from_secs(60)));
        let wechat = Platform::start(clock.clone()).await;
        with_users_of_fixtures(&wechat).await;
        // What the users of the stored permits had accepted; two taps of user 2.
        for n in [2, 2, 3, 6] {
            wechat.subscribe(&user(n), "accept").await;
        }
        let appid: AppId = wechat.seed.appid.parse().unwrap();
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let path = make(dir.path(), version, &appid, &wechat.seed.app_secret);
        let settings = Settings {
            master_key: Some(SecretString::from(master_key())),
            ..settings(dir.path(), &wechat.url)
        };
        let world = World::on(Arc::clone(&dir), settings, wechat, clock).await;
        let message = |i, n| MessageId::from_bytes(id(&appid, i, n)).to_string();
        let state = async |i, n| world.message(&message(i, n)).await["state"].clone();
        let sent = async |i, n| {
            let settled = world.settled(&message(i, n)).await;
            assert_eq!(settled["state"], "sent", "schema {version}, message {i}: {settled}");
        };
        let resolve = async |i, n, outcome: &str| {
            let path = format!("/v1/messages/{}/resolve", message(i, n));
            world.post(&path, json!({ "outcome": outcome })).await.expect(200)
        };
        // Two ready messages of a user, the older first.
        sent(2, 2).await;
        sent(3, 2).await;
        assert_eq!(state(4, 3).await, "scheduled", "schema {version}: in an hour");
        assert_eq!(state(5, 4).await, "waiting", "schema {version}: for a permit");
        world.advance(Duration::from_secs(3_600));
        sent(4, 3).await;
        world.grant_subscription(&user(4)).await;
        sent(5, 4).await;
        // The old gateway had sent two messages and got no answer: message 6 was in flight when the gateway ended. The user may
        // have them, so they are not sent again until an operator says that the user has not got them.
        for (i, n) in [(6, 5), (7, 6)] {
            let unknown = world.settled(&message(i, n)).await;
            assert_eq!(unknown["state"], "unknown", "schema {version}, message {i}: {unknown}");
        }
        assert_eq!(world.wechat.asked(SUBSCRIBE).await, 4, "schema {version}");
        assert_eq!(resolve(6, 5, "sent").await["state"], "sent");
        resolve(7, 6, "not_sent").await;
        sent(7, 6).await;

        // Each card once, each permit used up, and no message is open.
        for (n, cards, spent) in [
            (2, &["order-2", "order-3"][..], 2),
            (3, &["order-4"], 1),
            (4, &["order-5"], 1),
            (5, &[], 1),
            (6, &["order-7"], 1),
        ] {
            assert_eq!(world.wechat.texts(&user(n)).await, cards, "schema {version}: user {n}");
            let totals = world.totals(&user(n)).await;
            assert_eq!(totals["spent"], spent, "schema {version}: user {n}: {totals}");
            assert_eq!((&totals["available"], &totals["reserved"]), (&json!(0), &json!(0)), "{totals}");
        }
        for n in [1, 7, 8] {
            assert!(world.wechat.inbox(&user(n)).await.is_empty(), "schema {version}: user {n}");
        }
        assert_eq!(world.wechat.asked(SUBSCRIBE).await, 5, "schema {version}: one request for each card");
        let open = world.get("/v1/messages?state=scheduled,ready,waiting,sending,unknown").await.expect(200);
        assert_eq!(open, json!({ "messages": [] }), "schema {version}");
        world.stop().await;
        assert_eq!(content(&path).0, newest());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_copy_of_an_upgrade_by_root_belongs_to_the_owner_of_the_database() {
    use std::os::unix::fs::{MetadataExt, chown};
    // Only root can act for another user.
    let Some((_dir, data)) = of_nobody() else { return };
    let appid: AppId = "wx0123456789abcdef".parse().unwrap();
    let path = make(&data, newest() - 1, &appid, "secret");
    chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
    let copy = data.join(format!("hongyan.db.before-schema-{}", newest()));
    let is_nobodys = |what: &str| {
        assert!(owners(&data).iter().all(|(_, owner)| *owner == NOBODY), "{what}: {:?}", owners(&data));
        let about = fs::metadata(&copy).unwrap();
        assert_eq!((about.uid(), about.gid(), about.mode() & 0o777), (NOBODY, NOBODY, 0o600), "{what}");
    };
    // A command that opens the database upgrades the schema.
    create_key(&data).await;
    is_nobodys("key create");
    // So does a start, here on the copy that was put back.
    fs::rename(&copy, &path).unwrap();
    let mut command = serve(&data, "http://127.0.0.1:9");
    let server = Server::start(command.env("HONGYAN_MASTER_KEY", master_key())).await;
    is_nobodys("serve");
    assert!(server.signal("TERM").await.success());
}

/// The bytes of every file in a directory but the lock.
fn bytes(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_none_or(|ending| ending != "lock"))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_a_newer_version_is_refused_before_any_file_is_touched() {
    let (made, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    create_key(made.path()).await;
    let gateway = Gateway::start(made.path(), "http://127.0.0.1:9").await;
    assert!(gateway.signal("TERM").await.success());
    // The newer version is only in the log, as after a crash of the newer program.
    let db = rusqlite::Connection::open(made.path().join("hongyan.db")).unwrap();
    db.pragma_update(None, "user_version", 9999).unwrap();
    for file in ["hongyan.db", "hongyan.db-wal", "master.key"] {
        fs::copy(made.path().join(file), dir.path().join(file)).unwrap();
    }
    drop(db);
    let before = bytes(dir.path());
    assert_eq!(before.len(), 3);
    for _ in 0..2 {
        let output = run(serve(dir.path(), "http://127.0.0.1:9").stdout(Stdio::null())).await;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{stderr}");
        let known = format!("has schema version 9999, this program knows up to {}", newest());
        assert!(stderr.contains(&known) && stderr.contains("newer version"), "{stderr}");
        let after: Vec<_> =
            bytes(dir.path()).into_iter().filter(|(name, _)| !name.ends_with("-shm")).collect();
        assert!(after == before, "a file was touched");
    }
}

/// `hongyan serve` with a limit of the size of its files, in blocks of 512 bytes. The index of the log needs 64 blocks.
fn with_limit(dir: &Path, blocks: u32, copy: bool) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"trap "" XFSZ; ulimit -f "$1"; exec "$0" serve --json --listen 127.0.0.1:0"#])
        .arg(env!("CARGO_BIN_EXE_hongyan"))
        .arg(blocks.to_string())
        .env("HONGYAN_DATA_DIR", dir)
        .env("HONGYAN_WECHAT_BASE_URL", "http://127.0.0.1:9")
        .env("HONGYAN_MASTER_KEY", master_key())
        .env("HONGYAN_COPY_BEFORE_UPGRADE", copy.to_string())
        .env("HONGYAN_LOG", "error")
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_without_space_leaves_the_old_database_and_the_next_start_goes_on() {
    let appid: AppId = "wx0123456789abcdef".parse().unwrap();
    for version in [1, 9] {
        let dir = tempfile::tempdir().unwrap();
        let path = make(dir.path(), version, &appid, "secret");
        let before = content(&path);
        let old = fs::read(&path).unwrap();
        // There is no space for the copy: nothing is upgraded.
        let output = run(&mut with_limit(dir.path(), 80, true)).await;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{stderr}");
        assert!(stderr.contains("copy_before_upgrade = false"), "{stderr}");
        assert!(fs::read(&path).unwrap() == old, "the database was changed");
        let left: Vec<_> = bytes(dir.path()).into_iter().map(|(name, _)| name).collect();
        assert!(!left.iter().any(|name| name.contains(".before-schema-")), "{left:?}");
        // Without a copy, the space ends in the middle of the upgrade.
        for blocks in [80, 120] {
            let output = run(&mut with_limit(dir.path(), blocks, false)).await;
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(78), "{blocks}: {stderr}");
            assert!(stderr.contains("space"), "{stderr}");
            assert_eq!(content(&path), before, "{blocks}: the old version can open it");
        }
        let mut command = serve(dir.path(), "http://127.0.0.1:9");
        let server = Server::start(command.env("HONGYAN_MASTER_KEY", master_key())).await;
        assert!(server.signal("TERM").await.success());
        let (now, messages) = content(&path);
        assert_eq!((now, messages.len()), (newest(), before.1.len()));
        let copy = dir.path().join(format!("hongyan.db.before-schema-{}", newest()));
        assert_eq!(content(&copy), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_says_from_which_schema_to_which_it_upgrades() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), 7, &"wx0123456789abcdef".parse().unwrap(), "secret");
    let log = fs::File::create(dir.path().join("log")).unwrap();
    let mut command = serve(dir.path(), "http://127.0.0.1:9");
    command.env("HONGYAN_MASTER_KEY", master_key()).env("HONGYAN_LOG", "info").stderr(log);
    assert!(Server::start(&mut command).await.signal("TERM").await.success());
    let log = fs::read_to_string(dir.path().join("log")).unwrap();
    let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let said = |words: &str| lines.iter().find(|line| line.to_string().contains(words)).map(Value::to_string);
    for words in ["is upgraded now", "was copied before the upgrade", "was upgraded"] {
        let line = said(words).unwrap_or_else(|| panic!("{words}: {log}"));
        assert!(line.contains('7'), "{line}");
    }
}
