//! Messages: what is accepted, claimed and settled, and what people may ask about.

use std::sync::Arc;

use hongyan_clock::UnixMillis;
use hongyan_ledger::settle::{Effects, InFlight, Outcome, PermitInUse};
use hongyan_ledger::{
    Channel, MessageId, MessageState, OnUnknown, PermitId, PermitKind, PermitPolicy, ReasonCode,
};
use hongyan_wechat::{AppId, Errcode, OpenId, TemplateId};
use serde::{Deserialize, Serialize};

use super::{NewPermit, ResolutionView};

use super::pages::LOOK_AT;

/// An idempotency key, hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idempotency {
    /// First bytes of SHA-256 over app, user and the caller's key; it must tell one user's keys apart, no more.
    pub key_hash: [u8; 8],
    /// First bytes of SHA-256 over the request, to tell a repeat from a different request under the same key.
    pub fingerprint: [u8; 8],
}

/// A message to accept.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// Its id. Its lane is the user's.
    pub id: MessageId,
    /// The app.
    pub appid: AppId,
    /// The user.
    pub openid: OpenId,
    /// The template.
    pub template: TemplateId,
    /// Which call it goes out by.
    pub channel: Channel,
    /// WeChat's request body, a JSON object, complete but for `form_id`. Written once, sent as it is.
    pub body: Arc<[u8]>,
    /// When it shall go out; not after `accepted_at` means now.
    pub send_at: UnixMillis,
    /// After this it must not go out.
    pub deadline: Option<UnixMillis>,
    /// What to do without a permit.
    pub policy: PermitPolicy,
    /// What to do when the answer is lost.
    pub on_unknown: OnUnknown,
    /// Hold a permit from now on, although it is sent later.
    pub reserve_now: bool,
    /// The caller's own id.
    pub reference: Option<String>,
    /// What it is about: an unsent older message to the same user about the same is replaced by it.
    pub collapse_key: Option<String>,
    /// So that a repeated request is one message.
    pub idempotency: Option<Idempotency>,
    /// A permit that comes with the message (a facade send brings its form id): granted in the same commit, and
    /// the only one that this message may use.
    pub own_permit: Option<NewPermit>,
    /// When it was accepted.
    pub accepted_at: UnixMillis,
    /// Dispatch has a free place for it, on the node that acquired the user's lane under this epoch: if that is still
    /// so and all else allows, store it as `sending` at once.
    pub start: Option<Epoch>,
}

/// What came of accepting a message.
#[derive(Debug, Clone)]
pub enum Accepted {
    /// It is stored.
    New {
        /// Its state now.
        state: MessageState,
        /// Why, where that needs saying.
        reason: Option<ReasonCode>,
        /// If the state is `sending`: what dispatch needs. Boxed, for the other cases are small.
        claimed: Option<Box<Claimed>>,
        /// If a timer must ring for it: when.
        wake_at: Option<UnixMillis>,
        /// The messages that it replaced, but for those that were accepted by the same call. If there are any, others
        /// of the user may be due now.
        replaced: Vec<Ended>,
    },
    /// The same request was accepted before, as this message.
    Replayed {
        /// Its id.
        id: MessageId,
        /// Its state now.
        state: MessageState,
        /// Why, where that needs saying.
        reason: Option<ReasonCode>,
    },
    /// The key was used before, for a different request.
    KeyReused {
        /// The message that has it.
        id: MessageId,
    },
}

/// A message that is `sending`, with all that is needed to write the request and to settle it.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Its id.
    pub id: MessageId,
    /// Its app.
    pub appid: AppId,
    /// Its user.
    pub openid: OpenId,
    /// Which call.
    pub channel: Channel,
    /// The body as accepted.
    pub body: Arc<[u8]>,
    /// Number of this attempt, from 1.
    pub attempt: u32,
    /// When it became `sending`.
    pub claimed_at: UnixMillis,
    /// The permit that it uses.
    pub permit: Option<ClaimedPermit>,
    /// What to do when the answer is lost.
    pub on_unknown: OnUnknown,
    /// An earlier attempt got no answer.
    pub maybe_delivered: bool,
    /// Under which its lane was acquired.
    pub epoch: Epoch,
    /// It went through the app's open breaker, to find out whether WeChat answers again.
    pub is_probe: bool,
}

impl Claimed {
    /// What the ledger needs to know to settle it.
    pub fn in_flight(&self) -> InFlight {
        InFlight {
            attempt: self.attempt,
            permit: self.permit.as_ref().map(|permit| PermitInUse {
                kind: permit.kind,
                granted: permit.granted,
                held: permit.held,
            }),
            on_unknown: self.on_unknown,
            maybe_delivered: self.maybe_delivered,
        }
    }

    /// What to store when its attempt has ended so, with these effects; `room` as in [`Settlement`].
    pub fn settlement(
        &self,
        ended_at: UnixMillis,
        outcome: Outcome,
        effects: Effects,
        room: bool,
    ) -> Settlement {
        Settlement {
            id: self.id,
            appid: self.appid.clone(),
            openid: self.openid.clone(),
            epoch: self.epoch,
            attempt: self.attempt,
            ended_at,
            outcome,
            effects,
            room,
        }
    }
}

/// The permit of a claimed message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedPermit {
    /// Its id.
    pub id: PermitId,
    /// Its kind.
    pub kind: PermitKind,
    /// The form id or prepay id to put into the request.
    pub code: Option<String>,
    /// Units granted in all.
    pub granted: u32,
    /// One of its units is held for this message by a stored count.
    pub held: bool,
}

/// Counts the changes of hands of a lane. What a node writes about a lane's messages names the epoch under which it
/// acquired the lane; after the next change of hands nothing is written under the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// What one look at a lane's due messages did.
#[derive(Debug, Clone, Default)]
pub struct ClaimBatch {
    /// Now `sending`.
    pub claimed: Vec<Claimed>,
    /// Ended without a request: expired, failed for want of a permit, …
    pub ended: Vec<Ended>,
    /// When the lane's next timer rings (not after `now`: there is more that is due).
    pub next_wake: Option<UnixMillis>,
}

/// A message that came to rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Which.
    pub id: MessageId,
    /// How.
    pub state: MessageState,
    /// Why.
    pub reason: Option<ReasonCode>,
    /// WeChat's word on it, if it had one.
    pub errcode: Option<Errcode>,
}

/// The outcome of an attempt, to store.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// The message, as it was claimed.
    pub id: MessageId,
    /// Its app.
    pub appid: AppId,
    /// Its user.
    pub openid: OpenId,
    /// Under which its lane was acquired when it was claimed; if that is over, nothing is done.
    pub epoch: Epoch,
    /// Which attempt; if the row is not `sending` this attempt, nothing is done.
    pub attempt: u32,
    /// When the attempt ended.
    pub ended_at: UnixMillis,
    /// How it ended.
    pub outcome: Outcome,
    /// What that does, as [`hongyan_ledger::settle::settle`] decided.
    pub effects: Effects,
    /// Dispatch could write another request at once: if the same user has a message ready, claim it in the same
    /// commit.
    pub room: bool,
}

/// What a settlement did.
#[derive(Debug, Clone)]
pub struct Settled {
    /// The message's state now. `None`: the row was not `sending` this attempt, or the lane is another's; somebody
    /// else settles it or has done so.
    pub state: Option<MessageState>,
    /// Why, where that needs saying.
    pub reason: Option<ReasonCode>,
    /// When the lane must look again at the latest because of it (for itself, or for the user's next message).
    pub wake_at: Option<UnixMillis>,
    /// The user's next message, claimed.
    pub next: Option<Box<Claimed>>,
    /// Messages that came to rest on the way (the user's next one had expired, …).
    pub ended: Vec<Ended>,
}

/// One attempt, for people who ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptView {
    /// Its number, from 1.
    pub number: u32,
    /// When the request was about to be written.
    pub started_at: UnixMillis,
    /// When its outcome was known; `None` while it is in flight.
    pub ended_at: Option<UnixMillis>,
    /// The permit that it named.
    pub permit: Option<PermitId>,
    /// How it ended.
    pub outcome: Option<Outcome>,
}

/// A message, for people who ask.
#[derive(Debug, Clone)]
pub struct MessageView {
    /// Its id.
    pub id: MessageId,
    /// Its app.
    pub appid: AppId,
    /// Its user.
    pub openid: OpenId,
    /// Its template.
    pub template: TemplateId,
    /// Which call.
    pub channel: Channel,
    /// Where it is in its life.
    pub state: MessageState,
    /// Why, where that needs saying.
    pub reason: Option<ReasonCode>,
    /// The last attempt's outcome, if it is part of the reason.
    pub last_outcome: Option<Outcome>,
    /// How many attempts there were.
    pub attempts: u32,
    /// The permit that it uses or used.
    pub permit: Option<PermitId>,
    /// The caller's own id.
    pub reference: Option<String>,
    /// What it is about; a newer one about the same replaces it while it is not sent.
    pub collapse_key: Option<String>,
    /// The message that replaced it.
    pub replaced_by: Option<MessageId>,
    /// An attempt got no answer, and nobody has said since what became of it.
    pub maybe_delivered: bool,
    /// What to do without a permit.
    pub policy: PermitPolicy,
    /// What to do when the answer is lost.
    pub on_unknown: OnUnknown,
    /// When it was accepted.
    pub accepted_at: UnixMillis,
    /// When it shall go out.
    pub send_at: UnixMillis,
    /// After this it must not.
    pub deadline: Option<UnixMillis>,
    /// When it will be looked at again, if a timer is set.
    pub wake_at: Option<UnixMillis>,
    /// When it came to where it is.
    pub updated_at: UnixMillis,
}

/// A message with everything.
#[derive(Debug, Clone)]
pub struct MessageDetail {
    /// The message.
    pub message: MessageView,
    /// WeChat's request body.
    pub body: Vec<u8>,
    /// Its attempts, first to last.
    pub attempts: Vec<AttemptView>,
    /// What operators said of those that got no answer, first to last.
    pub resolutions: Vec<ResolutionView>,
}

/// Which messages to list.
#[derive(Debug, Clone)]
pub struct MessageFilter {
    /// Of this app.
    pub appid: Option<AppId>,
    /// To this user.
    pub openid: Option<OpenId>,
    /// In this state.
    pub state: Option<MessageState>,
    /// Of this template.
    pub template: Option<TemplateId>,
    /// With this reference.
    pub reference: Option<String>,
    /// Older than this one (exclusive); the page before ended there.
    pub before: Option<MessageId>,
    /// At most so many.
    pub limit: u32,
    /// Look at no more than so many.
    pub look_at: u32,
}

impl Default for MessageFilter {
    fn default() -> Self {
        Self {
            appid: None,
            openid: None,
            state: None,
            template: None,
            reference: None,
            before: None,
            limit: 0,
            look_at: LOOK_AT,
        }
    }
}

/// What came of a wish to cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It will not be sent.
    Done,
    /// There is no such message.
    NotFound,
    /// It is in this state already; or it is `ready` again after a lost answer, and may have arrived.
    TooLate(MessageState),
}
