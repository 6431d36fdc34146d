//! Damage of the file is noticed by a check, or by the verb that reads the damaged page, and by no other verb.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_ledger::ids::IdMaker;
use hongyan_ledger::{Channel, Lane, MessageId, OnUnknown, PermitPolicy};
use hongyan_store::sqlite::{AT_A_START, Depth, Looked, SqliteConfig, SqliteStore, look};
use hongyan_store::types::{AppRecord, NewMessage, Origin};
use hongyan_store::{Store, StoreError};
use hongyan_wechat::AppId;

const NOW: UnixMillis = UnixMillis(1_790_000_000_000);
const MESSAGES: usize = 3_000;

/// A closed database with an app and some thousand messages; returns the messages' ids, oldest first.
async fn database(dir: &Path) -> (PathBuf, Vec<MessageId>) {
    let path = dir.join("h.db");
    let store = SqliteStore::open(SqliteConfig::new(&path)).unwrap();
    let appid: AppId = "wx0123456789abcdef".parse().unwrap();
    let app = AppRecord::new(appid.clone(), vec![1], [0; 32], NOW);
    store.add_app(app).await.unwrap();
    let ids = IdMaker::new();
    let messages: Vec<_> = (0..MESSAGES)
        .map(|n| {
            let openid = format!("oUser{n}").parse().unwrap();
            NewMessage {
                id: ids.message(Lane::of(&appid, &openid), NOW),
                appid: appid.clone(),
                openid,
                template: "t".parse().unwrap(),
                channel: Channel::Subscribe,
                body: Arc::from([b'x'; 200].as_slice()),
                send_at: NOW.plus(Duration::from_secs(3600)),
                deadline: None,
                policy: PermitPolicy::Try,
                on_unknown: OnUnknown::Hold,
                reserve_now: false,
                reference: None,
                idempotency: None,
                own_permit: None,
                collapse_key: None,
                accepted_at: NOW,
                accepted_by: None,
                origin: Origin::default(),
                start: None,
            }
        })
        .collect();
    let made = messages.iter().map(|message| message.id).collect();
    store.accept(messages).await.unwrap();
    store.close().await;
    (path, made)
}

/// The page numbers of a table or index: its root first, then its leaves in order.
fn pages(path: &Path, tree: &str) -> (u64, Vec<u64>) {
    let db = rusqlite::Connection::open(path).unwrap();
    let root: i64 =
        db.query_row("SELECT rootpage FROM sqlite_schema WHERE name = ?", [tree], |row| row.get(0)).unwrap();
    let sql = "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY path";
    let mut statement = db.prepare(sql).unwrap();
    let leaves = statement.query_map([tree], |row| row.get::<_, i64>(0)).unwrap();
    let leaves: Vec<u64> = leaves.map(|page| page.unwrap() as u64).collect();
    assert!(leaves.len() > 3, "{tree} is large enough to have a middle");
    (root as u64, leaves)
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

/// Overwrites the beginning of a page, which has its kind and the offsets of its cells.
fn damage(path: &Path, page: u64) {
    overwrite(path, (page - 1) * 4096, &[0xa5; 64]);
}

#[track_caller]
fn damaged(looked: Result<Looked, StoreError>) -> String {
    let error = looked.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt(_)), "{error}");
    let words = error.to_string();
    assert!(words.contains("hongyan check") && words.contains("hongyan restore"), "{words}");
    words
}

#[tokio::test]
async fn a_whole_file_is_found_whole_in_every_depth() {
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = database(dir.path()).await;
    for depth in [Depth::AtMost(Duration::from_secs(60)), Depth::Pages, Depth::Indexes] {
        assert_eq!(look(&path, depth, None).unwrap(), Looked::Whole, "{depth:?}");
    }
    assert_eq!(look(&path, Depth::AtMost(Duration::ZERO), None).unwrap(), Looked::InPart);
    let store = SqliteStore::open(SqliteConfig::new(&path)).unwrap();
    assert_eq!(look(&path, Depth::Pages, None).unwrap(), Looked::Whole, "the database may be open");
    let stop: hongyan_store::sqlite::Watcher = Arc::new(|_| false);
    assert_eq!(look(&path, Depth::Pages, Some(&stop)).unwrap(), Looked::InPart, "the watcher stopped it");
    store.close().await;
}

#[tokio::test]
async fn damage_of_every_kind_is_found_at_a_start() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, _) = database(dir.path()).await;
    let (root, leaves) = pages(&whole, "messages");
    let (entries_root, entries_leaves) = pages(&whole, "user_entries");
    let (_, due) = pages(&whole, "messages_due");
    let copy = dir.path().join("copy.db");
    for (what, page) in [
        ("the root of the messages", root),
        ("a leaf of the messages", leaves[leaves.len() / 2]),
        ("the root of the users' entries", entries_root),
        ("a leaf of the users' entries", entries_leaves[entries_leaves.len() / 2]),
        ("a leaf of the open index", due[due.len() / 2]),
    ] {
        std::fs::copy(&whole, &copy).unwrap();
        damage(&copy, page);
        let words = damaged(look(&copy, Depth::AtMost(AT_A_START * 100), None));
        assert!(words.len() < 1_000, "{what}: {words}");
    }
    // Damage the page of the schema, after the file's header.
    std::fs::copy(&whole, &copy).unwrap();
    overwrite(&copy, 100, &[0xa5; 64]);
    damaged(look(&copy, Depth::AtMost(AT_A_START), None));
    // A truncated copy.
    std::fs::copy(&whole, &copy).unwrap();
    let length = std::fs::metadata(&copy).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&copy).unwrap().set_len(length - 4096 * 20).unwrap();
    damaged(look(&copy, Depth::AtMost(Duration::ZERO), None));
    // Damage the first bytes of the file: then nobody can tell which program it belongs to.
    std::fs::copy(&whole, &copy).unwrap();
    overwrite(&copy, 0, &[0xa5; 16]);
    let error = look(&copy, Depth::AtMost(AT_A_START), None).unwrap_err();
    assert!(matches!(error, StoreError::Open { .. }) && error.to_string().contains("damaged"), "{error}");
}

#[tokio::test]
async fn of_a_file_too_large_for_a_start_the_roots_are_looked_at_and_the_rest_on_demand() {
    let dir = tempfile::tempdir().unwrap();
    let (path, ids) = database(dir.path()).await;
    let (root, leaves) = pages(&path, "messages");
    let copy = dir.path().join("copy.db");
    for tree in ["messages", "user_entries", "messages_due"] {
        std::fs::copy(&path, &copy).unwrap();
        damage(&copy, pages(&path, tree).0);
        damaged(look(&copy, Depth::AtMost(Duration::ZERO), None));
    }
    assert_ne!(root, leaves[leaves.len() / 2]);
    damage(&path, leaves[leaves.len() / 2]);
    assert_eq!(look(&path, Depth::AtMost(Duration::ZERO), None).unwrap(), Looked::InPart);
    damaged(look(&path, Depth::Pages, None));

    // The verb that reads the page fails, with the same words; the other verbs succeed.
    let store = SqliteStore::open(SqliteConfig::new(&path)).unwrap();
    let mut failed = 0;
    for &id in &ids {
        match store.message(id).await {
            Ok(message) => assert_eq!(message.unwrap().message.id, id),
            Err(error) => {
                assert!(matches!(error, StoreError::Corrupt(_)), "{error}");
                failed += 1;
            }
        }
    }
    assert!((1..200).contains(&failed), "only messages of one page fail: {failed}");
    store.ping().await.unwrap();
    store.cancel(ids[0], NOW).await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn a_message_and_its_users_entry_that_have_lost_each_other_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, ids) = database(dir.path()).await;
    let copy = dir.path().join("copy.db");
    for (table, words) in
        [("user_entries", "which its user's entries lack"), ("messages", "though its user's entries name it")]
    {
        std::fs::copy(&whole, &copy).unwrap();
        let db = rusqlite::Connection::open(&copy).unwrap();
        let sql = format!("DELETE FROM {table} WHERE id = ?");
        assert_eq!(db.execute(&sql, [ids[0].as_bytes()]).unwrap(), 1);
        drop(db);
        assert_eq!(
            look(&copy, Depth::Pages, None).unwrap(),
            Looked::Whole,
            "SQLite's own check finds nothing"
        );
        let complaint = damaged(look(&copy, Depth::Indexes, None));
        assert!(complaint.contains(words), "{table}: {complaint}");
    }
}
