//! The calendar of Beijing, which WeChat's limits follow.

use hongyan_clock::UnixMillis;

/// The number of the day in Beijing (UTC+8, no daylight saving): quotas are reset at midnight there.
pub(crate) fn beijing_day(now: UnixMillis) -> i64 {
    const OFFSET_SECONDS: i64 = 8 * 3600;
    const DAY_SECONDS: i64 = 86_400;
    (now.as_seconds() + OFFSET_SECONDS).div_euclid(DAY_SECONDS)
}

/// Year and month in Beijing: the number of times that counters may be cleared is limited by month.
pub(crate) fn beijing_month(now: UnixMillis) -> (i16, i8) {
    const OFFSET: jiff::tz::Offset = jiff::tz::Offset::constant(8);
    // No clock here can be set to a time out of range.
    let moment = jiff::Timestamp::from_second(now.as_seconds()).unwrap_or_default();
    let date = OFFSET.to_datetime(moment).date();
    (date.year(), date.month())
}
