//! An errcode of WeChat's for people: in words, and where the gateway's own page explains it.

use hongyan_wechat::Errcode;

/// What it means, what to do, and WeChat's own words.
pub(crate) fn in_words(errcode: Errcode, errmsg: &str) -> String {
    match errcode.info() {
        Some(info) => format!("{} (WeChat: {errcode} {errmsg})", info.explanation_en()),
        None => format!("WeChat refused with {errcode} {errmsg}"),
    }
}

/// What an address ends in to lead to an errcode on its page.
pub(crate) fn anchor(errcode: Errcode) -> String {
    format!("errcode-{errcode}")
}

/// Where the gateway explains an errcode: a path on its own host.
pub(crate) fn help(errcode: Errcode) -> Option<String> {
    errcode.info().map(|_| format!("/errcodes#{}", anchor(errcode)))
}
