//! Upgrades: a database of every schema that there was is brought to the newest schema, and loses nothing.
//!
//! `released/schema-N.sql` is a database that has the schema N and rows in all its tables. It was made once, by
//! [`the_missing_fixtures_are_written`], and never changes. `released/rows/N.sql` has the rows that came with the schema N.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use hongyan_clock::UnixMillis;
use hongyan_ledger::ids::IdMaker;
use hongyan_ledger::units::Units;
use hongyan_ledger::{
    EventId, Lane, MessageId, MessageState, OnUnknown, PermitKind, WaitingOrder, WebhookId, user_number,
};
use hongyan_store::sqlite::{Depth, Looked, SqliteConfig, SqliteStore, look};
use hongyan_store::types::{
    ActorKind, AuditFilter, EventFilter, FeedCursor, NewPermit, TallyFilter, WebhookStart,
};
use hongyan_store::{PeopleStore, Store};
use hongyan_wechat::{AppId, OpenId};
use refinery::{Runner, Target};
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

/// "Now" for the rows of the fixtures.
const NOW: UnixMillis = UnixMillis(1_790_000_000_000);

/// Marks a file as a database of ours.
const APPLICATION_ID: i32 = 0x6879_676e;

const TEMPLATE: &str = "SandboxSubscribeTemplate-Paid-0000000000001";

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn fixture(version: i32) -> PathBuf {
    folder("tests/released").join(format!("schema-{version}.sql"))
}

/// The version of the newest migration.
fn newest() -> i32 {
    let migrations = refinery::load_sql_migrations(folder("migrations")).unwrap();
    migrations.iter().map(refinery::Migration::version).max().unwrap()
}

fn app() -> AppId {
    "wx0123456789abcdef".parse().unwrap()
}

/// The user `n`: the sandbox gives its users these openids.
fn user(n: i64) -> OpenId {
    format!("oSandboxUser{n:016}").parse().unwrap()
}

fn lane(n: i64) -> Lane {
    Lane::of(&app(), &user(n))
}

/// The id number `i`, of a row of the user `n`.
fn id(i: i64, n: i64) -> [u8; 16] {
    let mut id = [0; 16];
    id[..6].copy_from_slice(&NOW.0.to_be_bytes()[2..]);
    id[6] = 0x70;
    id[8] = 0x80;
    id[14] = u8::try_from(i).unwrap();
    id[15] = lane(n).number();
    id
}

/// A hash that begins with this byte.
fn hash(first: u8) -> [u8; 32] {
    let mut hash = [0; 32];
    hash[0] = first;
    hash
}

/// Gives SQL the functions of the migrations and of the rows.
fn functions(db: &Connection) {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    db.create_scalar_function("user_number", 2, flags, |arguments| {
        let (appid, openid): (String, String) = (arguments.get(0)?, arguments.get(1)?);
        Ok(user_number(&appid.parse().unwrap(), &openid.parse().unwrap()).cast_signed())
    })
    .unwrap();
    db.create_scalar_function("app", 0, flags, |_| Ok(app().to_string())).unwrap();
    db.create_scalar_function("user_id", 1, flags, |arguments| Ok(user(arguments.get(0)?).to_string()))
        .unwrap();
    db.create_scalar_function("lane", 1, flags, |arguments| Ok(lane(arguments.get(0)?).number())).unwrap();
    db.create_scalar_function("id", 2, flags, |arguments| {
        Ok(id(arguments.get(0)?, arguments.get(1)?).to_vec())
    })
    .unwrap();
    db.create_scalar_function("hash", 1, flags, |arguments| Ok(hash(arguments.get(0)?).to_vec())).unwrap();
    db.create_scalar_function("event_id", 1, flags, |arguments| {
        Ok(IdMaker::new().webhook_event(arguments.get(0)?, NOW).as_bytes().to_vec())
    })
    .unwrap();
}

/// The statements that make a database anew.
fn dump(db: &Connection) -> String {
    let mut text = String::new();
    let mut objects = db
        .prepare("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid")
        .unwrap();
    let objects: Vec<(String, String, String)> = objects
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let (tables, indexes): (Vec<_>, Vec<_>) = objects.into_iter().partition(|(kind, ..)| kind == "table");
    for (_, name, sql) in &tables {
        writeln!(text, "{sql};").unwrap();
        rows(db, name, &mut text);
    }
    for (.., sql) in &indexes {
        writeln!(text, "{sql};").unwrap();
    }
    if db.table_exists(None, "sqlite_sequence").unwrap() {
        writeln!(text, "DELETE FROM sqlite_sequence;").unwrap();
        rows(db, "sqlite_sequence", &mut text);
    }
    text
}

fn rows(db: &Connection, table: &str, text: &mut String) {
    let columns: Vec<String> = db
        .prepare(&format!("SELECT 'quote(\"' || name || '\")' FROM pragma_table_info('{table}')"))
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let sql = format!("SELECT {} FROM {table}", columns.join(" || ', ' || "));
    let mut statement = db.prepare(&sql).unwrap();
    for row in statement.query_map([], |row| row.get::<_, String>(0)).unwrap() {
        writeln!(text, "INSERT INTO {table} VALUES ({});", row.unwrap()).unwrap();
    }
}

/// Makes the database of a fixture.
fn load(version: i32, path: Option<&Path>) -> Connection {
    let db = path.map_or_else(Connection::open_in_memory, Connection::open).unwrap();
    let text = fs::read_to_string(fixture(version)).unwrap_or_else(|_| {
        panic!(
            "there is no fixture of schema {version}; CONTRIBUTING.md says how a migration gets its fixture"
        )
    });
    db.execute_batch(&format!("BEGIN;\n{text}COMMIT;")).unwrap();
    db.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
    db.pragma_update(None, "user_version", version).unwrap();
    db
}

#[test]
#[ignore = "writes files: cargo test -p hongyan-store --test upgrade -- --ignored"]
fn the_missing_fixtures_are_written() {
    let migrations = refinery::load_sql_migrations(folder("migrations")).unwrap();
    for version in (1..=newest()).filter(|&version| !fixture(version).exists()) {
        let mut db = match version {
            1 => Connection::open_in_memory().unwrap(),
            _ => load(version - 1, None),
        };
        functions(&db);
        Runner::new(&migrations).set_target(Target::Version(version)).run(&mut db).unwrap();
        if let Ok(rows) = fs::read_to_string(folder("tests/released/rows").join(format!("{version}.sql"))) {
            db.execute_batch(&rows).unwrap();
        }
        fs::write(fixture(version), dump(&db)).unwrap();
    }
}

#[tokio::test]
async fn a_database_of_every_schema_is_upgraded_and_nothing_is_lost() {
    for version in 1..=newest() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("h.db");
        load(version, Some(&path)).close().unwrap();
        let store = SqliteStore::open(SqliteConfig::new(&path)).unwrap();
        assert_eq!(look(&path, Depth::Indexes, None).unwrap(), Looked::Whole, "schema {version}");
        let found = Found { version, store };
        found.messages().await;
        found.permits().await;
        found.apps_and_credentials().await;
        found.events().await;
        found.webhook().await;
        found.people_and_records().await;
        found.open_messages_are_claimed().await;
        found.store.close().await;
    }
}

/// An upgraded database, and the version of its fixture.
struct Found {
    version: i32,
    store: SqliteStore,
}

impl Found {
    async fn message(&self, i: i64, n: i64) -> hongyan_store::types::MessageDetail {
        let message = self.store.message(MessageId::from_bytes(id(i, n))).await.unwrap();
        message.unwrap_or_else(|| panic!("schema {}: the message {i} is lost", self.version))
    }

    async fn units(&self, n: i64) -> Vec<(PermitKind, Units)> {
        let permits = self.store.permits(app(), user(n), NOW).await.unwrap();
        assert!(permits.iter().all(|view| view.totals.balance()), "schema {}: {permits:?}", self.version);
        permits.into_iter().map(|view| (view.permit.kind, view.permit.units)).collect()
    }

    async fn messages(&self) {
        use MessageState as S;
        let version = self.version;
        let mut expected = vec![
            (1, 1, S::Sent),
            (2, 2, S::Ready),
            (3, 2, S::Ready),
            (4, 3, S::Scheduled),
            (5, 4, S::Waiting),
            (6, 5, S::Sending),
            (7, 6, S::Unknown),
            (8, 7, S::Failed),
            (9, 8, S::Sent),
            (10, 8, S::Cancelled),
            (11, 8, S::Expired),
        ];
        if version >= 2 {
            expected.push((20, 2, S::Cancelled));
        }
        for (i, n, state) in expected {
            let found = self.message(i, n).await;
            assert_eq!(found.message.state, state, "schema {version}: message {i}");
            assert!(!found.body.is_empty());
            if i < 20 {
                assert_eq!(found.message.reference.as_deref(), Some(&*format!("order-{i}")));
                assert!(String::from_utf8(found.body).unwrap().contains(&format!("order-{i}\"")));
            }
        }
        let failed = self.message(8, 7).await;
        assert_eq!(failed.attempts.len(), 2, "schema {version}");
        let resolved = self.message(9, 8).await;
        assert_eq!(resolved.resolutions.len(), usize::from(version >= 3), "schema {version}");
        let sender = self.message(1, 1).await.accepted_by.map(|by| by.kind);
        assert_eq!(sender, (version >= 16).then_some(ActorKind::Key), "schema {version}");
        let origin = self.message(1, 1).await.origin;
        assert_eq!(origin.request_id.as_deref(), (version >= 17).then_some("r-1"), "schema {version}");
        assert_eq!(origin.traceparent.as_deref(), (version >= 17).then_some(TRACE), "schema {version}");
    }

    async fn permits(&self) {
        use PermitKind as K;
        let units = |granted, spent, revoked, held| Units { granted, spent, revoked, held, unlimited: false };
        for (n, expected) in [
            (1, vec![(K::SubscribeOnce, units(1, 1, 0, 0))]),
            (2, vec![(K::SubscribeOnce, units(2, 0, 0, 0))]),
            (3, vec![(K::SubscribeOnce, units(1, 0, 0, 1))]),
            (4, vec![]),
            // The unit of the message in flight.
            (5, vec![(K::SubscribeOnce, units(1, 1, 0, 0))]),
            (6, vec![(K::SubscribeOnce, units(1, 0, 0, 1))]),
            (7, vec![(K::SubscribeOnce, units(2, 0, 1, 0))]),
            (
                8,
                vec![
                    (K::SubscribeOnce, units(1, 1, 0, 0)),
                    (K::Form, units(1, 0, 0, 0)),
                    (K::Payment, units(3, 1, 0, 0)),
                    (K::SubscribeLongTerm, Units { unlimited: true, ..units(2, 2, 0, 0) }),
                ],
            ),
        ] {
            let mut found = self.units(n).await;
            assert_eq!(found.len(), expected.len(), "schema {}: user {n}: {found:?}", self.version);
            for one in &expected {
                let at = found.iter().position(|own| own == one);
                found.remove(at.unwrap_or_else(|| panic!("schema {}: user {n} lacks {one:?}", self.version)));
            }
        }
        let views = self.store.permits(app(), user(8), NOW).await.unwrap();
        let expired: u32 = views.iter().map(|view| view.totals.expired).sum();
        assert_eq!(expired, 1, "schema {}: the form", self.version);
    }

    async fn apps_and_credentials(&self) {
        let (version, store) = (self.version, &self.store);
        let record = store.app(app()).await.unwrap().unwrap();
        let settings = &record.settings;
        assert_eq!((settings.name.as_str(), &settings.secret), ("Tea house", &vec![1]));
        assert_eq!(
            (settings.stable_token, settings.on_unknown, settings.payment_units),
            (false, OnUnknown::Resend, 2)
        );
        let order = if version >= 3 { WaitingOrder::NewestFirst } else { WaitingOrder::OldestFirst };
        assert_eq!(settings.waiting_order, order, "schema {version}");
        assert_eq!(settings.callback.as_ref().map(|callback| callback.token[0]), (version >= 4).then_some(5));
        assert_eq!(settings.resend_unknown_after_seconds, (version >= 4).then_some(600));
        assert_eq!(settings.truncate, version >= 6);
        assert_eq!(record.version, if version >= 9 { 12 } else { 0 });
        assert_eq!(store.templates(app()).await.unwrap()[0].template_id.as_str(), TEMPLATE);
        let token = store.token(app()).await.unwrap().unwrap();
        assert_eq!((token.generation, token.value), (7, vec![2]));
        let token = store.gateway_token(hash(0x11), NOW).await.unwrap().unwrap();
        assert_eq!(token.service.as_deref(), (version >= 7).then_some("shop"), "schema {version}");
        let key = store.key(hash(0x21)).await.unwrap().unwrap();
        assert!(key.is_good(NOW) && key.scopes == ["messages", "permits"], "schema {version}: {key:?}");
        assert_eq!(key.apps, (version >= 8).then(|| vec![app()]));
        assert_eq!(key.created_by.map(|by| by.kind), (version >= 12).then_some(ActorKind::CommandLine));
        assert!(store.key(hash(0x22)).await.unwrap().unwrap().revoked_at.is_some());
        let session = store.session(lane(1), hash(0x31), NOW).await.unwrap().unwrap();
        assert_eq!(session.openid, user(1));
        assert_eq!(store.session_keys(app(), user(1)).await.unwrap().len(), 2);
    }

    async fn events(&self) {
        let filter = EventFilter { limit: 10, ..EventFilter::default() };
        let events = self.store.events(filter).await.unwrap().items;
        let own = [EventId::from_bytes(id(40, 1)), EventId::from_bytes(id(41, 8))];
        let kept = own.iter().filter(|id| events.iter().any(|event| event.id == **id)).count();
        assert_eq!(kept, if self.version >= 4 { 2 } else { 0 }, "schema {}", self.version);
        let open = self.store.open_events(lane(8), NOW, 10).await.unwrap().due;
        assert_eq!(open.len(), usize::from(self.version >= 4), "schema {}", self.version);
        let heard = self.store.callback_status(app()).await.unwrap();
        assert_eq!(heard.verified_at.is_some(), self.version >= 4);
    }

    async fn webhook(&self) {
        let (version, store) = (self.version, &self.store);
        let hook = WebhookId::from_bytes(id(50, 1));
        let Some(WebhookStart { record, cursor }) = store.webhook_start(hook).await.unwrap() else {
            assert!(version < 5, "schema {version}: the webhook is lost");
            return;
        };
        assert_eq!((record.url.as_str(), &record.secret), ("https://shop.example/hook", &vec![7]));
        assert_ne!(cursor, FeedCursor::default());
        let next = store.feed(hook, cursor, 10).await.unwrap().deliveries;
        assert_eq!(next[0].traceparent.as_deref(), (version >= 17).then_some(TRACE), "schema {version}");
        let next: Vec<i64> = next.iter().map(|event| event.id.number()).collect();
        assert_eq!(next, [3, 4], "schema {version}: it goes on behind its cursor");
        let later = UnixMillis(NOW.0 + 60_000);
        let due = store.due_deliveries(hook, later, 10).await.unwrap();
        assert_eq!(due.iter().map(|event| event.id.number()).collect::<Vec<_>>(), [2], "schema {version}");
    }

    async fn people_and_records(&self) {
        let (version, store) = (self.version, &self.store);
        let lines = store.audit(AuditFilter { limit: 10, ..AuditFilter::default() }).await.unwrap();
        assert_eq!(lines.len(), usize::from(version >= 8), "schema {version}");
        let fields: Vec<_> = lines.iter().flat_map(|line| &line.fields).collect();
        assert_eq!(fields.len(), if version >= 18 { 2 } else { 0 }, "schema {version}: {fields:?}");
        let people = store.people().await.unwrap();
        assert_eq!(people.len(), usize::from(version >= 13), "schema {version}");
        for person in people {
            let sessions = store.console_sessions(person.id, NOW).await.unwrap();
            let from: Vec<_> =
                sessions.into_iter().map(|session| (session.address, session.user_agent)).collect();
            let known = |text: &str| (version >= 19).then(|| text.to_owned());
            assert_eq!(from, [(known("192.0.2.7"), known("curl/8.5.0"))], "schema {version}");
        }
        let filter = TallyFilter {
            since: UnixMillis(1_789_900_000_000),
            until: NOW,
            step: hongyan_ledger::tally::TallyStep::Hour,
            apps: None,
            template: None,
            by: None,
        };
        let counted = store.tallies(filter).await.unwrap().steps;
        let sum: u64 = counted.iter().map(|(.., count)| count).sum();
        assert_eq!(sum, if version >= 15 { 9 } else { 0 }, "schema {version}");
    }

    /// The last check, because it changes the messages.
    async fn open_messages_are_claimed(&self) {
        let (version, store) = (self.version, &self.store);
        let later = UnixMillis(NOW.0 + 7_200_000);
        let permit = NewPermit {
            id: IdMaker::new().permit(lane(4), NOW),
            appid: app(),
            openid: user(4),
            kind: PermitKind::SubscribeOnce,
            code: None,
            template: Some(TEMPLATE.parse().unwrap()),
            count: 1,
            expires_at: None,
            reported_by: None,
            claim: None,
        };
        store.grant(vec![permit], later).await.unwrap();
        // As a gateway does at its start: no other node of this file can be alive.
        store.forget_nodes().await.unwrap();
        let (mut in_flight, mut claimed) = (Vec::new(), Vec::new());
        for lane in Lane::all() {
            let acquired = store.acquire(lane, "test", later).await.unwrap().unwrap();
            in_flight.extend(acquired.sending.iter().map(|message| message.id));
            let taken = store.claim(lane, acquired.epoch, later, 10).await.unwrap().unwrap().claimed;
            claimed.extend(taken.iter().map(|message| message.id));
        }
        let of = |pairs: &[(i64, i64)]| {
            let mut ids: Vec<_> = pairs.iter().map(|&(i, n)| MessageId::from_bytes(id(i, n))).collect();
            ids.sort();
            ids
        };
        claimed.sort();
        assert_eq!(in_flight, of(&[(6, 5)]), "schema {version}");
        assert_eq!(claimed, of(&[(2, 2), (4, 3), (5, 4)]), "schema {version}");
        // The second message of the user 2 waits for the first, as before.
        assert_eq!(self.message(3, 2).await.message.state, MessageState::Ready);
        for n in 1..=8 {
            self.units(n).await;
        }
    }
}
