//! A one-time subscription is accepted once and reported twice: the rule that counts it once.
//!
//! When a user accepts, the mini program (or its back end) tells the gateway, and WeChat pushes an event. The two reports
//! come in any order. Neither names the tap, so the two cannot be compared. They can be *paired*: a unit that one side
//! reports is taken for the same tap as a unit that the other side reported shortly before. Only units without a partner are
//! granted.
//!
//! If one side reports `a` units and the other side `b`, all within [`PAIRING_WINDOW`], then exactly `max(a, b)` units are
//! granted, in any order and in any portions. So if one side reports every tap, every tap counts once, whatever the other
//! side leaves out, and never are more units granted than there were taps. Too few units are granted only if the caller
//! alone reported some taps and WeChat alone reported others: these are paired although they differ. This error is the safe
//! one: the next tap makes good a missing unit, but a unit too many becomes a message that WeChat refuses.

use std::time::Duration;

use hongyan_clock::UnixMillis;

/// How far apart two reports of one tap may come. WeChat pushes within seconds and tries again within half a minute. A mini
/// program reports at once, or when it is online again. A longer window would pair a tap with the next tap of a user who
/// accepts now and then.
pub const PAIRING_WINDOW: Duration = Duration::from_secs(600);

/// Who reports an acceptance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The mini program, or its back end.
    Caller,
    /// WeChat.
    Wechat,
}

impl Source {
    /// The other side.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Wechat,
            Self::Wechat => Self::Caller,
        }
    }

    /// The number that stands for this source in a stored row. Never renumber.
    pub const fn code(self) -> u8 {
        match self {
            Self::Caller => 0,
            Self::Wechat => 1,
        }
    }
}

/// Units that the other side reported at one moment and that have no partner yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unpaired {
    /// When they were reported.
    pub at: UnixMillis,
    /// How many units have no partner.
    pub units: u32,
}

/// What a report leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairing {
    /// How many units of each report of the other side are partners now, in the order of `others`.
    pub partners: Vec<u32>,
    /// Units without a partner: they are granted, and wait for a partner.
    pub granted: u32,
}

/// Pairs a report of `units` with the other side's reports (`others`, the oldest first).
pub fn pair(units: u32, others: &[Unpaired], at: UnixMillis) -> Pairing {
    let mut granted = units;
    let partners = others
        .iter()
        .map(|other| {
            // One of the two differences is zero. Taking the larger one pairs both reports even if the clock was put back
            // between them.
            let apart = at.since(other.at).max(other.at.since(at));
            let partners = if apart <= PAIRING_WINDOW { granted.min(other.units) } else { 0 };
            granted -= partners;
            partners
        })
        .collect();
    Pairing { partners, granted }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_790_000_000_000);

    /// The reports that are remembered for one user and template.
    #[derive(Default)]
    struct Reports {
        unpaired: Vec<(Source, Unpaired)>,
        granted: u32,
    }

    impl Reports {
        fn report(&mut self, source: Source, units: u32, at: UnixMillis) {
            let (mut others, mut own): (Vec<_>, Vec<_>) =
                self.unpaired.drain(..).partition(|(other, _)| *other == source.other());
            let of_others: Vec<_> = others.iter().map(|(_, unpaired)| *unpaired).collect();
            let pairing = pair(units, &of_others, at);
            for ((_, unpaired), partners) in others.iter_mut().zip(pairing.partners) {
                unpaired.units -= partners;
            }
            own.push((source, Unpaired { at, units: pairing.granted }));
            self.granted += pairing.granted;
            self.unpaired =
                others.into_iter().chain(own).filter(|(_, unpaired)| unpaired.units > 0).collect();
        }
    }

    #[test]
    fn two_taps_that_both_report_count_twice() {
        for order in [
            [Source::Caller, Source::Wechat, Source::Caller, Source::Wechat],
            [Source::Wechat, Source::Wechat, Source::Caller, Source::Caller],
            [Source::Caller, Source::Wechat, Source::Wechat, Source::Caller],
        ] {
            let mut reports = Reports::default();
            for source in order {
                reports.report(source, 1, NOW);
            }
            assert_eq!((reports.granted, reports.unpaired.len()), (2, 0), "{order:?}");
        }
    }

    #[test]
    fn what_comes_too_late_is_a_tap_of_its_own() {
        let other = [Unpaired { at: NOW, units: 1 }];
        assert_eq!(pair(1, &other, NOW.plus(PAIRING_WINDOW)).granted, 0);
        let late = NOW.plus(PAIRING_WINDOW).plus(Duration::from_millis(1));
        assert_eq!(pair(1, &other, late).granted, 1);
        assert_eq!(pair(1, &other, NOW.minus(Duration::from_secs(1))).granted, 0, "the clock was put back");
    }

    #[test]
    fn a_report_of_several_units_pairs_as_many_as_there_are() {
        let others = [Unpaired { at: NOW, units: 1 }, Unpaired { at: NOW, units: 2 }];
        assert_eq!(pair(2, &others, NOW), Pairing { partners: vec![1, 1], granted: 0 });
        assert_eq!(pair(5, &others, NOW), Pairing { partners: vec![1, 2], granted: 2 });
    }

    proptest! {
        /// Taps within the window, each reported by one side or by both, in any order.
        #[test]
        fn within_the_window_the_larger_number_of_reports_is_granted(
            taps in prop::collection::vec(prop::sample::select(vec![
                vec![Source::Caller], vec![Source::Wechat], vec![Source::Caller, Source::Wechat],
            ]), 0..12),
            moments in prop::collection::vec(0..=PAIRING_WINDOW.as_millis() as i64, 24),
        ) {
            let mut all: Vec<_> = taps.iter().flatten().copied().zip(moments).collect();
            all.sort_by_key(|(_, at)| *at);
            let mut reports = Reports::default();
            for (source, at) in &all {
                reports.report(*source, 1, UnixMillis(NOW.0 + at));
            }
            let count = |source| all.iter().filter(|(other, _)| *other == source).count();
            let (callers, wechats) = (count(Source::Caller), count(Source::Wechat));
            let alone = |source| taps.iter().filter(|tap| tap.as_slice() == [source]).count();
            let (by_caller, by_wechat) = (alone(Source::Caller), alone(Source::Wechat));
            prop_assert_eq!(reports.granted as usize, callers.max(wechats));
            prop_assert_eq!(reports.granted as usize, taps.len() - by_caller.min(by_wechat));
        }

        /// Any reports, at any time, in any portions.
        #[test]
        fn never_less_than_one_side_reported_and_never_more_than_both(
            reports in prop::collection::vec((any::<bool>(), 1..4_u32, 0..2_000_000_i64), 0..24),
        ) {
            let mut kept = Reports::default();
            let mut sums = [0; 2];
            let mut reports = reports;
            reports.sort_by_key(|(.., at)| *at);
            for (is_wechat, units, at) in reports {
                let source = if is_wechat { Source::Wechat } else { Source::Caller };
                sums[usize::from(source.code())] += units;
                kept.report(source, units, UnixMillis(NOW.0 + at));
            }
            prop_assert!(kept.granted >= sums[0].max(sums[1]));
            prop_assert!(kept.granted <= sums[0] + sums[1]);
        }
    }
}
