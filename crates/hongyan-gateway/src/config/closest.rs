//! Suggestions for misspelt words.

/// The known word that was probably meant.
pub(super) fn closest<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Damerau's distance: two swapped letters count as one mistake; this mistake is the most common.
    let (distance, closest) =
        words.into_iter().map(|known| (strsim::damerau_levenshtein(word, known), known)).min()?;
    // Two words that share less than two thirds are no typing mistake. A beginning or a continuation of a known word is a
    // mistake: err for error, warning for warn.
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
