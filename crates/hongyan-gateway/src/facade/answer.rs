//! Answers in WeChat's form, with the gateway's own errcodes.

use axum::Json;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use hongyan_store::StoreError;
use hongyan_wechat::{CallError, Errcode};
use serde_json::json;

use super::calls::GET_CALLS;
use super::refused::Wrong;
use crate::door::WrongCredential;
use crate::door::outgoing::NoPlace;
use crate::door::rates::TooMany;

/// A refusal that only the gateway makes. WeChat has no errcodes in this range.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) errcode: Errcode,
    /// The text for `errmsg`; `en` has the same in English.
    zh: &'static str,
    en: &'static str,
}

const fn own(errcode: i32, zh: &'static str, en: &'static str) -> Own {
    Own { errcode: Errcode(errcode), zh, en }
}

/// The gateway accepted the message and does not know its outcome yet.
pub(super) const STILL_ON_ITS_WAY: Own =
    own(880_001, "消息正在发送，请勿重发", "the message is on its way; do not send it again");

/// The request was written to WeChat, and WeChat did not answer.
pub(super) const OUTCOME_UNKNOWN: Own = own(
    880_002,
    "请求已发往微信，但没有收到应答，可能已经生效；确认之前请勿重试",
    "WeChat did not answer the call; WeChat may have carried it out, so check before you try again",
);

/// The gateway itself failed; nothing was accepted.
pub(super) const GATEWAY_FAILED: Own = own(
    880_003,
    "网关故障，请求未被受理，请稍后重试",
    "the gateway failed and accepted nothing; try again later",
);

/// An operator has paused the app; nothing was sent.
pub(super) const APP_PAUSED: Own =
    own(880_004, "小程序已被运维人员暂停，消息没有发出", "an operator has paused the app; nothing was sent");

/// A body that must be held in memory is too large.
pub(super) const BODY_TOO_LARGE: Own = own(880_005, "请求正文过大", "the body is too large");

/// A body broke off.
pub(super) const BODY_BROKE_OFF: Own =
    own(880_006, "请求正文没有传完，未转发给微信", "the body broke off; WeChat did not get the call");

/// WeChat gives no access token.
pub(super) const NO_ACCESS_TOKEN: Own = own(
    880_007,
    "网关暂时无法向微信取得接口调用凭证，请查看 GET /v1/apps/{appid}",
    "the gateway cannot get an access token from WeChat, see GET /v1/apps/{appid}",
);

/// A path that the gateway neither serves nor passes on.
pub(super) const NOT_PASSED_ON: Own = own(
    880_008,
    "网关不提供也不转发这个路径，见 docs/facade",
    "the gateway neither serves this path nor passes it on, see docs/facade",
);

/// An answer that is compressed. The gateway cannot read it, and it may contain the app's secrets.
pub(super) const ANSWER_PACKED: Own = own(
    880_009,
    "微信的应答是压缩的，网关无法检查其中是否含有凭证，因此没有转交；请求可能已经生效",
    "WeChat's answer is compressed; the gateway cannot check it for credentials and withholds it. The call may have \
     been carried out",
);

/// A long body without a Content-Length.
pub(super) const LENGTH_NEEDED: Own = own(
    880_010,
    "请求正文超过 1 MiB 时必须带 Content-Length，微信不接受分块传输",
    "a body over 1 MiB needs a Content-Length; WeChat does not accept chunked bodies",
);

/// "Invalid url": the path is not one of WeChat's paths.
pub(super) const INVALID_URL: Errcode = Errcode(40_066);

/// A refusal in WeChat's form.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) errcode: Errcode,
    pub(super) errmsg: String,
    /// The wrong credential, for the log: somebody may be guessing.
    wrong: Option<Wrong>,
}

impl Refusal {
    pub(super) fn new(errcode: Errcode, errmsg: impl Into<String>) -> Self {
        Self { errcode, errmsg: errmsg.into(), wrong: None }
    }

    /// Marks the refusal: the caller sent a wrong secret or token.
    pub(super) fn of_a_wrong_credential(mut self, wrong: Wrong) -> Self {
        self.wrong = Some(wrong);
        self
    }

    /// A rate limit is used up. The errmsg begins like WeChat's.
    pub(super) fn too_many(too_many: TooMany) -> Self {
        let (limit, seconds) = (too_many.limit.name(), too_many.seconds());
        Self::new(
            Errcode::MINUTE_QUOTA,
            format!(
                "api minute-quota reach limit, must slower; hongyan: 超过网关的限制 {limit}，请在 {seconds} 秒后重试 / the \
                 gateway's limit {limit}, try again in {seconds} s"
            ),
        )
    }

    /// The maximum number of calls to WeChat is under way.
    pub(super) fn no_place(_: NoPlace) -> Self {
        Self::new(
            Errcode::SYSTEM_BUSY,
            "system error; hongyan: 同时进行的微信接口调用已达上限，见设置 wechat_calls / the maximum number of calls to WeChat \
             is under way, see the setting wechat_calls",
        )
    }

    /// One of the gateway's own refusals, with a detail.
    pub(super) fn own(own: &Own, detail: impl AsRef<str>) -> Self {
        let detail = detail.as_ref();
        let (before, after) = if detail.is_empty() { ("", "") } else { (" (", ")") };
        Self::new(own.errcode, format!("hongyan: {} / {}{before}{detail}{after}", own.zh, own.en))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        // WeChat's errmsg ends in a request id. The gateway's errmsg gets a request id in the same form.
        let (rid, errmsg) = match rid_in(&self.errmsg).map(str::to_owned) {
            Some(rid) => (rid, self.errmsg),
            None => {
                let rid = rid();
                let errmsg = format!("{} rid: {rid}", self.errmsg);
                (rid, errmsg)
            }
        };
        let mut response =
            Json(json!({ "errcode": self.errcode, "errmsg": errmsg, "rid": rid })).into_response();
        if let Some(wrong) = self.wrong {
            response.extensions_mut().insert(WrongCredential);
            response.extensions_mut().insert(wrong);
        }
        response
    }
}

/// WeChat's request id in a text: the letters, digits and dashes after `rid: `.
fn rid_in(text: &str) -> Option<&str> {
    let (_, after) = text.rsplit_once("rid: ")?;
    let is_end = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
    after.split(is_end).next().filter(|rid| !rid.is_empty())
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store failed a facade call");
        Self::own(&GATEWAY_FAILED, "")
    }
}

impl From<CallError> for Refusal {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused { errcode, errmsg, .. } => Self::new(errcode, errmsg),
            CallError::Failed(failure) => {
                tracing::warn!(%failure, "a facade call got no answer from WeChat");
                Self::new(
                    Errcode::SYSTEM_BUSY,
                    "system error; hongyan: 无法连接微信，或微信没有应答 / WeChat could not be reached or did not answer",
                )
            }
        }
    }
}

/// WeChat accepted a message. `msgid` is WeChat's id of the message, a number of 19 digits; the event about the message repeats
/// it.
pub(super) fn sent(msgid: Option<i64>) -> Response {
    match msgid {
        Some(msgid) => Json(json!({ "errcode": 0, "errmsg": "ok", "msgid": msgid })).into_response(),
        None => Json(json!({ "errcode": 0, "errmsg": "ok" })).into_response(),
    }
}

/// The answer if a call of the gateway's own has a wrong method. Like WeChat's, it names the method that is required.
pub(super) async fn wrong_method(uri: Uri) -> Refusal {
    if GET_CALLS.contains(&uri.path()) {
        get_required()
    } else {
        Refusal::new(Errcode::POST_REQUIRED, "require POST method")
    }
}

pub(super) fn get_required() -> Refusal {
    Refusal::new(Errcode(43_001), "require GET method")
}

/// A request id in WeChat's form.
fn rid() -> String {
    format!("{:08x}-{:08x}", getrandom::u32().unwrap_or_default(), getrandom::u32().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateways_own_refusals_speak_both_languages_and_have_a_number_each() {
        let all = [
            STILL_ON_ITS_WAY,
            OUTCOME_UNKNOWN,
            GATEWAY_FAILED,
            APP_PAUSED,
            BODY_TOO_LARGE,
            BODY_BROKE_OFF,
            NO_ACCESS_TOKEN,
            NOT_PASSED_ON,
            ANSWER_PACKED,
            LENGTH_NEEDED,
        ];
        for (number, own) in (880_001..).zip(&all) {
            assert_eq!(own.errcode, Errcode(number));
            let refusal = Refusal::own(own, "msg_1");
            assert!(refusal.errmsg.starts_with("hongyan: ") && refusal.errmsg.ends_with(" (msg_1)"));
            assert!(refusal.errmsg.contains(own.zh) && refusal.errmsg.contains(own.en));
            for page in ["facade.md", "facade.zh-CN.md"] {
                let path = format!("{}/../../docs/{page}", env!("CARGO_MANIFEST_DIR"));
                let text = std::fs::read_to_string(path).unwrap();
                assert!(text.contains(&format!("| {number} |")), "{page} does not explain {number}");
            }
        }
    }

    #[test]
    fn a_rid_ends_where_its_letters_end() {
        for text in
            ["no (quota rid: 6b08-ce)", "no rid: 6b08-ce", "rid: 1-2 (a rid: 6b08-ce))", "rid: 6b08-ce, x"]
        {
            assert_eq!(rid_in(text), Some("6b08-ce"), "{text}");
        }
        for text in ["no", "rid: ", "rid: )", "rid:x"] {
            assert_eq!(rid_in(text), None, "{text}");
        }
    }
}
