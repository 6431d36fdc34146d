//! Removing old rows: where the walk is, what may be removed, what was removed.

use hongyan_clock::UnixMillis;
use hongyan_ledger::{EventId, Lane, MessageId, PermitId};
use hongyan_wechat::{AppId, OpenId};

/// The place of a walk over all rows that may be old. A caller begins at [`Self::START`], and passes each step the answer of the
/// step before. Only the store knows the order of the walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PruneWalk(pub(crate) PruneAt);

impl PruneWalk {
    /// The beginning of a walk.
    pub const START: Self = Self(PruneAt::Messages { after: None });
}

/// Where a walk over everything that may be old has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PruneAt {
    /// Messages, from the oldest on.
    Messages {
        /// The last message that was looked at.
        after: Option<MessageId>,
    },
    /// Permits, lane by lane, user by user.
    Permits {
        /// The lane.
        lane: Lane,
        /// The last permit that was looked at.
        after: Option<(AppId, OpenId, PermitId)>,
    },
    /// Sessions of mini programs, lane by lane.
    Sessions {
        /// The lane.
        lane: Lane,
    },
    /// Tokens that the facade handed out.
    GatewayTokens,
    /// Events, from the oldest on.
    Events {
        /// The last event that was looked at.
        after: Option<EventId>,
    },
    /// Nonces of events, and acceptances that found no partner, lane by lane.
    Leftovers {
        /// The lane.
        lane: Lane,
    },
    /// Users whose session_key is old, lane by lane.
    Users {
        /// The lane.
        lane: Lane,
    },
    /// The audit trail, from the oldest line on.
    Audit,
    /// Counts over time: those of old minutes become a part of their hours, those of old hours a part of their days, and
    /// those of old days are forgotten.
    Tallies,
    /// Events of webhooks, from the oldest on, with their deliveries.
    WebhookEvents,
}

/// What may be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PruneOrder {
    /// Messages and permits that have been over since before this moment, and events that came before it; `None`: nothing of
    /// these.
    pub before: Option<UnixMillis>,
    /// Lines of the audit trail from before this moment; `None`: no lines.
    pub audit_before: Option<UnixMillis>,
    /// Now: sessions and tokens that have expired are removed.
    pub now: UnixMillis,
    /// How many rows one step removes, at most: messages with their last attempts, older attempts, permits, sessions,
    /// tokens, events, leftovers and deliveries each count as one. At least 1.
    pub limit: u32,
}

/// What one step removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Messages, with their bodies and last attempts.
    pub messages: u32,
    /// Older attempts of messages.
    pub attempts: u32,
    /// Permits.
    pub permits: u32,
    /// Sessions.
    pub sessions: u32,
    /// Tokens that the facade handed out.
    pub gateway_tokens: u32,
    /// Events.
    pub events: u32,
    /// Nonces of events, and acceptances that found no partner.
    pub leftovers: u32,
    /// Session keys of users who did not log in after the limit.
    pub users: u32,
    /// Lines of the audit trail.
    pub audit: u32,
    /// Counts of minutes and hours that were moved into longer steps, and counts of days.
    pub tallies: u32,
    /// Events of webhooks.
    pub webhook_events: u32,
    /// Deliveries of events of webhooks.
    pub deliveries: u32,
    /// Where to go on; `None`: the walk is over.
    pub next: Option<PruneWalk>,
}

impl Pruned {
    /// How many rows were removed in all.
    pub const fn rows(&self) -> u32 {
        self.messages
            + self.attempts
            + self.permits
            + self.sessions
            + self.gateway_tokens
            + self.events
            + self.leftovers
            + self.users
            + self.audit
            + self.tallies
            + self.webhook_events
            + self.deliveries
    }
}
