//! What was perhaps meant.

/// The word that is so like this one that it was probably meant.
pub(super) fn closest<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Damerau's distance: two letters that changed places are one slip, and the commonest.
    let (distance, closest) =
        words.into_iter().map(|known| (strsim::damerau_levenshtein(word, known), known)).min()?;
    // Two words that share less than two thirds are not a slip of the finger. A word that was cut short, or goes on, is:
    // warning for warn, err for error.
    let is_part =
        word.len() >= 3 && closest.len() >= 3 && (word.starts_with(closest) || closest.starts_with(word));
    (distance * 3 <= closest.len() || is_part).then_some(closest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_other_words_are_not() {
        let words = ["error", "warn", "info", "listen", "connections"];
        for (word, meant) in [
            ("warning", Some("warn")),
            ("wran", Some("warn")),
            ("err", Some("error")),
            ("conections", Some("connections")),
            ("lsiten", Some("listen")),
            ("port", None),
            ("", None),
        ] {
            assert_eq!(closest(word, words), meant, "{word}");
        }
        assert_eq!(closest("x", []), None);
    }
}
