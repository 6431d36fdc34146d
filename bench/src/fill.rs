//! Fills a gateway's database with messages as if they had come over months. SQL writes the messages in large transactions
//! without syncs, in the order of time and to users in random order, so that the pages of the file lie as after months of
//! use.
//!
//! The statements name the columns of `crates/hongyan-store/migrations/`. A test reads the rows through the store.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use hongyan_clock::{Clock, UnixMillis};
use hongyan_ledger::ids::IdMaker;
use hongyan_ledger::{
    Channel, Lane, MessageState, OnUnknown, PermitId, PermitKind, PermitPolicy, user_number,
};
use rusqlite::{CachedStatement, Connection, Transaction, params};
use serde_json::json;

use crate::Result;
use crate::message::{APPID, TEMPLATE, scatter, user};

/// Rows of one transaction.
const ROWS: u32 = 200_000;

/// The stored messages came over this time.
const PAST: Duration = Duration::from_secs(90 * 24 * 3_600);

/// From now until the first scheduled message: longer than any measurement.
const AHEAD: Duration = Duration::from_secs(24 * 3_600);

/// The scheduled messages are spread over this time.
const SPREAD: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Nobody else uses the file while it is filled, and nobody needs it if the filling fails. The cache has room for the tree
/// by user of ten million messages, which is written in random order.
const SETTINGS: &str = "
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA cache_size = -2097152;
    PRAGMA temp_store = MEMORY;
";

/// What to store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fill {
    /// The number of messages.
    pub(crate) messages: u32,
    /// The number of users, who get the messages in turn. Each user gets a permit.
    pub(crate) users: u32,
    /// Units that are left in each permit.
    pub(crate) units_left: u32,
    pub(crate) kind: Kind,
}

/// The state of the stored messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// WeChat accepted each message at the first attempt, and each message spent a unit.
    Sent,
    /// Each message is due in a day or later.
    Scheduled,
}

/// Writes the messages into the database of a stopped gateway, and returns the size of the file in bytes. Blocks for
/// minutes.
pub(crate) fn fill(database: &Path, fill: Fill) -> Result<u64> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", database.display());
    let filled = || -> rusqlite::Result<()> {
        let mut db = Connection::open(database)?;
        db.execute_batch(SETTINGS)?;
        Filler::new(fill).run(&mut db)?;
        db.close().map_err(|(_, error)| error)
    };
    filled().map_err(|error| failed(&error))?;
    // The measurement must not begin while the kernel still writes the file.
    let file = File::open(database).and_then(|file| file.sync_all().map(|()| file));
    let size = file.and_then(|file| file.metadata()).map_err(|error| failed(&error))?;
    Ok(size.len())
}

struct Filler {
    fill: Fill,
    ids: IdMaker,
    now: UnixMillis,
    /// The lane of each user.
    lanes: Vec<Lane>,
    /// The `user_no` of each user.
    users: Vec<i64>,
    permits: Vec<PermitId>,
}

impl Filler {
    fn new(fill: Fill) -> Self {
        let (ids, now) = (IdMaker::new(), Clock::system().now());
        let app = APPID.parse().expect("the constant is an appid");
        let lane = |number| Lane::of(&app, &user(number).parse().expect("what `user` makes is an openid"));
        let lanes: Vec<Lane> = (0..fill.users).map(lane).collect();
        let number = |openid: u32| {
            let openid = user(openid).parse().expect("what `user` makes is an openid");
            user_number(&app, &openid).cast_signed()
        };
        let users = (0..fill.users).map(number).collect();
        let permits = lanes.iter().map(|&lane| ids.permit(lane, now.minus(PAST))).collect();
        Self { fill, ids, now, lanes, users, permits }
    }

    fn run(&self, db: &mut Connection) -> rusqlite::Result<()> {
        in_parts(db, self.fill.users, |part, numbers| self.users(part, numbers))?;
        in_parts(db, self.fill.messages, |part, numbers| self.messages(part, numbers))
    }

    fn users(&self, part: &Transaction<'_>, numbers: std::ops::Range<u32>) -> rusqlite::Result<()> {
        let mut insert = part.prepare_cached(
            "INSERT INTO user_entries (lane, user_no, entry, appid, openid, id, expires_at, kind, granted, spent, revoked, \
             held, unlimited, granted_at, template) VALUES (?, ?, 0, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?, ?)",
        )?;
        for number in numbers {
            let place = number as usize;
            let spent = if self.fill.kind == Kind::Sent { self.messages_of(number) } else { 0 };
            insert.execute(params![
                self.lanes[place].number(),
                self.users[place],
                APPID,
                user(number),
                self.permits[place].as_bytes(),
                UnixMillis::MAX.0,
                PermitKind::SubscribeOnce.code(),
                spent + self.fill.units_left,
                spent,
                self.now.minus(PAST).0,
                TEMPLATE,
            ])?;
        }
        Ok(())
    }

    /// The number of messages to this user.
    const fn messages_of(&self, user: u32) -> u32 {
        let Fill { messages, users, .. } = self.fill;
        messages / users + if user < messages % users { 1 } else { 0 }
    }

    fn messages(&self, part: &Transaction<'_>, numbers: std::ops::Range<u32>) -> rusqlite::Result<()> {
        let mut message = part.prepare_cached(
            "INSERT INTO messages (id, lane, user_no, appid, openid, template, channel, policy, on_unknown, own_permit, \
             key_hash, fingerprint, accepted_at, send_at, state, wake_at, updated_at, permit_id, permit_held, \
             maybe_delivered, attempts, claimed_at, ended_at, outcome, errcode, outcome_text, body) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, ?, ?, ?, ?, ?, ?)",
        )?;
        let mut entry =
            part.prepare_cached("INSERT INTO user_entries (lane, user_no, entry, id) VALUES (?, ?, ?, ?)")?;
        for number in numbers {
            self.message(number, &mut message, &mut entry)?;
        }
        Ok(())
    }

    fn message(
        &self,
        number: u32,
        message: &mut CachedStatement<'_>,
        entry: &mut CachedStatement<'_>,
    ) -> rusqlite::Result<()> {
        /// From the acceptance of a sent message to its end.
        const UNDER_WAY: Duration = Duration::from_millis(20);
        let to = number % self.fill.users;
        let (lane, openid) = (self.lanes[to as usize], user(to));
        let chance = scatter(u64::from(number));
        let accepted_at = UnixMillis(
            self.now.minus(PAST).0
                + PAST.as_millis() as i64 * i64::from(number) / i64::from(self.fill.messages),
        );
        let id = self.ids.message(lane, accepted_at);
        let key_hash = chance.to_be_bytes();
        let fingerprint = scatter(!chance).to_be_bytes();
        let is_sent = self.fill.kind == Kind::Sent;
        let sent = |value: i64| is_sent.then_some(value);
        let ended_at = accepted_at.plus(UNDER_WAY).0;
        let send_at = if is_sent {
            accepted_at
        } else {
            UnixMillis(self.now.plus(AHEAD).0 + (chance % SPREAD.as_millis() as u64) as i64)
        };
        entry.execute(params![lane.number(), self.users[to as usize], key_hash, id.as_bytes()])?;
        message.execute(params![
            id.as_bytes(),
            lane.number(),
            self.users[to as usize],
            APPID,
            openid,
            TEMPLATE,
            Channel::Subscribe.code(),
            PermitPolicy::Require.code(),
            OnUnknown::Hold.code(),
            key_hash,
            fingerprint,
            accepted_at.0,
            send_at.0,
            if is_sent { MessageState::Sent } else { MessageState::Scheduled }.code(),
            (!is_sent).then_some(send_at.0),
            if is_sent { ended_at } else { accepted_at.0 },
            is_sent.then(|| self.permits[to as usize].as_bytes()),
            u8::from(is_sent),
            sent(accepted_at.0),
            sent(ended_at),
            sent(0), // answered
            sent(0), // with errcode 0
            is_sent.then_some("ok"),
            wechat_body(&openid, number),
        ])?;
        Ok(())
    }
}

/// A body of usual length: about 300 bytes.
fn wechat_body(openid: &str, number: u32) -> Vec<u8> {
    let body = json!({
        "touser": openid,
        "template_id": TEMPLATE,
        "page": "pages/index/index?from=card",
        "data": {
            "thing1": { "value": "拿铁咖啡一杯" },
            "date2": { "value": "2026年5月1日 09:30" },
            "amount3": { "value": "¥18.00" },
            "character_string4": { "value": format!("{number:012}") },
        },
    });
    body.to_string().into_bytes()
}

fn in_parts(
    db: &mut Connection,
    count: u32,
    write: impl Fn(&Transaction<'_>, std::ops::Range<u32>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    for first in (0..count).step_by(ROWS as usize) {
        let transaction = db.transaction()?;
        write(&transaction, first..count.min(first.saturating_add(ROWS)))?;
        transaction.commit()?;
    }
    Ok(())
}

/// The size of an index in bytes.
pub(crate) fn index_bytes(database: &Path, index: &str) -> Result<u64> {
    let size = || -> rusqlite::Result<i64> {
        let sum = "SELECT SUM(pgsize) FROM dbstat WHERE name = ? AND aggregate = TRUE";
        Connection::open(database)?.query_one(sum, [index], |row| row.get(0))
    };
    size().map(i64::unsigned_abs).map_err(|error| format!("{}: {error}", database.display()))
}

#[cfg(test)]
mod tests {
    use hongyan_store::Store;
    use hongyan_store::sqlite::{SqliteConfig, SqliteStore};
    use hongyan_store::types::MessageFilter;

    use super::*;

    async fn filled(dir: &Path, kind: Kind) -> SqliteStore {
        let path = dir.join("h.db");
        SqliteStore::open(SqliteConfig::new(&path)).unwrap().close().await;
        fill(&path, Fill { messages: 250, users: 100, units_left: 5, kind }).unwrap();
        SqliteStore::open(SqliteConfig::new(&path)).unwrap()
    }

    #[tokio::test]
    async fn the_store_reads_what_was_filled_in_and_its_units_add_up() {
        let dir = tempfile::tempdir().unwrap();
        let store = filled(dir.path(), Kind::Sent).await;
        let filter = MessageFilter {
            openid: Some(user(7).parse().unwrap()),
            apps: Some(vec![APPID.parse().unwrap()]),
            limit: 100,
            ..MessageFilter::default()
        };
        let messages = store.messages(filter).await.unwrap().items;
        assert_eq!(messages.len(), 3, "250 messages to 100 users");
        let detail = store.message(messages[0].id).await.unwrap().unwrap();
        assert_eq!(detail.message.state, MessageState::Sent);
        assert_eq!(detail.attempts.len(), 1);
        assert!((250..350).contains(&detail.body.len()), "{}", detail.body.len());

        let now = Clock::system().now();
        let permits = store.permits(APPID.parse().unwrap(), user(7).parse().unwrap(), now).await.unwrap();
        assert_eq!(permits.len(), 1);
        assert_eq!(Some(permits[0].permit.id), detail.message.permit);
        let totals = &permits[0].totals;
        assert!(totals.balance());
        assert_eq!((totals.granted, totals.spent, totals.available), (8, 3, 5));
        store.close().await;
    }

    #[tokio::test]
    async fn scheduled_messages_are_due_in_a_day_and_not_before() {
        let dir = tempfile::tempdir().unwrap();
        let store = filled(dir.path(), Kind::Scheduled).await;
        let now = Clock::system().now();
        let mut next = UnixMillis::MAX;
        for lane in Lane::all() {
            let acquired = store.acquire(lane, "test", now).await.unwrap().unwrap();
            if let Some(at) = acquired.next_wake {
                next = next.min(at);
                let batch = store.claim(lane, acquired.epoch, now, 10).await.unwrap().unwrap();
                assert!(batch.claimed.is_empty());
            }
        }
        assert!(next > now.plus(AHEAD / 2) && next < now.plus(AHEAD + SPREAD), "{next}");
        store.close().await;
        assert!(index_bytes(&dir.path().join("h.db"), "messages_due").unwrap() > 0);
    }
}
