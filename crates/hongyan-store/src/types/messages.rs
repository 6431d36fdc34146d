//! Messages: what is accepted, claimed and settled, and what people may ask about.

use std::sync::Arc;

use hongyan_clock::UnixMillis;
use hongyan_ledger::settle::{Effects, InFlight, Outcome, PermitInUse};
use hongyan_ledger::{
    Channel, MessageId, MessageState, OnUnknown, PermitId, PermitKind, PermitPolicy, ReasonCode,
};
use hongyan_wechat::{AppId, Errcode, OpenId, TemplateId};
use serde::{Deserialize, Serialize};

use super::{Actor, CallerNumber, NewPermit, Origin, ResolutionView};

use super::pages::LOOK_AT;

/// An idempotency key, hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idempotency {
    /// The first bytes of SHA-256 over app, user and the caller's key. They only need to tell apart the keys of one user.
    pub key_hash: [u8; 8],
    /// The first bytes of SHA-256 over the request. They tell a repeated request from a different request under the same
    /// key.
    pub fingerprint: [u8; 8],
}

/// A message to accept.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// The message's id. Its lane is the user's lane.
    pub id: MessageId,
    /// The app.
    pub appid: AppId,
    /// The user.
    pub openid: OpenId,
    /// The template.
    pub template: TemplateId,
    /// The channel.
    pub channel: Channel,
    /// WeChat's request body, a JSON object that lacks only `form_id`. It is written once, and sent as it is.
    pub body: Arc<[u8]>,
    /// When the message shall go out. A time that is not after `accepted_at` means now.
    pub send_at: UnixMillis,
    /// After this moment the message must not go out.
    pub deadline: Option<UnixMillis>,
    /// What to do without a permit.
    pub policy: PermitPolicy,
    /// What to do when the answer is lost.
    pub on_unknown: OnUnknown,
    /// Hold a permit from now on, although the message is sent later.
    pub reserve_now: bool,
    /// The caller's own id.
    pub reference: Option<String>,
    /// A newer message to the same user with the same collapse key replaces this one, as long as it is not sent.
    pub collapse_key: Option<String>,
    /// The idempotency key, so that a repeated request is one message.
    pub idempotency: Option<Idempotency>,
    /// A permit that comes with the message (a facade send brings its form id). It is granted in the same commit, and the
    /// message may use no other permit.
    pub own_permit: Option<NewPermit>,
    /// When it was accepted.
    pub accepted_at: UnixMillis,
    /// From whom it was accepted; `None`: not known.
    pub accepted_by: Option<CallerNumber>,
    /// Where it comes from.
    pub origin: Origin,
    /// Dispatch has a free slot for the message, on the node that acquired the user's lane under this epoch. If the epoch is
    /// still current and everything else allows it, the message is stored as `sending` at once.
    pub start: Option<Epoch>,
}

/// The result of accepting a message.
#[derive(Debug, Clone)]
pub enum Accepted {
    /// The message is stored.
    New {
        /// The message's state now.
        state: MessageState,
        /// The reason of the state, if the state needs a reason.
        reason: Option<ReasonCode>,
        /// If the state is `sending`: what dispatch needs. Boxed, because the other cases are small.
        claimed: Option<Box<Claimed>>,
        /// When the message's timer rings, if it has a timer.
        wake_at: Option<UnixMillis>,
        /// The messages that it replaced, without messages of the same call. If there are any, other messages of the user
        /// may be due now.
        replaced: Vec<Ended>,
    },
    /// The same request was accepted before, as this message.
    Replayed {
        /// Its id.
        id: MessageId,
        /// The message's state now.
        state: MessageState,
        /// The reason of the state, if the state needs a reason.
        reason: Option<ReasonCode>,
    },
    /// The idempotency key was used before, for a different request.
    KeyReused {
        /// The message with this key.
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
    /// Its template.
    pub template: TemplateId,
    /// When it was to go out.
    pub due_at: UnixMillis,
    /// The channel.
    pub channel: Channel,
    /// The body as accepted.
    pub body: Arc<[u8]>,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// When the message became `sending`.
    pub claimed_at: UnixMillis,
    /// The permit that it uses.
    pub permit: Option<ClaimedPermit>,
    /// What to do when the answer is lost.
    pub on_unknown: OnUnknown,
    /// An earlier attempt got no answer.
    pub maybe_delivered: bool,
    /// The epoch under which the message's lane was acquired.
    pub epoch: Epoch,
    /// The message went through the app's open breaker, to find out whether WeChat answers again.
    pub is_probe: bool,
    /// Where it comes from.
    pub origin: Origin,
}

impl Claimed {
    /// What the ledger needs to know to settle the message.
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

    /// The settlement of its attempt with this outcome and these effects; `room` as in [`Settlement`].
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
            template: self.template.clone(),
            due_at: self.due_at,
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
    /// How many units the permit was granted in all.
    pub granted: u32,
    /// The permit's stored count `held` contains one unit for this message.
    pub held: bool,
}

/// Counts the changes of hands of a lane. Every write of a node about a lane's messages names the epoch under which the node
/// acquired the lane. After the next change of hands nothing is written under the old epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// What one look at a lane's due messages did.
#[derive(Debug, Clone, Default)]
pub struct ClaimBatch {
    /// Messages that are `sending` now.
    pub claimed: Vec<Claimed>,
    /// Messages that ended without a request: expired, failed for want of a permit, …
    pub ended: Vec<Ended>,
    /// When the lane's next timer rings. A moment that is not after `now` means that more messages are due.
    pub next_wake: Option<UnixMillis>,
}

/// A message that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// The message.
    pub id: MessageId,
    /// Its state.
    pub state: MessageState,
    /// The reason of the state.
    pub reason: Option<ReasonCode>,
    /// WeChat's errcode, if it answered.
    pub errcode: Option<Errcode>,
}

/// The outcome of an attempt, to be stored.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// The message, as it was claimed.
    pub id: MessageId,
    /// Its app.
    pub appid: AppId,
    /// Its user.
    pub openid: OpenId,
    /// Its template.
    pub template: TemplateId,
    /// When it was to go out.
    pub due_at: UnixMillis,
    /// The epoch under which the message was claimed; if this epoch is over, nothing is done.
    pub epoch: Epoch,
    /// The number of the attempt; if the row is not `sending` in this attempt, nothing is done.
    pub attempt: u32,
    /// When the attempt ended.
    pub ended_at: UnixMillis,
    /// How it ended.
    pub outcome: Outcome,
    /// The effects of the outcome, as [`hongyan_ledger::settle::settle`] decided.
    pub effects: Effects,
    /// Dispatch could write another request at once: if the user has a ready message, claim it in the same commit.
    pub room: bool,
}

/// The result of a settlement.
#[derive(Debug, Clone)]
pub struct Settled {
    /// The message's state now. `None`: the row was not `sending` in this attempt, or another node owns the lane. Then the
    /// attempt was settled before, or another node settles it.
    pub state: Option<MessageState>,
    /// The reason of the state, if the state needs a reason.
    pub reason: Option<ReasonCode>,
    /// When the lane must be looked at next, at the latest, for this message or for the user's next message.
    pub wake_at: Option<UnixMillis>,
    /// The user's next message, claimed.
    pub next: Option<Box<Claimed>>,
    /// Other messages that ended in the same commit (the user's next message had expired, …).
    pub ended: Vec<Ended>,
}

/// One attempt, for people who ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptView {
    /// Its number, from 1.
    pub number: u32,
    /// When the request was about to be written.
    pub started_at: UnixMillis,
    /// When the outcome was known; `None` while the attempt is in flight.
    pub ended_at: Option<UnixMillis>,
    /// The permit that the attempt used.
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
    /// The channel.
    pub channel: Channel,
    /// Its state.
    pub state: MessageState,
    /// The reason of the state, if the state needs a reason.
    pub reason: Option<ReasonCode>,
    /// The last attempt's outcome, if it is part of the reason.
    pub last_outcome: Option<Outcome>,
    /// How many attempts there were.
    pub attempts: u32,
    /// The permit that the message uses or used.
    pub permit: Option<PermitId>,
    /// The caller's own id.
    pub reference: Option<String>,
    /// The collapse key: a newer message with the same key replaces this one while it is not sent.
    pub collapse_key: Option<String>,
    /// The message that replaced this one.
    pub replaced_by: Option<MessageId>,
    /// An attempt got no answer, and nobody has found out since whether the message arrived.
    pub maybe_delivered: bool,
    /// What to do without a permit.
    pub policy: PermitPolicy,
    /// What to do when the answer is lost.
    pub on_unknown: OnUnknown,
    /// When it was accepted.
    pub accepted_at: UnixMillis,
    /// When it shall go out.
    pub send_at: UnixMillis,
    /// After this moment the message must not go out.
    pub deadline: Option<UnixMillis>,
    /// When the message's timer rings, if it has a timer.
    pub wake_at: Option<UnixMillis>,
    /// When the message came to its state.
    pub updated_at: UnixMillis,
}

/// A message with its body, attempts and resolutions.
#[derive(Debug, Clone)]
pub struct MessageDetail {
    /// The message.
    pub message: MessageView,
    /// From whom it was accepted; `None`: not known.
    pub accepted_by: Option<Actor>,
    /// Where it comes from.
    pub origin: Origin,
    /// WeChat's request body.
    pub body: Vec<u8>,
    /// Its attempts, first to last.
    pub attempts: Vec<AttemptView>,
    /// What was found out about attempts that got no answer, first to last.
    pub resolutions: Vec<ResolutionView>,
}

/// Which messages to list.
#[derive(Debug, Clone)]
pub struct MessageFilter {
    /// Of one of these apps; `None`: of any.
    pub apps: Option<Vec<AppId>>,
    /// To this user.
    pub openid: Option<OpenId>,
    /// In one of these states; none named: in any.
    pub states: Vec<MessageState>,
    /// For this reason.
    pub reason: Option<ReasonCode>,
    /// To whose last attempt WeChat answered this.
    pub errcode: Option<Errcode>,
    /// Accepted then or later.
    pub since: Option<UnixMillis>,
    /// Accepted before.
    pub until: Option<UnixMillis>,
    /// Of this template.
    pub template: Option<TemplateId>,
    /// With this reference of the caller's.
    pub reference: Option<String>,
    /// Older than this message, where the previous page ended.
    pub before: Option<MessageId>,
    /// At most so many messages.
    pub limit: u32,
    /// Look at no more than so many messages.
    pub look_at: u32,
}

impl Default for MessageFilter {
    fn default() -> Self {
        Self {
            apps: None,
            openid: None,
            states: Vec::new(),
            reason: None,
            errcode: None,
            since: None,
            until: None,
            template: None,
            reference: None,
            before: None,
            limit: 0,
            look_at: LOOK_AT,
        }
    }
}

/// The result of cancelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// The message is cancelled.
    Done,
    /// There is no such message.
    NotFound,
    /// The message is in this state already. Or it is `ready` again after a lost answer, so that the user may have it.
    TooLate(MessageState),
}
