//! The rules of the field kinds as functions of a value.

use super::kind::{FieldKind, MAX_KEYWORD_CHARS};
use super::moments::{date, time};
use super::verdict::Verdict;

/// How WeChat treats a value in a field of this kind.
pub(super) fn judge(kind: FieldKind, value: &str) -> Verdict {
    let fits_length = most_chars(kind, value).is_none_or(|most| chars_within(value, most));
    let all = |is_good: fn(char) -> bool| fits_length && value.chars().all(is_good);
    match kind {
        // Legacy templates accept an empty field and show an empty line.
        FieldKind::Keyword => Verdict::of(fits_length || value.is_empty(), false),
        // Without the template's list, only the length of an enum value can be checked.
        FieldKind::Thing | FieldKind::Enum => Verdict::of(fits_length && no_control(value), false),
        // WeChat's description names characters, letters and symbols, but not digits.
        FieldKind::Name => {
            let is_open = fits_length && no_control(value);
            Verdict::of(is_open && !value.contains(|c: char| c.is_numeric()), is_open)
        }
        // WeChat's description does not cover a sign or a point without digits.
        FieldKind::Number => Verdict::of(is_number(value, 32), is_loose_number(value, 32)),
        // "Letters" may include letters of other scripts.
        FieldKind::Letter => {
            Verdict::of(all(|c| c.is_ascii_alphabetic()), all(|c| c.is_alphabetic() && !is_han(c)))
        }
        FieldKind::Symbol => Verdict::of(all(is_symbol), false),
        FieldKind::CharacterString => {
            Verdict::of(fits_length && no_control(value) && !value.chars().any(is_han), false)
        }
        FieldKind::Time => time(value),
        FieldKind::Date => date(value),
        FieldKind::Amount => Verdict::of(is_amount(value), is_loose_amount(value)),
        FieldKind::PhoneNumber => {
            let is_open = all(|c| c.is_ascii_digit() || is_symbol(c));
            Verdict::of(is_open && value.contains(|c: char| c.is_ascii_digit()), is_open)
        }
        FieldKind::CarNumber => Verdict::of(fits_length && is_car_number(value), false),
        FieldKind::Phrase => Verdict::of(all(is_han), false),
    }
}

/// The most characters of a value of this kind; `None` if the rule is more than a length.
pub(super) fn most_chars(kind: FieldKind, value: &str) -> Option<usize> {
    match kind {
        FieldKind::Thing => Some(20),
        FieldKind::Letter | FieldKind::CharacterString => Some(32),
        FieldKind::Symbol | FieldKind::Phrase => Some(5),
        FieldKind::PhoneNumber => Some(17),
        FieldKind::CarNumber => Some(8),
        // WeChat says that a mixed name counts as a Chinese name.
        FieldKind::Name => Some(if value.chars().any(is_han) { 10 } else { 20 }),
        FieldKind::Keyword | FieldKind::Enum => Some(MAX_KEYWORD_CHARS),
        FieldKind::Number | FieldKind::Time | FieldKind::Date | FieldKind::Amount => None,
    }
}

/// Whether the text has 1 to `most` characters. Stops counting there, however long the text is.
fn chars_within(text: &str, most: usize) -> bool {
    !text.is_empty() && text.chars().nth(most).is_none()
}

pub(super) fn no_control(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// Whether this is a Chinese character: the blocks of Han ideographs, and the two substitutes 々 and 〇.
fn is_han(c: char) -> bool {
    matches!(c,
        '\u{4e00}'..='\u{9fff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{323af}'
        | '々' | '〇')
}

/// Whether this is neither Chinese, nor a letter, nor a digit, nor a control character.
fn is_symbol(c: char) -> bool {
    !c.is_alphabetic() && !c.is_ascii_digit() && !is_han(c) && !c.is_control()
}

/// Digits with at most one point, which is not counted.
fn is_number(text: &str, most_digits: usize) -> bool {
    let (whole, decimals) = match text.split_once('.') {
        Some((whole, decimals)) => (whole, Some(decimals)),
        None => (text, None),
    };
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    digits(whole) && decimals.is_none_or(digits) && whole.len() + decimals.map_or(0, str::len) <= most_digits
}

/// The same with a sign, or with digits on one side of the point only.
fn is_loose_number(text: &str, most_digits: usize) -> bool {
    let text = text.strip_prefix(is_sign).unwrap_or(text);
    let padded = format!("0{text}0");
    text.contains(|c: char| c.is_ascii_digit())
        && text.len() <= most_digits + 1
        && is_number(&padded, most_digits + 2)
}

/// `¥100.5`, `100元`, `1000`: the currency sign and 元 are optional; up to ten digits before the point and up to ten after
/// it, because WeChat does not say whether digits after the point count.
fn is_amount(text: &str) -> bool {
    let text = text.strip_prefix(is_currency).unwrap_or(text);
    is_sum(text.strip_suffix('元').unwrap_or(text))
}

fn is_sum(text: &str) -> bool {
    let whole = text.split('.').next().unwrap_or_default();
    is_number(text, 20) && whole.len() <= 10 && text.len() - whole.len() <= 11
}

/// The same with a sign, with spaces between the parts, or with the currency sign or code at the end.
fn is_loose_amount(text: &str) -> bool {
    let text = text.trim_matches(' ');
    let rest = text.strip_prefix(is_sign);
    let (is_signed, text) = (rest.is_some(), rest.unwrap_or(text));
    let rest = text.strip_prefix(is_currency);
    let (has_currency, text) = (rest.is_some(), rest.unwrap_or(text).trim_start_matches(' '));
    let text = if is_signed { text } else { text.strip_prefix(is_sign).unwrap_or(text) };
    let unit = ["元", "RMB", "CNY", "USD", "HKD"].into_iter().find_map(|unit| text.strip_suffix(unit));
    let unit = unit.or_else(|| text.strip_suffix(is_currency).filter(|_| !has_currency));
    is_sum(unit.unwrap_or(text).trim_end_matches(' '))
}

fn is_sign(c: char) -> bool {
    matches!(c, '+' | '-')
}

/// Whether this is a currency sign: of Latin-1, full width, or Unicode's block of currency signs.
fn is_currency(c: char) -> bool {
    matches!(
        c,
        '$' | '¢' | '£' | '¤' | '¥' | '฿' | '＄' | '￠' | '￡' | '￥' | '￦' | '\u{20a0}'..='\u{20cf}'
    )
}

/// `粤A8Z888挂`.
fn is_car_number(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric();
    let last = text.chars().count().saturating_sub(1);
    text.chars().enumerate().all(|(at, c)| plain(c) || ((at == 0 || at == last) && is_han(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: FieldKind, good: &[&str], bad: &[&str]) {
        judged(kind, Verdict::Good, good);
        judged(kind, Verdict::Bad, bad);
    }

    #[track_caller]
    fn judged(kind: FieldKind, verdict: Verdict, values: &[&str]) {
        for value in values {
            assert_eq!(judge(kind, value), verdict, "{kind:?} {value:?}");
        }
    }

    #[test]
    fn what_is_not_described_and_was_never_seen_to_be_refused_is_left_to_wechat() {
        judged(FieldKind::Number, Verdict::Undocumented, &["-1", "+1", "1.", ".5"]);
        judged(FieldKind::Letter, Verdict::Undocumented, &["é", "straße"]);
        let sums = ["-5元", "¥-5", "+€20", "5¥", "100 元", "¥ 5", "5RMB", "5 USD"];
        judged(FieldKind::Amount, Verdict::Undocumented, &sums);
        judged(FieldKind::PhoneNumber, Verdict::Undocumented, &["+-"]);
        judged(FieldKind::Name, Verdict::Undocumented, &["王1", "R2D2"]);
    }

    #[test]
    fn a_thing_is_a_short_line() {
        check(FieldKind::Thing, &["a", "鸿雁 传书 No.1", &"好".repeat(20)], &["", "a\nb", &"好".repeat(21)]);
    }

    #[test]
    fn a_number_is_digits_with_a_point_at_most() {
        let good = ["0", "007", "3.14", &"9".repeat(32)];
        check(
            FieldKind::Number,
            &good,
            &["", ".", "-", "+.", "1.2.3", "1,000", "--1", "一", "１", &"9".repeat(33)],
        );
    }

    #[test]
    fn a_letter_field_is_letters() {
        check(FieldKind::Letter, &["a", "ABC", &"z".repeat(32)], &["", "a1", "a b", "好", &"z".repeat(33)]);
    }

    #[test]
    fn a_symbol_field_is_symbols() {
        check(FieldKind::Symbol, &["!", "~！？℃", "¥$%#@"], &["", "a", "1", "好", "!\n", "!!!!!!"]);
    }

    #[test]
    fn a_character_string_has_no_chinese() {
        let good = ["SF-2024/001", "https://a.example/?b=1", &"x".repeat(32)];
        check(FieldKind::CharacterString, &good, &["", "订单1", "a\tb", &"x".repeat(33)]);
    }

    #[test]
    fn an_amount_is_one_sum_of_one_currency() {
        let good = ["¥100.5", "100元", "1000", "$0.99", "￥1234567890.12", "₽7"];
        let bad = [
            "",
            "元",
            "¥",
            "¥¥5",
            "¥5¥",
            "1,000元",
            "12345678901",
            "1.2.3",
            "五元",
            "--5",
            "-¥-5",
            "5元元",
            "5 dollars",
        ];
        check(FieldKind::Amount, &good, &bad);
    }

    #[test]
    fn a_phone_number_is_digits_and_symbols() {
        let good = ["13800138000", "+86-0766-66888866", "(010) 12345678", "400 800#1"];
        check(FieldKind::PhoneNumber, &good, &["", "1380013800a", "电话1", "123456789012345678"]);
    }

    #[test]
    fn a_car_number_may_begin_and_end_in_chinese() {
        check(
            FieldKind::CarNumber,
            &["粤A8Z888挂", "A12345", "沪A12345"],
            &["", "粤A8Z8888挂", "A粤123", "粤A·123"],
        );
    }

    #[test]
    fn a_name_with_chinese_in_it_may_be_half_as_long() {
        let good = ["王小明", &"王".repeat(10), "John O'Neil-Smith Jr", "阿Q", "阿凡提·买买提"];
        check(FieldKind::Name, &good, &["", &"王".repeat(11), "王 John Smith Jr", &"x".repeat(21), "a\nb"]);
    }

    #[test]
    fn a_phrase_is_chinese_and_nothing_else() {
        check(
            FieldKind::Phrase,
            &["好", "配送中", "已到达门店"],
            &["", "已到达门店啦", "OK", "配送中!", "配送 中"],
        );
    }

    #[test]
    fn a_keyword_takes_any_text_of_200_characters() {
        check(FieldKind::Keyword, &["", "a\nb", &"好".repeat(200)], &[&"好".repeat(201)]);
    }
}
