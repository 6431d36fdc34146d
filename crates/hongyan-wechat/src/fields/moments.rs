//! Times and dates in the forms that WeChat's fields accept.
//!
//! Times are `15:01` or `15:01:30`. Dates are `2019年10月1日`, `2019年10月`, `10月1日`, or numbers joined with
//! `-`, `/` or `.`: `2019-10-01`, `2019/10`, `10.01`. A date may stand before a time. Two of them joined with `~`
//! are a range. Only shape and size are checked, not whether a February has 30 days: WeChat does not say that it
//! checks that.
//!
//! The rules also use what several back ends have sent. WeChat accepted a `time` of `2026年9月26日` without a clock time; it
//! refused `2026-09-26` without a clock time, and a range joined with the full-width `～`. A value that is clearly a time
//! or a date and is neither documented nor known to be refused is left to WeChat (`loose.rs`).

use super::calendar::{is_clock, is_day_of_month, is_month, is_year};
use super::loose::{is_loose_date, is_loose_time};
use super::verdict::Verdict;

/// A range separator that WeChat was seen to refuse.
const FULL_WIDTH_TILDE: char = '～';

/// How WeChat treats a `time`: a time of day, optionally after a date; a range of two; or a Chinese date alone.
pub(super) fn time(text: &str) -> Verdict {
    let is_documented = each_end(text, |end, _| is_clock(end) || is_date_and_clock(end));
    if is_documented || is_whole_chinese_day(text) {
        Verdict::Good
    } else if !text.contains(FULL_WIDTH_TILDE) && is_loose_time(text) {
        Verdict::Undocumented
    } else {
        Verdict::Bad
    }
}

/// How WeChat treats a `date`: a date, optionally with a time; or a range of two. The end of a range may omit the date:
/// `2019年10月1日 15:00~16:00`.
pub(super) fn date(text: &str) -> Verdict {
    let is_documented = each_end(text, |end, is_second| {
        is_day(end) || is_date_and_clock(end) || (is_second && is_clock(end))
    });
    if is_documented {
        Verdict::Good
    } else if !text.contains(FULL_WIDTH_TILDE) && is_loose_date(text) {
        Verdict::Undocumented
    } else {
        Verdict::Bad
    }
}

/// Judges the text as one time or date, or as two that are joined with `~`.
fn each_end(text: &str, fits: impl Fn(&str, bool) -> bool) -> bool {
    match text.split_once('~') {
        Some((first, second)) => fits(first.trim_matches(' '), false) && fits(second.trim_matches(' '), true),
        None => fits(text, false),
    }
}

/// `2026年9月26日`.
fn is_whole_chinese_day(text: &str) -> bool {
    text.split_once('年').is_some_and(|(year, rest)| is_year(year) && is_month_and_day(rest))
}

fn is_date_and_clock(text: &str) -> bool {
    // A space separates the two; after 日 the space may be missing.
    let parts = text.split_once(' ').or_else(|| {
        let at = text.find('日')? + '日'.len_utf8();
        Some(text.split_at(at))
    });
    parts.is_some_and(|(day, clock)| is_day(day) && is_clock(clock.trim_start_matches(' ')))
}

/// A date in one of its forms.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(judge: fn(&str) -> Verdict, verdict: Verdict, texts: &[&str]) {
        for text in texts {
            assert_eq!(judge(text), verdict, "{text}");
        }
    }

    #[test]
    fn a_time_is_a_clock_with_a_date_before_it_or_a_chinese_date_alone() {
        let good = [
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
            "2026年9月26日",
        ];
        check(time, Verdict::Good, &good);
        let refused = [
            "",
            "15",
            "24:00",
            "15:60",
            "15:01:60",
            "15:01:00:00",
            "15:01~",
            "15:01~16:00~17:00",
            "noon",
            // WeChat was seen to refuse these: a numeric date without a clock time, and the full-width separator.
            "2026-09-26",
            "2026-09-26~2026-09-27",
            "15:01～16:00",
            "2019年10月1日 15:01～2019年10月1日 16:00",
        ];
        check(time, Verdict::Bad, &refused);
    }

    #[test]
    fn a_time_in_a_form_that_wechat_does_not_describe_is_left_to_wechat() {
        let unknown = [
            "15:1",
            " 15:01",
            "下午3:01",
            "15：01",
            "15点",
            "15时30分",
            "15:01-16:00",
            "15:01至16:00",
            "2019-10-01T15:01",
            "2026/09/26",
            "9月26日",
            "2026年9月",
            "2026年9月26日~2026年9月27日",
            "2019年10月1日 下午3:01",
        ];
        check(time, Verdict::Undocumented, &unknown);
    }

    #[test]
    fn a_date_is_a_day_with_a_clock_after_it_at_most() {
        let good = [
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
        ];
        check(date, Verdict::Good, &good);
        let refused = [
            "",
            "15:01",
            "2019-13-01",
            "2019-00-01",
            "2019-10-32",
            "2019-10-01-",
            "20191301",
            "明天",
            "2019-10-01~",
            "2019-10-01 25:00",
            "2019年10月1日～2019年10月7日",
        ];
        check(date, Verdict::Bad, &refused);
    }

    #[test]
    fn a_date_in_a_form_that_wechat_does_not_describe_is_left_to_wechat() {
        let unknown = [
            "2019",
            "2019年",
            "19-10-01",
            "2019-10/01",
            "2019年10月1",
            "10月1",
            "10月1号",
            "20191001",
            "2019-10-01至2019-10-07",
            "2019-10-01T15:01",
            "2019年10月1日 星期二",
            "2019年10月1日(周二)",
        ];
        check(date, Verdict::Undocumented, &unknown);
    }
}
