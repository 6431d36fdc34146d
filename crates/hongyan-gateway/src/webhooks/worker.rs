//! The worker delivers the events of one webhook.
//!
//! Each webhook has a task of its own, so a slow webhook delays only itself. The worker reads the events behind the
//! webhook's cursor, and the retries that are due. It keeps a few requests under way, at most one for each subject, and
//! stores their outcomes together. A webhook whose last delivery failed gets one event at a time, with rests between
//! repeated failures ([`hongyan_ledger::webhook`]).

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_failpoints as points;
use hongyan_ledger::WebhookEventId;
use hongyan_ledger::webhook::{Fate, Reply};
use hongyan_store::types::{
    Delivery, DeliveryOutcome, DeliveryReport, Epoch, FeedCursor, WebhookRecord, WebhookStart,
};
use secrecy::SecretString;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::attempt::{Address, Landed, end_span, ended, request_id};
use super::client::{Answer, Client, Connection, Post};
use super::context::DeliveryContext;
use super::sign::Signer;
use crate::pace;
use crate::state::owned::Flight;
use crate::stop::Stop;
use crate::vault::{Purpose, VaultError};

/// The most events that one read returns.
const READ: u32 = 256;

/// The worker reads more events when fewer than this are ready: twice the most requests that may be under way.
const LOW: usize = 128;

/// The most events in memory: the events of a few busy subjects may have to wait.
const MAX_HELD: usize = 2_048;

/// The most outcomes that are stored together.
const STORE: usize = 64;

/// After this many events that are not for the webhook, the cursor is stored without an outcome.
const CURSOR_STEP: u64 = 10_000;

/// Messages have priority. When verbs of the store wait for each other, the machine is fully loaded: a worker then stores
/// outcomes at most once in this time, and rests in between. That still allows some thousand events a second, and a slower
/// webhook never competes with messages.
const STORE_IN_CROWD_EVERY: Duration = Duration::from_millis(50);

/// How long a stop waits for answers. Requests without an answer are sent again after the next start.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

pub(super) struct WebhookWorker {
    context: DeliveryContext,
    record: WebhookRecord,
    /// Or why nothing can be sent.
    address: Result<Address, String>,
    /// Idle connections, the most recently used at the end.
    kept: Vec<Connection>,
    stop: Stop,
    /// The epoch under which this node has the webhook's lane.
    epoch: Epoch,
    /// Keeps the lane until the last outcomes are stored.
    _flight: Flight,
    lanes: watch::Receiver<u64>,
    changed: watch::Receiver<u64>,
    events: watch::Receiver<()>,
    /// The position behind the last event that was read.
    looked_to: FeedCursor,
    /// The cursor as stored.
    cursor: FeedCursor,
    /// There are more events behind `looked_to`.
    more: bool,
    /// Deliveries to start.
    ready: VecDeque<Delivery>,
    /// For each subject with a delivery ready or under way: the deliveries behind it.
    subjects: HashMap<i64, VecDeque<Delivery>>,
    /// Events behind the cursor whose outcome is not known yet.
    open: HashSet<WebhookEventId>,
    flying: JoinSet<Landed>,
    outcomes: Vec<DeliveryOutcome>,
    /// One of the outcomes is a failure: store it before the next request, because it may disable the webhook or make it
    /// rest.
    has_failed: bool,
    /// When the worker began to work after its last rest. During a rest this is in the future.
    works_since: Instant,
}

impl WebhookWorker {
    /// A worker for a webhook as it was when `changed` was last read.
    pub(super) fn new(
        context: DeliveryContext,
        start: WebhookStart,
        epoch: Epoch,
        changed: watch::Receiver<u64>,
        stop: Stop,
    ) -> Self {
        let WebhookStart { record, cursor } = start;
        Self {
            epoch,
            _flight: context.owned.flight(record.id.lane()),
            lanes: context.owned.watch(),
            changed,
            events: context.changes.watch_events(),
            address: Err(String::new()),
            kept: Vec::new(),
            record,
            stop,
            looked_to: cursor.clone(),
            cursor,
            more: true,
            ready: VecDeque::new(),
            subjects: HashMap::new(),
            open: HashSet::new(),
            flying: JoinSet::new(),
            outcomes: Vec::new(),
            has_failed: false,
            works_since: Instant::now(),
            context,
        }
    }

    /// Runs until the webhook is disabled or deleted, or the gateway stops.
    pub(super) async fn run(mut self) {
        self.look_up();
        loop {
            if self.stop.is_stopping() {
                return self.end().await;
            }
            match self.step().await {
                Ok(true) => {}
                Ok(false) => return self.end().await,
                Err(error) => {
                    tracing::error!(%error, webhook = %self.record.id, "events cannot be delivered; trying again");
                    pace::store_failed().await;
                }
            }
        }
    }

    /// One round: store, read, start, wait. `false`: the webhook needs no worker any more.
    async fn step(&mut self) -> hongyan_store::Result<bool> {
        if !self.is_ours() || (self.is_changed() && !self.reload().await?) {
            return Ok(false);
        }
        let is_due = self.ready.is_empty() || self.outcomes.len() >= STORE || self.has_failed;
        if !self.outcomes.is_empty() && is_due && !self.store().await? {
            return Ok(false);
        }
        let now = self.context.clock.now();
        let rests = self.record.health.rest_until.filter(|&until| now < until);
        let mut wake_at = rests.unwrap_or(UnixMillis::MAX);
        if rests.is_none() && self.ready.len() < LOW && self.outcomes.is_empty() {
            wake_at = self.read(now).await?;
        }
        // Outcomes found before must be stored before the worker reads more.
        if self.ready.is_empty()
            && (!self.outcomes.is_empty() || (self.more && self.has_room() && rests.is_none()))
        {
            return Ok(true);
        }
        if rests.is_none() && self.works_since <= Instant::now() {
            if self.is_changed() || !self.is_ours() {
                // The webhook was changed while the store was read. The events may be later than the change, and must not be
                // signed or addressed by the old settings.
                return Ok(true);
            }
            self.start_ready();
        }
        self.wait(wake_at, rests.is_none()).await;
        Ok(true)
    }

    /// Whether this node still has the webhook's lane.
    fn is_ours(&mut self) -> bool {
        self.lanes.mark_unchanged();
        self.context.owned.epoch(self.record.id.lane()) == Some(self.epoch)
    }

    /// Whether webhooks were changed since this webhook was read.
    fn is_changed(&self) -> bool {
        self.changed.has_changed().unwrap_or(false)
    }

    /// Reads the webhook again. `false`: the webhook was deleted or disabled.
    async fn reload(&mut self) -> hongyan_store::Result<bool> {
        self.changed.mark_unchanged();
        let Some(start) = self.context.store.webhook_start(self.record.id).await? else { return Ok(false) };
        self.record = start.record;
        self.look_up();
        Ok(self.record.disabled.is_none())
    }

    /// Computes the parts of all requests from the current webhook.
    fn look_up(&mut self) {
        let signer = self.secrets().map_err(|error| {
            tracing::error!(%error, webhook = %self.record.id, "the webhook's secret cannot be decrypted; nothing is sent");
        });
        let signer = signer.ok().as_deref().and_then(Signer::new);
        let place = self.context.client.place(&self.record.url);
        let address = signer
            .ok_or_else(|| "the webhook's secret cannot be decrypted".to_owned())
            .and_then(|signer| Ok(Address { signer, place: Arc::new(place?) }));
        self.address = address;
        for connection in std::mem::take(&mut self.kept) {
            self.keep(connection);
        }
    }

    /// Keeps a connection for the next event, unless the webhook has another address by now.
    fn keep(&mut self, connection: Connection) {
        if self.address.as_ref().is_ok_and(|address| connection.goes_to(&address.place)) {
            self.kept.push(connection);
        }
    }

    /// The secrets, each with the moment after which it no longer signs.
    fn secrets(&self) -> Result<Vec<(SecretString, UnixMillis)>, VaultError> {
        let owner = self.record.id.to_string();
        let previous = self.record.previous_secret.as_ref().map(|(secret, until)| (secret, *until));
        std::iter::once((&self.record.secret, UnixMillis::MAX))
            .chain(previous)
            .map(|(sealed, until)| {
                Ok((self.context.vault.open_of(Purpose::WebhookSecret, &owner, sealed)?, until))
            })
            .collect()
    }

    /// Stores the outcomes of deliveries. `false`: the webhook was deleted or disabled.
    async fn store(&mut self) -> hongyan_store::Result<bool> {
        let cursor = self.looked_to.held_back_by(&self.open);
        let report = DeliveryReport {
            webhook: self.record.id,
            epoch: self.epoch,
            outcomes: self.outcomes.clone(),
            cursor: cursor.clone(),
            now: self.context.clock.now(),
        };
        let standing = self.context.store.settle_deliveries(report).await?;
        self.cursor = cursor;
        self.has_failed = false;
        for tried in self.outcomes.drain(..).filter_map(|outcome| outcome.tried) {
            self.context.report.event_delivered(tried.fate);
        }
        self.rest_if_crowded();
        let Some(standing) = standing else { return Ok(false) };
        self.record.health = standing.health;
        if let Some(reason) = standing.disabled {
            tracing::warn!(
                webhook = %self.record.id, reason = reason.name(),
                "a webhook was disabled; POST /v1/webhooks/{{id}}/enable when its receiver works again"
            );
        }
        Ok(standing.disabled.is_none())
    }

    fn rest_if_crowded(&mut self) {
        let now = Instant::now();
        let worked = now.saturating_duration_since(self.works_since);
        self.works_since = now + rest(worked, self.context.store.is_crowded());
    }

    /// Reads the events to deliver. Returns when the next retry is due.
    async fn read(&mut self, now: UnixMillis) -> hongyan_store::Result<UnixMillis> {
        let (store, id) = (&self.context.store, self.record.id);
        let mut wake_at = store.next_delivery_at(id).await?.unwrap_or(UnixMillis::MAX);
        if wake_at <= now {
            let mut is_held_up = false;
            let due = store.due_deliveries(id, now, READ).await?;
            let is_all = due.len() < READ as usize;
            for delivery in due {
                match self.subjects.entry(delivery.subject) {
                    Entry::Occupied(_) => is_held_up = true,
                    Entry::Vacant(place) => {
                        place.insert(VecDeque::new());
                        self.ready.push_back(delivery);
                    }
                }
            }
            // The end of a request under way will wake the worker.
            wake_at = if is_all || is_held_up { UnixMillis::MAX } else { now };
        }
        if self.more && self.has_room() {
            let feed = store.feed(id, self.looked_to.clone(), READ).await?;
            self.looked_to = feed.looked_to;
            self.more = feed.more;
            for delivery in feed.deliveries {
                self.take(delivery);
            }
            let skipped = self.looked_to.events_since(&self.cursor);
            if self.open.is_empty() && self.outcomes.is_empty() && skipped >= CURSOR_STEP {
                self.store().await?;
            }
        }
        Ok(wake_at)
    }

    fn has_room(&self) -> bool {
        self.open.len() < MAX_HELD
    }

    /// Takes a new event.
    fn take(&mut self, delivery: Delivery) {
        if delivery.is_behind {
            self.hold(&delivery);
            return;
        }
        self.open.insert(delivery.id);
        if let Some(behind) = self.subjects.get_mut(&delivery.subject) {
            behind.push_back(delivery);
        } else {
            self.subjects.insert(delivery.subject, VecDeque::new());
            self.ready.push_back(delivery);
        }
    }

    fn hold(&mut self, delivery: &Delivery) {
        let outcome = DeliveryOutcome { event: delivery.id, subject: delivery.subject, tried: None };
        self.outcomes.push(outcome);
    }

    fn start_ready(&mut self) {
        let at_once = if self.record.health.failures > 0 { 1 } else { self.context.at_once };
        while self.flying.len() < at_once
            && let Some(delivery) = self.ready.pop_front()
        {
            let now = self.context.clock.now();
            let address = match &self.address {
                Ok(address) => address,
                Err(why) => {
                    let tried = ended(&delivery, now, now, Answer::none(why));
                    self.flying.spawn(ready(Landed { delivery, tried, connection: None }));
                    continue;
                }
            };
            let host = address.place.host();
            let mut span =
                self.context.traces.delivery(delivery.traceparent.as_deref(), delivery.kind.name(), host);
            span.text("hongyan.webhook.id", self.record.id);
            span.text("hongyan.event.id", delivery.id);
            span.number("hongyan.attempt", delivery.tries + 1);
            let post = Post { traceparent: span.traceparent(), ..address.post(&delivery, now) };
            let (place, kept) = (Arc::clone(&address.place), self.kept.pop());
            let (client, clock): (Client, _) = (self.context.client.clone(), self.context.clock.clone());
            self.flying.spawn(async move {
                points::reach(points::TELL_BEFORE_REQUEST);
                let (answer, connection) = client.post(&place, kept, post).await;
                end_span(span, &answer);
                points::reach(points::TELL_AFTER_ANSWER);
                let tried = ended(&delivery, now, clock.now(), answer);
                Landed { delivery, tried, connection }
            });
        }
    }

    /// Waits for whatever comes first.
    async fn wait(&mut self, wake_at: UnixMillis, reads: bool) {
        let hungry = reads && !self.more && self.has_room();
        let is_idle = self.flying.is_empty();
        let is_resting = reads && !self.ready.is_empty() && self.works_since > Instant::now();
        let oldest = self.kept.first().filter(|_| is_idle).map(Connection::old_at);
        let landed = tokio::select! {
            Some(landed) = self.flying.join_next() => Some(landed),
            _ = self.events.changed(), if hungry => {
                self.more = true;
                None
            }
            _ = self.changed.changed() => {
                // `step` handles the change.
                self.changed.mark_changed();
                None
            }
            // `step` handles the change.
            _ = self.lanes.changed() => None,
            () = self.context.clock.sleep_until(wake_at) => None,
            () = sleep_until(self.works_since), if is_resting => None,
            () = sleep_until(oldest.unwrap_or_else(Instant::now)), if oldest.is_some() => None,
            () = self.stop.stopping() => None,
        };
        let now = Instant::now();
        self.kept.retain(|connection| now < connection.old_at());
        if landed.is_some() {
            // Under load many requests end at about the same time, and a round costs the same for one outcome as for all.
            tokio::task::yield_now().await;
        }
        let mut next = landed;
        while let Some(landed) = next {
            self.landed(landed);
            next = self.flying.try_join_next();
        }
    }

    /// A request has ended.
    fn landed(&mut self, landed: Result<Landed, tokio::task::JoinError>) {
        let Landed { delivery, tried, connection } = match landed {
            Ok(landed) => landed,
            Err(error) => {
                // The subject stays blocked until the next start, which sends the event again.
                tracing::error!(
                    %error,
                    webhook = %self.record.id,
                    "the task of a delivery failed; the event is sent again after the next start"
                );
                return;
            }
        };
        if let Some(connection) = connection {
            self.keep(connection);
        }
        tracing::debug!(
            webhook = %self.record.id,
            event = %delivery.id,
            kind = delivery.kind.name(),
            tries = tried.tries,
            status = tried.answer.status,
            request_id = request_id(&delivery),
            "a delivery ended"
        );
        self.open.remove(&delivery.id);
        self.has_failed |= tried.reply != Reply::Taken;
        let is_done = !matches!(tried.fate, Fate::Retry(_));
        let (event, subject) = (delivery.id, delivery.subject);
        self.outcomes.push(DeliveryOutcome { event, subject, tried: Some(tried) });
        let mut behind = self.subjects.remove(&subject).unwrap_or_default();
        if !is_done {
            for delivery in behind {
                self.open.remove(&delivery.id);
                self.hold(&delivery);
            }
        } else if let Some(next) = behind.pop_front() {
            self.subjects.insert(subject, behind);
            self.ready.push_front(next);
        }
    }

    /// Stores the outcomes, after a short wait for requests under way. The rest is sent again.
    async fn end(mut self) {
        let answers = async {
            while let Some(landed) = self.flying.join_next().await {
                self.landed(landed);
            }
        };
        // A webhook may have accepted a request without an answer: delivery is at least once.
        let _late = tokio::time::timeout(LAST_ANSWERS, answers).await;
        if !self.outcomes.is_empty()
            && let Err(error) = self.store().await
        {
            tracing::warn!(%error, webhook = %self.record.id, "the last deliveries were not stored; they will be repeated");
        }
    }
}

/// How long to rest after this much work.
fn rest(worked: Duration, is_crowded: bool) -> Duration {
    if is_crowded { STORE_IN_CROWD_EVERY.saturating_sub(worked) } else { Duration::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_go_first_where_there_is_a_crowd_and_nobody_rests_for_long() {
        let ms = Duration::from_millis;
        assert_eq!(rest(ms(4), false), Duration::ZERO);
        assert_eq!(rest(ms(4), true), ms(46));
        assert_eq!(
            rest(ms(15_000), true),
            Duration::ZERO,
            "slow requests leave the machine time for other work"
        );
    }
}
