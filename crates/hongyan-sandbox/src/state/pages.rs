//! The pages of a mini program, for the `page` of a message.
//!
//! WeChat knows which pages an app has, and refuses others with 41030. The sandbox knows them only if it is told; until
//! then every path is a page, for a mini program may have any: `pages/index/index`, `packageA/pages/order`, `index`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// So many pages has an app at most.
pub(crate) const MAX_PAGES: usize = 2_000;
/// A page's path has at most so many bytes.
pub(crate) const MAX_PAGE_BYTES: usize = 1_024;

/// The pages of one app; `None`: not told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pages(Option<BTreeSet<String>>);

impl Pages {
    /// Exactly these; the error names the one that cannot be a page.
    pub(crate) fn known(pages: &[String]) -> Result<Self, String> {
        match pages.iter().find(|page| page.contains('?') || !is_path(path_of(page))) {
            Some(wrong) => Err(wrong.chars().take(100).collect()),
            None => Ok(Self(Some(pages.iter().map(|page| path_of(page).to_owned()).collect()))),
        }
    }

    /// The pages, if they are known.
    pub(crate) fn list(&self) -> Option<&BTreeSet<String>> {
        self.0.as_ref()
    }

    /// Whether `page`, parameters and all, is one. A leading slash is no mistake here: WeChat delivers such a message.
    pub(crate) fn has(&self, page: &str) -> bool {
        let path = path_of(page);
        let could_be = is_path(path) && !page.chars().any(char::is_control);
        could_be && self.0.as_ref().is_none_or(|known| known.contains(path))
    }
}

/// Without parameters and without the slash in front.
fn path_of(page: &str) -> &str {
    let path = page.split_once('?').map_or(page, |(path, _)| path);
    path.strip_prefix('/').unwrap_or(path)
}

/// Whether an app may have such a page. An address of the web is none, and a folder is none.
fn is_path(path: &str) -> bool {
    let legal = |c: char| !(c.is_whitespace() || c.is_control() || matches!(c, ':' | '\\' | '#'));
    let has_names = !path.starts_with('/') && !path.ends_with('/') && !path.contains("//");
    !path.is_empty() && path.len() <= MAX_PAGE_BYTES && has_names && path.chars().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn until_the_pages_are_known_every_path_is_one() {
        let any = Pages::default();
        for good in [
            "pages/index/index",
            "pages/index/index?from=card&name=a b",
            "packageA/pages/order/detail?id=1",
            "subPages/train/order-detail?id=1",
            "todo/pages/love/love",
            "index",
            "index?foo=bar",
            "index.html",
            "/pages/index/index",
            "/index?foo=bar",
            "pages/订单/详情",
        ] {
            assert!(any.has(good), "{good}");
        }
        for bad in
            ["pages/", "/", "?x=1", "pages/a b", "pages/a\nb", "index?x=a\nb", "http://x/pages/a", "//x/y"]
        {
            assert!(!any.has(bad), "{bad:?}");
        }
    }

    #[test]
    fn once_they_are_known_no_other_is_one() {
        let known = Pages::known(&["pages/index/index".into(), "/packageA/pages/order".into()]).unwrap();
        for good in ["pages/index/index", "/pages/index/index?x=1", "packageA/pages/order?id=1"] {
            assert!(known.has(good), "{good}");
        }
        for bad in ["index", "pages/index", "pages/index/index/", "packageA/pages/orders"] {
            assert!(!known.has(bad), "{bad}");
        }
        assert_eq!(Pages::known(&["index?x=1".into()]), Err("index?x=1".into()));
        assert_eq!(Pages::known(&["https://x/".into()]), Err("https://x/".into()));
    }
}
