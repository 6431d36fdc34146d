//! Times and dates in forms that WeChat does not describe and was not seen to refuse: a reader understands them.
//!
//! These values pass with a warning, because WeChat decides. A value that cannot be a time or a date (`noon`, `25:00`) is
//! refused here, because WeChat's table asks for a time or a date.

use super::calendar::{is_clock, is_day_of_month, is_month, is_year, number};

/// What people write between the two ends of a range.
const JOINTS: [&str; 5] = ["~", "至", "到", "—", "–"];

/// What people write before a time of twelve hours.
const PARTS_OF_DAY: [&str; 6] = ["上午", "下午", "凌晨", "早上", "中午", "晚上"];

/// A clock, a date that is not written in numbers and dashes, or both.
pub(super) fn is_loose_time(text: &str) -> bool {
    each_end(text, |end, _| is_clock_of_any_form(end) || (is_day(end) && !end.contains('-')) || is_both(end))
}

/// A date, or a date and a clock.
pub(super) fn is_loose_date(text: &str) -> bool {
    each_end(text, |end, is_second| is_day(end) || is_both(end) || (is_second && is_clock_of_any_form(end)))
}

fn each_end(text: &str, fits: impl Fn(&str, bool) -> bool) -> bool {
    let text = text.trim();
    let joined = JOINTS.iter().find_map(|joint| text.split_once(joint)).or_else(|| {
        // A dash between two clock times is a range; inside a date it separates the parts.
        text.split_once('-').filter(|(first, second)| first.contains(':') && second.contains(':'))
    });
    match joined {
        Some((first, second)) => fits(first.trim(), false) && fits(second.trim(), true),
        None => fits(text, false),
    }
}

/// `15:1`, `15：01`, `下午3:01`, `15点`, `15时30分`.
fn is_clock_of_any_form(text: &str) -> bool {
    let text = PARTS_OF_DAY.iter().find_map(|part| text.strip_prefix(part)).unwrap_or(text).trim_start();
    if is_clock(text) {
        return true;
    }
    let plain = text.replace(['：', '时', '点'], ":");
    let plain = plain.trim_end_matches('分');
    let (hour, minute) = plain.split_once(':').unwrap_or_default();
    let is_whole_hour = minute.is_empty() && text.ends_with(['时', '点']);
    number(hour, 1..=2).is_some_and(|hour| hour < 24)
        && (is_whole_hour || number(minute, 1..=2).is_some_and(|minute| minute < 60) || is_clock(plain))
}

/// A date in any form that has a year, or a month and a day.
fn is_day(text: &str) -> bool {
    let text = without_weekday(text);
    if let Some(digits) = number(text, 8..=8) {
        let (month, day) = (digits / 100 % 100, digits % 100);
        return (1..=12).contains(&month) && (1..=31).contains(&day);
    }
    let plain =
        text.strip_suffix(['日', '号', '月', '年']).unwrap_or(text).replace(['年', '月', '/', '.'], "-");
    let parts: Vec<&str> = plain.splitn(4, '-').collect();
    let is_any_year = |part| is_year(part) || number(part, 2..=2).is_some();
    match parts[..] {
        [year] => is_year(year),
        [a, b] => (is_year(a) && is_month(b)) || (is_month(a) && is_day_of_month(b)),
        [year, month, day] => is_any_year(year) && is_month(month) && is_day_of_month(day),
        _ => false,
    }
}

/// A date and a clock with a space, a `T` or `日` between them.
fn is_both(text: &str) -> bool {
    let after_day = text.find(['日', '号']).map(|at| text.split_at(at + '日'.len_utf8()));
    [text.split_once(' '), text.split_once('T'), after_day]
        .into_iter()
        .flatten()
        .any(|(day, clock)| is_day(day) && is_clock_of_any_form(clock.trim_start()))
}

/// Without `星期二`, `周二` or `(周二)` at the end.
fn without_weekday(text: &str) -> &str {
    let bare = text.trim_end_matches([')', '）']);
    let mut chars = bare.chars();
    if chars.next_back().is_some_and(|day| "一二三四五六日天".contains(day)) {
        for word in ["星期", "周"] {
            if let Some(before) = chars.as_str().strip_suffix(word) {
                return before.trim_end_matches(['(', '（', ' ']);
            }
        }
    }
    text
}
