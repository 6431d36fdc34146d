//! Messages, their attempts, and what was found out about them.

use hongyan_clock::UnixMillis;
use hongyan_ledger::resolve::{Verdict, Witness};
use hongyan_ledger::sent_report::Candidate;
use hongyan_ledger::settle::Outcome;
use hongyan_ledger::{Channel, Lane, MessageId, MessageState, OnUnknown, PermitId, PermitPolicy, ReasonCode};
use hongyan_wechat::{AppId, Errcode, TemplateId};

use super::user::User;
use crate::row_error::RowResult;
use crate::types::{AttemptView, CallerNumber, Idempotency, MessageView, Origin, ResolutionView, Settlement};

/// A message as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct MessageRow {
    pub(crate) id: MessageId,
    pub(crate) user: User,
    pub(crate) template: TemplateId,
    pub(crate) channel: Channel,
    pub(crate) policy: PermitPolicy,
    pub(crate) on_unknown: OnUnknown,
    /// The message may use only the permit that came with it.
    pub(crate) own_permit: bool,
    pub(crate) reference: Option<String>,
    pub(crate) accepted_at: UnixMillis,
    pub(crate) send_at: UnixMillis,
    pub(crate) deadline: Option<UnixMillis>,
    pub(crate) state: MessageState,
    /// The state and the reason as stored; `None` for a message that is not stored yet.
    pub(crate) stored: Option<(MessageState, Option<ReasonCode>)>,
    pub(crate) reason: Option<ReasonCode>,
    pub(crate) wake_at: Option<UnixMillis>,
    pub(crate) updated_at: UnixMillis,
    pub(crate) permit: Option<PermitId>,
    /// The message holds one of the permit's held units.
    pub(crate) permit_held: bool,
    pub(crate) maybe_delivered: bool,
    /// The number of the last attempt.
    pub(crate) attempts: u32,
    pub(crate) claimed_at: Option<UnixMillis>,
    pub(crate) ended_at: Option<UnixMillis>,
    /// The last attempt's permit, if it is no longer the message's permit.
    pub(crate) attempt_permit: Option<PermitId>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) collapse_key: Option<String>,
    /// Only [`MessageRows::set_replaced_by`] writes this.
    pub(crate) replaced_by: Option<MessageId>,
}

impl MessageRow {
    /// Whether only an event or its deadline moves the message.
    pub(crate) fn is_parked(&self) -> bool {
        self.wake_at.is_none() || self.wake_at == self.deadline
    }

    /// Moves the message to a state and clears its timer; the caller sets a new timer afterwards, if it needs one.
    pub(crate) fn enter(&mut self, state: MessageState, reason: Option<ReasonCode>, now: UnixMillis) {
        debug_assert!(
            self.state == state || self.state.may_become(state),
            "{} cannot become {state}",
            self.state
        );
        self.state = state;
        self.reason = reason;
        self.wake_at = None;
        self.updated_at = now;
    }

    /// The last attempt, if there was one.
    pub(crate) fn last_attempt(&self) -> Option<AttemptView> {
        Some(AttemptView {
            number: self.attempts,
            started_at: self.claimed_at?,
            ended_at: self.ended_at,
            permit: self.attempt_permit.or(self.permit),
            outcome: self.outcome.clone(),
        })
    }

    pub(crate) fn into_view(self) -> MessageView {
        MessageView {
            id: self.id,
            appid: self.user.appid,
            openid: self.user.openid,
            template: self.template,
            channel: self.channel,
            state: self.state,
            reason: self.reason,
            last_outcome: self.outcome,
            attempts: self.attempts,
            permit: self.permit,
            reference: self.reference,
            collapse_key: self.collapse_key,
            replaced_by: self.replaced_by,
            maybe_delivered: self.maybe_delivered,
            policy: self.policy,
            on_unknown: self.on_unknown,
            accepted_at: self.accepted_at,
            send_at: self.send_at,
            deadline: self.deadline,
            wake_at: self.wake_at,
            updated_at: self.updated_at,
        }
    }
}

/// The message that an idempotency key belongs to.
#[derive(Debug, Clone)]
pub(crate) struct KnownKey {
    pub(crate) id: MessageId,
    pub(crate) fingerprint: [u8; 8],
    pub(crate) state: MessageState,
    pub(crate) reason: Option<ReasonCode>,
}

/// What a webhook event tells of a sent message and its settlement does not contain.
#[derive(Debug, Clone)]
pub(crate) struct SentMessage {
    pub(crate) template: String,
    pub(crate) channel: Channel,
    pub(crate) reference: Option<String>,
    pub(crate) accepted_at: UnixMillis,
    pub(crate) origin: Origin,
}

/// Questions about messages, and writes of messages.
pub(crate) trait MessageRows {
    /// The message of a user with this idempotency key.
    fn key_of(&self, user: &User, key: &Idempotency) -> RowResult<Option<KnownKey>>;

    /// One message; `None` also for an id that was never made here.
    fn message(&self, id: MessageId) -> RowResult<Option<MessageRow>>;

    /// The request body of a message, and where the message comes from.
    fn body(&self, row: &MessageRow) -> RowResult<(Vec<u8>, Origin)>;

    /// Where a message comes from.
    fn origin(&self, row: &MessageRow) -> RowResult<Origin>;

    /// Writes a new message. Its idempotency key is written with it, and is not read again with the message.
    fn insert_message(
        &self,
        row: &MessageRow,
        key: Option<&Idempotency>,
        accepted_by: Option<CallerNumber>,
        origin: &Origin,
        body: &[u8],
    ) -> RowResult<()>;

    /// Writes all columns of a message that may change.
    fn update_message(&self, row: &MessageRow) -> RowResult<()>;

    /// Writes which message took the place of this message. This is a write of its own, so that the write of every other
    /// message need not carry the column.
    fn set_replaced_by(&self, user: &User, id: MessageId, successor: MessageId) -> RowResult<()>;

    /// Adds a finished attempt to the message's history.
    fn insert_attempt(&self, row: &MessageRow, attempt: &AttemptView) -> RowResult<()>;

    /// WeChat's errcodes for the earlier attempts of a message, the latest first, at most `limit`.
    fn errcodes_of_attempts(&self, row: &MessageRow, limit: u32) -> RowResult<Vec<Option<Errcode>>>;

    /// The first message of a lane whose timer has rung, by time, then by order of acceptance.
    fn first_due(&self, lane: Lane, now: UnixMillis) -> RowResult<Option<MessageRow>>;

    /// When a lane's next timer rings.
    fn next_wake(&self, lane: Lane) -> RowResult<Option<UnixMillis>>;

    /// A user's first ready message.
    fn first_ready(&self, user: &User) -> RowResult<Option<MessageRow>>;

    /// The first ready message of the app's next user in the lane with a ready message. The next user comes after `behind`;
    /// without `behind` it is the first user. The backend chooses the order of users, and never changes it.
    fn first_ready_of_next_user(
        &self,
        lane: Lane,
        appid: &AppId,
        behind: Option<&User>,
    ) -> RowResult<Option<MessageRow>>;

    /// A user's messages that wait for a permit, in order.
    fn waiting(&self, user: &User) -> RowResult<Vec<MessageRow>>;

    /// Whether a message of the user waits for a permit.
    fn has_waiting(&self, user: &User) -> RowResult<bool>;

    /// Whether the user may have a message that is ready or in flight. `false` is certain. A backend that cannot tell
    /// without a query returns `true`.
    fn may_have_open(&self, _user: &User) -> bool {
        true
    }

    /// Whether another message of the user is in flight, or is ready and goes before this one.
    fn is_behind_another(&self, row: &MessageRow) -> RowResult<bool>;

    /// Settles a message with one write, if it is in flight, holds no unit, and its user has no other open message. Nearly
    /// every settlement is of this kind. A backend that gains nothing by this shortcut returns `false`.
    fn settle_plainly(&self, _user: &User, _settlement: &Settlement) -> RowResult<bool> {
        Ok(false)
    }

    /// What a webhook event tells of a sent message.
    fn sent_message(&self, user: &User, id: MessageId) -> RowResult<Option<SentMessage>>;

    /// A user's unsent messages with a collapse key, oldest first.
    fn unsent_with_key(&self, user: &User, key: &str) -> RowResult<Vec<MessageId>>;

    /// The newest unsent message of the same user and collapse key, other than this one, that was certainly not delivered.
    fn newest_unsent_with_key(&self, row: &MessageRow, key: &str) -> RowResult<Option<MessageId>>;

    /// The newest message after this one, of the same user and collapse key, that did not fail, expire or get cancelled.
    fn newest_later_with_key(&self, row: &MessageRow, key: &str) -> RowResult<Option<MessageId>>;

    /// Gives every ready message of a lane a timer, if it lacks a timer.
    fn mend_timers(&self, lane: Lane, now: UnixMillis) -> RowResult<()>;

    /// Gives every ready message of an app in a lane a timer, now. Returns whether there was such a message.
    fn wake_ready(&self, lane: Lane, appid: &AppId, now: UnixMillis) -> RowResult<bool>;

    /// An app's messages in a lane with this state: [`MessageState::Waiting`], [`MessageState::Ready`] or
    /// [`MessageState::Scheduled`].
    fn of_app_in(&self, lane: Lane, appid: &AppId, state: MessageState) -> RowResult<Vec<MessageId>>;

    /// The messages of a lane that are in flight.
    fn sending(&self, lane: Lane) -> RowResult<Vec<MessageRow>>;

    /// A user's messages that a report of WeChat's may be about.
    fn report_candidates(&self, user: &User) -> RowResult<Vec<Candidate>>;

    /// The resolutions of a message, first to last.
    fn resolutions(&self, row: &MessageRow) -> RowResult<Vec<ResolutionView>>;

    /// Writes a resolution of the last attempt of a message.
    fn insert_resolution(
        &self,
        row: &MessageRow,
        verdict: Verdict,
        witness: Witness,
        now: UnixMillis,
    ) -> RowResult<()>;

    /// Messages that a restore has held back, with ids after `after`, in the order of their ids.
    fn restored(&self, after: MessageId, at: UnixMillis, limit: u32) -> RowResult<Vec<MessageRow>>;
}
