//! The pages that explain every errcode and every problem. They are generated from the gateway's own tables and rules, so
//! they cannot contradict the gateway.
//!
//! The same page is a file of `docs/` (`cargo xtask errcodes` writes it) and an answer of the gateway (`/errcodes`,
//! `/problems`); problems link to it.

mod errcodes;
mod page;
mod problems;

use hongyan_ui::Language;

pub use page::{Entry, Page};

/// All pages.
pub fn pages() -> Vec<Page> {
    let both = [Language::En, Language::Zh];
    both.into_iter().flat_map(|language| [errcodes::page(language), problems::page(language)]).collect()
}

/// The page of errcodes.
pub fn errcodes(language: Language) -> Page {
    errcodes::page(language)
}

/// The page of problems.
pub fn problems(language: Language) -> Page {
    problems::page(language)
}

/// The title of a problem's code in Chinese, and what to do about it.
pub fn problem_in_chinese(code: &str) -> Option<(&'static str, &'static str)> {
    problems::in_chinese(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_in_docs_are_current() {
        for page in pages() {
            let path = format!("{}/../../docs/{}", env!("CARGO_MANIFEST_DIR"), page.file());
            let written = std::fs::read_to_string(&path).unwrap_or_default();
            // Not assert_eq: the pages are long.
            assert!(written == page.markdown(), "docs/{} is not current: cargo xtask errcodes", page.file());
        }
    }

    #[test]
    fn both_languages_explain_the_same_and_every_anchor_stands_once() {
        let anchors = |page: &Page| page.entries.iter().map(|entry| entry.anchor.clone()).collect::<Vec<_>>();
        for page in [errcodes, problems] {
            let (en, zh) = (page(Language::En), page(Language::Zh));
            assert_eq!(anchors(&en), anchors(&zh));
            let mut unique = anchors(&en);
            unique.sort_unstable();
            unique.dedup();
            assert_eq!(unique.len(), en.entries.len());
            for entry in en.entries.iter().chain(&zh.entries) {
                let text = format!("{} {:?}", entry.text, entry.lines);
                assert_eq!(text.matches('`').count() % 2, 0, "{text}");
            }
        }
    }

    #[test]
    fn the_pages_about_templates_have_the_rule_of_every_kind() {
        use hongyan_wechat::FieldKind;
        let read = |name: &str| {
            std::fs::read_to_string(format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
        };
        let (en, zh) = (read("templates.md"), read("templates.zh-CN.md"));
        for (word, kind) in FieldKind::WORDS {
            let cut = kind.may_be_shortened();
            let row =
                |rule: &str, yes: &str| format!("| `{word}` | {rule} | {} |", if cut { yes } else { "" });
            assert!(en.contains(&row(kind.rule_en(), "yes")), "{word}");
            assert!(zh.contains(&row(kind.rule_zh(), "可以")), "{word}");
        }
    }
}
