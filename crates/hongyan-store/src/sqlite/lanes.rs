//! Lanes in SQLite, and what the writer reads into memory when a lane is acquired.

use hongyan_clock::UnixMillis;
use hongyan_ledger::Lane;
use hongyan_wechat::AppId;
use rusqlite::{Connection, params};

use super::cells::{Cells, change, many, one};
use super::memory::Transaction;
use super::row_error::{RowError, RowResult};
use crate::rows::LaneRows;
use crate::rows::lanes::{NodeRow, Owner};
use crate::types::{Epoch, TokenLease};

/// How many open messages of a lane are counted when it is acquired, at most. If there are more, the counts stay unknown.
/// The bound limits the time that the writer is held.
const MAX_COUNTED: u32 = 20_000;

fn read_node(cells: &mut Cells<'_>) -> RowResult<NodeRow> {
    Ok(NodeRow {
        name: cells.raw()?,
        incarnation: cells.raw::<i64>()?.cast_unsigned(),
        expires_at: cells.moment()?,
        seen_at: cells.moment()?,
    })
}

/// All lanes with their owners, in order.
pub(super) fn owners(db: &Connection) -> RowResult<Vec<Owner>> {
    many(db, "SELECT lane, epoch, node FROM lanes ORDER BY lane", [], |cells| {
        Ok(Owner { lane: cells.lane()?, epoch: cells.count().map(Epoch)?, node: cells.raw()? })
    })
}

/// All nodes, by name.
pub(super) fn nodes(db: &Connection) -> RowResult<Vec<NodeRow>> {
    many(db, "SELECT name, incarnation, expires_at, seen_at FROM nodes ORDER BY name", [], read_node)
}

impl LaneRows for Transaction<'_> {
    fn epoch(&self, lane: Lane) -> RowResult<Epoch> {
        self.memory.epoch(lane, || {
            let epoch = one(self, "SELECT epoch FROM lanes WHERE lane = ?", [lane.number()], |cells| {
                cells.count().map(Epoch)
            });
            epoch?.ok_or_else(|| RowError::corrupt(format!("there is no lane {lane}")))
        })
    }

    fn owners(&self) -> RowResult<Vec<Owner>> {
        owners(self)
    }

    fn owner(&self, lane: Lane) -> RowResult<Option<String>> {
        Ok(one(self, "SELECT node FROM lanes WHERE lane = ?", [lane.number()], |cells| cells.raw())?
            .flatten())
    }

    fn set_owner(&self, lane: Lane, epoch: Epoch, node: Option<&str>) -> RowResult<()> {
        change(
            self,
            "UPDATE lanes SET epoch = ?2, node = ?3 WHERE lane = ?1",
            params![lane.number(), epoch.0.cast_signed(), node],
        )?;
        self.memory.forget_epochs();
        self.memory.open.forget(lane);
        if node.is_some() { self.learn_open(lane) } else { Ok(()) }
    }

    fn nodes(&self) -> RowResult<Vec<NodeRow>> {
        nodes(self)
    }

    fn put_node(&self, node: &NodeRow) -> RowResult<()> {
        change(
            self,
            "INSERT OR REPLACE INTO nodes (name, incarnation, expires_at, seen_at) VALUES (?, ?, ?, ?)",
            params![node.name, node.incarnation.cast_signed(), node.expires_at.0, node.seen_at.0],
        )?;
        Ok(())
    }

    fn delete_node(&self, name: &str) -> RowResult<()> {
        change(self, "DELETE FROM nodes WHERE name = ?", [name])?;
        Ok(())
    }

    fn listening_since(&self) -> RowResult<UnixMillis> {
        let since = one(self, "SELECT since FROM listening WHERE one = 1", [], |cells| cells.moment())?;
        Ok(since.unwrap_or(UnixMillis::MAX))
    }

    fn set_listening_since(&self, since: UnixMillis) -> RowResult<()> {
        change(self, "INSERT OR REPLACE INTO listening (one, since) VALUES (1, ?)", [since.0])?;
        Ok(())
    }

    fn token_lease(&self, appid: &AppId) -> RowResult<Option<(String, UnixMillis)>> {
        one(self, "SELECT node, expires_at FROM token_leases WHERE appid = ?", [appid.as_str()], |cells| {
            Ok((cells.raw()?, cells.moment()?))
        })
    }

    fn put_token_lease(&self, lease: &TokenLease) -> RowResult<()> {
        change(
            self,
            "INSERT OR REPLACE INTO token_leases (appid, node, expires_at) VALUES (?, ?, ?)",
            params![lease.appid.as_str(), &*lease.node, lease.until.0],
        )?;
        Ok(())
    }

    fn delete_token_lease(&self, appid: &AppId, node: &str) -> RowResult<()> {
        change(self, "DELETE FROM token_leases WHERE appid = ? AND node = ?", [appid.as_str(), node])?;
        Ok(())
    }
}

impl Transaction<'_> {
    /// Counts the open messages of a lane's users into the writer's memory.
    fn learn_open(&self, lane: Lane) -> RowResult<()> {
        let open = many(
            self,
            // Two queries, each over its own index, which has all the columns that are read.
            "SELECT user_no FROM messages INDEXED BY messages_queued \
             WHERE lane = ?1 AND state = 1 AND state IN (1, 2) UNION ALL \
             SELECT user_no FROM messages INDEXED BY messages_sending WHERE lane = ?1 AND state = 3 LIMIT ?2",
            params![lane.number(), MAX_COUNTED + 1],
            |cells| cells.raw::<i64>(),
        )?;
        if open.len() <= MAX_COUNTED as usize {
            self.memory.open.learn(lane, open.into_iter().map(i64::cast_unsigned));
        }
        Ok(())
    }
}
