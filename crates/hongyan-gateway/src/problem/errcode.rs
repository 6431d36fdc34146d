//! WeChat's errcodes for people: the explanation, and the link to the gateway's page.

use hongyan_wechat::Errcode;

/// What the errcode means, what to do, and WeChat's error message.
pub(crate) fn in_words(errcode: Errcode, errmsg: &str) -> String {
    match errcode.info() {
        Some(info) => format!("{} (WeChat: {errcode} {errmsg})", info.explanation_en()),
        None => format!("WeChat refused with {errcode} {errmsg}"),
    }
}

/// The URL fragment of an errcode on the errcodes page.
pub(crate) fn anchor(errcode: Errcode) -> String {
    format!("errcode-{errcode}")
}

/// The path of the gateway's page that explains an errcode.
pub(crate) fn help(errcode: Errcode) -> Option<String> {
    errcode.info().map(|_| format!("/errcodes#{}", anchor(errcode)))
}
