//! Errcodes: WeChat's answer in one number, and that number in words.
//!
//! | file | has |
//! | --- | --- |
//! | `types.rs` | [`Errcode`], [`ErrcodeInfo`], [`Fault`] |
//! | `table.rs` | the data, one entry per code, from which the constants of [`Errcode`] are made as well |
//! | `mod.rs` | looking a code up: [`Errcode::info`], [`all_errcodes`] |
//!
//! Sources: the errcode table at the end of each call's page, and
//! <https://developers.weixin.qq.com/doc/oplatform/developers/errCode/>.

mod table;
mod types;

use table::TABLE;

pub use types::{Errcode, ErrcodeInfo, Fault};

impl Errcode {
    /// What the code means, who can fix it and how. `None` for [`OK`](Self::OK) and for codes that this crate does not
    /// know: WeChat has hundreds of codes.
    pub fn info(self) -> Option<&'static ErrcodeInfo> {
        TABLE.binary_search_by_key(&self, |info| info.errcode).ok().map(|at| &TABLE[at])
    }
}

/// Every errcode that this crate can explain, in ascending order.
pub fn all_errcodes() -> &'static [ErrcodeInfo] {
    TABLE
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Every code that WeChat documents for the calls of this project.
    #[expect(clippy::unreadable_literal, reason = "written as WeChat writes them")]
    const NEEDED: &[i32] = &[
        -1, 40001, 40002, 40003, 40013, 40014, 40029, 40037, 40125, 40163, 40164, 40226, 40243, 41002, 41004,
        41028, 41029, 41030, 42001, 43002, 43101, 43107, 43108, 45009, 45011, 45168, 47003, 50004, 50007,
        87009, 89503, 89506, 89507, 200011, 200012, 200013, 200014, 200016, 200017, 200018, 200019, 200020,
        200021, 200022, 200100,
    ];

    #[test]
    fn the_table_is_sorted_and_each_code_and_name_stands_in_it_once() {
        assert!(all_errcodes().is_sorted_by(|a, b| a.errcode < b.errcode));
        let names: HashSet<_> = all_errcodes().iter().map(|e| e.name).collect();
        assert_eq!(names.len(), all_errcodes().len());
    }

    #[test]
    fn every_code_of_our_calls_is_explained_in_both_languages() {
        for code in NEEDED {
            assert!(Errcode(*code).info().is_some(), "{code}");
        }
        for e in all_errcodes() {
            let is_chinese = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
            assert!(!e.meaning_en.is_empty() && !e.advice_en.is_empty(), "{}", e.errcode);
            // The two texts are joined into sentences.
            assert!(!e.meaning_en.ends_with('.') && e.advice_en.ends_with('.'), "{}", e.errcode);
            assert!(!e.meaning_zh.ends_with('。') && e.advice_zh.ends_with('。'), "{}", e.errcode);
            assert!(!is_chinese(e.meaning_en) && !is_chinese(e.advice_en), "{}", e.errcode);
            assert!(is_chinese(e.meaning_zh) && is_chinese(e.advice_zh), "{}", e.errcode);
            assert!(e.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", e.name);
        }
    }

    #[test]
    fn success_and_unknown_codes_have_no_explanation() {
        assert_eq!(Errcode::OK.info(), None);
        assert_eq!(Errcode(12345).info(), None);
        assert!(Errcode::OK.is_ok());
    }

    #[test]
    fn a_code_is_a_bare_number_in_json_and_in_text() {
        assert_eq!(serde_json::to_string(&Errcode::FORM_ID_USED).unwrap(), "41029");
        assert_eq!(serde_json::from_str::<Errcode>("-1").unwrap(), Errcode::SYSTEM_BUSY);
        assert_eq!(Errcode::NOT_ACCEPTED.to_string(), "43101");
    }
}
