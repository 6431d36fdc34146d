//! What a commit means for the rest of the process.
//!
//! A verb says it while it runs: it wakes a lane, it moved a message, it changed an app. What the verbs of a transaction
//! said is kept in one [`Signals`], and handed to every [`Listener`] after the commit, before the callers have their
//! answers. Nothing is handed over from a transaction that was rolled back.
//!
//! So no caller of a verb has to know what else follows from it, and none can forget it.

use std::sync::{Arc, PoisonError, RwLock};

use hongyan_clock::UnixMillis;
use hongyan_ledger::{LANES, Lane, MessageId, MessageState, ReasonCode};
use hongyan_wechat::AppId;

/// One thing that follows from a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal<'a> {
    /// A message that is not sent before its time has come is scheduled in this lane: look at the lane then, or earlier,
    /// before anything that is newer is started.
    Scheduled {
        /// Where.
        lane: Lane,
        /// When.
        at: UnixMillis,
    },
    /// Another message of this lane has a timer: look at the lane then, or earlier.
    Wake {
        /// Where.
        lane: Lane,
        /// When.
        at: UnixMillis,
    },
    /// An event of WeChat's in this lane is to be worked on then.
    Event {
        /// Where.
        lane: Lane,
        /// When.
        at: UnixMillis,
    },
    /// A message came to another state, or has another reason to be where it is.
    Moved(Moved),
    /// An app came, went, or is not what it was.
    App(&'a AppId),
    /// A webhook came, went, or is not what it was; or it has something to be told once more.
    Webhooks,
    /// Something is to be told: the number of the last webhook event.
    WebhookEvent(i64),
    /// A node came or went, or a lane was given up: it may be somebody else's turn to have it.
    Lanes,
    /// An API key, or a token that was handed out, was revoked.
    Revoked,
}

/// A message that has moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Which.
    pub id: MessageId,
    /// Where to.
    pub state: MessageState,
    /// Why.
    pub reason: Option<ReasonCode>,
    /// It was in another state before. Otherwise only the reason is another.
    pub is_new_state: bool,
    /// Neither the clock (but its deadline) nor its own attempt will move it on: it rests until something happens to
    /// its app, its user or its permits.
    pub is_parked: bool,
}

/// Hears what follows from each commit.
pub trait Listener: Send + Sync + 'static {
    /// A commit is durable, and this follows from it. Called by the thread that writes, which does nothing else
    /// meanwhile: take note, and leave what takes time to somebody else. A listener that waited for a verb would wait
    /// for ever.
    fn hear(&self, signals: &Signals);
}

/// What follows from a commit, gathered.
///
/// Its size has a bound: of moments only the earliest of each lane is kept, of apps each once. Only the messages that
/// moved are kept one by one, each in a few bytes; they are the rows that the transaction has written.
#[derive(Debug, Default)]
pub struct Signals {
    scheduled: Moments,
    wakes: Moments,
    events: Moments,
    moved: Vec<Moved>,
    apps: Vec<AppId>,
    webhooks: bool,
    told: Option<i64>,
    lanes: bool,
    revoked: bool,
}

/// Room for messages that is kept from one commit to the next.
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

    /// An app came, went, or was changed.
    pub fn app(&mut self, appid: &AppId) {
        if !self.apps.contains(appid) {
            self.apps.push(appid.clone());
        }
    }

    /// A webhook came, went, or was changed, or has something to be told once more.
    pub fn webhooks(&mut self) {
        self.webhooks = true;
    }

    /// A webhook event with this number was written.
    pub fn webhook_event(&mut self, number: i64) {
        self.told = self.told.max(Some(number));
    }

    /// A node came or went, or a lane was given up.
    pub fn lanes(&mut self) {
        self.lanes = true;
    }

    /// An API key, or a token that was handed out, was revoked.
    pub fn revoked(&mut self) {
        self.revoked = true;
    }

    /// Whether nothing follows.
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

    /// All that follows: what others must look at first, so that whoever hears of a message finds it so.
    pub fn iter(&self) -> impl Iterator<Item = Signal<'_>> {
        let scheduled = self.scheduled.iter().map(|(lane, at)| Signal::Scheduled { lane, at });
        let wakes = self.wakes.iter().map(|(lane, at)| Signal::Wake { lane, at });
        let events = self.events.iter().map(|(lane, at)| Signal::Event { lane, at });
        let apps = self.apps.iter().map(Signal::App);
        let webhooks = self.webhooks.then_some(Signal::Webhooks);
        let told = self.told.map(Signal::WebhookEvent);
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

    /// Forgets everything, and keeps the room for it.
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

/// Whoever hears of commits. Clones share them.
#[derive(Clone, Default)]
pub struct Listeners(Arc<RwLock<Vec<Arc<dyn Listener>>>>);

impl Listeners {
    /// One more, who hears of every commit from now on.
    pub fn add(&self, listener: Arc<dyn Listener>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// Hands over what follows from a commit, if anything does.
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
        signals.webhook_event(3);
        signals.webhook_event(2);
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
                Signal::WebhookEvent(3),
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
