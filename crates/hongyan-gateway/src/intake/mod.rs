//! Intake: checks what a caller wants to send and commits it.
//!
//! | module | knows |
//! | --- | --- |
//! | [`request`] | how a message is asked for, and every rule that it must keep |
//! | `checks`, [`faults`] | the rules of its parts; all that is wrong with it, told at once |
//! | [`warnings`] | what is allowed but may surprise |
//! | [`body`] | WeChat's request body, built once from it |

pub mod body;
mod checks;
pub mod faults;
pub mod request;
pub mod warnings;

use std::sync::Arc;

use hongyan_clock::{Clock, UnixMillis};
use hongyan_failpoints::{ACCEPT_BEFORE_DISPATCH, reach};
use hongyan_ledger::ids::IdMaker;
use hongyan_ledger::resolve::{Verdict, Witness};
use hongyan_ledger::{MessageId, MessageState};
use hongyan_store::types::{
    Accepted, Cancelled, Epoch, Idempotency, Listened, NewMessage, ResolveOrder, Resolved,
};
use hongyan_store::{Store, StoreError};
use sha2::{Digest, Sha256};

use crate::dispatch::Dispatch;
use crate::job::Job;
use crate::slots::Slot;
use crate::state::owned::{Flight, Owned};
use crate::state::timers::Timers;
use crate::stop::Stop;
use crate::task::finished;

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
    /// Which lanes are this node's.
    pub owned: Owned,
    /// Whom to give what is started at once.
    pub dispatch: Dispatch,
    /// Whether no new messages shall be started.
    pub stop: Stop,
}

impl Intake {
    /// Commits checked messages and gives those that were started to dispatch. One answer each, in order.
    ///
    /// # Errors
    /// When the store fails; then none of them is accepted.
    pub async fn accept(&self, mut messages: Vec<NewMessage>) -> Result<Vec<Accepted>, StoreError> {
        let slots = self.slots_for(&mut messages).await;
        // Before anything is claimed: their lanes are not given up meanwhile.
        let flights: Vec<_> = messages
            .iter()
            .map(|message| message.start.and(message.id.lane()).map(|lane| self.owned.flight(lane)))
            .collect();
        let (store, dispatch) = (Arc::clone(&self.store), self.dispatch.clone());
        // What the store has claimed must be handed on, also if the caller hangs up meanwhile: nobody else would send it.
        finished(async move {
            let mut accepted = store.accept(messages).await?;
            for ((slot, flight), accepted) in slots.into_iter().zip(flights).zip(&mut accepted) {
                set_going(&dispatch, slot.zip(flight), accepted);
            }
            Ok(accepted)
        })
        .await
    }

    /// Withdraws a message that was not sent, and lets go on who waited behind it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn cancel(&self, id: MessageId) -> Result<Cancelled, StoreError> {
        self.store.cancel(id, self.clock.now()).await
    }

    /// Carries out an operator's word on a message of unknown outcome, or that of silence, which says for how long somebody
    /// must have listened.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn resolve(
        &self,
        id: MessageId,
        verdict: Verdict,
        attempt: Option<u32>,
        witness: Witness,
        listened: Option<Listened>,
    ) -> Result<Resolved, StoreError> {
        let now = self.clock.now();
        self.store.resolve(ResolveOrder { id, verdict, attempt, witness, listened, now }).await
    }

    /// A slot for each message that may be started at once, and the epoch to start it under.
    ///
    /// Slots that are not free are waited for a little: a message that goes through the schedule is written twice more
    /// and read once more, so under load it is the callers who wait, not the disk.
    async fn slots_for(&self, messages: &mut [NewMessage]) -> Vec<Option<Slot>> {
        for message in &mut *messages {
            message.start = self.may_start(message);
        }
        let wanted = messages.iter().filter(|message| message.start.is_some()).count();
        let taken = if wanted == 0 { Vec::new() } else { self.dispatch.slots.take_many(wanted).await };
        // Asked when the slots are taken: once the gateway drains, a slot taken after its end would carry a message
        // nowhere.
        let mut free = taken.into_iter().filter(|_| !self.stop.is_stopping());
        messages
            .iter_mut()
            .map(|message| {
                let slot = message.start.and_then(|_| free.next());
                message.start = message.start.filter(|_| slot.is_some());
                slot
            })
            .collect()
    }

    /// Whether a message may be started at once, as far as is known here: it is due, and its lane is ours and has
    /// nothing scheduled that is due and was not looked at.
    fn may_start(&self, message: &NewMessage) -> Option<Epoch> {
        let lane = message.id.lane()?;
        let is_due = message.send_at <= message.accepted_at;
        (is_due && !self.timers.is_timer_due(lane, message.accepted_at)).then(|| self.owned.epoch(lane))?
    }
}

/// Gives a message that was started to dispatch. One that was not is looked at when its time comes.
fn set_going(dispatch: &Dispatch, place: Option<(Slot, Flight)>, accepted: &mut Accepted) {
    let Accepted::New { state, claimed, .. } = accepted else { return };
    reach(ACCEPT_BEFORE_DISPATCH);
    if *state == MessageState::Sending
        && let (Some(claimed), Some((slot, flight))) = (claimed.take(), place)
    {
        dispatch.send(Job { claimed, slot, flight });
    }
}

/// The hashes of a caller's idempotency key for one message. The key is scoped to app and user (whose lane keeps
/// it); `index` tells the messages of one batch apart. `asked_send_at` is the time as the caller wrote it: by the time
/// of a repeat it may have passed, and the repeat is the same request still.
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
    if let Some(key) = &message.collapse_key {
        // No text has this byte, so the key cannot be taken for the reference's end.
        request.update([0xff]);
        request.update(key);
    }
    Idempotency { key_hash: first_bytes(&scope.finalize()), fingerprint: first_bytes(&request.finalize()) }
}

fn first_bytes<const N: usize>(digest: &[u8]) -> [u8; N] {
    std::array::from_fn(|n| digest[n])
}
