//! Lanes, as they lie in SQLite, and what the writer learns of one when somebody acquires it.

use hongyan_ledger::Lane;
use rusqlite::params;

use super::cells::{change, many, one};
use super::memory::Writing;
use super::trouble::{Res, Trouble};
use crate::rows::LaneRows;
use crate::types::Epoch;

/// The most open messages of a lane that are counted when it is acquired; of more, nothing is known. A bound for the
/// time that the writer is held.
const MAX_COUNTED: u32 = 20_000;

impl LaneRows for Writing<'_> {
    fn epoch(&self, lane: Lane) -> Res<Epoch> {
        self.memory.epoch(lane, || {
            let epoch = one(self, "SELECT epoch FROM lanes WHERE lane = ?", [lane.number()], |cells| {
                cells.count().map(Epoch)
            });
            epoch?.ok_or_else(|| Trouble::corrupt(format!("there is no lane {lane}")))
        })
    }

    fn set_owner(&self, lane: Lane, epoch: Epoch, node: Option<&str>) -> Res<()> {
        change(
            self,
            "UPDATE lanes SET epoch = ?2, node = ?3 WHERE lane = ?1",
            params![lane.number(), epoch.0.cast_signed(), node],
        )?;
        self.memory.forget_epochs();
        self.memory.open.forget(lane);
        if node.is_some() { self.learn_open(lane) } else { Ok(()) }
    }
}

impl Writing<'_> {
    /// Counts the open messages of a lane's users.
    fn learn_open(&self, lane: Lane) -> Res<()> {
        let open = many(
            self,
            // Index by index, for each is all that must be read.
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
