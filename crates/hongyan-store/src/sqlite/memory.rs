//! What the writer knows besides the file.
//!
//! The file belongs to one process while it serves, and in it to one thread that writes. So that thread can remember
//! what it wrote itself and need not ask for it with every message: whether an app is paused, who owns a lane, and
//! whether a user has anything open at all. Nothing here is the only copy of anything, and all of it follows the
//! transaction: what a transaction changed is undone or forgotten when that is rolled back.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::HashMap;
use std::ops::Deref;

use hongyan_ledger::gate::AppGate;
use hongyan_ledger::ids::IdMaker;
use hongyan_ledger::webhook::{EventType, Filter};
use hongyan_ledger::{LANES, Lane, MessageState};
use hongyan_wechat::AppId;
use rusqlite::Connection;

use crate::rows::Rows;
use crate::signals::{Listeners, Signals};
use crate::types::{Epoch, FeedCursor};

/// The transaction that is being written, and what the writer knows.
pub(super) struct Transaction<'a> {
    pub(super) db: &'a Connection,
    pub(super) memory: &'a Memory,
}

impl Deref for Transaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.db
    }
}

impl Rows for Transaction<'_> {
    fn signals(&self) -> RefMut<'_, Signals> {
        self.memory.signals.borrow_mut()
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct Memory {
    /// Of apps that were asked about.
    gates: RefCell<HashMap<AppId, Option<AppGate>>>,
    /// Of lanes that were asked about.
    epochs: RefCell<HashMap<Lane, Epoch>>,
    /// How many messages of users are ready or sending.
    pub(super) open: OpenMessages,
    /// Who listens for events, and how many there are.
    pub(super) outbox: Outbox,
    /// What follows from the transaction for others.
    signals: RefCell<Signals>,
}

impl Memory {
    /// The transaction is durable: these hear what follows from it.
    pub(super) fn commit(&self, listeners: &Listeners) {
        self.open.commit();
        let mut signals = self.signals.borrow_mut();
        if let Some(number) = self.outbox.written.take() {
            signals.webhook_event(&FeedCursor::behind_number(number));
        }
        listeners.publish(&signals);
        signals.clear();
    }

    /// The transaction was not.
    pub(super) fn roll_back(&self) {
        self.forget_gates();
        self.forget_epochs();
        self.open.roll_back();
        self.outbox.roll_back();
        self.signals.borrow_mut().clear();
    }

    /// An app's gate, if there is such an app; `read` asks the file.
    pub(super) fn gate<E>(
        &self,
        appid: &AppId,
        read: impl FnOnce() -> Result<Option<AppGate>, E>,
    ) -> Result<Option<AppGate>, E> {
        if let Some(&gate) = self.gates.borrow().get(appid) {
            return Ok(gate);
        }
        let gate = read()?;
        self.gates.borrow_mut().insert(appid.clone(), gate);
        Ok(gate)
    }

    /// Something about apps was written.
    pub(super) fn forget_gates(&self) {
        self.gates.borrow_mut().clear();
    }

    /// A lane's epoch; `read` asks the file.
    pub(super) fn epoch<E>(&self, lane: Lane, read: impl FnOnce() -> Result<Epoch, E>) -> Result<Epoch, E> {
        if let Some(&epoch) = self.epochs.borrow().get(&lane) {
            return Ok(epoch);
        }
        let epoch = read()?;
        self.epochs.borrow_mut().insert(lane, epoch);
        Ok(epoch)
    }

    /// A lane changed hands.
    pub(super) fn forget_epochs(&self) {
        self.epochs.borrow_mut().clear();
    }
}

/// What the writer knows of events and of who wants them. Where nobody does, that is all that an event costs.
#[derive(Default)]
pub(super) struct Outbox {
    /// What each webhook wants; `None`: not known.
    filters: RefCell<Option<Vec<Filter>>>,
    /// The number of the last event; `None`: not known.
    last: Cell<Option<i64>>,
    /// The last event that the transaction wrote.
    written: Cell<Option<i64>>,
    /// Makes the events' ids.
    pub(super) ids: IdMaker,
}

impl Outbox {
    /// Whether anybody wants such an event; `read` asks the file who wants what.
    pub(super) fn is_wanted<E>(
        &self,
        kind: EventType,
        app: Option<&AppId>,
        read: impl FnOnce() -> Result<Vec<Filter>, E>,
    ) -> Result<bool, E> {
        if self.filters.borrow().is_none() {
            let filters = read()?;
            self.filters.replace(Some(filters));
        }
        let filters = self.filters.borrow();
        Ok(filters.iter().flatten().any(|filter| filter.wants(kind, app)))
    }

    /// The next event's number; `read` asks the file for the last one.
    pub(super) fn next_number<E>(&self, read: impl FnOnce() -> Result<i64, E>) -> Result<i64, E> {
        let last = match self.last.get() {
            Some(last) => last,
            None => read()?,
        };
        let next = last + 1;
        self.last.set(Some(next));
        self.written.set(Some(next));
        Ok(next)
    }

    /// Webhooks were changed.
    pub(super) fn forget(&self) {
        self.filters.replace(None);
    }

    fn roll_back(&self) {
        self.forget();
        self.last.set(None);
        self.written.set(None);
    }
}

/// Counters of a lane. A user's place is a part of its number, so users may share one.
const PLACES: usize = 1024;

/// A count that is not known: always ask the file.
const UNKNOWN: u16 = u16::MAX;

/// How many messages of users are ready or sending, in a table of fixed size.
///
/// A count of nothing is certain: the user has nothing open. Nearly every message is for such a user, and needs no
/// look-up for others before it or behind it. Any other count may be somebody else's, and the file is asked. A lane's
/// counts are known from when it is acquired until it is lost.
pub(super) struct OpenMessages {
    counts: Box<[Cell<u16>]>,
    /// What the transaction changed: the place, and what stood there.
    changes: RefCell<Vec<(usize, u16)>>,
}

impl Default for OpenMessages {
    fn default() -> Self {
        Self { counts: vec![Cell::new(UNKNOWN); LANES as usize * PLACES].into(), changes: RefCell::default() }
    }
}

impl OpenMessages {
    /// Whether a user certainly has no more than so many.
    pub(super) fn at_most(&self, most: u16, lane: Lane, user: u64) -> bool {
        self.counts[place(lane, user)].get() <= most
    }

    /// A message of the user went from one state to another; a new one comes from none.
    pub(super) fn moved(&self, lane: Lane, user: u64, from: Option<MessageState>, to: MessageState) {
        let (was, is) = (from.is_some_and(counts), counts(to));
        if was == is {
            return;
        }
        let place = place(lane, user);
        let count = self.counts[place].get();
        let next = match (count, is) {
            (UNKNOWN, _) => return,
            // Also where the last number is reached: nobody can count on from there.
            (count, true) => count + 1,
            // Less than nothing: it was never counted. Whatever went wrong, asking the file is right.
            (count, false) => count.checked_sub(1).unwrap_or(UNKNOWN),
        };
        self.change(place, next);
    }

    /// Nothing is known of a lane any more.
    pub(super) fn forget(&self, lane: Lane) {
        (place(lane, 0)..place(lane, 0) + PLACES).for_each(|place| self.change(place, UNKNOWN));
    }

    /// All that is known of a lane: these users' open messages, one entry each.
    pub(super) fn learn(&self, lane: Lane, users: impl IntoIterator<Item = u64>) {
        let mut counts = vec![0_u16; PLACES];
        for user in users {
            let count = &mut counts[place(lane, user) - place(lane, 0)];
            *count = count.saturating_add(1);
        }
        counts.into_iter().zip(place(lane, 0)..).for_each(|(count, place)| self.change(place, count));
    }

    fn change(&self, place: usize, next: u16) {
        let before = self.counts[place].replace(next);
        self.changes.borrow_mut().push((place, before));
    }

    fn commit(&self) {
        self.changes.borrow_mut().clear();
    }

    fn roll_back(&self) {
        for (place, before) in self.changes.borrow_mut().drain(..).rev() {
            self.counts[place].set(before);
        }
    }
}

/// Whether a message in this state is counted.
const fn counts(state: MessageState) -> bool {
    matches!(state, MessageState::Ready | MessageState::Sending)
}

/// Bits of the number that the lane is not made of, as far as that is possible.
const fn place(lane: Lane, user: u64) -> usize {
    lane.index() * PLACES + (user >> 17) as usize % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_transaction_counted_is_undone_with_it() {
        let (open, lane) = (OpenMessages::default(), Lane::new(5).unwrap());
        assert!(!open.at_most(10, lane, 1), "nothing is known before the lane is acquired");
        open.learn(lane, [1]);
        open.commit();
        open.moved(lane, 1, None, MessageState::Sending);
        open.moved(lane, 2 << 17, None, MessageState::Scheduled);
        assert!(open.at_most(2, lane, 1) && !open.at_most(1, lane, 1));
        assert!(open.at_most(0, lane, 2 << 17), "a scheduled message is in nobody's way yet");
        open.roll_back();
        assert!(open.at_most(1, lane, 1));
        open.moved(lane, 1, Some(MessageState::Ready), MessageState::Sent);
        open.commit();
        assert!(open.at_most(0, lane, 1));
        open.forget(lane);
        open.roll_back();
        assert!(open.at_most(0, lane, 1));
        open.forget(lane);
        open.commit();
        open.moved(lane, 1, None, MessageState::Ready);
        assert!(!open.at_most(100, lane, 1));
    }
}
