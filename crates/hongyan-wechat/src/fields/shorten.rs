//! Cutting a value to the length that its kind allows.
//!
//! Only text that stays understandable may be cut: `thing`, and `keyword` of the old templates. A cut number, sum, date,
//! number plate, telephone number or order number (`character_string`, `letter`) is a different value and looks right. A
//! `phrase` contains only Chinese characters, so it has no room for an ellipsis; a cut `name` may be another person's
//! name. Values of these kinds are refused instead.

use unicode_segmentation::UnicodeSegmentation;

use super::kind::FieldKind;
use super::values::most_chars;

/// The ellipsis in place of the removed text.
const ELLIPSIS: char = '…';

impl FieldKind {
    /// Whether a too long value of this kind may be cut.
    pub const fn may_be_shortened(self) -> bool {
        matches!(self, Self::Thing | Self::Keyword)
    }
}

/// The value, cut to the length that its kind allows, with an ellipsis at its end. `None` if the value is not too long,
/// if its kind must not be cut, or if its first character alone is too long.
///
/// A visible character (a grapheme cluster of Unicode's annex 29: an emoji with its parts, a letter with its accents) is
/// kept whole or removed whole. The result has no more UTF-16 units than characters are allowed, so it fits by either
/// count.
pub fn shortened_to_fit(kind: FieldKind, value: &str) -> Option<String> {
    let most = most_chars(kind, value).filter(|_| kind.may_be_shortened())?;
    value.chars().nth(most)?;
    let mut cut = String::with_capacity(most * 4);
    let mut units = ELLIPSIS.len_utf16();
    for cluster in value.graphemes(true) {
        units += cluster.encode_utf16().count();
        if units > most {
            break;
        }
        cut.push_str(cluster);
    }
    cut.truncate(cut.trim_end().len());
    if cut.is_empty() {
        return None;
    }
    cut.push(ELLIPSIS);
    Some(cut)
}

/// Whether a valid value is too long if WeChat counts UTF-16 units: it contains emoji or rare characters.
pub fn may_be_too_long(name: &str, value: &str) -> bool {
    let most = FieldKind::of(name).and_then(|kind| most_chars(kind, value));
    // A character has at most two units.
    most.is_some_and(|most| value.len() > most && value.encode_utf16().nth(most).is_some())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fields::check_field;

    #[test]
    fn a_thing_is_cut_to_twenty_characters() {
        let cut = |text: &str| shortened_to_fit(FieldKind::Thing, text);
        assert_eq!(cut(&"好".repeat(20)), None);
        assert_eq!(cut(&"好".repeat(21)).unwrap(), format!("{}…", "好".repeat(19)));
        // There is no space before the ellipsis.
        assert_eq!(cut("Your coffee is here and hot").unwrap(), "Your coffee is here…");
    }

    #[test]
    fn what_looks_like_one_character_is_not_split() {
        // A family of four is one cluster of 7 scalar values and 11 UTF-16 units.
        let family = "👨\u{200d}👩\u{200d}👧\u{200d}👦";
        let cut = shortened_to_fit(FieldKind::Thing, &format!("{}{family}end", "x".repeat(12))).unwrap();
        assert_eq!(cut, format!("{}…", "x".repeat(12)));
        let accents = format!("e{}", "\u{301}".repeat(30));
        assert_eq!(shortened_to_fit(FieldKind::Thing, &accents), None, "there is nothing that could stay");
    }

    #[test]
    fn codes_sums_and_names_are_not_cut() {
        for (word, kind) in FieldKind::WORDS {
            let cut = shortened_to_fit(*kind, &"1".repeat(300));
            assert_eq!(cut.is_some(), matches!(*word, "thing" | "keyword"), "{word}");
        }
    }

    #[test]
    fn an_emoji_may_count_twice() {
        assert!(!may_be_too_long("thing1", &"好".repeat(20)));
        assert!(may_be_too_long("thing1", &format!("{}☕🎉", "好".repeat(18))));
        assert!(!may_be_too_long("number1", &"1".repeat(32)));
    }

    proptest! {
        #[test]
        fn what_was_cut_keeps_the_rule_by_either_count(text in "[a-z 好😀é]{21,60}") {
            if let Some(cut) = shortened_to_fit(FieldKind::Thing, &text) {
                prop_assert!(check_field("thing1", &cut, None).is_ok());
                prop_assert!(!may_be_too_long("thing1", &cut));
                prop_assert!(text.starts_with(cut.trim_end_matches(ELLIPSIS)));
            }
        }
    }
}
