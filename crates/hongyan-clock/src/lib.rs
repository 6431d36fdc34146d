//! Time, as the whole project writes it.
//!
//! * [`UnixMillis`]: a moment, in milliseconds since 1970 (UTC). The one time type in memory and in SQL; JSON
//!   shows it as RFC 3339.
//! * [`Clock`]: asks "what time is it" and waits for moments. A handle is cheap to clone, and all clones
//!   share one offset from the machine's clock, so a test (or the demo) moves everybody's time at once and
//!   every waiter wakes up. Nothing in the project asks the operating system for the date on its own.
//!
//! This crate has no timer wheel: a task that waits for many moments keeps them in order and waits for the first.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use tokio::sync::watch;

/// The longest sleep in one go. The machine's clock can be set, and it goes on while the machine is suspended. Neither wakes
/// a sleeping task, so a sleep must look at the clock again by itself.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A moment: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// The end of time, later than any other moment.
    pub const MAX: Self = Self(i64::MAX);

    /// This moment plus a duration, at most [`Self::MAX`].
    #[must_use]
    pub const fn plus(self, by: Duration) -> Self {
        let millis = by.as_millis();
        // A duration beyond i64 milliseconds is 292 million years, so the end of time will do.
        Self(self.0.saturating_add(if millis > i64::MAX as u128 { i64::MAX } else { millis as i64 }))
    }

    /// This moment minus a duration.
    #[must_use]
    pub const fn minus(self, by: Duration) -> Self {
        let millis = by.as_millis();
        Self(self.0.saturating_sub(if millis > i64::MAX as u128 { i64::MAX } else { millis as i64 }))
    }

    /// How long after `earlier` this moment is; zero if it is not after `earlier`.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        let millis = self.0.saturating_sub(earlier.0);
        Duration::from_millis(if millis < 0 { 0 } else { millis as u64 })
    }

    /// Whole seconds since 1970, as WeChat counts.
    #[must_use]
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Reads RFC 3339 (`2026-05-01T09:30:00+08:00`, `…Z`).
    ///
    /// # Errors
    /// With what is wrong, in words, when the text is not such a time or lies outside the years -9999 to 9999.
    pub fn parse_rfc3339(text: &str) -> Result<Self, String> {
        text.parse::<jiff::Timestamp>().map(|t| Self(t.as_millisecond())).map_err(|e| e.to_string())
    }
}

impl fmt::Display for UnixMillis {
    /// RFC 3339 in UTC with milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => write!(f, "{t:.3}"),
            Err(_) => f.write_str("the end of time"),
        }
    }
}

impl Serialize for UnixMillis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UnixMillis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse_rfc3339(&text).map_err(|e| de::Error::custom(format_args!("not an RFC 3339 time: {e}")))
    }
}

/// What time it is, for all holders of a clone.
#[derive(Clone, Debug)]
pub struct Clock {
    /// Milliseconds to add to the machine's clock. Every sleeping task watches the offset for changes.
    offset_ms: Arc<watch::Sender<i64>>,
    /// The machine's clock; this crate's tests put a clock here that they can set.
    machine: fn() -> i64,
    /// How much faster than the machine's clock it runs.
    pace: Pace,
}

/// A clock that runs fast, for tests in which days must pass: from `since` on, each second of the machine's counts as
/// `times` seconds. Two processes with the same pace agree on the time, like two processes with the machine's clock.
///
/// As text: `TIMES@SINCE`, with `SINCE` in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How many seconds a second of the machine's counts as.
    pub times: NonZeroU32,
    /// Until this time of the machine's both clocks agree.
    pub since: UnixMillis,
}

impl Pace {
    /// As fast as the machine's clock.
    const USUAL: Self = Self { times: NonZeroU32::MIN, since: UnixMillis(0) };

    /// What the clock shows when the machine's clock shows `machine`.
    fn shows(self, machine: i64) -> i64 {
        let passed = machine.saturating_sub(self.since.0);
        if passed <= 0 {
            machine
        } else {
            machine.saturating_add(passed.saturating_mul(i64::from(self.times.get()) - 1))
        }
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.times, self.since.0)
    }
}

impl FromStr for Pace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (times, since) = text.split_once('@')?;
            Some(Self { times: times.parse().ok()?, since: UnixMillis(since.parse().ok()?) })
        };
        read().ok_or_else(|| {
            "write it as TIMES@SINCE, both numbers; SINCE in milliseconds since 1970".to_owned()
        })
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl Clock {
    /// A clock with the machine's time, until it is moved.
    #[must_use]
    pub fn system() -> Self {
        Self::fast(Pace::USUAL)
    }

    /// A clock that runs fast.
    #[must_use]
    pub fn fast(pace: Pace) -> Self {
        Self { offset_ms: Arc::new(watch::Sender::new(0)), machine: machine_millis, pace }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> UnixMillis {
        UnixMillis(self.machine_now().0.saturating_add(*self.offset_ms.borrow()))
    }

    /// The machine's own time, even if this clock was moved. With it a machine that stood still can be told apart from a
    /// clock that was moved.
    #[must_use]
    pub fn machine_now(&self) -> UnixMillis {
        UnixMillis(self.pace.shows((self.machine)()))
    }

    /// Moves the time forward (or back, with a negative number) for all clones, and wakes every sleeping task.
    pub fn advance(&self, by_ms: i64) -> UnixMillis {
        self.offset_ms.send_modify(|offset| *offset = offset.saturating_add(by_ms));
        self.now()
    }

    /// Sets the time to `moment`, for all clones.
    pub fn set(&self, moment: UnixMillis) -> UnixMillis {
        self.offset_ms.send_modify(|offset| *offset = moment.0.saturating_sub(self.machine_now().0));
        self.now()
    }

    /// Back to the machine's time.
    pub fn reset(&self) {
        self.offset_ms.send_modify(|offset| *offset = 0);
    }

    /// Waits until this clock shows `moment`, even if the clock is moved meanwhile.
    /// Cancel safe. Never returns early; returns at once for a moment in the past.
    pub async fn sleep_until(&self, moment: UnixMillis) {
        let mut moved = self.offset_ms.subscribe();
        loop {
            moved.mark_unchanged();
            let now = self.now();
            if now >= moment {
                return;
            }
            let wait = (moment.since(now) / self.pace.times.get()).min(LOOK_AGAIN);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                // `self` owns the sender, so the channel never closes and `changed` returns only for a change.
                _ = moved.changed() => {}
            }
        }
    }
}

fn machine_millis() -> i64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    #[test]
    fn a_moment_reads_and_writes_rfc3339() {
        let moment = UnixMillis::parse_rfc3339("2026-05-01T09:30:00+08:00").unwrap();
        assert_eq!(moment.to_string(), "2026-05-01T01:30:00.000Z");
        assert_eq!(serde_json::to_string(&moment).unwrap(), "\"2026-05-01T01:30:00.000Z\"");
        assert_eq!(serde_json::from_str::<UnixMillis>("\"2026-05-01T01:30:00Z\"").unwrap(), moment);
        assert!(UnixMillis::parse_rfc3339("tomorrow").is_err());
        assert!(
            UnixMillis::parse_rfc3339("2026-05-01T09:30:00").is_err(),
            "a time without a zone is ambiguous"
        );
    }

    #[test]
    fn arithmetic_stops_at_the_ends() {
        assert_eq!(UnixMillis::MAX.plus(Duration::from_secs(1)), UnixMillis::MAX);
        assert_eq!(UnixMillis(5).since(UnixMillis(9)), Duration::ZERO);
        assert_eq!(UnixMillis(-1).as_seconds(), -1);
    }

    #[tokio::test]
    async fn moving_a_clone_wakes_a_waiter_of_another() {
        let clock = Clock::system();
        let waiter = clock.clone();
        let moment = clock.now().plus(Duration::from_secs(3600));
        let task = tokio::spawn(async move { waiter.sleep_until(moment).await });
        tokio::task::yield_now().await;
        clock.advance(1_800_000);
        tokio::task::yield_now().await;
        assert!(!task.is_finished(), "half an hour is not enough");
        clock.advance(1_800_000);
        task.await.unwrap();
    }

    #[tokio::test]
    async fn a_sleeper_notices_that_the_machines_clock_was_set() {
        static MACHINE: AtomicI64 = AtomicI64::new(1_000);
        let clock = Clock { machine: || MACHINE.load(Ordering::Relaxed), ..Clock::system() };
        let sleeper = clock.clone();
        let task = tokio::spawn(async move { sleeper.sleep_until(UnixMillis(3_601_000)).await });
        tokio::task::yield_now().await;
        MACHINE.store(3_601_000, Ordering::Relaxed);
        tokio::time::timeout(LOOK_AGAIN * 5, task)
            .await
            .expect("the sleep looks at the clock again")
            .unwrap();
    }

    #[tokio::test]
    async fn on_a_fast_clock_a_day_is_over_soon() {
        let pace: Pace = format!("86400@{}", machine_millis()).parse().unwrap();
        let (clock, other) = (Clock::fast(pace), Clock::fast(pace.to_string().parse().unwrap()));
        let begin = std::time::Instant::now();
        let tomorrow = clock.now().plus(Duration::from_secs(86_400));
        clock.sleep_until(tomorrow).await;
        assert!(other.now() >= tomorrow, "clocks of one pace agree");
        assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
    }

    #[test]
    fn a_pace_changes_nothing_of_what_was_before_it() {
        let pace = Pace { times: NonZeroU32::new(10).unwrap(), since: UnixMillis(1_000) };
        assert_eq!([900, 1_000, 1_001, 2_000].map(|at| pace.shows(at)), [900, 1_000, 1_010, 11_000]);
        assert!("0@5".parse::<Pace>().is_err() && "5".parse::<Pace>().is_err());
    }

    #[tokio::test]
    async fn a_moment_in_the_past_is_not_waited_for() {
        Clock::system().sleep_until(UnixMillis(0)).await;
    }
}
