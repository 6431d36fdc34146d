//! A limit on how often something may happen: a count per period, taken all at once or spread.
//!
//! A bucket holds as many tokens as may be taken in one period, and fills evenly within a period. The bucket is stored as
//! one moment, the moment at which it will be full again (the "generic cell rate algorithm"), so a bucket that nobody uses
//! costs nothing.

use std::time::Duration;

use hongyan_clock::UnixMillis;

/// A count of tokens per period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    count: u32,
    period: Duration,
}

impl Rate {
    /// This many tokens in a period, at least one.
    pub const fn new(count: u32, period: Duration) -> Self {
        Self { count: if count == 0 { 1 } else { count }, period }
    }

    /// The time between two tokens, in microseconds: some rates have less than a millisecond.
    fn interval_us(self) -> i128 {
        (self.period_us() / i128::from(self.count)).max(1)
    }

    fn period_us(self) -> i128 {
        self.period.as_micros() as i128
    }
}

/// What is left of a rate. A new bucket is full. Buckets are ordered by when they are full again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bucket {
    /// When the bucket is full again, in microseconds since 1970.
    full_at_us: i128,
}

impl Bucket {
    /// Takes one token.
    ///
    /// # Errors
    /// The bucket is empty; the error says how long until a token is there.
    pub fn take(&mut self, rate: Rate, now: UnixMillis) -> Result<(), Duration> {
        self.take_many(1, rate, now)
    }

    /// Takes all of these tokens, or no token.
    ///
    /// # Errors
    /// The bucket has fewer tokens; the error says how long until there are enough, if a full bucket has so many.
    pub fn take_many(&mut self, tokens: u32, rate: Rate, now: UnixMillis) -> Result<(), Duration> {
        let now = i128::from(now.0) * 1_000;
        // A bucket that would be full later than one period from now was filled before the clock was put back. Take it as
        // full now, or nobody could take a token for the whole difference.
        let begin = if self.full_at_us - now > rate.period_us() { now } else { self.full_at_us.max(now) };
        let full_at = begin + i128::from(tokens) * rate.interval_us();
        let missing = full_at - now - rate.period_us();
        if missing > 0 {
            return Err(Duration::from_micros(missing as u64));
        }
        self.full_at_us = full_at;
        Ok(())
    }

    /// Whether the bucket is full, so that it need not be kept.
    pub fn is_full(&self, now: UnixMillis) -> bool {
        self.full_at_us <= i128::from(now.0) * 1_000
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEN_A_MINUTE: Rate = Rate::new(10, Duration::from_secs(60));

    fn at(seconds: i64) -> UnixMillis {
        UnixMillis(1_700_000_000_000 + seconds * 1_000)
    }

    #[test]
    fn as_many_as_in_a_period_may_come_at_once_and_then_one_by_one() {
        let mut bucket = Bucket::default();
        for _ in 0..10 {
            bucket.take(TEN_A_MINUTE, at(0)).unwrap();
        }
        assert_eq!(bucket.take(TEN_A_MINUTE, at(0)), Err(Duration::from_secs(6)));
        assert_eq!(bucket.take(TEN_A_MINUTE, at(5)), Err(Duration::from_secs(1)));
        bucket.take(TEN_A_MINUTE, at(6)).unwrap();
        assert_eq!(bucket.take(TEN_A_MINUTE, at(6)), Err(Duration::from_secs(6)));
        assert!(!bucket.is_full(at(65)));
        assert!(bucket.is_full(at(66)));
    }

    #[test]
    fn many_are_taken_together_or_not_at_all() {
        let mut bucket = Bucket::default();
        bucket.take_many(7, TEN_A_MINUTE, at(0)).unwrap();
        assert_eq!(bucket.take_many(4, TEN_A_MINUTE, at(0)), Err(Duration::from_secs(6)));
        bucket.take_many(3, TEN_A_MINUTE, at(0)).unwrap();
        assert_eq!(bucket.take_many(2, TEN_A_MINUTE, at(11)), Err(Duration::from_secs(1)));
        bucket.take_many(2, TEN_A_MINUTE, at(12)).unwrap();
        assert!(bucket.take_many(11, TEN_A_MINUTE, at(1_000)).is_err(), "more than a full bucket has");
    }

    #[test]
    fn a_clock_that_is_put_back_does_not_shut_anybody_out_for_longer_than_a_period() {
        let mut bucket = Bucket::default();
        for _ in 0..10 {
            bucket.take(TEN_A_MINUTE, at(86_400)).unwrap();
        }
        bucket.take(TEN_A_MINUTE, at(0)).unwrap();
    }

    proptest! {
        #[test]
        fn never_more_than_twice_the_count_in_any_period_and_waiting_as_told_always_helps(
            count in 1_u32..50,
            steps in prop::collection::vec(0_i64..5_000, 1..300),
        ) {
            let rate = Rate::new(count, Duration::from_secs(60));
            let (mut bucket, mut now, mut taken) = (Bucket::default(), 1_700_000_000_000, Vec::new());
            for step in steps {
                now += step;
                match bucket.take(rate, UnixMillis(now)) {
                    Ok(()) => taken.push(now),
                    Err(wait) => {
                        let later = now + wait.as_micros().div_ceil(1_000) as i64;
                        let mut same = bucket;
                        prop_assert!(same.take(rate, UnixMillis(later)).is_ok());
                    }
                }
                let lately = taken.iter().filter(|at| now - **at < 60_000).count();
                prop_assert!(lately <= 2 * count as usize);
            }
        }
    }
}
