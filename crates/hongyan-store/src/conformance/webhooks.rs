//! Helpers for the checks of webhooks.

use hongyan_clock::UnixMillis;
use hongyan_ledger::ids::IdMaker;
use hongyan_ledger::webhook::{EventType as T, Fate, Filter, Reply};
use hongyan_ledger::{MessageState as S, WebhookEventId, WebhookId};
use serde_json::Value;

use super::world::{START, World, user};
use crate::types::{
    Delivery, DeliveryOutcome, DeliveryReport, FeedCursor, Tried, WebhookAnswer, WebhookRecord,
    WebhookStanding,
};

impl World {
    pub(super) async fn listen(&self, types: &[T]) -> WebhookId {
        let filter = Filter { types: (!types.is_empty()).then(|| types.to_vec()), apps: None };
        self.listen_for(filter).await
    }

    pub(super) async fn listen_for(&self, filter: Filter) -> WebhookId {
        let id = IdMaker::new().webhook(START);
        let record = WebhookRecord {
            description: "a shop".into(),
            ..WebhookRecord::new(id, "https://example.com/".into(), filter, vec![1, 2, 3], START)
        };
        assert!(self.store.add_webhook(record.clone()).await.unwrap());
        assert_eq!(self.webhook(id).await, record);
        id
    }

    pub(super) async fn webhook(&self, id: WebhookId) -> WebhookRecord {
        let all = self.store.webhooks().await.unwrap();
        let listed = all.into_iter().find(|start| start.record.id == id).unwrap();
        let own = self.store.webhook_start(id).await.unwrap().unwrap();
        assert_eq!((&own.record, &own.cursor), (&listed.record, &listed.cursor), "both ways of asking agree");
        own.record
    }

    /// All events that the webhook was not fed yet.
    pub(super) async fn fed(&self, id: WebhookId) -> Vec<Delivery> {
        let all = self.store.webhooks().await.unwrap();
        let cursor = all.into_iter().find(|start| start.record.id == id).unwrap().cursor;
        let feed = self.store.feed(id, cursor, 1_000).await.unwrap();
        assert!(!feed.more);
        assert!(feed.deliveries.is_sorted_by_key(|delivery| delivery.id.number()));
        feed.deliveries
    }

    pub(super) async fn due(&self, id: WebhookId, now: UnixMillis) -> Vec<WebhookEventId> {
        let due = self.store.due_deliveries(id, now, 100).await.unwrap();
        ids(&due)
    }

    pub(super) async fn report(
        &self,
        id: WebhookId,
        outcomes: Vec<DeliveryOutcome>,
        now: UnixMillis,
    ) -> WebhookStanding {
        let mut cursor = FeedCursor::default();
        for outcome in &outcomes {
            cursor.advance_to(&behind(outcome.event));
        }
        let report = DeliveryReport { webhook: id, epoch: self.epoch(id.lane()), outcomes, cursor, now };
        self.store.settle_deliveries(report).await.unwrap().unwrap()
    }
}

pub(super) fn tried(delivery: &Delivery, status: u16, fate: Fate, now: UnixMillis) -> DeliveryOutcome {
    let tried = Tried {
        reply: Reply::of_status(status),
        fate,
        tries: delivery.tries + 1,
        first_at: delivery.first_at.unwrap_or(now),
        answer: WebhookAnswer { at: now, status: Some(status), text: String::new() },
        random: 0.5,
    };
    DeliveryOutcome { event: delivery.id, subject: delivery.subject, tried: Some(tried) }
}

pub(super) fn held(delivery: &Delivery) -> DeliveryOutcome {
    DeliveryOutcome { event: delivery.id, subject: delivery.subject, tried: None }
}

pub(super) fn data(delivery: &Delivery) -> Value {
    serde_json::from_str(&delivery.data).unwrap()
}

pub(super) fn kinds(deliveries: &[Delivery]) -> Vec<T> {
    deliveries.iter().map(|delivery| delivery.kind).collect()
}

pub(super) fn ids(deliveries: &[Delivery]) -> Vec<WebhookEventId> {
    deliveries.iter().map(|delivery| delivery.id).collect()
}

/// The cursor behind an event.
pub(super) fn behind(event: WebhookEventId) -> FeedCursor {
    FeedCursor::behind_number(event.number())
}

/// A message that fails at once for want of a permit, which is an event.
pub(super) async fn failure(world: &World, number: u32, now: UnixMillis) {
    assert_eq!(world.begin(world.message(&user(number), now)).await.state, S::Failed);
}
