//! Times and dates as WeChat's fields take them.
//!
//! Times are `15:01` or `15:01:30`. Dates are `2019年10月1日`, `2019年10月`, `10月1日`, or numbers joined with
//! `-`, `/` or `.`: `2019-10-01`, `2019/10`, `10.01`. A date may stand before a time. Two of them joined with `~`
//! are a range. Only shape and size are checked, not whether a February has 30 days: WeChat does not say that it
//! checks that.

/// Whether the text fits a `time` field: a time of day, a date before it allowed, or a range of two.
pub(super) fn is_time(text: &str) -> bool {
    each_end(text, |end, _| is_clock(end) || is_date_and_clock(end))
}

/// Whether the text fits a `date` field: a date, a time after it allowed, or a range of two. The end of a range
/// may leave the date out: `2019年10月1日 15:00~16:00`.
pub(super) fn is_date(text: &str) -> bool {
    each_end(text, |end, is_second| is_day(end) || is_date_and_clock(end) || (is_second && is_clock(end)))
}

/// Asks about the one moment that the text is, or about the two that it joins with `~`.
fn each_end(text: &str, fits: impl Fn(&str, bool) -> bool) -> bool {
    match text.split_once(['~', '～']) {
        Some((first, second)) => fits(first.trim_matches(' '), false) && fits(second.trim_matches(' '), true),
        None => fits(text, false),
    }
}

fn is_date_and_clock(text: &str) -> bool {
    // A space divides the two; after 日 it may be missing.
    let parts = text.split_once(' ').or_else(|| {
        let at = text.find('日')? + '日'.len_utf8();
        Some(text.split_at(at))
    });
    parts.is_some_and(|(day, clock)| is_day(day) && is_clock(clock.trim_start_matches(' ')))
}

/// `15:01` or `15:01:30`.
fn is_clock(text: &str) -> bool {
    let mut parts = text.split(':');
    let hour = parts.next().and_then(|p| number(p, 1..=2));
    let minute = parts.next().and_then(|p| number(p, 2..=2));
    let second = parts.next().map(|p| number(p, 2..=2).is_some_and(|s| s < 60));
    hour.is_some_and(|h| h < 24)
        && minute.is_some_and(|m| m < 60)
        && second.unwrap_or(true)
        && parts.next().is_none()
}

/// A date in one of its shapes.
fn is_day(text: &str) -> bool {
    if let Some((year, rest)) = text.split_once('年') {
        return is_year(year) && (rest.strip_suffix('月').is_some_and(is_month) || is_month_and_day(rest));
    }
    if text.contains('月') {
        return is_month_and_day(text);
    }
    ['-', '/', '.'].into_iter().any(|joint| {
        let parts: Vec<&str> = text.splitn(4, joint).collect();
        match parts[..] {
            [year, month, day] => is_year(year) && is_month(month) && is_day_of_month(day),
            [a, b] => (is_year(a) && is_month(b)) || (is_month(a) && is_day_of_month(b)),
            _ => false,
        }
    })
}

/// `10月1日`.
fn is_month_and_day(text: &str) -> bool {
    text.split_once('月')
        .is_some_and(|(month, day)| is_month(month) && day.strip_suffix('日').is_some_and(is_day_of_month))
}

fn is_year(text: &str) -> bool {
    number(text, 4..=4).is_some()
}

fn is_month(text: &str) -> bool {
    number(text, 1..=2).is_some_and(|m| (1..=12).contains(&m))
}

fn is_day_of_month(text: &str) -> bool {
    number(text, 1..=2).is_some_and(|d| (1..=31).contains(&d))
}

/// The number that the text is, if it is so many digits and nothing else.
fn number(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<u32> {
    (digits.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_clock_with_a_date_before_it_at_most() {
        for good in [
            "15:01",
            "9:30",
            "15:01:59",
            "2019年10月1日 15:01",
            "2019年10月1日15:01",
            "2019-10-01 15:01:00",
            "10月1日 08:00",
            "15:01~16:00",
            "15:01 ~ 16:00",
            "2019年10月1日 15:01~2019年10月1日 16:00",
            "2019/10/01 15:01~16:00",
        ] {
            assert!(is_time(good), "{good}");
        }
        for bad in [
            "",
            "15",
            "24:00",
            "15:60",
            "15:1",
            "15:01:60",
            "15:01:00:00",
            "2019年10月1日",
            "15:01-16:00",
            "15:01~",
            "15:01~16:00~17:00",
            "noon",
            "下午3:01",
            " 15:01",
            "2019-10-01T15:01",
        ] {
            assert!(!is_time(bad), "{bad}");
        }
    }

    #[test]
    fn a_date_is_a_day_with_a_clock_after_it_at_most() {
        for good in [
            "2019年10月1日",
            "2019年10月",
            "10月1日",
            "2019-10-01",
            "2019/10/01",
            "2019.10.01",
            "2019-10",
            "01-01",
            "2019-12-25 09:42",
            "2019年10月1日 15:01",
            "2019年10月1日~2019年10月7日",
            "2019-10-01~2019-10-07",
            "2019年10月1日 15:01~16:00",
        ] {
            assert!(is_date(good), "{good}");
        }
        for bad in [
            "",
            "15:01",
            "2019",
            "2019-13-01",
            "2019-00-01",
            "2019-10-32",
            "19-10-01",
            "2019-10/01",
            "2019-10-01-",
            "2019年",
            "2019年10月1",
            "10月1",
            "明天",
            "20191001",
            "2019-10-01~",
            "2019-10-01 25:00",
        ] {
            assert!(!is_date(bad), "{bad}");
        }
    }
}
