//! The parts of times and dates: only shape and size are checked.

/// `15:01` or `15:01:30`.
pub(super) fn is_clock(text: &str) -> bool {
    let mut parts = text.split(':');
    let hour = parts.next().and_then(|p| number(p, 1..=2));
    let minute = parts.next().and_then(|p| number(p, 2..=2));
    let second = parts.next().map(|p| number(p, 2..=2).is_some_and(|s| s < 60));
    hour.is_some_and(|h| h < 24)
        && minute.is_some_and(|m| m < 60)
        && second.unwrap_or(true)
        && parts.next().is_none()
}

pub(super) fn is_year(text: &str) -> bool {
    number(text, 4..=4).is_some()
}

pub(super) fn is_month(text: &str) -> bool {
    number(text, 1..=2).is_some_and(|m| (1..=12).contains(&m))
}

pub(super) fn is_day_of_month(text: &str) -> bool {
    number(text, 1..=2).is_some_and(|d| (1..=31).contains(&d))
}

/// The number in the text, if the text has exactly this many digits and nothing else.
pub(super) fn number(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<u32> {
    (digits.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}
