//! The pages of a mini program, for the `page` of a message.
//!
//! WeChat knows the pages of an app and refuses other pages with 41030. The sandbox knows the pages only after a test
//! sets them; until then every valid path is accepted: `pages/index/index`, `packageA/pages/order`, `index`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The most pages of an app.
pub(crate) const MAX_PAGES: usize = 2_000;
/// The longest path of a page in bytes.
pub(crate) const MAX_PAGE_BYTES: usize = 1_024;

/// The pages of one app; `None` if they are not set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pages(Option<BTreeSet<String>>);

impl Pages {
    /// Sets exactly these pages; the error is the path that is not a valid page.
    pub(crate) fn known(pages: &[String]) -> Result<Self, String> {
        match pages.iter().find(|page| page.contains('?') || !is_path(path_of(page))) {
            Some(wrong) => Err(wrong.chars().take(100).collect()),
            None => Ok(Self(Some(pages.iter().map(|page| path_of(page).to_owned()).collect()))),
        }
    }

    /// The pages, if they are set.
    pub(crate) fn list(&self) -> Option<&BTreeSet<String>> {
        self.0.as_ref()
    }

    /// Whether `page`, including parameters, is accepted. A leading slash is accepted, because WeChat delivers such a
    /// message.
    pub(crate) fn has(&self, page: &str) -> bool {
        let path = path_of(page);
        let could_be = is_path(path) && !page.chars().any(char::is_control);
        could_be && self.0.as_ref().is_none_or(|known| known.contains(path))
    }
}

/// The path without parameters and without the leading slash.
fn path_of(page: &str) -> &str {
    let path = page.split_once('?').map_or(page, |(path, _)| path);
    path.strip_prefix('/').unwrap_or(path)
}

/// Whether the path of a page is valid. A web URL or a folder is not a page.
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
