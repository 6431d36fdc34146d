//! What a commit means for the rest of the process.
//!
//! A verb says it while it runs: it woke a lane, it moved a message, it changed an app. [`Signals`] collects what the verbs
//! of a transaction said. After the commit the store hands it to every [`Listener`], before the callers get their answers.
//! The signals of a transaction that was rolled back are dropped.
//!
//! So no caller of a verb has to know what else follows from it, and no caller can forget it.

use std::sync::{Arc, PoisonError, RwLock};

use hongyan_clock::UnixMillis;
use hongyan_ledger::{LANES, Lane, MessageId, MessageState, ReasonCode};
use hongyan_wechat::AppId;

use crate::types::FeedCursor;

/// One thing that follows from a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal<'a> {
    /// A message with a `send_at` in the future is scheduled in this lane: look at the lane at `at` or earlier, before any
    /// newer message is started.
    Scheduled {
        /// The lane.
        lane: Lane,
        /// When.
        at: UnixMillis,
    },
    /// Another message of this lane has a timer: look at the lane at `at` or earlier.
    Wake {
        /// The lane.
        lane: Lane,
        /// When.
        at: UnixMillis,
    },
    /// An event of WeChat's in this lane is to be worked on at `at`.
    Event {
        /// The lane.
        lane: Lane,
        /// When.
        at: UnixMillis,
    },
    /// A message has a new state, or a new reason for its state.
    Moved(Moved),
    /// An app was added, removed or changed.
    App(&'a AppId),
    /// A webhook was added, removed or changed, or one of its events is to be delivered once more.
    Webhooks,
    /// There are new webhook events, up to this cursor.
    WebhookEvent(&'a FeedCursor),
    /// A node came or went, or a lane was given up: another node may be entitled to the lane.
    Lanes,
    /// An API key, or a handed-out token, was revoked.
    Revoked,
}

/// A message that moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// The message.
    pub id: MessageId,
    /// Its new state.
    pub state: MessageState,
    /// The reason of that state.
    pub reason: Option<ReasonCode>,
    /// The state is new; otherwise only the reason changed.
    pub is_new_state: bool,
    /// The message has no timer but its deadline and no attempt of its own: it rests until something changes for its app,
    /// its user or its permits.
    pub is_parked: bool,
}

/// Is told what follows from each commit.
pub trait Listener: Send + Sync + 'static {
    /// A commit is durable, and these are its signals. The thread that writes calls this and does nothing else meanwhile. So
    /// an implementation only takes notes, and leaves longer work to others. A listener that waited for a verb would
    /// deadlock.
    fn hear(&self, signals: &Signals);
}

/// The signals of a commit, collected.
///
/// Their size is bounded: only the earliest moment of each lane is kept, and each app once. Only the messages that moved are
/// kept one by one, each in a few bytes; they are rows that the transaction has written.
#[derive(Debug, Default)]
pub struct Signals {
    scheduled: Moments,
    wakes: Moments,
    events: Moments,
    moved: Vec<Moved>,
    apps: Vec<AppId>,
    webhooks: bool,
    told: Option<FeedCursor>,
    lanes: bool,
    revoked: bool,
}

/// How much room for messages is kept from one commit to the next.
const KEPT: usize = 4_096;

impl Signals {
    /// A message with a timer was written.
    pub fn wake(&mut self, lane: Lane, state: MessageState, at: UnixMillis) {
        match state {
            MessageState::Scheduled => self.scheduled.add(lane, at),
            _ => self.wakes.add(lane, at),
        }
    }

    /// An event of WeChat's that is to be worked on was written.
    pub fn event(&mut self, lane: Lane, at: UnixMillis) {
        self.events.add(lane, at);
    }

    /// A message moved.
    pub fn moved(&mut self, moved: Moved) {
        self.moved.push(moved);
    }

    /// An app was added, removed or changed.
    pub fn app(&mut self, appid: &AppId) {
        if !self.apps.contains(appid) {
            self.apps.push(appid.clone());
        }
    }

    /// A webhook was added, removed or changed, or one of its events is to be delivered once more.
    pub fn webhooks(&mut self) {
        self.webhooks = true;
    }

    /// Webhook events were written, up to this cursor.
    pub fn webhook_event(&mut self, until: &FeedCursor) {
        self.told.get_or_insert_default().advance_to(until);
    }

    /// A node came or went, or a lane was given up.
    pub fn lanes(&mut self) {
        self.lanes = true;
    }

    /// An API key, or a handed-out token, was revoked.
    pub fn revoked(&mut self) {
        self.revoked = true;
    }

    /// Whether there are no signals.
    pub fn is_empty(&self) -> bool {
        self.scheduled.is_empty()
            && self.wakes.is_empty()
            && self.events.is_empty()
            && self.moved.is_empty()
            && self.apps.is_empty()
            && !self.webhooks
            && self.told.is_none()
            && !self.lanes
            && !self.revoked
    }

    /// All signals. Those that others must act on first come first, so that a listener that hears of a message finds it so.
    pub fn iter(&self) -> impl Iterator<Item = Signal<'_>> {
        let scheduled = self.scheduled.iter().map(|(lane, at)| Signal::Scheduled { lane, at });
        let wakes = self.wakes.iter().map(|(lane, at)| Signal::Wake { lane, at });
        let events = self.events.iter().map(|(lane, at)| Signal::Event { lane, at });
        let apps = self.apps.iter().map(Signal::App);
        let webhooks = self.webhooks.then_some(Signal::Webhooks);
        let told = self.told.as_ref().map(Signal::WebhookEvent);
        let lanes = self.lanes.then_some(Signal::Lanes);
        let revoked = self.revoked.then_some(Signal::Revoked);
        let moved = self.moved.iter().copied().map(Signal::Moved);
        apps.chain(revoked)
            .chain(lanes)
            .chain(scheduled)
            .chain(wakes)
            .chain(events)
            .chain(webhooks)
            .chain(told)
            .chain(moved)
    }

    /// Removes all signals, and keeps the allocated room.
    pub fn clear(&mut self) {
        self.scheduled.clear();
        self.wakes.clear();
        self.events.clear();
        self.moved.clear();
        self.moved.shrink_to(KEPT);
        self.apps.clear();
        self.webhooks = false;
        self.told = None;
        self.lanes = false;
        self.revoked = false;
    }
}

/// The earliest moment of each lane that has one.
#[derive(Debug)]
struct Moments {
    /// A bit for each lane that has a moment.
    lanes: u64,
    at: [UnixMillis; LANES as usize],
}

const _: () = assert!(LANES as u32 <= u64::BITS, "a lane is a bit");

impl Default for Moments {
    fn default() -> Self {
        Self { lanes: 0, at: [UnixMillis::MAX; LANES as usize] }
    }
}

impl Moments {
    const fn is_empty(&self) -> bool {
        self.lanes == 0
    }

    fn clear(&mut self) {
        if !self.is_empty() {
            *self = Self::default();
        }
    }

    fn add(&mut self, lane: Lane, at: UnixMillis) {
        self.lanes |= 1 << lane.index();
        let earliest = &mut self.at[lane.index()];
        *earliest = at.min(*earliest);
    }

    fn iter(&self) -> impl Iterator<Item = (Lane, UnixMillis)> {
        let is_set = |lane: &Lane| self.lanes & (1 << lane.index()) != 0;
        let lanes = Lane::all().take_while(|_| self.lanes != 0).filter(is_set);
        lanes.map(|lane| (lane, self.at[lane.index()]))
    }
}

/// The listeners of a store. Clones share them.
#[derive(Clone, Default)]
pub struct Listeners(Arc<RwLock<Vec<Arc<dyn Listener>>>>);

impl Listeners {
    /// Adds a listener, which hears of every later commit.
    pub fn add(&self, listener: Arc<dyn Listener>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// Hands the signals of a commit to the listeners, if there are signals.
    pub fn publish(&self, signals: &Signals) {
        if signals.is_empty() {
            return;
        }
        for listener in self.0.read().unwrap_or_else(PoisonError::into_inner).iter() {
            listener.hear(signals);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(number: u8) -> Lane {
        Lane::new(number).unwrap()
    }

    #[test]
    fn of_moments_the_earliest_is_kept_of_apps_each_once_of_messages_all() {
        let mut signals = Signals::default();
        assert!(signals.is_empty() && signals.iter().next().is_none());
        let (app, other): (AppId, AppId) =
            ("wx0123456789abcdef".parse().unwrap(), "wx0123456789abcdee".parse().unwrap());
        for at in [50, 40, 60] {
            signals.wake(lane(63), MessageState::Ready, UnixMillis(at));
        }
        signals.wake(lane(0), MessageState::Waiting, UnixMillis(7));
        signals.wake(lane(0), MessageState::Scheduled, UnixMillis(8));
        signals.event(lane(5), UnixMillis(9));
        for appid in [&app, &other, &app] {
            signals.app(appid);
        }
        let last = FeedCursor::behind_number(3);
        signals.webhook_event(&last);
        signals.webhook_event(&FeedCursor::behind_number(2));
        signals.webhooks();
        let moved = Moved {
            id: MessageId::from_bytes([1; 16]),
            state: MessageState::Sent,
            reason: None,
            is_new_state: true,
            is_parked: false,
        };
        signals.moved(moved);
        signals.moved(moved);
        let all: Vec<_> = signals.iter().collect();
        assert_eq!(
            all,
            [
                Signal::App(&app),
                Signal::App(&other),
                Signal::Scheduled { lane: lane(0), at: UnixMillis(8) },
                Signal::Wake { lane: lane(0), at: UnixMillis(7) },
                Signal::Wake { lane: lane(63), at: UnixMillis(40) },
                Signal::Event { lane: lane(5), at: UnixMillis(9) },
                Signal::Webhooks,
                Signal::WebhookEvent(&last),
                Signal::Moved(moved),
                Signal::Moved(moved),
            ]
        );
        signals.clear();
        assert!(signals.is_empty() && signals.iter().next().is_none());
    }

    #[test]
    fn every_listener_hears_of_every_commit_from_which_something_follows() {
        struct Count(std::sync::atomic::AtomicU32);
        impl Listener for Count {
            fn hear(&self, _: &Signals) {
                self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        }
        let listeners = Listeners::default();
        let all: [Arc<Count>; 2] = std::array::from_fn(|_| Arc::new(Count(0.into())));
        for one in &all {
            listeners.add(Arc::clone(one) as Arc<dyn Listener>);
        }
        let mut signals = Signals::default();
        listeners.publish(&signals);
        signals.webhooks();
        listeners.publish(&signals);
        assert_eq!(all.map(|one| one.0.load(std::sync::atomic::Ordering::Relaxed)), [1, 1]);
    }
}
