//! The breaker of an app: while WeChat does not answer, only one message now and then is sent to it, as a probe.
//!
//! Without a breaker an outage would cost every message of the backlog an attempt after each pause, and each subscribe
//! message whose answer is lost would become `unknown`. With a breaker the backlog rests where it is: `ready`, with no
//! attempt counted, no request written and no timer but its deadline.
//!
//! ```text
//!            5 failures in a row            a probe fails: a longer pause
//!  closed ───────────────────────▶ open ◀──────────────┐
//!     ▲                             │ the pause is over │
//!     │   the probe is answered     ▼                   │
//!     └────────────────────────── one message goes, as a probe
//! ```
//!
//! An open breaker is stored, as a pause of the app ([`crate::settle::PauseCode::WechatUnavailable`]). So no message slips
//! past it, and a restart does not begin with a flood. The transaction that lets a probe go closes the gate behind the probe
//! ([`AppGate::behind_a_probe`]). [`Breaker`] only counts, and lives in memory.

use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_wechat::Errcode;

use crate::gate::{AppGate, PROBE_PATIENCE};
use crate::retry;
use crate::settle::Outcome;

/// So many attempts in a row without a useful answer of WeChat's open the breaker. A single -1 among answers does not. With
/// 64 requests under way an outage shows within one time-out.
pub const FAILURES_TO_OPEN: u32 = 5;

/// The first pause is at most this long. The pause doubles with each probe that fails.
pub const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause. The end of an outage is to be noticed soon, and two requests a minute hurt nobody.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What the end of an attempt says about WeChat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// WeChat answered, if only to refuse: it works.
    Up,
    /// WeChat could not be reached, did not answer, or said only that it is busy (-1).
    Down,
    /// The attempt says nothing: WeChat was not asked.
    Nothing,
}

impl Evidence {
    /// What an outcome says about WeChat.
    pub const fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Answered { errcode: Errcode::SYSTEM_BUSY, .. }
            | Outcome::NotSent { .. }
            | Outcome::Unanswered { .. } => Self::Down,
            Outcome::Answered { .. } => Self::Up,
        }
    }
}

/// How an app's gate must change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing goes out before this moment, and then one message.
    Open {
        /// When the next probe may go.
        probe_at: UnixMillis,
    },
    /// WeChat answers again: all messages go on.
    Close,
}

/// What the breaker knows of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// When its message became `sending`.
    pub claimed_at: UnixMillis,
    /// The message went through an open breaker.
    pub is_probe: bool,
}

impl Attempt {
    /// The probe took so long that the next message may have gone in its place.
    fn is_given_up(self, now: UnixMillis) -> bool {
        now.since(self.claimed_at) >= PROBE_PATIENCE
    }
}

/// Counts one app's failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Breaker {
    /// Failures in a row, while the breaker is closed.
    failures: u32,
    /// How often the breaker opened without an answer in between.
    openings: u32,
}

impl Breaker {
    /// Counts the end of an attempt. `gate` is the app's gate as it is stored; `random` is between 0 and 1.
    pub fn hear(
        &mut self,
        attempt: Attempt,
        evidence: Evidence,
        gate: AppGate,
        now: UnixMillis,
        random: f64,
    ) -> Option<Verdict> {
        let is_open = matches!(gate, AppGate::Broken { .. });
        // This attempt was under way already when the breaker opened. Its failure belongs to the same outage and must not
        // count again; a late answer to it does not say how WeChat is now.
        if is_open && (!attempt.is_probe || attempt.is_given_up(now)) {
            return None;
        }
        match evidence {
            Evidence::Nothing => None,
            Evidence::Up => {
                *self = Self::default();
                is_open.then_some(Verdict::Close)
            }
            Evidence::Down => {
                self.failures = self.failures.saturating_add(1);
                if !is_open && self.failures < FAILURES_TO_OPEN {
                    return None;
                }
                self.openings = if is_open { self.openings.saturating_add(1) } else { 1 };
                Some(Verdict::Open { probe_at: now.plus(pause(self.openings, random)) })
            }
        }
    }
}

/// The pause before the next probe after `openings`: half of it is fixed, half is chance, so that many apps (and many
/// gateways) do not probe in step.
fn pause(openings: u32, random: f64) -> Duration {
    let ceiling = retry::doubled(FIRST_PAUSE, openings.saturating_sub(1), LONGEST_PAUSE);
    ceiling / 2 + retry::jitter(ceiling / 2, random)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_790_000_000_000);

    const MESSAGE: Attempt = Attempt { claimed_at: NOW, is_probe: false };

    fn probe(seconds: u64) -> Attempt {
        Attempt { claimed_at: later(seconds), is_probe: true }
    }

    fn later(seconds: u64) -> UnixMillis {
        NOW.plus(Duration::from_secs(seconds))
    }

    fn answered(errcode: i32) -> Outcome {
        Outcome::answered(Errcode(errcode), "")
    }

    #[test]
    fn an_answer_proves_that_wechat_works_and_a_refusal_is_one() {
        for errcode in [0, 43101, 47003, 45009, 40001, 40013, 12345] {
            assert_eq!(Evidence::of(&answered(errcode)), Evidence::Up, "{errcode}");
        }
        let why = || "reset".to_owned();
        for outcome in [answered(-1), Outcome::NotSent { why: why() }, Outcome::Unanswered { why: why() }] {
            assert_eq!(Evidence::of(&outcome), Evidence::Down, "{outcome:?}");
        }
    }

    #[test]
    fn only_failures_in_a_row_open_it() {
        let mut breaker = Breaker::default();
        for _ in 0..100 {
            for _ in 1..FAILURES_TO_OPEN {
                assert_eq!(breaker.hear(MESSAGE, Evidence::Down, AppGate::Open, NOW, 1.0), None);
            }
            assert_eq!(breaker.hear(MESSAGE, Evidence::Up, AppGate::Open, NOW, 1.0), None);
        }
        for _ in 1..FAILURES_TO_OPEN {
            assert_eq!(breaker.hear(MESSAGE, Evidence::Down, AppGate::Open, NOW, 1.0), None);
            assert_eq!(breaker.hear(MESSAGE, Evidence::Nothing, AppGate::Open, NOW, 1.0), None);
        }
        assert_eq!(
            breaker.hear(MESSAGE, Evidence::Down, AppGate::Open, NOW, 1.0),
            Some(Verdict::Open { probe_at: later(1) })
        );
    }

    #[test]
    fn many_that_fail_at_once_are_one_opening_and_only_the_probe_ends_it() {
        let mut breaker = Breaker::default();
        let mut gate = AppGate::Open;
        for _ in 0..64 {
            match breaker.hear(MESSAGE, Evidence::Down, gate, NOW, 1.0) {
                Some(Verdict::Open { probe_at }) => {
                    assert_eq!(gate, AppGate::Open, "opened once");
                    gate = AppGate::Broken { probe_at };
                }
                verdict => assert_eq!(verdict, None),
            }
        }
        assert_eq!(gate, AppGate::Broken { probe_at: later(1) });
        assert_eq!(breaker.hear(MESSAGE, Evidence::Up, gate, NOW, 1.0), None, "it was asked before");
        assert_eq!(
            breaker.hear(probe(1), Evidence::Down, gate, later(2), 1.0),
            Some(Verdict::Open { probe_at: later(4) }),
            "the probe failed: twice as long"
        );
        let gate = AppGate::Broken { probe_at: later(4) };
        assert_eq!(breaker.hear(probe(4), Evidence::Up, gate, later(4), 1.0), Some(Verdict::Close));
    }

    #[test]
    fn the_pause_doubles_up_to_half_a_minute_and_half_of_it_is_chance() {
        assert_eq!(pause(1, 1.0), FIRST_PAUSE);
        assert_eq!(pause(3, 1.0), Duration::from_secs(4));
        assert_eq!(pause(3, 0.5), Duration::from_secs(3));
        assert_eq!(pause(40, 1.0), LONGEST_PAUSE);
        assert_eq!(pause(40, 0.0), LONGEST_PAUSE / 2 + retry::BACKOFF_FLOOR);
    }

    /// What happens to the app in the property below.
    #[derive(Debug, Clone)]
    enum Event {
        /// A message's moment comes.
        Turn,
        /// An attempt that is under way ends.
        End(prop::sample::Index, Evidence),
        /// The gateway dies and starts: what is in flight has no answer, and the counts are gone.
        Crash,
        Pass(u64),
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let evidence = prop::sample::select(vec![
            Evidence::Up,
            Evidence::Down,
            Evidence::Down,
            Evidence::Down,
            Evidence::Down,
            Evidence::Nothing,
        ]);
        let event = prop_oneof![
            8 => Just(Event::Turn),
            8 => (any::<prop::sample::Index>(), evidence).prop_map(|(index, how)| Event::End(index, how)),
            1 => Just(Event::Crash),
            4 => prop::sample::select(vec![0, 1, 400, 1_000, 5_000, 40_000]).prop_map(Event::Pass),
        ];
        prop::collection::vec(event, 1..200)
    }

    /// One app: its stored gate, the counts in memory, and what is under way.
    struct App {
        now: UnixMillis,
        gate: AppGate,
        breaker: Breaker,
        under_way: Vec<Attempt>,
    }

    impl App {
        /// A message's moment has come. Returns whether it went out.
        fn turn(&mut self) -> bool {
            if self.gate.is_paused(self.now) {
                return false;
            }
            let behind = self.gate.behind_a_probe(self.now);
            self.under_way.push(Attempt { claimed_at: self.now, is_probe: behind.is_some() });
            self.gate = behind.unwrap_or(self.gate);
            true
        }

        fn end(&mut self, place: usize, evidence: Evidence, random: f64) {
            let attempt = self.under_way.remove(place);
            match self.breaker.hear(attempt, evidence, self.gate, self.now, random) {
                Some(Verdict::Open { probe_at }) => self.gate = AppGate::Broken { probe_at },
                Some(Verdict::Close) => self.gate = AppGate::Open,
                None => {}
            }
        }

        /// How many probes are under way and not given up.
        fn probes(&self) -> usize {
            self.under_way.iter().filter(|one| one.is_probe && !one.is_given_up(self.now)).count()
        }
    }

    proptest! {
        #[test]
        fn at_most_one_probe_goes_at_a_time_and_none_is_waited_for_for_ever(
            events in events(),
            random in 0.0..1.0,
        ) {
            let mut app =
                App { now: NOW, gate: AppGate::Open, breaker: Breaker::default(), under_way: Vec::new() };
            for event in events {
                match event {
                    Event::Turn => {
                        let is_open = app.gate != AppGate::Open;
                        let went = app.turn();
                        prop_assert!(went || is_open, "nothing holds a message back but an open breaker");
                        prop_assert!(!is_open || app.probes() <= 1);
                        prop_assert!(!(went && is_open && app.turn()), "the gate is closed behind a probe");
                    }
                    Event::End(index, evidence) if !app.under_way.is_empty() => {
                        let place = index.index(app.under_way.len());
                        app.end(place, evidence, random);
                    }
                    Event::End(..) => {}
                    Event::Crash => {
                        app.breaker = Breaker::default();
                        app.under_way.clear();
                    }
                    Event::Pass(millis) => app.now = app.now.plus(Duration::from_millis(millis)),
                }
            }
            // WeChat is back, and what was under way is lost. Within a minute one message goes, is answered, and the gate is
            // open.
            app.under_way.clear();
            app.now = app.now.plus(PROBE_PATIENCE);
            prop_assert!(app.turn());
            app.end(0, Evidence::Up, random);
            prop_assert_eq!(app.gate, AppGate::Open);
        }
    }
}
