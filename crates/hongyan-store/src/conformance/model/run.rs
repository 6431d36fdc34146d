//! The store and the model beside each other.

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
    /// When whoever looks at the messages of lanes would look: what they were told, and nothing else.
    messages: Moments,
    /// The same for events.
    events: Moments,
    /// Messages of which was told, since the last audit, that they wait for a permit.
    waited: BTreeSet<MessageId>,
    /// How many events have come.
    pub(super) pushes: u64,
}

/// The earliest moment of each lane that has one.
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
        Self { world, model: Model::new(), flying, messages, events, waited, pushes: 0 }
    }

    /// Nothing more is asked.
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

    /// Which messages have waited for a permit since this was asked the last time, if only for a moment.
    pub(super) fn waited(&mut self) -> BTreeSet<MessageId> {
        self.listen();
        std::mem::take(&mut self.waited)
    }

    /// When the messages of a lane are looked at, as signals and looks set it.
    pub(super) fn told(&mut self, lane: Lane) -> UnixMillis {
        self.listen();
        self.messages.at(lane)
    }

    /// When the events of a lane are looked at.
    pub(super) fn told_of_events(&mut self, lane: Lane) -> UnixMillis {
        self.listen();
        self.events.at(lane)
    }

    /// Looks at the messages of a lane that are due. It says itself when to look again; what rings meanwhile counts, too.
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

    /// Claims, and forgets nothing that was told.
    pub(super) async fn claim(&self, lane: Lane, limit: u32) -> ClaimBatch {
        self.world.claim_lane(lane, self.model.now, limit).await
    }

    /// Acquires lanes, all at once, as a process does that has just started.
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

    /// Looks at the events of a lane, and says when to look again.
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
