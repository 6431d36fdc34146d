//! Intake: checks what a caller wants to send and commits it.
//!
//! | module | knows |
//! | --- | --- |
//! | [`request`] | how a message is asked for, and every rule that it must keep |
//! | [`body`] | WeChat's request body, built once from it |

pub mod body;
pub mod request;

use std::sync::Arc;

use hongyan_clock::{Clock, UnixMillis};
use hongyan_failpoints::{ACCEPT_BEFORE_DISPATCH, reach};
use hongyan_ledger::ids::IdMaker;
use hongyan_ledger::{MessageId, MessageState, ReasonCode};
use hongyan_store::types::{Accepted, Cancelled, Ended, Idempotency, NewMessage};
use hongyan_store::{Store, StoreError};
use sha2::{Digest, Sha256};

use crate::dispatch::{Dispatch, Job, Slot};
use crate::report::Report;
use crate::schedule::Timers;
use crate::stop::Stop;

/// Accepts messages. Clones share everything.
#[derive(Clone)]
pub struct Intake {
    /// Where messages are kept.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Clock,
    /// Makes ids.
    pub ids: Arc<IdMaker>,
    /// When to look at which lane.
    pub timers: Timers,
    /// Whom to give what is started at once.
    pub dispatch: Dispatch,
    /// Whom to tell how messages fare.
    pub report: Report,
    /// Whether no new messages shall be started.
    pub stop: Stop,
}

impl Intake {
    /// Commits checked messages and gives those that were started to dispatch. One answer each, in order.
    ///
    /// # Errors
    /// When the store fails; then none of them is accepted.
    pub async fn accept(&self, mut messages: Vec<NewMessage>) -> Result<Vec<Accepted>, StoreError> {
        let slots: Vec<Option<Slot>> = messages
            .iter_mut()
            .map(|message| {
                let slot = self.slot_for(message);
                message.room = slot.is_some();
                slot
            })
            .collect();
        let ids: Vec<MessageId> = messages.iter().map(|message| message.id).collect();
        let mut accepted = self.store.accept(messages).await?;
        for ((id, slot), accepted) in ids.into_iter().zip(slots).zip(&mut accepted) {
            self.set_going(id, slot, accepted);
        }
        Ok(accepted)
    }

    /// Withdraws a message that was not sent, and lets go on who waited behind it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn cancel(&self, id: MessageId) -> Result<Cancelled, StoreError> {
        let now = self.clock.now();
        let cancelled = self.store.cancel(id, now).await?;
        if cancelled == Cancelled::Done {
            if let Some(lane) = id.lane() {
                self.timers.ring_ready(lane, now);
            }
            let (state, reason) = (MessageState::Cancelled, Some(ReasonCode::Cancelled));
            self.report.moved(&Ended { id, state, reason, errcode: None });
        }
        Ok(cancelled)
    }

    /// A slot, if this message may be started at once: it is due, its lane has nothing scheduled that is due and
    /// was not looked at, and the gateway is not stopping.
    fn slot_for(&self, message: &NewMessage) -> Option<Slot> {
        let lane = message.id.lane()?;
        if message.send_at > message.accepted_at || self.timers.is_timer_due(lane, message.accepted_at) {
            return None;
        }
        // In this order: once the gateway drains, a slot taken after its end would carry a message nowhere.
        self.dispatch.slots.try_take().filter(|_| !self.stop.is_stopping())
    }

    fn set_going(&self, id: MessageId, slot: Option<Slot>, accepted: &mut Accepted) {
        let Accepted::New { state, reason, claimed, wake_at } = accepted else { return };
        reach(ACCEPT_BEFORE_DISPATCH);
        if let (Some(lane), Some(at)) = (id.lane(), *wake_at) {
            match state {
                MessageState::Ready => self.timers.ring_ready(lane, at),
                _ => self.timers.ring(lane, at),
            }
        }
        if *state == MessageState::Sending
            && let (Some(claimed), Some(slot)) = (claimed.take(), slot)
        {
            self.dispatch.send(Job { claimed, slot });
        }
        self.report.moved(&Ended { id, state: *state, reason: *reason, errcode: None });
    }
}

/// The hashes of a caller's idempotency key for one message. The key is scoped to app and user (whose lane keeps
/// it); `index` tells the messages of one batch apart. `asked_send_at` is what the request said: the message's own
/// `send_at` depends on when the request came, and a repeat comes later.
pub fn idempotency(
    message: &NewMessage,
    asked_send_at: Option<UnixMillis>,
    key: &str,
    index: usize,
) -> Idempotency {
    let mut scope = Sha256::new();
    for part in [message.appid.as_str(), message.openid.as_str(), key] {
        scope.update((part.len() as u64).to_le_bytes());
        scope.update(part);
    }
    scope.update((index as u64).to_le_bytes());
    let mut request = Sha256::new();
    request.update(&message.body);
    request.update([message.policy.code(), message.on_unknown.code(), u8::from(message.reserve_now)]);
    request.update(asked_send_at.map_or(0, |at| at.0).to_le_bytes());
    request.update(message.deadline.map_or(0, |at| at.0).to_le_bytes());
    request.update(message.reference.as_deref().unwrap_or_default());
    Idempotency { key_hash: first_bytes(&scope.finalize()), fingerprint: first_bytes(&request.finalize()) }
}

fn first_bytes<const N: usize>(digest: &[u8]) -> [u8; N] {
    std::array::from_fn(|n| digest[n])
}
