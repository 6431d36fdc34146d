//! What months of use leave in a database beside messages, as far as the console's pages read it: users who logged in,
//! figures over time, and a template.
//!
//! The statements name the columns of `crates/hongyan-store/migrations/`; the measurement reads what they write through
//! the console's pages.

use std::path::Path;

use hongyan_clock::{Clock, UnixMillis};
use hongyan_ledger::tally::{HOURS_KEPT, MINUTES_KEPT, TallyStep};
use hongyan_ledger::{Channel, Lane, ReasonCode};
use rusqlite::{Connection, Transaction, params};

use crate::Result;
use crate::message::{APPID, TEMPLATE, scatter, user};

/// As many templates have figures of each step.
const TEMPLATES: u32 = 5;

/// What is counted of a template in a step: what it is, for which reason, with which code, and how often.
///
/// Accepted; sent, by the lag's bucket; refused by the user; failed; expired.
const COUNTS: [(i64, &str, i64, i64); 8] = [
    (0, "", 0, 600),
    (1, "", 4, 300),
    (1, "", 5, 200),
    (1, "", 6, 60),
    (1, "", 9, 20),
    (3, ReasonCode::WechatRefused.name(), 43_101, 12),
    (4, ReasonCode::WechatRefused.name(), 47_003, 4),
    (6, "", 0, 4),
];

/// Writes it into the database of a gateway that has been stopped.
pub(super) fn fill(database: &Path, users: u32) -> Result {
    let filled = || -> rusqlite::Result<()> {
        let mut db = Connection::open(database)?;
        db.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -524288;")?;
        let transaction = db.transaction()?;
        fill_users(&transaction, users)?;
        fill_tallies(&transaction)?;
        fill_templates(&transaction)?;
        transaction.commit()?;
        db.close().map_err(|(_, error)| error)
    };
    filled().map_err(|error| format!("{}: {error}", database.display()))
}

/// All users have logged in, in no order; the pages find them by openid.
fn fill_users(db: &Transaction<'_>, users: u32) -> rusqlite::Result<()> {
    let app = APPID.parse().expect("the constant is an appid");
    let now = Clock::system().now();
    let mut insert = db.prepare(
        "INSERT INTO users (lane, appid, openid, unionid, session_key, logged_in_at) VALUES (?, ?, ?, ?, ?, ?)",
    )?;
    for number in 0..users {
        let openid = user(number);
        let lane = Lane::of(&app, &openid.parse().expect("what `user` makes is an openid"));
        let unionid = format!("uB{:016x}", scatter(u64::from(number)));
        insert.execute(params![lane.number(), APPID, openid, unionid, [7_u8; 60], now.0])?;
    }
    Ok(())
}

/// A template that the gateway knows, with the fields of the stored messages. No message that is sent has it: the load is that of
/// the other measurements.
pub(super) fn known_template() -> String {
    template(1)
}

/// The templates with figures.
fn template(number: u32) -> String {
    if number == 0 { TEMPLATE.to_owned() } else { format!("{TEMPLATE}{number}") }
}

fn fill_templates(db: &Transaction<'_>) -> rusqlite::Result<()> {
    db.execute(
        "INSERT INTO templates (appid, template_id, channel, long_term, title, content, example, enums) \
         VALUES (?, ?, ?, 0, '取餐提醒', ?, '', '{}')",
        params![
            APPID,
            known_template(),
            Channel::Subscribe.code(),
            "商品:{{thing1.DATA}}\n时间:{{date2.DATA}}\n金额:{{amount3.DATA}}\n单号:{{character_string4.DATA}}"
        ],
    )?;
    Ok(())
}

/// Every step that is kept has counts, of several templates.
fn fill_tallies(db: &Transaction<'_>) -> rusqlite::Result<()> {
    let now = Clock::system().now();
    let mut insert = db.prepare(
        "INSERT INTO tallies (step, start, shard, appid, template, what, reason, code, count) \
         VALUES (?, ?, 0, ?, ?, ?, ?, ?, ?)",
    )?;
    for (step, kept) in [(TallyStep::Minute, MINUTES_KEPT), (TallyStep::Hour, HOURS_KEPT)] {
        let mut start = step.start_of(now.minus(kept));
        // The present minute is the gateway's own.
        let end = match step {
            TallyStep::Minute => step.start_of(now),
            _ => step.start_of(now.minus(MINUTES_KEPT)),
        };
        while start < end {
            fill_step(&mut insert, step, start)?;
            start = step.after(start);
        }
    }
    Ok(())
}

fn fill_step(
    insert: &mut rusqlite::Statement<'_>,
    step: TallyStep,
    start: UnixMillis,
) -> rusqlite::Result<()> {
    for number in 0..TEMPLATES {
        let template = template(number);
        for (what, reason, code, count) in COUNTS {
            insert.execute(params![step.code(), start.0, APPID, template, what, reason, code, count])?;
        }
    }
    Ok(())
}
