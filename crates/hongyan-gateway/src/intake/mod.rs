//! Intake: checks the messages that a caller wants to send, and commits them.
//!
//! | module | knows |
//! | --- | --- |
//! | [`request`] | the request for a message, and every rule that it must keep |
//! | `checks`, [`faults`] | the rules of a message's parts; all faults, reported at once |
//! | [`warnings`] | things that are allowed but may surprise |
//! | [`body`] | the body of the request to WeChat |

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
use crate::traces::{Span, Traces};

/// Accepts messages. Clones share everything.
#[derive(Clone)]
pub struct Intake {
    /// Stores the messages.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Clock,
    /// Makes ids.
    pub ids: Arc<IdMaker>,
    /// When to look at which lane.
    pub timers: Timers,
    /// Which lanes are this node's.
    pub owned: Owned,
    /// Receives the messages that are started at once.
    pub dispatch: Dispatch,
    /// Tells whether the gateway is stopping and starts no new messages.
    pub stop: Stop,
    /// Makes the spans of messages.
    pub traces: Traces,
}

impl Intake {
    /// Commits checked messages and gives the started messages to dispatch. One answer for each message, in order.
    ///
    /// # Errors
    /// When the store fails. Then no message is accepted.
    pub async fn accept(&self, mut messages: Vec<NewMessage>) -> Result<Vec<Accepted>, StoreError> {
        let mut spans = self.spans_of(&mut messages);
        let slots = self.slots_for(&mut messages).await;
        // Taken before the store claims, so that the lanes are not handed over meanwhile.
        let flights: Vec<_> = messages
            .iter()
            .map(|message| message.start.and(message.id.lane()).map(|lane| self.owned.flight(lane)))
            .collect();
        let (store, dispatch) = (Arc::clone(&self.store), self.dispatch.clone());
        // A claimed message must be handed on even if the caller hangs up meanwhile, because nobody else would send it.
        finished(async move {
            let mut accepted = store.accept(messages).await?;
            for (span, accepted) in spans.iter_mut().zip(&accepted) {
                tell_state(span, accepted);
            }
            drop(spans);
            for ((slot, flight), accepted) in slots.into_iter().zip(flights).zip(&mut accepted) {
                set_going(&dispatch, slot.zip(flight), accepted);
            }
            Ok(accepted)
        })
        .await
    }

    /// The spans of messages that are traced, which become the parents of all that follows; empty if no message is traced.
    fn spans_of(&self, messages: &mut [NewMessage]) -> Vec<Span> {
        if !self.traces.are_on() {
            return Vec::new();
        }
        let spans = messages.iter_mut().map(|message| {
            let mut span = self.traces.message(message.origin.traceparent.as_deref());
            span.text("hongyan.message.id", message.id);
            span.text("hongyan.app", &message.appid);
            span.text("hongyan.template", &message.template);
            message.origin.traceparent = span.traceparent();
            span
        });
        spans.collect()
    }

    /// Cancels a message that was not sent. The messages that waited behind it go on.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn cancel(&self, id: MessageId) -> Result<Cancelled, StoreError> {
        self.store.cancel(id, self.clock.now()).await
    }

    /// Resolves a message of unknown outcome, for an operator or for the silence watch. `listened`: the time during which a node
    /// must have received events without a break.
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

    /// Takes a slot for each message that may be started at once, and sets the epoch to start the message under.
    ///
    /// Waits a little if slots are not free. Without a slot a message goes through the schedule, which costs two more writes
    /// and one more read. So under load the callers wait, and the disk is spared.
    async fn slots_for(&self, messages: &mut [NewMessage]) -> Vec<Option<Slot>> {
        for message in &mut *messages {
            message.start = self.may_start(message);
        }
        let wanted = messages.iter().filter(|message| message.start.is_some()).count();
        let taken = if wanted == 0 { Vec::new() } else { self.dispatch.slots.take_many(wanted).await };
        // Checked after the slots are taken: once the gateway has drained, no worker would send the message of a new slot.
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

    /// The epoch to start a message under, if the message may be started at once: it is due, and this node has its lane, and no
    /// scheduled message of the lane is overdue.
    fn may_start(&self, message: &NewMessage) -> Option<Epoch> {
        let lane = message.id.lane()?;
        let is_due = message.send_at <= message.accepted_at;
        (is_due && !self.timers.is_timer_due(lane, message.accepted_at)).then(|| self.owned.epoch(lane))?
    }
}

/// Tells a message's span what became of the message when it was accepted.
fn tell_state(span: &mut Span, accepted: &Accepted) {
    match accepted {
        Accepted::New { state, .. } => span.text("hongyan.message.state", state),
        Accepted::Replayed { id, .. } => span.text("hongyan.message.replayed", id),
        Accepted::KeyReused { id } => {
            span.text("hongyan.message.replayed", id);
            span.failed("idempotency_key_reused");
        }
    }
}

/// Gives a started message to dispatch. Other messages are started by the schedule.
fn set_going(dispatch: &Dispatch, place: Option<(Slot, Flight)>, accepted: &mut Accepted) {
    let Accepted::New { state, claimed, .. } = accepted else { return };
    reach(ACCEPT_BEFORE_DISPATCH);
    if *state == MessageState::Sending
        && let (Some(claimed), Some((slot, flight))) = (claimed.take(), place)
    {
        dispatch.send(Job { claimed, slot, flight });
    }
}

/// The hashes of an idempotency key for one message. The key is scoped to the app and the user, whose lane keeps it; `index`
/// tells the messages of a batch apart. `asked_send_at` is the time as the caller wrote it, so that a repeat after that time
/// is still the same request.
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
        // UTF-8 never has this byte, so the collapse key cannot be confused with the end of the reference.
        request.update([0xff]);
        request.update(key);
    }
    Idempotency { key_hash: first_bytes(&scope.finalize()), fingerprint: first_bytes(&request.finalize()) }
}

fn first_bytes<const N: usize>(digest: &[u8]) -> [u8; N] {
    std::array::from_fn(|n| digest[n])
}
