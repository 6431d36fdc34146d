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
    /// When it came.
    pub at: UnixMillis,
    /// A hash over its timestamp and nonce, as [`NewEvent::nonce_hash`].
    pub nonce_hash: [u8; 32],
    /// When that need not be remembered any more.
    pub nonce_expires_at: UnixMillis,
}

/// An event that has come.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// An id for it, should it be new. Its lane is the user's, or the app's for one about no user.
    pub id: EventId,
    /// The app.
    pub appid: AppId,
    /// The user that it is about.
    pub openid: Option<OpenId>,
    /// As WeChat calls it.
    pub name: String,
    /// SHA-256 over the app and the content: the same for a repeat.
    pub digest: [u8; 32],
    /// SHA-256 over the request's timestamp and its nonce.
    pub nonce_hash: [u8; 32],
    /// When that timestamp is too old to be taken anyway.
    pub nonce_expires_at: UnixMillis,
    /// When it happened, in seconds, as WeChat says.
    pub create_time: i64,
    /// When it came.
    pub received_at: UnixMillis,
    /// It says what became of messages.
    pub is_sent_report: bool,
    /// All of it, as a JSON object.
    pub body: String,
}

/// What came of receiving an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// It is stored, to be worked on.
    New,
    /// It came before, as this one.
    Repeated {
        /// Its id.
        id: EventId,
    },
    /// Its timestamp and nonce were used for another content. Nothing was stored.
    NonceReused,
}

/// How far the work on an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventState {
    /// Stored, nothing done yet.
    Received,
    /// All is done that it asks for.
    Done,
    /// It is about a message whose answer is not stored yet; it is looked at again.
    Parked,
}

codes!(EventState { Received: 0, Done: 1, Parked: 2 });

/// One thing that an event did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// A unit was granted.
    Granted {
        /// For this template.
        template: TemplateId,
        /// Of this kind.
        kind: PermitKind,
        /// On this permit.
        permit: PermitId,
        /// Waiting messages that it set going.
        woken: u32,
    },
    /// The mini program, or its back end, had reported the same acceptance.
    AlreadyReported {
        /// Of this template.
        template: TemplateId,
    },
    /// What was left of a permit is void.
    Revoked {
        /// For this template.
        template: TemplateId,
        /// Of this kind.
        kind: PermitKind,
        /// This permit.
        permit: PermitId,
        /// So many units.
        units: u32,
    },
    /// The user has this message.
    Delivered {
        /// Which.
        message: MessageId,
    },
    /// The user did not get this message.
    Refused {
        /// Which.
        message: MessageId,
        /// WeChat's code.
        errcode: Errcode,
        /// WeChat's words.
        errmsg: String,
    },
    /// It is about this message, of which that was known.
    AlreadySettled {
        /// Which.
        message: MessageId,
    },
    /// It is about a message that is not known here: somebody else sent it, or it is not kept any more.
    NoMessage {
        /// Of this template.
        template: TemplateId,
    },
}

/// One thing that an event asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallbackAction {
    /// The user accepted messages of this template.
    Accept {
        /// Which.
        template: TemplateId,
        /// An id for the permit, should it be new.
        permit: PermitId,
    },
    /// The user wants no more messages of this template.
    Withdraw {
        /// Which.
        template: TemplateId,
    },
    /// WeChat says what became of a message.
    Report(SentReport),
}

/// An event to work on.
#[derive(Debug, Clone)]
pub struct ApplyOrder {
    /// Which.
    pub id: EventId,
    /// Under which its lane was acquired; if that is over, nothing is done.
    pub epoch: Epoch,
    /// What it asks for.
    pub actions: Vec<CallbackAction>,
    /// Now.
    pub now: UnixMillis,
}

/// What came of working on an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// How far it is.
    pub state: EventState,
    /// What it did.
    pub effects: Vec<Effect>,
    /// Messages that came to their end.
    pub ended: Vec<Ended>,
    /// How many waiting messages it set going; all are of the event's lane.
    pub woken: u32,
    /// When to look at it again, if it is parked.
    pub wake_at: Option<UnixMillis>,
}

/// An event, for whoever works on it and for people who ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventView {
    /// Its id.
    pub id: EventId,
    /// The app.
    pub appid: AppId,
    /// The user that it is about.
    pub openid: Option<OpenId>,
    /// As WeChat calls it.
    pub name: String,
    /// When it happened, in seconds, as WeChat says.
    pub create_time: i64,
    /// When it came.
    pub received_at: UnixMillis,
    /// How far the work on it is.
    pub state: EventState,
    /// How often it was looked at in vain.
    pub tries: u32,
    /// When it was done.
    pub worked_at: Option<UnixMillis>,
    /// What it did.
    pub effects: Vec<Effect>,
    /// All of it, as a JSON object.
    pub body: String,
}

/// What is to be worked on in a lane.
#[derive(Debug, Clone, Default)]
pub struct OpenEvents {
    /// Now, in order of receipt.
    pub due: Vec<EventView>,
    /// When there is more: the earliest moment behind these.
    pub next_wake: Option<UnixMillis>,
}

/// Which events to list.
#[derive(Debug, Clone)]
pub struct EventFilter {
    /// Of this app.
    pub appid: Option<AppId>,
    /// About this user.
    pub openid: Option<OpenId>,
    /// Of this name.
    pub name: Option<String>,
    /// Older than this one (exclusive); the page before ended there.
    pub before: Option<EventId>,
    /// At most so many.
    pub limit: u32,
    /// Look at no more than so many.
    pub look_at: u32,
}

impl Default for EventFilter {
    fn default() -> Self {
        Self { appid: None, openid: None, name: None, before: None, limit: 0, look_at: LOOK_AT }
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
