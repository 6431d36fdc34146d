//! Long texts of others, cut for answers, logs and pages.

/// The first so many characters of a text; `…` stands for the rest.
pub fn beginning(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_longer_text_is_cut() {
        assert_eq!(beginning("鸿雁", 2), "鸿雁");
        assert_eq!(beginning("鸿雁传书", 2), "鸿雁…");
        assert_eq!(beginning("", 0), "");
    }
}
