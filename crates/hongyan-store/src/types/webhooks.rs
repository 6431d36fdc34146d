//! Webhooks: who is told of events, what is told, and what became of it.

use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_ledger::webhook::{DisabledReason, EventType, Fate, Filter, Health, Reply};
use hongyan_ledger::{WebhookEventId, WebhookId, codes, names};

use super::feed::FeedCursor;
use super::{Epoch, Sealed};

/// The most webhooks that there may be. Each costs every event a look at its filter, and a task.
pub const MAX_WEBHOOKS: usize = 64;

/// The most events that one call replays.
pub const MAX_REPLAY: u32 = 10_000;

/// An address that events are sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookRecord {
    /// Its id.
    pub id: WebhookId,
    /// Where to.
    pub url: String,
    /// For people.
    pub description: String,
    /// What it wants to hear of.
    pub filter: Filter,
    /// The secret that signs, sealed.
    pub secret: Sealed,
    /// The one before, which signs too until the moment beside it.
    pub previous_secret: Option<(Sealed, UnixMillis)>,
    /// Why and since when nothing is sent to it, if so.
    pub disabled: Option<(DisabledReason, UnixMillis)>,
    /// How it fares.
    pub health: Health,
    /// Its last answer.
    pub last: Option<WebhookAnswer>,
    /// When it was set up.
    pub created_at: UnixMillis,
    /// When somebody last changed it.
    pub updated_at: UnixMillis,
}

/// What came back from a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookAnswer {
    /// When.
    pub at: UnixMillis,
    /// The HTTP status; `None`: there was no answer.
    pub status: Option<u16>,
    /// The first words of the answer, or why there was none.
    pub text: String,
}

/// What of a webhook is to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookChange {
    /// How it is set.
    Settings {
        /// Where to.
        url: String,
        /// For people.
        description: String,
        /// What it wants to hear of.
        filter: Filter,
    },
    /// A new secret; the present one signs too until then.
    Secret {
        /// The new one.
        secret: Sealed,
        /// The end of the present one.
        previous_until: UnixMillis,
    },
    /// Send to it (again): what is pending is due now, and its three days begin anew.
    Enable,
    /// Send nothing to it.
    Disable(DisabledReason),
}

/// An event on its way to one webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The event's id.
    pub id: WebhookEventId,
    /// Its type.
    pub kind: EventType,
    /// Who or what it is about; of those about the same, the next goes when the one before is done.
    pub subject: i64,
    /// When it happened.
    pub created_at: UnixMillis,
    /// What happened, as JSON.
    pub data: String,
    /// How often it was tried.
    pub tries: u32,
    /// When it was first tried.
    pub first_at: Option<UnixMillis>,
    /// An earlier one about the same subject is still to be delivered.
    pub is_behind: bool,
}

/// The events behind a webhook's cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Feed {
    /// Those that it wants, in order.
    pub deliveries: Vec<Delivery>,
    /// Behind the last event that was looked at.
    pub looked_to: FeedCursor,
    /// There were more.
    pub more: bool,
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryOutcome {
    /// The event.
    pub event: WebhookEventId,
    /// Its subject.
    pub subject: i64,
    /// What became of it; `None`: it was not tried, for it is behind another.
    pub tried: Option<Tried>,
}

/// A try that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Tried {
    /// How the webhook answered.
    pub reply: Reply,
    /// What that means for the event.
    pub fate: Fate,
    /// Its number, from 1.
    pub tries: u32,
    /// When the first one was.
    pub first_at: UnixMillis,
    /// The answer.
    pub answer: WebhookAnswer,
    /// By chance, from 0 to 1: for how long a webhook that keeps failing rests.
    pub random: f64,
}

/// Outcomes to store, all of one webhook.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryReport {
    /// Which webhook.
    pub webhook: WebhookId,
    /// Under which its lane ([`WebhookId::lane`]) was acquired; if that is over, nothing is stored.
    pub epoch: Epoch,
    /// What became of deliveries, in the order in which it did.
    pub outcomes: Vec<DeliveryOutcome>,
    /// What it wants of the events up to here is among these outcomes, or those before.
    pub cursor: FeedCursor,
    /// Now.
    pub now: UnixMillis,
}

/// Where a webhook stands after outcomes were stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhookStanding {
    /// How it fares.
    pub health: Health,
    /// Why nothing is sent to it (any more), if so.
    pub disabled: Option<DisabledReason>,
}

/// Where a webhook begins when its part of the gateway starts.
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
    /// This one, whatever the webhook's filter says.
    Event(WebhookEventId),
    /// Those that it wants, of this time.
    Between {
        /// Those that happened at this moment or later.
        since: UnixMillis,
        /// And before this one.
        until: UnixMillis,
    },
}

/// What a replay set going.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replayed {
    /// So many events are due now.
    Events {
        /// How many.
        events: u32,
        /// There were more than [`MAX_REPLAY`]: go on with those since this moment.
        next_since: Option<UnixMillis>,
    },
    /// There is no such webhook.
    NoWebhook,
    /// There is no such event (any more).
    NoEvent,
}

/// Where a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// To be delivered.
    Pending,
    /// Taken.
    Taken,
    /// Not tried any more.
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
    /// Where it is.
    pub state: DeliveryState,
    /// How often it was tried.
    pub tries: u32,
    /// The last answer.
    pub last: Option<WebhookAnswer>,
    /// When it is tried next; absent of what is pending: when the one before it is done.
    pub next_try_at: Option<UnixMillis>,
}

/// What a webhook has before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How many events, counted up to [`MAX_COUNTED`].
    pub pending: u32,
    /// When the oldest of them happened.
    pub oldest: Option<UnixMillis>,
}

/// No more events than so many are looked at to count what is pending.
pub const MAX_COUNTED: u32 = 100_000;

/// A step of the search for permits that expire soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpiringOrder {
    /// Now.
    pub now: UnixMillis,
    /// How long before its end a permit is told of.
    pub ahead: Duration,
    /// The most permits that are looked at.
    pub limit: u32,
}

/// What a step of that search did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiringStep {
    /// Nobody wants to hear of it.
    NobodyListens,
    /// So many were told of, and there is more to look at.
    More(u32),
    /// So many were told of, and that is all until the time has gone on.
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
