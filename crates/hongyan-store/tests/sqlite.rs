//! The SQLite backend: the conformance suite, and tests of what only a file has.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::path::Path;
use std::sync::Arc;

use hongyan_clock::UnixMillis;
use hongyan_ledger::ids::IdMaker;
use hongyan_ledger::units::Units;
use hongyan_ledger::{Channel, Lane, MessageId, MessageState, OnUnknown, PermitPolicy};
use hongyan_store::conformance::{self, Database};
use hongyan_store::sqlite::{Depth, Looked, SqliteConfig, SqliteStore, look};
use hongyan_store::types::{Accepted, AppRecord, FeedCursor, Idempotency, MessageFilter, NewMessage, Origin};
use hongyan_store::{Store, StoreError};

const NOW: UnixMillis = UnixMillis(1_790_000_000_000);

fn open(path: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(SqliteConfig::new(path))
}

/// A file in a directory of its own.
struct File(tempfile::TempDir);

#[async_trait::async_trait]
impl Database for File {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(open(&self.0.path().join("h.db")).unwrap())
    }

    /// Another handle of the same store. The writer keeps in memory what it wrote, so one store has the file for itself
    /// while it serves. Another process may only open the file for a moment, without serving
    /// (`a_second_process_may_open_the_same_file`).
    async fn open_beside(&self, first: &Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::clone(first)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_what_every_backend_must_do() {
    conformance::run(|| File(tempfile::tempdir().unwrap())).await;
}

fn app() -> AppRecord {
    AppRecord::new("wx0123456789abcdef".parse().unwrap(), vec![1], [0; 32], NOW)
}

fn message(ids: &IdMaker, openid: &str) -> NewMessage {
    let openid = openid.parse().unwrap();
    NewMessage {
        id: ids.message(Lane::of(&app().appid, &openid), NOW),
        appid: app().appid,
        openid,
        template: "t".parse().unwrap(),
        channel: Channel::Subscribe,
        body: Arc::from(&b"{}"[..]),
        send_at: NOW,
        deadline: None,
        policy: PermitPolicy::Try,
        on_unknown: OnUnknown::Hold,
        reserve_now: false,
        reference: None,
        collapse_key: None,
        idempotency: None,
        own_permit: None,
        accepted_at: NOW,
        accepted_by: None,
        origin: Origin::default(),
        start: None,
    }
}

async fn fill(store: &SqliteStore) -> MessageId {
    store.add_app(app()).await.unwrap();
    let mut new = message(&IdMaker::new(), "oUser");
    let id = new.id;
    let acquired = store.acquire(id.lane().unwrap(), "test", NOW).await.unwrap().unwrap();
    new.start = Some(acquired.epoch);
    store.accept(vec![new]).await.unwrap();
    id
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_close() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("h.db");
    let store = open(&path).unwrap();
    let id = fill(&store).await;
    store.close().await;
    assert!(!dir.path().join("h.db-wal").exists(), "a closed database is one file");
    let store = open(&path).unwrap();
    assert_eq!(store.message(id).await.unwrap().unwrap().message.id, id);
    assert_eq!(store.apps().await.unwrap(), [app()]);
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("h.db");
    let store = open(&path).unwrap();
    let id = fill(&store).await;
    // What a power cut leaves: the file and its log as they are at this moment, without closing anything.
    let left = dir.path().join("left.db");
    std::fs::copy(&path, &left).unwrap();
    std::fs::copy(dir.path().join("h.db-wal"), dir.path().join("left.db-wal")).unwrap();
    let recovered = open(&left).unwrap();
    let lane = id.lane().unwrap();
    let sending = recovered.acquire(lane, "test", NOW).await.unwrap().unwrap().sending;
    assert_eq!(sending.len(), 1, "it was in flight, and the next process knows");
    assert_eq!(sending[0].id, id);
    drop(store);
}

#[tokio::test]
async fn a_second_process_may_open_the_same_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("h.db");
    let server = open(&path).unwrap();
    let id = fill(&server).await;
    let command_line = open(&path).unwrap();
    assert!(command_line.message(id).await.unwrap().is_some());
    command_line.ping().await.unwrap();
    command_line.close().await;
    server.ping().await.unwrap();
}

#[tokio::test]
async fn many_at_once_are_all_stored() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("h.db")).unwrap();
    store.add_app(app()).await.unwrap();
    let ids = Arc::new(IdMaker::new());
    let tasks: Vec<_> = (0..500)
        .map(|n| {
            let (store, ids) = (store.clone(), Arc::clone(&ids));
            tokio::spawn(async move {
                let new = message(&ids, &format!("oUser{n}"));
                let id = new.id;
                store.accept(vec![new]).await.unwrap();
                id
            })
        })
        .collect();
    for task in tasks {
        let id = task.await.unwrap();
        assert!(store.message(id).await.unwrap().is_some());
    }
}

/// A database that a gateway with schema 7 made: four users with permits, messages with and without idempotency keys, a
/// webhook and its events.
fn of_schema_7(path: &Path) {
    let db = rusqlite::Connection::open(path).unwrap();
    db.execute_batch(include_str!("released/gateway-7.sql")).unwrap();
    db.pragma_update(None, "application_id", 1_752_786_798).unwrap();
    db.pragma_update(None, "user_version", 7).unwrap();
}

#[tokio::test]
async fn a_database_of_an_older_release_is_brought_along() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("h.db");
    of_schema_7(&path);
    let old = rusqlite::Connection::open(&path).unwrap();
    let mut rows = old
        .prepare("SELECT id, lane, openid, template, channel, key_hash, fingerprint FROM messages")
        .unwrap();
    let messages: Vec<(MessageId, NewMessage)> = rows
        .query_map([], |row| {
            let key: (Option<[u8; 8]>, Option<[u8; 8]>) = (row.get(5)?, row.get(6)?);
            let mut new = message(&IdMaker::new(), &row.get::<_, String>(2)?);
            new.template = row.get::<_, String>(3)?.parse().unwrap();
            new.channel = Channel::from_code(row.get(4)?).unwrap();
            new.idempotency =
                key.0.zip(key.1).map(|(key_hash, fingerprint)| Idempotency { key_hash, fingerprint });
            Ok((MessageId::from_bytes(row.get(0)?), new))
        })
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let permits_of = |openid: &str, what: &str| -> i64 {
        let sql = format!("SELECT {what} FROM permits WHERE openid = ?");
        old.query_row(&sql, [openid], |row| row.get(0)).unwrap()
    };
    let count_of =
        |user: &NewMessage| messages.iter().filter(|(_, other)| other.openid == user.openid).count();
    let counted: Vec<_> = messages
        .iter()
        .map(|(_, new)| {
            let sums = ["COUNT(*)", "SUM(granted)", "SUM(spent)", "SUM(held)"];
            (new, count_of(new), sums.map(|what| permits_of(new.openid.as_str(), what)))
        })
        .collect();

    let store = open(&path).unwrap();
    assert_eq!(look(&path, Depth::Indexes, None).unwrap(), Looked::Whole);
    let keys = store.keys().await.unwrap();
    assert!(!keys.is_empty() && keys.iter().all(|key| key.created_by.is_none()), "{keys:?}");
    for (user, count, sums) in counted {
        let filter = MessageFilter {
            apps: Some(vec![user.appid.clone()]),
            openid: Some(user.openid.clone()),
            limit: 100,
            ..MessageFilter::default()
        };
        assert_eq!(store.messages(filter).await.unwrap().items.len(), count, "{}", user.openid);
        let permits = store.permits(user.appid.clone(), user.openid.clone(), NOW).await.unwrap();
        let sum =
            |of: fn(&Units) -> u32| permits.iter().map(|view| i64::from(of(&view.permit.units))).sum::<i64>();
        let now = [
            permits.len() as i64,
            sum(|units| units.granted),
            sum(|units| units.spent),
            sum(|units| units.held),
        ];
        assert_eq!(now, sums, "{}", user.openid);
    }
    let (mut repeated, mut cancelled) = (0, 0);
    for (id, mut new) in messages {
        if new.idempotency.is_some() {
            new.id = IdMaker::new().message(Lane::of(&new.appid, &new.openid), NOW);
            let answer = store.accept(vec![new]).await.unwrap().remove(0);
            assert!(matches!(&answer, Accepted::Replayed { id: first, .. } if *first == id), "{answer:?}");
            repeated += 1;
        } else if store.message(id).await.unwrap().unwrap().message.state == MessageState::Scheduled {
            let user = (new.appid, new.openid);
            let held = async || {
                let permits = store.permits(user.0.clone(), user.1.clone(), NOW).await.unwrap();
                permits.iter().map(|view| view.permit.units.held).sum::<u32>()
            };
            let before = held().await;
            store.cancel(id, NOW).await.unwrap();
            assert_eq!(held().await + 1, before, "the unit that it kept is free again");
            cancelled += 1;
        }
    }
    assert_eq!((repeated, cancelled), (6, 4));
}

/// Makes a database, and marks it with this version.
async fn with_version(path: &Path, version: i64) {
    let store = open(path).unwrap();
    store.close().await;
    let raw = rusqlite::Connection::open(path).unwrap();
    raw.pragma_update(None, "user_version", version).unwrap();
    raw.close().unwrap();
}

#[tokio::test]
async fn a_newer_database_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("h.db");
    with_version(&path, 9999).await;
    let before = std::fs::read(&path).unwrap();
    let refused = open(&path).unwrap_err();
    assert!(matches!(refused, StoreError::Newer { found: 9999, .. }), "{refused}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_file_of_another_program_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other.db");
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute_batch("CREATE TABLE theirs (x)").unwrap();
    raw.close().unwrap();
    let text = dir.path().join("notes.txt");
    std::fs::write(&text, "Not a database at all, but long enough to have a header of sorts.\n".repeat(9))
        .unwrap();
    for path in [path, text] {
        let before = std::fs::read(&path).unwrap();
        let refused = open(&path).unwrap_err();
        assert!(matches!(refused, StoreError::Open { .. }), "{refused}");
        assert!(refused.to_string().contains("not touched"), "{refused}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}

#[test]
fn a_place_where_no_file_can_be_is_refused_with_words() {
    let dir = tempfile::tempdir().unwrap();
    let missing = open(&dir.path().join("missing").join("h.db")).unwrap_err();
    assert!(missing.to_string().contains("make it first"), "{missing}");
    let directory = open(dir.path()).unwrap_err();
    assert!(directory.to_string().contains("name a file"), "{directory}");
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let below_a_file = open(&file.join("h.db")).unwrap_err();
    assert!(matches!(below_a_file, StoreError::Open { .. }), "{below_a_file}");
}

#[test]
fn an_empty_file_is_a_new_database() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("h.db");
    std::fs::write(&path, "").unwrap();
    open(&path).unwrap();
    open(&path).unwrap();
}

#[tokio::test]
async fn a_copy_that_is_put_back_holds_what_was_due_since_and_keeps_what_is_for_later() {
    use std::time::Duration;

    use hongyan_ledger::webhook::{EventType, Filter, Health};
    use hongyan_ledger::{MessageState, ReasonCode};
    use hongyan_store::sqlite::{PutBack, Watcher, copy, put_back};
    use hongyan_store::types::WebhookRecord;

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("h.db");
    let store = open(&path).unwrap();
    let sending = fill(&store).await;
    let ids = IdMaker::new();
    let at = |seconds| NOW.plus(Duration::from_secs(seconds));
    let scheduled = |openid: &str, seconds| NewMessage { send_at: at(seconds), ..message(&ids, openid) };
    let (soon, later) = (scheduled("oSoon", 10), scheduled("oLater", 1_000));
    let (soon_id, later_id) = (soon.id, later.id);
    store.accept(vec![soon, later]).await.unwrap();
    let webhook = WebhookRecord {
        id: ids.webhook(NOW),
        url: "https://example.com/".into(),
        description: String::new(),
        filter: Filter::default(),
        secret: vec![1],
        previous_secret: None,
        disabled: None,
        health: Health::default(),
        last: None,
        created_at: NOW,
        updated_at: NOW,
    };
    store.add_webhook(webhook.clone()).await.unwrap();
    let watcher: Watcher = Arc::new(|_| true);
    let backup = dir.path().join("backup.db");
    copy(&path, &backup, &watcher).unwrap();
    assert!(copy(&path, &backup, &watcher).is_err(), "it takes no other file's place");

    let order = |went_on_until| PutBack { went_on_until, pause: None, now: at(100) };
    for (went_on_until, unknown, state) in
        [(Some(at(100)), 1, MessageState::Unknown), (None, 0, MessageState::Scheduled)]
    {
        let restored = dir.path().join(format!("restored-{unknown}.db"));
        let done = put_back(&backup, &restored, &order(went_on_until), &watcher).unwrap();
        assert_eq!((done.unknown, done.open, done.sending, done.paused), (unknown, 2 - unknown, 1, 0));
        let store = open(&restored).unwrap();
        let look = async |id| store.message(id).await.unwrap().unwrap().message;
        let due = look(soon_id).await;
        assert_eq!(due.state, state);
        assert_eq!(due.reason, (unknown > 0).then_some(ReasonCode::Restored));
        assert_eq!(look(later_id).await.state, MessageState::Scheduled);
        assert_eq!(look(sending).await.state, MessageState::Sending);
        let told = store.feed(webhook.id, FeedCursor::default(), 10).await.unwrap().deliveries;
        let told: Vec<_> = told.into_iter().map(|event| (event.kind, event.data)).collect();
        match told.as_slice() {
            [] => assert_eq!(unknown, 0),
            [(EventType::MessageUnknown, data)] => {
                assert!(data.contains(&soon_id.to_string()) && data.contains("restored"), "{data}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(told.len() as u64, unknown);
        // Messages that were held back have no timer; the others ring as before.
        let lane = soon_id.lane().unwrap();
        let epoch = store.acquire(lane, "test", at(100)).await.unwrap().unwrap().epoch;
        let claimed = store.claim(lane, epoch, at(100), 10).await.unwrap().unwrap().claimed;
        assert_eq!(claimed.iter().any(|claimed| claimed.id == soon_id), unknown == 0);
        store.close().await;
    }
    store.close().await;
}
