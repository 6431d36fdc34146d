//! Unknown outcomes: what is found out about them.

use std::sync::Arc;

use hongyan_clock::UnixMillis;
use hongyan_ledger::resolve::{Verdict, Witness};
use hongyan_ledger::{MessageId, MessageState, ReasonCode};

/// Somebody's word on a message of unknown outcome.
#[derive(Debug, Clone)]
pub struct ResolveOrder {
    /// Which message.
    pub id: MessageId,
    /// What was found out.
    pub verdict: Verdict,
    /// The attempt that it is about. `None`: the last one, whichever that is by now.
    pub attempt: Option<u32>,
    /// Who found it out.
    pub witness: Witness,
    /// If silence is the witness: what must have been listened to for it.
    pub listened: Option<Listened>,
    /// Now.
    pub now: UnixMillis,
}

/// For how long somebody must have listened to WeChat's pushes so that silence says something.
#[derive(Debug, Clone)]
pub struct Listened {
    /// The node that says so: it listens itself.
    pub node: Arc<str>,
    /// From here
    pub from: UnixMillis,
    /// to here.
    pub to: UnixMillis,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolved {
    /// The message moved on.
    Done {
        /// Its state now.
        state: MessageState,
        /// Why, where that needs saying.
        reason: Option<ReasonCode>,
    },
    /// The same was said before; nothing changed.
    Repeated {
        /// Its state now.
        state: MessageState,
        /// Why, where that needs saying.
        reason: Option<ReasonCode>,
    },
    /// There is no such message.
    NotFound,
    /// It is in this state, and that is not `unknown`.
    NotUnknown(MessageState),
    /// It is `unknown`, but since then this attempt was made, and that is the one in doubt.
    AnotherAttempt(u32),
    /// The order was given because no event came, and there is one about the user that was not worked on yet, or a node
    /// that has not been heard of since.
    EventPending,
    /// The order was given because no event came, and one may have been missed.
    MayHaveMissed,
}

/// A resolution, for people who ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResolutionView {
    /// The attempt whose outcome was unknown.
    pub attempt: u32,
    /// What was found out.
    pub verdict: Verdict,
    /// When that was said.
    pub at: UnixMillis,
    /// Who found it out.
    pub witness: Witness,
}
