//! When to try again.

use std::time::Duration;

use hongyan_clock::UnixMillis;

/// The first pause is at most this long.
pub const BACKOFF_BASE: Duration = Duration::from_secs(1);

/// The longest pause: the end of an outage of WeChat's is to be noticed within minutes.
pub const BACKOFF_CAP: Duration = Duration::from_secs(600);

/// The shortest pause, so that a refused connection cannot spin a core.
pub const BACKOFF_FLOOR: Duration = Duration::from_millis(50);

/// WeChat works on the messages of one user for well under a second, so 43108 is tried again within this.
pub const USER_BUSY_PAUSE: Duration = Duration::from_millis(1_000);

/// Exponential backoff with full jitter: `random` (0 to 1) times the base, doubled for each attempt so far.
pub fn backoff(attempts: u32, random: f64) -> Duration {
    jitter(doubled(BACKOFF_BASE, attempts.saturating_sub(1), BACKOFF_CAP), random)
}

/// `base` doubled so many times, and at most `cap`.
pub fn doubled(base: Duration, times: u32, cap: Duration) -> Duration {
    base.saturating_mul(1 << times.min(20)).min(cap)
}

/// A pause between the floor and `ceiling`.
pub fn jitter(ceiling: Duration, random: f64) -> Duration {
    ceiling.mul_f64(random.clamp(0.0, 1.0)).max(BACKOFF_FLOOR)
}

/// The next midnight in Beijing (UTC+8, no daylight saving), when WeChat's day quotas begin again.
pub fn next_beijing_midnight(now: UnixMillis) -> UnixMillis {
    const DAY_MS: i64 = 86_400_000;
    const OFFSET_MS: i64 = 8 * 3_600_000;
    let local = now.0 + OFFSET_MS;
    UnixMillis((local.div_euclid(DAY_MS) + 1) * DAY_MS - OFFSET_MS)
}

/// The next full minute, when WeChat's minute quotas begin again.
pub fn next_minute(now: UnixMillis) -> UnixMillis {
    UnixMillis((now.0.div_euclid(60_000) + 1) * 60_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_the_cap() {
        assert_eq!(backoff(1, 1.0), Duration::from_secs(1));
        assert_eq!(backoff(4, 1.0), Duration::from_secs(8));
        assert_eq!(backoff(4, 0.5), Duration::from_secs(4));
        assert_eq!(backoff(400, 1.0), BACKOFF_CAP);
        assert_eq!(backoff(1, 0.0), BACKOFF_FLOOR);
    }

    #[test]
    fn midnight_is_beijings() {
        let midnight =
            |text: &str| next_beijing_midnight(UnixMillis::parse_rfc3339(text).unwrap()).to_string();
        assert_eq!(midnight("2026-05-01T23:59:59+08:00"), "2026-05-01T16:00:00.000Z");
        assert_eq!(midnight("2026-05-02T00:00:00+08:00"), "2026-05-02T16:00:00.000Z");
    }
}
