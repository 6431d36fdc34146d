//! The outcomes of attempts, and verdicts on unknown outcomes.

use hongyan_clock::UnixMillis;
use hongyan_ledger::MessageState as S;
use hongyan_ledger::resolve::{Verdict, Witness};
use hongyan_ledger::retry::BACKOFF_BASE;
use hongyan_ledger::settle::{AppPause, Next, Outcome, PauseCode, settle};
use hongyan_ledger::units::UnitEffect;

use super::super::world::appid;
use super::rules::Message;
use super::run::Run;
use crate::types::{Claimed, PauseOrder, ResolveOrder, Resolved, Settlement};

impl Run {
    pub(super) fn settlement(&self, claimed: &Claimed, outcome: Outcome, room: bool) -> Settlement {
        let now = self.model.now;
        let effects = settle(&claimed.in_flight(), &outcome, now, 0.5);
        claimed.settlement(now, outcome, effects, room)
    }

    pub(super) async fn settle(&mut self, claimed: &Claimed, outcome: Outcome, room: bool, is_resumed: bool) {
        let settlement = self.settlement(claimed, outcome, room);
        let effects = settlement.effects;
        if let Some(pause) = effects.app {
            self.pause(pause).await;
            if is_resumed {
                self.resume().await;
            }
        }
        let (now, is_paused) = (self.model.now, self.model.is_paused());
        // Apply the outcome to the message in the model. The store may have sent it out again in the same commit, or the
        // user's next message.
        let message = self.model.message_mut(claimed.id);
        message.maybe_delivered = effects.maybe_delivered;
        message.keeps_unit = effects.unit == UnitEffect::Hold;
        message.state = match effects.next {
            Next::Sent => S::Sent,
            Next::Failed(_) => S::Failed,
            Next::Unknown => S::Unknown,
            Next::Retry { wake_at, .. } => {
                // If the pause has ended already, the message need not rest for it.
                let is_over = effects.app.is_some() && !is_paused;
                let wake_at = if is_over { Some(now.plus(BACKOFF_BASE)) } else { wake_at };
                message.backs_off_until = wake_at.unwrap_or(UnixMillis(0));
                S::Ready
            }
            Next::Replace => S::Ready,
        };
        if effects.unit == UnitEffect::Revoke {
            self.model.revoke(claimed);
        }
        let settled = self.world.store.settle(vec![settlement]).await.unwrap().remove(0);
        assert!(settled.state.is_some(), "the message was in flight");
        if let Some(next) = &settled.next {
            assert!(room, "the next message was claimed without room");
            assert_eq!(next.openid, claimed.openid);
        }
        self.flying.extend(settled.next.map(|next| *next));
    }

    pub(super) async fn pause(&mut self, pause: AppPause) {
        let now = self.model.now;
        let order = PauseOrder { appid: appid(), pause, errcode: None, detail: String::new(), now };
        self.world.store.pause(order).await.unwrap();
        self.model.pause(pause.until, pause.code == PauseCode::WechatUnavailable);
    }

    pub(super) async fn resume(&mut self) {
        let was_paused = self.world.store.resume(appid(), self.model.now).await.unwrap();
        assert_eq!(was_paused, self.model.paused.is_some());
        self.model.end_pause();
    }

    /// Gives a verdict on a message of unknown outcome. Repeating it changes nothing.
    pub(super) async fn resolve(&mut self, message: &Message, verdict: Verdict) {
        let (id, now) = (message.id, self.model.now);
        let witness = Witness::Operator;
        let order = ResolveOrder { id, verdict, attempt: None, listened: None, now, witness };
        let expected = self.model.resolved(message, verdict);
        let resolved = self.world.store.resolve(order.clone()).await.unwrap();
        assert!(
            matches!(resolved, Resolved::Done { state, .. } if state == expected),
            "{resolved:?}, not {expected}"
        );
        let again = self.world.store.resolve(order).await.unwrap();
        assert!(matches!(again, Resolved::Repeated { state, .. } if state == expected), "{again:?}");
        let message = self.model.message_mut(id);
        (message.state, message.maybe_delivered, message.keeps_unit) = (expected, false, false);
        message.backs_off_until = UnixMillis(0);
    }
}
