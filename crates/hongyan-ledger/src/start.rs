//! What happens to a message whose moment has come: at its acceptance, when its timer rings, when a permit arrives, when its
//! user is free again. One function decides in all these cases, so that they agree.

use hongyan_clock::UnixMillis;

use crate::gate::AppGate;
use crate::ids::PermitId;
use crate::message::{MessageState, PermitPolicy, ReasonCode};

/// Everything that the decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    /// When the message shall go out.
    pub send_at: UnixMillis,
    /// After this moment the message must not go out.
    pub deadline: Option<UnixMillis>,
    /// What to do without a permit.
    pub policy: PermitPolicy,
    /// An earlier attempt got no answer, so the user may have it already.
    pub maybe_delivered: bool,
    /// The app's gate.
    pub gate: AppGate,
    /// Another message of this user is in flight, or goes before this one.
    pub user_busy: bool,
    /// The permit that the message would use: the permit that it holds, else the best permit that serves it.
    pub permit: Option<PermitId>,
}

/// What becomes of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Send it now, with this permit.
    Send {
        /// The permit; `None` when the message is tried without a permit.
        permit: Option<PermitId>,
    },
    /// Not now.
    Later {
        /// `scheduled`, `ready` or `waiting`.
        state: MessageState,
        /// When to look again; `None`: only a permit, a free user or a resumed app can help.
        wake_at: Option<UnixMillis>,
        /// Why the message does not go now, unless its `send_at` says it.
        reason: Option<ReasonCode>,
    },
    /// The message ends here.
    End {
        /// `failed`, `expired` or `unknown`.
        state: MessageState,
        /// Why.
        reason: ReasonCode,
    },
}

/// Decides what becomes of a candidate at `now`. `room`: dispatch could write the request at once.
pub fn start(candidate: &Candidate, room: bool, now: UnixMillis) -> Start {
    let Candidate { send_at, deadline, policy, maybe_delivered, gate, user_busy, permit } = *candidate;
    if deadline.is_some_and(|end| now >= end) {
        // The user may have the message already, so it must not be reported as expired.
        return if maybe_delivered {
            Start::End { state: MessageState::Unknown, reason: ReasonCode::NoAnswer }
        } else {
            Start::End { state: MessageState::Expired, reason: ReasonCode::DeadlinePassed }
        };
    }
    let later = |state, wake_at: Option<UnixMillis>, reason| Start::Later {
        state,
        wake_at: match (wake_at, deadline) {
            (Some(wake), Some(end)) => Some(wake.min(end)),
            (wake, end) => wake.or(end),
        },
        reason,
    };
    if now < send_at {
        return later(MessageState::Scheduled, Some(send_at), None);
    }
    if let AppGate::Paused { until } = gate
        && gate.is_paused(now)
    {
        return later(MessageState::Ready, until, Some(ReasonCode::AppPaused));
    }
    if matches!(gate, AppGate::Broken { .. }) && gate.is_paused(now) {
        // No timer: when WeChat is back, all messages of the app are woken. Until then one message now and then is woken as
        // a probe.
        return later(MessageState::Ready, None, Some(ReasonCode::WechatUnavailable));
    }
    if user_busy {
        return later(MessageState::Ready, None, None);
    }
    match (permit, policy) {
        (None, PermitPolicy::Require) => {
            Start::End { state: MessageState::Failed, reason: ReasonCode::NoPermit }
        }
        (None, PermitPolicy::Wait) => later(MessageState::Waiting, None, Some(ReasonCode::NoPermit)),
        _ if !room => later(MessageState::Ready, Some(now), None),
        (permit, _) => Start::Send { permit },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::PROBE_PATIENCE;
    use crate::ids::IdMaker;
    use crate::lane::Lane;

    const NOW: UnixMillis = UnixMillis(1_790_000_000_000);
    const LATER: UnixMillis = UnixMillis(NOW.0 + 1000);
    const PROBE_AT: UnixMillis = UnixMillis(NOW.0 + 500);

    fn candidate() -> Candidate {
        Candidate {
            send_at: NOW,
            deadline: None,
            policy: PermitPolicy::Require,
            maybe_delivered: false,
            gate: AppGate::Open,
            user_busy: false,
            permit: Some(IdMaker::new().permit(Lane::new(3).unwrap(), NOW)),
        }
    }

    fn becomes(candidate: &Candidate) -> Option<MessageState> {
        match start(candidate, true, NOW) {
            Start::Send { .. } => None,
            Start::Later { state, .. } | Start::End { state, .. } => Some(state),
        }
    }

    #[test]
    fn with_a_permit_a_free_user_and_room_it_is_sent() {
        assert_eq!(becomes(&candidate()), None);
        assert!(matches!(
            start(&candidate(), false, NOW),
            Start::Later { state: MessageState::Ready, wake_at: Some(NOW), .. }
        ));
    }

    #[test]
    fn without_a_permit_the_policy_decides() {
        let none = Candidate { permit: None, ..candidate() };
        assert_eq!(becomes(&none), Some(MessageState::Failed));
        assert_eq!(becomes(&Candidate { policy: PermitPolicy::Wait, ..none }), Some(MessageState::Waiting));
        assert_eq!(
            start(&Candidate { policy: PermitPolicy::Try, ..none }, true, NOW),
            Start::Send { permit: None }
        );
    }

    #[test]
    fn a_deadline_wins_over_everything_and_wakes_every_sleeper() {
        assert_eq!(becomes(&Candidate { deadline: Some(NOW), ..candidate() }), Some(MessageState::Expired));
        assert_eq!(
            becomes(&Candidate { deadline: Some(NOW), maybe_delivered: true, ..candidate() }),
            Some(MessageState::Unknown)
        );
        let sleepers = [
            Candidate { user_busy: true, ..candidate() },
            Candidate { gate: AppGate::Paused { until: None }, ..candidate() },
            Candidate { gate: AppGate::Broken { probe_at: PROBE_AT }, ..candidate() },
            Candidate { permit: None, policy: PermitPolicy::Wait, ..candidate() },
            Candidate { send_at: UnixMillis::MAX, ..candidate() },
        ];
        for sleeper in sleepers {
            let sleeper = Candidate { deadline: Some(LATER), ..sleeper };
            assert!(
                matches!(start(&sleeper, true, NOW), Start::Later { wake_at: Some(LATER), .. }),
                "{sleeper:?}"
            );
        }
    }

    #[test]
    fn while_wechat_is_down_a_message_rests_without_a_timer_until_a_probe_may_go() {
        let broken = Candidate { gate: AppGate::Broken { probe_at: PROBE_AT }, ..candidate() };
        assert_eq!(
            start(&broken, true, NOW),
            Start::Later {
                state: MessageState::Ready,
                wake_at: None,
                reason: Some(ReasonCode::WechatUnavailable)
            }
        );
        assert!(matches!(start(&broken, true, PROBE_AT), Start::Send { .. }));
        let behind = broken.gate.behind_a_probe(PROBE_AT).unwrap();
        assert!(behind.is_paused(PROBE_AT) && !behind.is_paused(PROBE_AT.plus(PROBE_PATIENCE)));
        assert!(!behind.is_paused(UnixMillis(0)), "a clock that was put back does not close it for years");
        assert_eq!(AppGate::Open.behind_a_probe(NOW), None);
    }

    #[test]
    fn a_pause_that_is_over_holds_nothing() {
        let paused = Candidate { gate: AppGate::Paused { until: Some(NOW) }, ..candidate() };
        assert_eq!(becomes(&paused), None);
        let paused = Candidate { gate: AppGate::Paused { until: Some(LATER) }, ..candidate() };
        assert_eq!(becomes(&paused), Some(MessageState::Ready));
    }
}
