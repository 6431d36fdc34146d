//! Webhooks: which webhook is told of which events, and the outcome of deliveries.

use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_ledger::webhook::{DisabledReason, EventType, Fate, Filter, Health, Reply};
use hongyan_ledger::{WebhookEventId, WebhookId, codes, names};

use super::feed::FeedCursor;
use super::{Epoch, Sealed};

/// How many webhooks there may be. Each costs a look at its filter for every event, and a task.
pub const MAX_WEBHOOKS: usize = 64;

/// How many events one call replays, at most.
pub const MAX_REPLAY: u32 = 10_000;

/// An address that events are sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookRecord {
    /// Its id.
    pub id: WebhookId,
    /// Its URL.
    pub url: String,
    /// A description for people.
    pub description: String,
    /// Which events it wants.
    pub filter: Filter,
    /// The secret that signs requests, sealed.
    pub secret: Sealed,
    /// The previous secret, which signs, too, until this moment.
    pub previous_secret: Option<(Sealed, UnixMillis)>,
    /// Why and since when nothing is sent to it, if it is disabled.
    pub disabled: Option<(DisabledReason, UnixMillis)>,
    /// Its recent failures.
    pub health: Health,
    /// Its last answer.
    pub last: Option<WebhookAnswer>,
    /// When it was added.
    pub created_at: UnixMillis,
    /// When it was last changed.
    pub updated_at: UnixMillis,
}

impl WebhookRecord {
    /// A webhook that is added now: enabled, without a description, and not tried yet. `secret` is sealed.
    pub fn new(id: WebhookId, url: String, filter: Filter, secret: Sealed, now: UnixMillis) -> Self {
        Self {
            id,
            url,
            description: String::new(),
            filter,
            secret,
            previous_secret: None,
            disabled: None,
            health: Health::default(),
            last: None,
            created_at: now,
            updated_at: now,
        }
    }
}

/// The answer of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookAnswer {
    /// When it came.
    pub at: UnixMillis,
    /// The HTTP status; `None`: there was no answer.
    pub status: Option<u16>,
    /// The beginning of the answer, or why there was no answer.
    pub text: String,
}

/// A change of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookChange {
    /// New settings.
    Settings {
        /// Its URL.
        url: String,
        /// A description for people.
        description: String,
        /// Which events it wants.
        filter: Filter,
    },
    /// A new secret; the present secret signs, too, until `previous_until`.
    Secret {
        /// The new secret.
        secret: Sealed,
        /// The present secret, if nothing is to be changed when another caller has changed the secret meanwhile.
        instead_of: Option<Sealed>,
        /// When the present secret ends.
        previous_until: UnixMillis,
    },
    /// Send to it (again): pending events are due now, and their three days begin again.
    Enable,
    /// Send nothing to it.
    Disable(DisabledReason),
}

/// An event that is to be delivered to one webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The event's id.
    pub id: WebhookEventId,
    /// Its type.
    pub kind: EventType,
    /// What the event is about. Of events with the same subject the next one goes when the one before is done.
    pub subject: i64,
    /// When it happened.
    pub created_at: UnixMillis,
    /// Its data, as JSON.
    pub data: String,
    /// The parent of the delivery's spans, if the event is about a traced message.
    pub traceparent: Option<String>,
    /// How often it was tried.
    pub tries: u32,
    /// When it was first tried.
    pub first_at: Option<UnixMillis>,
    /// An earlier event with the same subject is still to be delivered.
    pub is_behind: bool,
}

/// The events behind a webhook's cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Feed {
    /// The events that the webhook wants, in order.
    pub deliveries: Vec<Delivery>,
    /// Behind the last event that was looked at.
    pub looked_to: FeedCursor,
    /// There are more events behind these.
    pub more: bool,
}

/// The outcome of a delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryOutcome {
    /// The event.
    pub event: WebhookEventId,
    /// Its subject.
    pub subject: i64,
    /// The try; `None`: there was no try, because an earlier event of the subject is still to be delivered.
    pub tried: Option<Tried>,
}

/// A finished try.
#[derive(Debug, Clone, PartialEq)]
pub struct Tried {
    /// How the webhook answered.
    pub reply: Reply,
    /// What that means for the event.
    pub fate: Fate,
    /// The number of the try, from 1.
    pub tries: u32,
    /// When the first try of this event was.
    pub first_at: UnixMillis,
    /// The answer.
    pub answer: WebhookAnswer,
    /// A random number from 0 to 1: it decides how long a failing webhook rests.
    pub random: f64,
}

/// Outcomes to be stored, all for one webhook.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryReport {
    /// The webhook.
    pub webhook: WebhookId,
    /// The epoch under which its lane ([`WebhookId::lane`]) was acquired; if this epoch is over, nothing is stored.
    pub epoch: Epoch,
    /// The outcomes, in the order in which they came.
    pub outcomes: Vec<DeliveryOutcome>,
    /// What it wants of the events up to here is among these outcomes, or those before.
    pub cursor: FeedCursor,
    /// Now.
    pub now: UnixMillis,
}

/// The standing of a webhook after outcomes were stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhookStanding {
    /// Its recent failures.
    pub health: Health,
    /// Why nothing is sent to it, if it is disabled.
    pub disabled: Option<DisabledReason>,
}

/// A webhook with its cursor, from which its worker starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookStart {
    /// The webhook.
    pub record: WebhookRecord,
    /// Its cursor.
    pub cursor: FeedCursor,
}

/// Which events to send again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayOrder {
    /// This event, even if the webhook's filter does not want it.
    Event(WebhookEventId),
    /// The events of this time that the webhook wants.
    Between {
        /// Events of this moment or later.
        since: UnixMillis,
        /// Events before this moment.
        until: UnixMillis,
    },
}

/// The result of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replayed {
    /// These events are due now.
    Events {
        /// How many events.
        events: u32,
        /// There were more than [`MAX_REPLAY`] events: go on with events since this moment.
        next_since: Option<UnixMillis>,
    },
    /// There is no such webhook.
    NoWebhook,
    /// There is no such event, or it was removed as too old.
    NoEvent,
}

/// The state of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// The event is to be delivered.
    Pending,
    /// The webhook took the event.
    Taken,
    /// The event is not tried any more.
    GivenUp,
}

names!(DeliveryState { Pending: "pending", Taken: "taken", GivenUp: "given_up" });

codes!(DeliveryState { Pending: 0, Taken: 1, GivenUp: 2 });

/// A delivery, for people who ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryView {
    /// The event.
    pub event: WebhookEventId,
    /// Its type.
    pub kind: EventType,
    /// When it happened.
    pub created_at: UnixMillis,
    /// The state of the delivery.
    pub state: DeliveryState,
    /// How often it was tried.
    pub tries: u32,
    /// The last answer.
    pub last: Option<WebhookAnswer>,
    /// When the event is tried next. Absent for a pending event that waits for an earlier event of its subject.
    pub next_try_at: Option<UnixMillis>,
}

/// The events that are still to be delivered to a webhook.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How many events there are, counted up to [`MAX_COUNTED`].
    pub pending: u32,
    /// When the oldest of them happened.
    pub oldest: Option<UnixMillis>,
}

/// How many events are looked at, at most, to count the pending ones.
pub const MAX_COUNTED: u32 = 100_000;

/// A step of the search for permits that expire soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpiringOrder {
    /// Now.
    pub now: UnixMillis,
    /// How long before its end a permit is told of.
    pub ahead: Duration,
    /// How many permits are looked at, at most.
    pub limit: u32,
}

/// The result of a step of that search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiringStep {
    /// No webhook wants such events.
    NobodyListens,
    /// So many permits were told of, and there are more to look at.
    More(u32),
    /// So many permits were told of. There are no more until time has passed.
    Done(u32),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_deliveries_keep_their_numbers_and_names() {
        use DeliveryState as S;
        let all = [(S::Pending, 0, "pending"), (S::Taken, 1, "taken"), (S::GivenUp, 2, "given_up")];
        assert_eq!(S::ALL, all.map(|(state, ..)| state));
        for (state, number, name) in all {
            assert_eq!((state.code(), state.name(), S::from_code(number)), (number, name, Some(state)));
        }
        assert_eq!(S::from_code(3), None);
    }
}
