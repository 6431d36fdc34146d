//! One acceptance of a one-time subscription that two report counts once.
//!
//! When a user accepts, the mini program tells the gateway (or its back end does), and WeChat pushes an event. Which of
//! the two comes first, nobody knows, and neither names the tap, so they cannot be compared. They can be *paired*: each
//! unit that one side reports is taken for the same tap as one that the other side reported shortly before, and only
//! what finds no partner is granted.
//!
//! Of `a` units that one side reported and `b` that the other did, all within [`PAIRING_WINDOW`], in any order and in any
//! portions, exactly `max(a, b)` are granted. So where one side reports every tap, every tap counts once, whatever the
//! other side leaves out; and never is more granted than there were taps. Too few are granted only if some taps were
//! reported by the one side alone and others by the other alone: of these, as many as can be paired are taken for the
//! same. That errs to the safe side: a unit too few is made good by the next tap, a unit too many is a message that
//! WeChat refuses.

use std::time::Duration;

use hongyan_clock::UnixMillis;

/// How far apart two reports of one tap may come. WeChat pushes within seconds and tries again within half a minute; a
/// mini program reports at once, or when it is online again. Longer would pair a tap with the next one of a user who
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
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Wechat,
            Self::Wechat => Self::Caller,
        }
    }

    /// The number that stands for it in a stored row. Never renumber.
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
    /// When.
    pub at: UnixMillis,
    /// How many.
    pub units: u32,
}

/// What becomes of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairing {
    /// How many units of each of the others are partners now, in their order.
    pub partners: Vec<u32>,
    /// Units without a partner: they are granted, and wait for theirs.
    pub granted: u32,
}

/// Pairs a report of so many units with what the other side reported, the oldest first.
pub fn pair(units: u32, others: &[Unpaired], at: UnixMillis) -> Pairing {
    let mut granted = units;
    let partners = others
        .iter()
        .map(|other| {
            // One of the two is zero. A clock that was put back does not part what belongs together.
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

    /// What is remembered of one user and template.
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

        /// Whatever comes when, in whatever portions.
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
