//! Events that WeChat pushed: what came, and what it did.

use hongyan_clock::UnixMillis;
use hongyan_ledger::sent_report::SentReport;
use hongyan_ledger::{EventId, MessageId, PermitId, PermitKind, codes};
use hongyan_wechat::{AppId, Errcode, OpenId, TemplateId};
use serde::{Deserialize, Serialize};

use super::pages::LOOK_AT;
use super::{Ended, Epoch};

/// WeChat's check of a callback's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressCheck {
    /// When the check came.
    pub at: UnixMillis,
    /// A hash over its timestamp and nonce, as [`NewEvent::nonce_hash`].
    pub nonce_hash: [u8; 32],
    /// When the nonce need not be remembered any more.
    pub nonce_expires_at: UnixMillis,
}

/// An event that has come.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// The id that the event gets if it is new. Its lane is the user's lane, or the app's lane for an event about no user.
    pub id: EventId,
    /// The app.
    pub appid: AppId,
    /// The user that the event is about.
    pub openid: Option<OpenId>,
    /// WeChat's name of the event.
    pub name: String,
    /// SHA-256 over the app and the content: the same for a repeat.
    pub digest: [u8; 32],
    /// SHA-256 over the request's timestamp and its nonce.
    pub nonce_hash: [u8; 32],
    /// When this timestamp is too old to be accepted anyway.
    pub nonce_expires_at: UnixMillis,
    /// When the event happened according to WeChat, in seconds.
    pub create_time: i64,
    /// When the event came.
    pub received_at: UnixMillis,
    /// Whether the event reports the result of a message.
    pub is_sent_report: bool,
    /// The whole event, as a JSON object.
    pub body: String,
}

/// The result of receiving an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// The event is stored, to be worked on.
    New,
    /// The event was received before, under this id.
    Repeated {
        /// Its id.
        id: EventId,
    },
    /// The event's timestamp and nonce were used for another content. Nothing was stored.
    NonceReused,
}

/// How far the work on an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventState {
    /// Stored, nothing done yet.
    Received,
    /// All that the event asks for is done.
    Done,
    /// The event is about a message whose answer is not stored yet; it is looked at again.
    Parked,
}

codes!(EventState { Received: 0, Done: 1, Parked: 2 });

/// One thing that an event did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// A unit was granted.
    Granted {
        /// The template.
        template: TemplateId,
        /// The kind of the permit.
        kind: PermitKind,
        /// The permit.
        permit: PermitId,
        /// How many waiting messages were woken.
        woken: u32,
    },
    /// The mini program, or its back end, had reported the same acceptance already.
    AlreadyReported {
        /// The template.
        template: TemplateId,
    },
    /// The units left in a permit were voided.
    Revoked {
        /// The template.
        template: TemplateId,
        /// The kind of the permit.
        kind: PermitKind,
        /// The permit.
        permit: PermitId,
        /// How many units were voided.
        units: u32,
    },
    /// The message is delivered.
    Delivered {
        /// The message.
        message: MessageId,
    },
    /// The user did not get the message.
    Refused {
        /// The message.
        message: MessageId,
        /// WeChat's errcode.
        errcode: Errcode,
        /// WeChat's error message.
        errmsg: String,
    },
    /// The event is about this message, which had its final state already.
    AlreadySettled {
        /// The message.
        message: MessageId,
    },
    /// The event is about a message that this store does not have: another program sent it, or it was removed as too old.
    NoMessage {
        /// The template.
        template: TemplateId,
    },
}

impl Effect {
    /// The message that the event is about.
    pub const fn message(&self) -> Option<MessageId> {
        match self {
            Self::Delivered { message }
            | Self::Refused { message, .. }
            | Self::AlreadySettled { message } => Some(*message),
            Self::Granted { .. }
            | Self::AlreadyReported { .. }
            | Self::Revoked { .. }
            | Self::NoMessage { .. } => None,
        }
    }
}

/// One thing that an event asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallbackAction {
    /// The user accepted messages of this template.
    Accept {
        /// The template.
        template: TemplateId,
        /// The id that the permit gets if it is new.
        permit: PermitId,
    },
    /// The user withdrew the right to send messages of this template.
    Withdraw {
        /// The template.
        template: TemplateId,
    },
    /// WeChat reports the result of a message.
    Report(SentReport),
}

/// The work on one event.
#[derive(Debug, Clone)]
pub struct ApplyOrder {
    /// The event.
    pub id: EventId,
    /// The epoch under which its lane was acquired; if this epoch is over, nothing is done.
    pub epoch: Epoch,
    /// What the event asks for.
    pub actions: Vec<CallbackAction>,
    /// Now.
    pub now: UnixMillis,
}

/// The result of working on an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// How far the work is.
    pub state: EventState,
    /// What the event did.
    pub effects: Vec<Effect>,
    /// Messages that reached a final state.
    pub ended: Vec<Ended>,
    /// How many waiting messages were woken; all of them are in the event's lane.
    pub woken: u32,
    /// When to look at the event again, if it is parked.
    pub wake_at: Option<UnixMillis>,
}

/// An event, for those who work on it and for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventView {
    /// Its id.
    pub id: EventId,
    /// The app.
    pub appid: AppId,
    /// The user that the event is about.
    pub openid: Option<OpenId>,
    /// WeChat's name of the event.
    pub name: String,
    /// When the event happened according to WeChat, in seconds.
    pub create_time: i64,
    /// When the event came.
    pub received_at: UnixMillis,
    /// How far the work on the event is.
    pub state: EventState,
    /// How often the event was put off.
    pub tries: u32,
    /// When the work on the event was done.
    pub worked_at: Option<UnixMillis>,
    /// What the event did.
    pub effects: Vec<Effect>,
    /// The whole event, as a JSON object.
    pub body: String,
}

/// The events of a lane that are to be worked on.
#[derive(Debug, Clone, Default)]
pub struct OpenEvents {
    /// The events that are due now, in order of receipt.
    pub due: Vec<EventView>,
    /// When the lane must be looked at again: the earliest moment of the other events.
    pub next_wake: Option<UnixMillis>,
}

/// Which events to list.
#[derive(Debug, Clone)]
pub struct EventFilter {
    /// Of one of these apps; `None`: of any.
    pub apps: Option<Vec<AppId>>,
    /// About this user.
    pub openid: Option<OpenId>,
    /// Of this name.
    pub name: Option<String>,
    /// Received then or later.
    pub since: Option<UnixMillis>,
    /// Received before.
    pub until: Option<UnixMillis>,
    /// Older than this event, where the previous page ended.
    pub before: Option<EventId>,
    /// At most so many events.
    pub limit: u32,
    /// Look at no more than so many events.
    pub look_at: u32,
}

impl Default for EventFilter {
    fn default() -> Self {
        Self {
            apps: None,
            openid: None,
            name: None,
            since: None,
            until: None,
            before: None,
            limit: 0,
            look_at: LOOK_AT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_events_keep_their_numbers_and_names() {
        use EventState as S;
        for (state, number, name) in
            [(S::Received, 0, "received"), (S::Done, 1, "done"), (S::Parked, 2, "parked")]
        {
            assert_eq!((state.code(), S::from_code(number)), (number, Some(state)));
            assert_eq!(serde_json::to_value(state).unwrap(), name);
        }
        assert_eq!(S::from_code(3), None);
    }
}
