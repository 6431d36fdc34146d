//! What is counted of messages over time, and in which steps.
//!
//! A count belongs to the moment at which something happened to a message, not to the moment of the message's acceptance.
//! A message that comes to a second state later (`unknown`, then `sent`) is counted in both.

use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_wechat::Errcode;

use crate::enums::{codes, names};
use crate::message::ReasonCode;

/// Minutes are kept for so long. Then they become a part of their hours.
pub const MINUTES_KEPT: Duration = Duration::from_secs(48 * 3_600);

/// Hours are kept for so long. Then they become a part of their days.
pub const HOURS_KEPT: Duration = Duration::from_secs(90 * 86_400);

/// Days are kept for so long.
pub const DAYS_KEPT: Duration = Duration::from_secs(730 * 86_400);

/// How long a period is that has one count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TallyStep {
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day in China, from midnight to midnight: the day of WeChat's quotas.
    Day,
}

codes!(TallyStep { Minute: 0, Hour: 1, Day: 2 });
names!(TallyStep { Minute: "minute", Hour: "hour", Day: "day" });

impl TallyStep {
    /// The length in milliseconds. China has no summer time, so all days are equally long.
    pub const fn millis(self) -> i64 {
        match self {
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
        }
    }

    /// How far the steps of this length lie ahead of those of UTC, in milliseconds.
    pub const fn offset(self) -> i64 {
        match self {
            Self::Minute | Self::Hour => 0,
            Self::Day => 8 * 3_600_000,
        }
    }

    /// The beginning of the step that a moment lies in.
    pub const fn start_of(self, at: UnixMillis) -> UnixMillis {
        let shifted = at.0.saturating_add(self.offset());
        UnixMillis(at.0.saturating_sub(shifted.rem_euclid(self.millis())))
    }

    /// The beginning of the next step.
    pub const fn after(self, start: UnixMillis) -> UnixMillis {
        UnixMillis(start.0.saturating_add(self.millis()))
    }

    /// The step that takes this one in when it is old.
    pub const fn coarser(self) -> Option<Self> {
        match self {
            Self::Minute => Some(Self::Hour),
            Self::Hour => Some(Self::Day),
            Self::Day => None,
        }
    }

    /// How long counts of this step are kept.
    pub const fn kept(self) -> Duration {
        match self {
            Self::Minute => MINUTES_KEPT,
            Self::Hour => HOURS_KEPT,
            Self::Day => DAYS_KEPT,
        }
    }

    /// The finest step in which a moment's counts are certainly kept.
    pub fn finest_at(at: UnixMillis, now: UnixMillis) -> Self {
        let is_kept = |step: &Self| now.since(at) <= step.kept();
        [Self::Minute, Self::Hour].into_iter().find(is_kept).unwrap_or(Self::Day)
    }

    /// Steps of this length that began before this moment are to be taken in by the coarser step, or to be forgotten. It is
    /// later than [`Self::kept`] by two hours, so that a reader whose clock is a little behind finds what it asks for, and it
    /// is the beginning of a coarser step, so that no coarser step stays half done.
    pub fn old_before(self, now: UnixMillis) -> UnixMillis {
        const SPARE: Duration = Duration::from_secs(2 * 3_600);
        let old = now.minus(self.kept()).minus(SPARE);
        self.coarser().unwrap_or(self).start_of(old)
    }
}

/// How long after its time a message was sent, as a bucket of a histogram: bucket `n` has what took at most 2ⁿ milliseconds
/// and more than the bucket before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lag(u8);

impl Lag {
    /// The last bucket has everything that took longer than the one before: more than a month.
    const LAST: u8 = 32;

    /// From when a message was due to when it was sent. A clock that was set back makes no lag.
    pub fn between(due: UnixMillis, sent: UnixMillis) -> Self {
        let millis = u64::try_from(sent.since(due).as_millis()).unwrap_or(u64::MAX);
        let bucket = u64::BITS - millis.saturating_sub(1).leading_zeros();
        Self(u8::try_from(bucket).unwrap_or(Self::LAST).min(Self::LAST))
    }

    /// The bucket of this number.
    pub const fn from_bucket(bucket: u8) -> Option<Self> {
        if bucket <= Self::LAST { Some(Self(bucket)) } else { None }
    }

    /// The bucket's number.
    pub const fn bucket(self) -> u8 {
        self.0
    }

    /// Nothing in the bucket took longer, in milliseconds.
    pub const fn at_most(self) -> u64 {
        1 << self.0
    }
}

/// How many messages had which lag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lags([u64; Lag::LAST as usize + 1]);

impl Default for Lags {
    fn default() -> Self {
        Self([0; Lag::LAST as usize + 1])
    }
}

impl Lags {
    /// So many more had this lag.
    pub fn add(&mut self, lag: Lag, count: u64) {
        self.0[usize::from(lag.0)] += count;
    }

    /// The lag that this share of all messages (0 to 1) did not exceed. `None`: there are no messages.
    pub fn quantile(&self, share: f64) -> Option<Lag> {
        let all: u64 = self.0.iter().sum();
        let wanted = ((all as f64 * share).ceil() as u64).clamp(1, all.max(1));
        let mut so_far = 0;
        let counts = self.0.iter().zip(0..);
        counts
            .filter(|(count, _)| **count > 0)
            .find(|(count, _)| {
                so_far += **count;
                so_far >= wanted
            })
            .map(|(_, bucket)| Lag(bucket))
    }
}

/// Why a message ended as it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TallyCause {
    /// The gateway's word.
    pub reason: ReasonCode,
    /// WeChat's number, where WeChat gave one.
    pub errcode: Option<Errcode>,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Counted {
    /// A message was accepted. The repeat of a request is not counted.
    Accepted,
    /// WeChat took a message; or somebody found out that WeChat had taken it, and then the lag is not known.
    Sent(Option<Lag>),
    /// WeChat reported that the user has a message.
    Delivered,
    /// WeChat reported that the user did not get a message.
    Refused(TallyCause),
    /// A message came to nothing.
    Failed(TallyCause),
    /// Nobody knows whether a message went out.
    Unknown,
    /// The deadline of a message passed.
    Expired,
    /// A message was withdrawn, or a newer one took its place.
    Cancelled,
    /// An attempt that is not a message's first began.
    Retried,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UnixMillis {
        UnixMillis::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn a_day_begins_at_midnight_in_china() {
        assert_eq!(TallyStep::Day.start_of(at("2026-11-27T15:59:59.999Z")), at("2026-11-26T16:00:00Z"));
        assert_eq!(TallyStep::Day.start_of(at("2026-11-27T16:00:00Z")), at("2026-11-27T16:00:00Z"));
        assert_eq!(TallyStep::Hour.start_of(at("2026-11-27T15:59:59.999Z")), at("2026-11-27T15:00:00Z"));
        assert_eq!(TallyStep::Minute.start_of(UnixMillis(-1)), UnixMillis(-60_000));
    }

    #[test]
    fn a_step_lies_in_one_coarser_step() {
        for start in (0..200).map(|n| UnixMillis(1_790_000_000_000 + n * 7_000_003)) {
            for step in [TallyStep::Minute, TallyStep::Hour] {
                let (begin, coarser) = (step.start_of(start), step.coarser().unwrap());
                let last = UnixMillis(step.after(begin).0 - 1);
                assert_eq!(coarser.start_of(begin), coarser.start_of(last));
            }
        }
    }

    #[test]
    fn what_may_be_asked_for_is_never_old() {
        let now = at("2026-11-27T10:17:00Z");
        for step in TallyStep::ALL {
            let old = step.old_before(now);
            assert!(now.since(old) >= step.kept(), "{step:?}");
            assert_eq!(
                step.coarser().unwrap_or(step).start_of(old),
                old,
                "no coarser step is left half done"
            );
        }
        assert_eq!(TallyStep::finest_at(now.minus(MINUTES_KEPT), now), TallyStep::Minute);
        assert_eq!(TallyStep::finest_at(UnixMillis(now.minus(MINUTES_KEPT).0 - 1), now), TallyStep::Hour);
        assert_eq!(TallyStep::finest_at(UnixMillis(now.minus(HOURS_KEPT).0 - 1), now), TallyStep::Day);
        assert_eq!(TallyStep::finest_at(now.plus(HOURS_KEPT), now), TallyStep::Minute);
    }

    #[test]
    fn a_bucket_has_what_took_at_most_its_power_of_two() {
        let lag = |millis: i64| Lag::between(UnixMillis(10), UnixMillis(10 + millis)).at_most();
        let lags: Vec<_> = [-5, 0, 1, 2, 3, 4, 5, 8, 9, 1_000, i64::MAX - 10].map(lag).into();
        assert_eq!(lags, [1, 1, 1, 2, 4, 4, 8, 8, 16, 1_024, 1 << 32]);
        for bucket in 0..=u8::MAX {
            assert_eq!(Lag::from_bucket(bucket).map(Lag::bucket), (bucket <= 32).then_some(bucket));
        }
    }

    #[test]
    fn a_quantile_is_the_bucket_in_which_that_share_is_reached() {
        let mut lags = Lags::default();
        assert_eq!(lags.quantile(0.5), None);
        lags.add(Lag(3), 50);
        lags.add(Lag(5), 45);
        lags.add(Lag(9), 5);
        let of = |share| lags.quantile(share).map(Lag::bucket);
        assert_eq!([of(0.0), of(0.5), of(0.51), of(0.95), of(0.951), of(1.0)], [3, 3, 5, 5, 9, 9].map(Some));
    }
}
