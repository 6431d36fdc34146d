//! Unknown outcomes: what is found out about them.

use std::sync::Arc;

use hongyan_clock::UnixMillis;
use hongyan_ledger::resolve::{Verdict, Witness};
use hongyan_ledger::{MessageId, MessageState, ReasonCode};

/// A verdict on a message of unknown outcome.
#[derive(Debug, Clone)]
pub struct ResolveOrder {
    /// The message.
    pub id: MessageId,
    /// What was found out.
    pub verdict: Verdict,
    /// The attempt that the verdict is about. `None`: the last attempt.
    pub attempt: Option<u32>,
    /// Who found it out.
    pub witness: Witness,
    /// If the witness is silence: the time in which no push may have been missed.
    pub listened: Option<Listened>,
    /// Now.
    pub now: UnixMillis,
}

/// A time in which all pushes of WeChat's must have been received, so that silence proves something.
#[derive(Debug, Clone)]
pub struct Listened {
    /// The node that gives the order. It listens itself.
    pub node: Arc<str>,
    /// From this moment
    pub from: UnixMillis,
    /// to this moment.
    pub to: UnixMillis,
}

/// The result of a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolved {
    /// The message moved on.
    Done {
        /// The message's state now.
        state: MessageState,
        /// The reason of the state, if the state needs a reason.
        reason: Option<ReasonCode>,
    },
    /// The same verdict was given before; nothing changed.
    Repeated {
        /// The message's state now.
        state: MessageState,
        /// The reason of the state, if the state needs a reason.
        reason: Option<ReasonCode>,
    },
    /// There is no such message.
    NotFound,
    /// The message is in this state, not `unknown`.
    NotUnknown(MessageState),
    /// The message is `unknown` because of this later attempt, not because of the attempt that the verdict is about.
    AnotherAttempt(u32),
    /// The witness is silence, and an event about the user is not worked on yet, or a node has not renewed its lease since.
    EventPending,
    /// The witness is silence, and a push may have been missed.
    MayHaveMissed,
}

/// A resolution, for people who ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResolutionView {
    /// The attempt whose outcome was unknown.
    pub attempt: u32,
    /// What was found out.
    pub verdict: Verdict,
    /// When the verdict was stored.
    pub at: UnixMillis,
    /// Who found it out.
    pub witness: Witness,
}
