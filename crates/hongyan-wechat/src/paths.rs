//! The paths that WeChat serves at `api.weixin.qq.com`, and their valid form.
//!
//! A proxy must be certain that every reader on the way understands a path in the same way: a router that looks for the
//! sends, another proxy, WeChat. So each path has one valid spelling here, and every other spelling is invalid.

/// The first part of every path that WeChat serves at `api.weixin.qq.com`, according to WeChat's server documentation and
/// to SDKs of others. This is the only such list.
pub const FAMILIES: [&str; 29] = [
    "bizwifi",
    "business",
    "card",
    "cgi-bin",
    "channels",
    "cityservice",
    "componenttcb",
    "customservice",
    "cv",
    "datacube",
    "device",
    "intp",
    "marketing",
    "merchant",
    "product",
    "promoter",
    "redpacketcover",
    "retail",
    "scan",
    "semantic",
    "shakearound",
    "shop",
    "sns",
    "tcb",
    "union",
    "user-order",
    "wxa",
    "wxaapi",
    "xpay",
];

/// The longest valid path; WeChat's longest path has about 60 bytes.
const MAX_PATH_BYTES: usize = 512;

/// Whether a path in a URL has the form of WeChat's paths: parts of letters, digits, `-`, `_` and `.`; no part is empty,
/// `.` or `..`.
///
/// So a path contains no escapes, no slash at the end, no double slash, no backslash and no semicolon: readers treat
/// these differently.
/// reader undoes and another does not.
pub fn is_plain(path: &str) -> bool {
    let is_part = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    path.len() <= MAX_PATH_BYTES && path.strip_prefix('/').is_some_and(|path| path.split('/').all(is_part))
}

/// Whether two paths differ only in capital letters: a reader that ignores case would confuse them.
pub fn is_another_spelling(path: &str, of: &str) -> bool {
    path != of && path.eq_ignore_ascii_case(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_spelling() {
        for good in [
            "/cgi-bin/message/subscribe/send",
            "/wxa/getwxacodeunlimit",
            "/retail/B2b/getorder",
            "/cv/ocr/comm",
            "/channels/ec/basics/info.get",
        ] {
            assert!(is_plain(good), "{good}");
        }
        for bad in [
            "",
            "/",
            "cgi-bin/x",
            "/cgi-bin/",
            "/cgi-bin/x/",
            "//cgi-bin/x",
            "/cgi-bin//x",
            "/cgi-bin/../x",
            "/cgi-bin/./x",
            "/cgi-bin/..",
            "/cgi-bin/%2e%2e/x",
            "/cgi-bin/..%2fx",
            "/cgi-bin/%73end",
            "/cgi-bin/x%00",
            "/cgi-bin/\\..\\x",
            "/cgi-bin/%5c..%5cx",
            "/cgi-bin/..;/x",
            "/cgi-bin/x;a=b",
            "/cgi-bin/x%3ba",
            "/cgi-bin/x y",
            "/cgi-bin/é",
            "/cgi-bin/x?a",
        ] {
            assert!(!is_plain(bad), "{bad}");
        }
        assert!(!is_plain(&format!("/cgi-bin/{}", "x".repeat(MAX_PATH_BYTES))));
        assert!(is_another_spelling("/cgi-bin/Token", "/cgi-bin/token"));
        assert!(!is_another_spelling("/cgi-bin/token", "/cgi-bin/token"));
    }

    #[test]
    fn the_list_of_families_is_in_order_and_has_none_twice() {
        assert!(FAMILIES.is_sorted_by(|a, b| a < b));
        assert!(FAMILIES.iter().all(|family| is_plain(&format!("/{family}/x"))));
    }
}
