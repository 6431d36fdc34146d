//! Times on the command line.

use std::time::Duration;

use hongyan_clock::{Clock, UnixMillis};

use crate::text::word;

/// The longest span: ten years.
const MAX_HOURS: u64 = 10 * 366 * 24;

/// How long a key works, in days or hours.
pub(super) fn lifetime(text: &str) -> Result<Duration, String> {
    let wrong = || {
        word(
            "写成天数或小时数，例如 90d 或 12h，最长十年",
            "write a number of days or hours, like 90d or 12h, at most ten years",
        )
        .to_owned()
    };
    if !text.ends_with(['d', 'h']) {
        return Err(wrong());
    }
    span(text).ok_or_else(wrong)
}

/// A time, as RFC 3339.
pub(super) fn moment(text: &str) -> Result<UnixMillis, String> {
    UnixMillis::parse_rfc3339(text).map_err(|error| {
        let form =
            word("写成这样的时间：2026-05-01T09:30:00+08:00", "write a time like 2026-05-01T09:30:00+08:00");
        format!("{form} ({error})")
    })
}

/// A time, as RFC 3339 or as how long ago.
pub(super) fn past(text: &str) -> Result<UnixMillis, String> {
    if let Some(span) = span(text) {
        return Ok(Clock::system().now().minus(span));
    }
    UnixMillis::parse_rfc3339(text).map_err(|_| {
        word(
            "写成多久以前，例如 30m、24h、7d，或这样的时间：2026-05-01T09:30:00+08:00",
            "write how long ago, like 30m, 24h or 7d, or a time like 2026-05-01T09:30:00+08:00",
        )
        .to_owned()
    })
}

/// A number of days, hours or minutes: more than none, and at most ten years.
fn span(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let seconds = match unit {
        'd' => 86_400,
        'h' => 3_600,
        'm' => 60,
        _ => return None,
    };
    let number = text.strip_suffix(unit)?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = number.parse::<u64>().ok().filter(|_| is_number)?.checked_mul(seconds)?;
    (1..=MAX_HOURS * 3_600).contains(&seconds).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(moment("1970-01-01T08:00:01+08:00").unwrap(), UnixMillis(1000));
        assert!(moment("tomorrow").unwrap_err().contains("2026-05-01T09:30:00+08:00"));
    }

    #[test]
    fn a_span_has_a_unit_and_bounds() {
        assert_eq!(span("24h"), Some(Duration::from_secs(86_400)));
        assert_eq!(span("7d"), Some(Duration::from_secs(7 * 86_400)));
        assert_eq!(span("30m"), Some(Duration::from_secs(1_800)));
        for wrong in
            ["", "h", "0h", "-1h", "+1h", "1.5h", "7", "7w", "99999999999d", "18446744073709551615d", "小时"]
        {
            assert_eq!(span(wrong), None, "{wrong}");
        }
        assert!(lifetime("30m").is_err() && lifetime("90d").is_ok());
    }

    #[test]
    fn the_past_is_a_time_or_a_span() {
        let now = Clock::system().now();
        let hour = now.since(past("1h").unwrap());
        assert!((3_599..=3_600).contains(&hour.as_secs()), "{hour:?}");
        assert_eq!(past("1970-01-01T00:00:01Z").unwrap(), UnixMillis(1000));
        assert!(past("yesterday").unwrap_err().contains("24h"));
    }
}
