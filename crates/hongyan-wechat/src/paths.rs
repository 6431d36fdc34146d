//! Which paths WeChat serves at `api.weixin.qq.com`, and what one looks like.
//!
//! Who passes calls on must be certain that a path means the same to everybody who reads it on the way: to a router
//! that looks for the sends, to a proxy, to WeChat. So a path has one spelling here, and every other one is none.

/// The first part of every path that WeChat serves at `api.weixin.qq.com`, as its server documentation and the SDKs
/// that others wrote name them. In this list, and nowhere else.
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

/// The longest path that is one; WeChat's longest has some 60 bytes.
const MAX_PATH_BYTES: usize = 512;

/// Whether a path, as it stands in an address, is spelt as WeChat's are: parts of letters, digits, `-`, `_` and `.`, none
/// of them empty, `.` or `..`.
///
/// So nothing in it is escaped, there is no slash at the end and none twice, no backslash and no semicolon: what one
/// reader undoes and another does not.
pub fn is_plain(path: &str) -> bool {
    let is_part = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    path.len() <= MAX_PATH_BYTES && path.strip_prefix('/').is_some_and(|path| path.split('/').all(is_part))
}

/// Whether a path is another one's but for capital letters: a reader who makes no difference would take it for that.
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
