//! What the writer keeps in memory besides the file.
//!
//! While a process serves, the file belongs to this process, and in it to one thread that writes. So this thread can
//! remember what it wrote itself, instead of reading it again for every message: whether an app is paused, which epoch a
//! lane has, and whether a user has any open message. Verbs decide by these values. None of them is the only copy, and all
//! of them follow the transaction: when a transaction is rolled back, its changes here are undone or forgotten.

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
use crate::types::{Epoch, FeedCursor, Tally};

/// The transaction that is being written, with the writer's memory.
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

/// The writer's memory; see the module.
#[derive(Default)]
pub(super) struct Memory {
    /// Gates by app, filled on first use.
    gates: RefCell<HashMap<AppId, Option<AppGate>>>,
    /// Epochs by lane, filled on first use.
    epochs: RefCell<HashMap<Lane, Epoch>>,
    /// How many messages of users are `ready` or `sending`.
    pub(super) open: OpenMessages,
    /// Which webhooks want which events, and the number of the last event.
    pub(super) outbox: Outbox,
    /// What the transaction has counted and not written yet.
    pub(super) counted: RefCell<HashMap<Tally, u64>>,
    /// The signals of the transaction.
    signals: RefCell<Signals>,
}

impl Memory {
    /// The transaction is durable: publishes its signals to the listeners.
    pub(super) fn commit(&self, listeners: &Listeners) {
        self.open.commit();
        let mut signals = self.signals.borrow_mut();
        if let Some(number) = self.outbox.written.take() {
            signals.webhook_event(&FeedCursor::behind_number(number));
        }
        listeners.publish(&signals);
        signals.clear();
    }

    /// The transaction was rolled back: undoes its changes in memory.
    pub(super) fn roll_back(&self) {
        self.forget_gates();
        self.forget_epochs();
        self.open.roll_back();
        self.outbox.roll_back();
        self.counted.borrow_mut().clear();
        self.signals.borrow_mut().clear();
    }

    /// An app's gate, if there is such an app; `read` queries the file.
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

    /// A row of an app was written.
    pub(super) fn forget_gates(&self) {
        self.gates.borrow_mut().clear();
    }

    /// A lane's epoch; `read` queries the file.
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

/// What the writer knows of events and of the webhooks that want them. If no webhook wants an event, the look at this memory
/// is all that the event costs.
#[derive(Default)]
pub(super) struct Outbox {
    /// The filter of each webhook; `None`: not known.
    filters: RefCell<Option<Vec<Filter>>>,
    /// The number of the last event; `None`: not known.
    last: Cell<Option<i64>>,
    /// The last event that the transaction wrote.
    written: Cell<Option<i64>>,
    /// Makes the ids of events.
    pub(super) ids: IdMaker,
}

impl Outbox {
    /// Whether any webhook wants such an event; `read` queries the filters from the file.
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

    /// The number of the next event; `read` queries the number of the last event from the file.
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

    /// Webhooks were changed: forgets their filters.
    pub(super) fn forget(&self) {
        self.filters.replace(None);
    }

    fn roll_back(&self) {
        self.forget();
        self.last.set(None);
        self.written.set(None);
    }
}

/// Counters per lane. A user's place is computed from the user's number, so several users may share a place.
const PLACES: usize = 1024;

/// The count is not known: always query the file.
const UNKNOWN: u16 = u16::MAX;

/// How many messages of users are `ready` or `sending`, in a table of fixed size.
///
/// A count of zero is certain: the user has no open message. Nearly every message is for such a user, and then no query for
/// messages before or after it is needed. Any other count may come from another user of the same place, so the file is
/// queried. The counts of a lane are known from when it is acquired until it is lost.
pub(super) struct OpenMessages {
    counts: Box<[Cell<u16>]>,
    /// The places that the transaction changed, with their counts before.
    changes: RefCell<Vec<(usize, u16)>>,
}

impl Default for OpenMessages {
    fn default() -> Self {
        Self { counts: vec![Cell::new(UNKNOWN); LANES as usize * PLACES].into(), changes: RefCell::default() }
    }
}

impl OpenMessages {
    /// Whether a user certainly has at most `most` open messages.
    pub(super) fn at_most(&self, most: u16, lane: Lane, user: u64) -> bool {
        self.counts[place(lane, user)].get() <= most
    }

    /// A message of the user went from one state to another; a new message has no earlier state.
    pub(super) fn moved(&self, lane: Lane, user: u64, from: Option<MessageState>, to: MessageState) {
        let (was, is) = (from.is_some_and(counts), counts(to));
        if was == is {
            return;
        }
        let place = place(lane, user);
        let count = self.counts[place].get();
        let next = match (count, is) {
            (UNKNOWN, _) => return,
            // If the count reaches `UNKNOWN` it stays unknown: the real number is lost from there on.
            (count, true) => count + 1,
            // The count was zero: this message was never counted. Whatever went wrong, querying the file is right.
            (count, false) => count.checked_sub(1).unwrap_or(UNKNOWN),
        };
        self.change(place, next);
    }

    /// Forgets the counts of a lane.
    pub(super) fn forget(&self, lane: Lane) {
        (place(lane, 0)..place(lane, 0) + PLACES).for_each(|place| self.change(place, UNKNOWN));
    }

    /// Sets the counts of a lane: `users` has one entry for each open message.
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

/// The place of a user: bits of the number from which the lane is not computed, as far as possible.
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
        assert!(open.at_most(0, lane, 2 << 17), "a scheduled message does not count yet");
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
