//! Finds secrets in texts of others, and overwrites the secrets, also in a stream.
//!
//! A server, a proxy or an error page may repeat the request's URL, and the URL contains the access token. The repeated
//! token may be escaped, so each character matches in each of these forms:
//!
//! - the character itself; also with NULs around it, as in UTF-16 and UTF-32
//! - `%41`, and escaped again: `%2541`
//! - `\u0041`, `\x41`, `\/`, also after several backslashes, as in JSON inside JSON
//! - `&#65;`, `&#x41;`
//!
//! An overwritten secret keeps its length, so a `Content-Length` stays true. Secrets inside base64 or compressed data are
//! not found. WeChat's secrets contain neither `%` nor backslashes.

use std::borrow::Cow;

use secrecy::{ExposeSecret, SecretString};

/// A shorter text is no secret; overwriting it would hide ordinary words.
const MIN_BYTES: usize = 4;

/// The replacement for each byte of a secret.
const BLOT: u8 = b'*';

/// The most nested escapes, and the most backslashes, that are followed.
const MAX_NESTED: usize = 8;

/// The most leading zeros of a character's number.
const MAX_DIGITS: usize = 8;

/// Searches for a small set of secrets.
#[derive(Debug, Clone)]
pub struct Blotter {
    secrets: Vec<SecretString>,
    /// The possible first bytes of a secret in any form.
    starts: Box<[bool; 256]>,
}

/// What a text contains at one position.
enum Found {
    /// No secret.
    Nothing,
    /// A secret that ends before this position.
    UpTo(usize),
    /// Possibly a secret: the text ends before this is certain.
    Perhaps,
}

/// One character of a text, in any of its forms.
enum Char {
    /// This character, which ends before this position.
    Is(u8, usize),
    /// A character that no secret contains.
    Other,
    /// The text ends inside the character.
    Cut,
}

impl Blotter {
    /// Searches for these secrets.
    pub fn new(secrets: impl IntoIterator<Item = SecretString>) -> Self {
        let secrets: Vec<SecretString> =
            secrets.into_iter().filter(|secret| secret.expose_secret().len() >= MIN_BYTES).collect();
        let mut starts = Box::new([false; 256]);
        let firsts = secrets.iter().map(|secret| secret.expose_secret().as_bytes()[0]);
        for first in firsts.chain(*b"%\\&") {
            starts[usize::from(first)] = !secrets.is_empty();
        }
        Self { secrets, starts }
    }

    /// Whether a text contains a secret.
    pub fn is_in(&self, text: &[u8]) -> bool {
        matches!(self.whole(text), Cow::Owned(_))
    }

    /// A whole text with its secrets overwritten; the length stays.
    pub fn whole<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        self.blotted(text, true).0
    }

    /// The next piece of a stream with its secrets overwritten. A possible beginning of a secret is held back until more
    /// text arrives; `is_last` says that no more text arrives.
    pub fn piece(&self, held: &mut Vec<u8>, piece: &[u8], is_last: bool) -> Vec<u8> {
        held.extend_from_slice(piece);
        let (clean, length) = self.blotted(held, is_last);
        let clean = clean[..length].to_vec();
        held.drain(..length);
        clean
    }

    /// The text with its secrets overwritten, and the length of the part that is certain.
    fn blotted<'a>(&self, text: &'a [u8], is_last: bool) -> (Cow<'a, [u8]>, usize) {
        let mut clean = Cow::Borrowed(text);
        let mut at = 0;
        while at < text.len() {
            if !self.starts[usize::from(text[at])] {
                at += 1;
                continue;
            }
            match self.find(text, at, is_last) {
                Found::UpTo(end) => {
                    clean.to_mut()[at..end].fill(BLOT);
                    at = end;
                }
                Found::Perhaps if !is_last => return (clean, at),
                Found::Perhaps | Found::Nothing => at += 1,
            }
        }
        (clean, text.len())
    }

    fn find(&self, text: &[u8], at: usize, is_last: bool) -> Found {
        let mut found = Found::Nothing;
        for secret in &self.secrets {
            match match_at(secret.expose_secret().as_bytes(), text, at, is_last) {
                Found::UpTo(end) => return Found::UpTo(end),
                Found::Perhaps => found = Found::Perhaps,
                Found::Nothing => {}
            }
        }
        found
    }
}

fn match_at(secret: &[u8], text: &[u8], start: usize, is_last: bool) -> Found {
    let mut at = start;
    for (place, wanted) in secret.iter().enumerate() {
        if place > 0 {
            let nulls = text[at..].iter().take(3).take_while(|byte| **byte == 0).count();
            at += nulls;
        }
        // An escape may begin with a character that the secret itself contains at this place.
        let is_plain = text.get(at) == Some(wanted);
        match char_at(text, at) {
            Char::Is(byte, end) if byte == *wanted => at = end,
            Char::Cut if !is_last => return Found::Perhaps,
            _ if is_plain => at += 1,
            Char::Cut | Char::Is(..) | Char::Other => return Found::Nothing,
        }
    }
    Found::UpTo(at)
}

fn char_at(text: &[u8], at: usize) -> Char {
    let Some(first) = text.get(at) else { return Char::Cut };
    match first {
        b'%' => {
            let mut digits = at + 1;
            // `%25` is a percent sign: an escaped escape.
            for _ in 0..MAX_NESTED {
                match text.get(digits..digits + 2) {
                    Some(b"25") => digits += 2,
                    _ => break,
                }
            }
            hex(text, digits, 2)
        }
        b'\\' => {
            let slashes = text[at..].iter().take(MAX_NESTED).take_while(|byte| **byte == b'\\').count();
            let kind = at + slashes;
            match text.get(kind) {
                None => Char::Cut,
                Some(b'u') => hex(text, kind + 1, 4),
                Some(b'x') => hex(text, kind + 1, 2),
                Some(escaped) => Char::Is(*escaped, kind + 1),
            }
        }
        b'&' => reference(text, at),
        plain => Char::Is(*plain, at + 1),
    }
}

/// A fixed number of hexadecimal digits.
fn hex(text: &[u8], at: usize, count: usize) -> Char {
    let digits = &text[at.min(text.len())..(at + count).min(text.len())];
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return Char::Other;
    }
    if digits.len() < count {
        return Char::Cut;
    }
    number(digits, 16).map_or(Char::Other, |byte| Char::Is(byte, at + count))
}

/// `&#65;` or `&#x41;`
fn reference(text: &[u8], at: usize) -> Char {
    match text.get(at + 1) {
        None => return Char::Cut,
        Some(b'#') => {}
        Some(_) => return Char::Is(b'&', at + 1),
    }
    let is_hex = matches!(text.get(at + 2), Some(b'x' | b'X'));
    let start = at + 2 + usize::from(is_hex);
    let is_digit = |byte: &&u8| if is_hex { byte.is_ascii_hexdigit() } else { byte.is_ascii_digit() };
    let length = text.get(start..).unwrap_or_default().iter().take(MAX_DIGITS).take_while(is_digit).count();
    let end = start + length;
    match text.get(end) {
        None => Char::Cut,
        Some(b';') => number(&text[start..end], if is_hex { 16 } else { 10 })
            .map_or(Char::Other, |byte| Char::Is(byte, end + 1)),
        Some(_) => Char::Other,
    }
}

fn number(digits: &[u8], radix: u32) -> Option<u8> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOKEN: &str = "85_To-ken_Z";

    fn blotter() -> Blotter {
        Blotter::new([SecretString::from(TOKEN), "AppS3cret".into()])
    }

    /// The token, with each character in the given form.
    fn written(form: impl Fn(u8) -> String) -> String {
        TOKEN.bytes().map(form).collect()
    }

    #[test]
    fn a_secret_is_found_in_every_form_and_the_length_stays() {
        let forms = [
            TOKEN.to_owned(),
            written(|c| format!("%{c:02X}")),
            written(|c| format!("%25{c:02x}")),
            written(|c| format!("%252525{c:02x}")),
            written(|c| format!("\\u{c:04x}")),
            written(|c| format!("\\\\u{c:04X}")),
            written(|c| format!("\\x{c:02x}")),
            written(|c| format!("\\{}", char::from(c)).replace("\\x", "x").replace("\\u", "u")),
            written(|c| format!("&#{c};")),
            written(|c| format!("&#x00{c:x};")),
            written(|c| format!("{}\0", char::from(c))),
            written(|c| if c == b'_' { "%5F".into() } else { char::from(c).to_string() }),
        ];
        for form in forms {
            let text = format!("a={form}&AppS3cret b");
            let clean = blotter().whole(text.as_bytes()).into_owned();
            let clean = String::from_utf8(clean).unwrap();
            assert_eq!(clean.len(), text.len(), "{form}");
            let trimmed: String = clean.chars().filter(|c| !matches!(c, '*' | '\0')).collect();
            assert_eq!(trimmed, "a=& b", "{form}: {clean}");
        }
    }

    #[test]
    fn what_is_no_secret_keeps_its_bytes() {
        for text in ["", "85_To-ken_", "85_To-ken_z", "%38", "\\u00", "&#56", "100%", "a & b", "85_85_To-ken"]
        {
            assert!(!blotter().is_in(text.as_bytes()), "{text}");
        }
        let nothing = Blotter::new([SecretString::from(""), "abc".into()]);
        assert!(!nothing.is_in(b"abc"));
        assert!(!blotter().starts[usize::from(b'x')] && !nothing.starts[usize::from(b'%')]);
    }

    #[test]
    fn a_secret_behind_the_beginning_of_one_is_found() {
        let text = format!("85_85_To-{TOKEN}%4{TOKEN}");
        let clean = blotter().whole(text.as_bytes()).into_owned();
        assert_eq!(clean, b"85_85_To-***********%4***********");
    }

    fn in_pieces(text: &[u8], cuts: &[usize]) -> Vec<u8> {
        let (blotter, mut held, mut out, mut rest) = (blotter(), Vec::new(), Vec::new(), text);
        for cut in cuts {
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            out.extend(blotter.piece(&mut held, piece, false));
            rest = after;
        }
        out.extend(blotter.piece(&mut held, rest, true));
        assert!(held.is_empty());
        out
    }

    proptest! {
        #[test]
        fn pieces_come_out_as_the_whole_does(
            parts in proptest::collection::vec("(85_To-ken_Z|AppS3cret|85_To|%38%35|\\\\u0038|&#56;|%|x|\\\\){0,3}", 0..6),
            cuts in proptest::collection::vec(0_usize..9, 0..12),
        ) {
            let text = parts.concat();
            let whole = blotter().whole(text.as_bytes()).into_owned();
            prop_assert_eq!(in_pieces(text.as_bytes(), &cuts), whole);
        }

        #[test]
        fn nothing_is_left_and_nothing_else_is_touched(before in "[a-z %&]{0,9}", after in "[a-z %&]{0,9}") {
            let text = format!("{before}{TOKEN}{after}");
            let clean = blotter().whole(text.as_bytes()).into_owned();
            prop_assert_eq!(clean, format!("{before}***********{after}").into_bytes());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, cuts in proptest::collection::vec(0_usize..9, 0..12)) {
            prop_assert_eq!(in_pieces(&bytes, &cuts).len(), bytes.len());
        }
    }
}
