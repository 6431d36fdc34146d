//! Beijing's calendar, by which WeChat counts.

use hongyan_clock::UnixMillis;

/// Days by Beijing's calendar (UTC+8, no daylight saving): quotas begin anew at midnight there.
pub(crate) fn beijing_day(now: UnixMillis) -> i64 {
    const OFFSET_SECONDS: i64 = 8 * 3600;
    const DAY_SECONDS: i64 = 86_400;
    (now.as_seconds() + OFFSET_SECONDS).div_euclid(DAY_SECONDS)
}

/// Year and month by the same calendar: the counters may be cleared so often a month.
pub(crate) fn beijing_month(now: UnixMillis) -> (i16, i8) {
    const OFFSET: jiff::tz::Offset = jiff::tz::Offset::constant(8);
    // Out of range is a time that no clock here can be set to.
    let moment = jiff::Timestamp::from_second(now.as_seconds()).unwrap_or_default();
    let date = OFFSET.to_datetime(moment).date();
    (date.year(), date.month())
}
