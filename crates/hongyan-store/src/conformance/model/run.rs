//! The store and the model, side by side.

use std::collections::{BTreeSet, HashMap};

use hongyan_clock::UnixMillis;
use hongyan_ledger::{Lane, MessageId, MessageState as S};

use super::super::heard::Heeded;
use super::super::world::{World, appid, user};
use super::rules::Model;
use crate::types::{Acquired, ClaimBatch, Claimed, MessageFilter, MessageView, PermitView};

pub(super) struct Run {
    pub(super) world: World,
    pub(super) model: Model,
    pub(super) flying: Vec<Claimed>,
    /// When the messages of each lane would be looked at, according to signals and looks alone.
    messages: Moments,
    /// The same for events.
    events: Moments,
    /// Messages that a signal called waiting since the last audit.
    waited: BTreeSet<MessageId>,
    /// Where each message stood at the last audit.
    pub(super) stood: HashMap<MessageId, S>,
    /// How often a message came to each state in which it rests.
    pub(super) came_to: HashMap<S, u64>,
    /// How many events came.
    pub(super) pushes: u64,
}

/// The earliest moment of each lane that has a moment.
#[derive(Default)]
struct Moments(HashMap<Lane, UnixMillis>);

impl Moments {
    fn ring(&mut self, lane: Lane, at: UnixMillis) {
        let earliest = self.0.entry(lane).or_insert(UnixMillis::MAX);
        *earliest = at.min(*earliest);
    }

    fn at(&self, lane: Lane) -> UnixMillis {
        self.0.get(&lane).copied().unwrap_or(UnixMillis::MAX)
    }
}

impl Run {
    pub(super) fn begin(world: World) -> Self {
        let (messages, events) = (Moments::default(), Moments::default());
        let (flying, waited) = (Vec::new(), BTreeSet::new());
        let (stood, came_to) = (HashMap::new(), HashMap::new());
        Self { world, model: Model::new(), flying, messages, events, waited, stood, came_to, pushes: 0 }
    }

    /// Ends the run.
    pub(super) async fn end(self) {
        self.world.opened().close().await;
    }

    fn listen(&mut self) {
        for heard in self.world.heard() {
            match heard {
                Heeded::Wake(lane, at) | Heeded::Scheduled(lane, at) => self.messages.ring(lane, at),
                Heeded::Event(lane, at) => self.events.ring(lane, at),
                Heeded::Moved(moved) if moved.state == S::Waiting => {
                    self.waited.insert(moved.id);
                }
                _ => {}
            }
        }
    }

    /// The messages that waited for a permit since the last call, if only for a moment.
    pub(super) fn waited(&mut self) -> BTreeSet<MessageId> {
        self.listen();
        std::mem::take(&mut self.waited)
    }

    /// When the messages of a lane are looked at, according to signals and looks.
    pub(super) fn told(&mut self, lane: Lane) -> UnixMillis {
        self.listen();
        self.messages.at(lane)
    }

    /// When the events of a lane are looked at.
    pub(super) fn told_of_events(&mut self, lane: Lane) -> UnixMillis {
        self.listen();
        self.events.at(lane)
    }

    /// Looks at the due messages of a lane. The look says when the next one is needed; signals that come meanwhile count,
    /// too.
    pub(super) async fn look(&mut self, lane: Lane, limit: u32) -> ClaimBatch {
        self.begin_look(lane);
        let batch = self.claim(lane, limit).await;
        self.end_look(lane, batch.next_wake);
        batch
    }

    fn begin_look(&mut self, lane: Lane) {
        self.listen();
        self.messages.0.remove(&lane);
    }

    fn end_look(&mut self, lane: Lane, next_wake: Option<UnixMillis>) {
        self.messages.ring(lane, next_wake.unwrap_or(UnixMillis::MAX));
    }

    /// Claims, and keeps the moments that signals have set.
    pub(super) async fn claim(&self, lane: Lane, limit: u32) -> ClaimBatch {
        self.world.claim_lane(lane, self.model.now, limit).await
    }

    /// Acquires lanes, all at once, like a process that has just started.
    pub(super) async fn acquire(&mut self, lanes: &[Lane]) -> Vec<Acquired> {
        for &lane in lanes {
            self.begin_look(lane);
        }
        let all = self.world.acquire_all(lanes, self.model.now).await;
        for (&lane, acquired) in lanes.iter().zip(&all) {
            self.end_look(lane, acquired.next_wake);
        }
        all
    }

    /// Begins a look at the events of a lane; `next_wake` is when the next look is needed.
    pub(super) fn begin_work(&mut self, lane: Lane, next_wake: Option<UnixMillis>) {
        self.listen();
        self.events.0.remove(&lane);
        self.events.ring(lane, next_wake.unwrap_or(UnixMillis::MAX));
    }

    pub(super) async fn views(&self) -> Vec<MessageView> {
        let filter = MessageFilter { limit: 1000, ..MessageFilter::default() };
        let mut views = self.world.store.messages(filter).await.unwrap().items;
        views.reverse();
        views
    }

    pub(super) async fn permits(&self, number: usize) -> Vec<PermitView> {
        self.world.store.permits(appid(), user(number as u32), self.model.now).await.unwrap()
    }
}
