//! The migrations, and the SQL function that they need.

use refinery::Runner;
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// The runner that brings a database up to date, in one transaction: if the disk is full in between, the database is as it
/// was, and the older program can still open it.
pub(super) fn runner() -> Runner {
    embedded::migrations::runner().set_grouped(true)
}

/// Brings an empty database to a version.
pub(super) fn migrate_to(db: &mut Connection, version: i64) -> rusqlite::Result<()> {
    let Some(version) = i32::try_from(version).ok().filter(|&version| version > 0) else { return Ok(()) };
    let runner = runner().set_target(refinery::Target::Version(version));
    runner.run(db).map(|_| ()).map_err(|why| rusqlite::Error::UserFunctionError(Box::new(why)))
}

/// Gives the migrations an SQL function that computes a user's number.
pub(super) fn user_number(db: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    db.create_scalar_function("user_number", 2, flags, |arguments| {
        let text = |at: usize| arguments.get::<String>(at);
        let wrong = |why: hongyan_wechat::InvalidId| rusqlite::Error::UserFunctionError(Box::new(why));
        let (appid, openid) = (text(0)?.parse().map_err(wrong)?, text(1)?.parse().map_err(wrong)?);
        Ok(hongyan_ledger::user_number(&appid, &openid).cast_signed())
    })
}
