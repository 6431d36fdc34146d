//! Which passwords are not good enough.

use super::password::{MAX_BYTES, MIN_CHARS};

/// Passwords that are used often, in lower case: one in each line, below lines with `#` that say from where they are.
const FREQUENT: &str = include_str!("frequent.txt");

/// Names of this product, in lower case.
const PRODUCT: [&str; 2] = ["hongyan", "鸿雁"];

/// A name that is shorter than this stands in many good passwords.
const SHORTEST_NAME_BYTES: usize = 3;

/// Orders of characters that people know by heart: of numbers, of letters, on a keyboard.
const ORDERS: [&str; 9] = [
    "01234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "1q2w3e4r5t6y7u8i9o0p",
    "q1w2e3r4t5y6u7i8o9p0",
    "qazwsxedcrfvtgbyhnujmikolp",
];

/// A password has at least so many characters that do not follow from the character before. Of 10 letters and digits chosen by
/// chance, fewer than one in a thousand have less.
const MIN_FREE_CHARS: usize = 4;

/// Why a password that a person has chosen is not good enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// It is too short.
    #[error("a password has at least {MIN_CHARS} characters")]
    Short,
    /// It is too long.
    #[error("a password has at most {MAX_BYTES} bytes")]
    Long,
    /// It has the person's name in it.
    #[error("this password is easy to guess: it has your name in it")]
    Name,
    /// It has the name of the product in it.
    #[error("this password is easy to guess: it has the name of this product in it")]
    Product,
    /// It repeats something short, or nearly all of it follows an order such as `1234` or `qwerty`.
    #[error("this password is easy to guess: it repeats itself, or follows an order such as 1234 or qwerty")]
    Pattern,
    /// Many people have it.
    #[error("this password is easy to guess: it is used often")]
    Frequent,
    /// It is the password that the person has now.
    #[error("this is the password that you have now")]
    Same,
}

impl Weakness {
    /// What is wrong with a password that the person with this name has chosen.
    pub(super) fn of(password: &str, name: &str) -> Option<Self> {
        let lower = password.to_lowercase();
        // Of an address of mail, the part before the host is a name, too.
        let names = [name, name.split('@').next().unwrap_or_default()];
        let is_in = |name: &str| name.len() >= SHORTEST_NAME_BYTES && lower.contains(name);
        if password.chars().count() < MIN_CHARS {
            Some(Self::Short)
        } else if password.len() > MAX_BYTES {
            Some(Self::Long)
        } else if names.into_iter().any(is_in) {
            Some(Self::Name)
        } else if PRODUCT.into_iter().any(is_in) {
            Some(Self::Product)
        } else if is_pattern(&lower) {
            Some(Self::Pattern)
        } else if FREQUENT.lines().any(|line| line == lower) {
            Some(Self::Frequent)
        } else {
            None
        }
    }
}

fn is_pattern(lower: &str) -> bool {
    let chars: Vec<char> = lower.chars().collect();
    let repeats = |piece: usize| chars.iter().skip(piece).zip(&chars).all(|(one, other)| one == other);
    // The piece is shorter than a password may be, and stands there twice at least.
    let longest_piece = (chars.len() / 2).min(MIN_CHARS - 1);
    let free = 1 + chars.windows(2).filter(|pair| !follows(pair[0], pair[1])).count();
    (1..=longest_piece).any(repeats) || free < MIN_FREE_CHARS
}

/// Whether a character is the same as the one before, or stands beside it in an order.
fn follows(before: char, char: char) -> bool {
    let stand_beside = |order: &&str| {
        let pairs = order.chars().zip(order.chars().skip(1));
        pairs.into_iter().any(|pair| pair == (before, char) || pair == (char, before))
    };
    before == char || ORDERS.iter().any(stand_beside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_is_easy_to_guess_is_not_taken() {
        let long = "x1".repeat(129);
        for (bad, weakness) in [
            ("short", Weakness::Short),
            (&long, Weakness::Long),
            ("my-name-is-LiHua", Weakness::Name),
            ("welcome to Hongyan", Weakness::Product),
            ("鸿雁传书一二三四五六七八", Weakness::Product),
            ("aaaaaaaaaaaa", Weakness::Pattern),
            ("abcabcabcab", Weakness::Pattern),
            ("horse9horse9", Weakness::Pattern),
            ("1234567890", Weakness::Pattern),
            ("0987654321aa", Weakness::Pattern),
            ("QWERTYuiop12", Weakness::Pattern),
            ("1q2w3e4r5t6y", Weakness::Pattern),
            ("一一一一一一一一一一", Weakness::Pattern),
            ("password123", Weakness::Frequent),
            ("WoAiNi1314520", Weakness::Frequent),
            ("basketball", Weakness::Frequent),
        ] {
            assert_eq!(Weakness::of(bad, "lihua"), Some(weakness), "{bad}");
        }
        assert_eq!(Weakness::of("zhang-has-a-horse", "zhang@example.com"), Some(Weakness::Name));
        for good in ["七个字的口令也要十个字", "correct horse", "x8Gq-71pLz", "basketball shoes"] {
            assert_eq!(Weakness::of(good, "lihua"), None, "{good}");
        }
        assert_eq!(Weakness::of("correct horse", "or"), None, "so short a name is in many passwords");
    }

    #[test]
    fn the_list_has_more_than_three_thousand_passwords_that_only_the_list_refuses() {
        let passwords: Vec<_> = FREQUENT.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(passwords.len() > 3_000, "{}", passwords.len());
        assert!(passwords.is_sorted());
        for password in passwords {
            assert_eq!(Weakness::of(password, "lihua"), Some(Weakness::Frequent), "{password}");
        }
    }
}
