//! WeChat's form of answering, and the gateway's own errcodes in it.

use axum::Json;
use axum::body::Bytes;
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use hongyan_store::StoreError;
use hongyan_wechat::{CallError, Errcode, SecretString};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::door::WrongCredential;
use crate::door::outgoing::NoPlace;
use crate::door::rates::TooMany;

/// A refusal that only the gateway makes. WeChat has no errcodes of this range.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) errcode: Errcode,
    /// The same in both languages, for `errmsg`.
    zh: &'static str,
    en: &'static str,
}

const fn own(errcode: i32, zh: &'static str, en: &'static str) -> Own {
    Own { errcode: Errcode(errcode), zh, en }
}

/// The gateway took the message and cannot say yet what became of it.
pub(super) const STILL_ON_ITS_WAY: Own =
    own(880_001, "消息正在发送，请勿重发", "the message is on its way; do not send it again");

/// The request reached WeChat and no answer came.
pub(super) const OUTCOME_UNKNOWN: Own = own(
    880_002,
    "请求已发往微信，但没有收到应答，可能已经生效；确认之前请勿重试",
    "WeChat was asked and did not answer; it may have been done, so look before you try again",
);

/// The gateway itself failed; nothing was accepted.
pub(super) const GATEWAY_FAILED: Own = own(
    880_003,
    "网关故障，请求未被受理，请稍后重试",
    "the gateway failed, nothing was accepted; try again later",
);

/// An operator has paused the app; nothing was sent.
pub(super) const APP_PAUSED: Own =
    own(880_004, "小程序已被运维人员暂停，消息没有发出", "an operator has paused the app; nothing was sent");

/// A body that must be held is too large.
pub(super) const BODY_TOO_LARGE: Own = own(
    880_005,
    "请求正文过大，见设置 max_body_bytes",
    "the body is too large, see the setting max_body_bytes",
);

/// A body did not come to its end.
pub(super) const BODY_BROKE_OFF: Own =
    own(880_006, "请求正文没有传完，未转发给微信", "the body broke off; WeChat did not get the call");

/// No access token can be had of WeChat.
pub(super) const NO_ACCESS_TOKEN: Own = own(
    880_007,
    "网关暂时无法向微信取得接口调用凭证，请查看 GET /v1/apps/{appid}",
    "the gateway cannot get an access token from WeChat, see GET /v1/apps/{appid}",
);

/// An answer that says no, in WeChat's form.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) errcode: Errcode,
    pub(super) errmsg: String,
    /// Somebody may be guessing.
    is_of_a_wrong_credential: bool,
}

impl Refusal {
    pub(super) fn new(errcode: Errcode, errmsg: impl Into<String>) -> Self {
        Self { errcode, errmsg: errmsg.into(), is_of_a_wrong_credential: false }
    }

    /// The caller brought a wrong secret or token.
    pub(super) fn of_a_wrong_credential(mut self) -> Self {
        self.is_of_a_wrong_credential = true;
        self
    }

    /// A rate is used up. WeChat's words for that.
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

    /// As many calls to WeChat are under way as may be.
    pub(super) fn no_place(_: NoPlace) -> Self {
        Self::new(
            Errcode::SYSTEM_BUSY,
            "system error; hongyan: 同时进行的微信接口调用已达上限，见设置 wechat_calls / as many calls to WeChat are under way \
             as may be, see the setting wechat_calls",
        )
    }

    /// One of the gateway's own, and what it is about.
    pub(super) fn own(own: &Own, detail: impl AsRef<str>) -> Self {
        let detail = detail.as_ref();
        let (before, after) = if detail.is_empty() { ("", "") } else { (" (", ")") };
        Self::new(own.errcode, format!("hongyan: {} / {}{before}{detail}{after}", own.zh, own.en))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        // WeChat's own words end in its request id; those of the gateway get one in the same manner.
        let given = self.errmsg.rsplit_once("rid: ").map(|(_, rid)| rid.trim().to_owned());
        let (rid, errmsg) = match given {
            Some(rid) => (rid, self.errmsg),
            None => {
                let rid = rid();
                let errmsg = format!("{} rid: {rid}", self.errmsg);
                (rid, errmsg)
            }
        };
        let mut response =
            Json(json!({ "errcode": self.errcode, "errmsg": errmsg, "rid": rid })).into_response();
        if self.is_of_a_wrong_credential {
            response.extensions_mut().insert(WrongCredential);
        }
        response
    }
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

/// An answer without a secret that WeChat repeats in it.
pub(super) fn without(body: Bytes, secret: &SecretString) -> Bytes {
    let secret = secret.expose_secret().as_bytes();
    if secret.is_empty() || memchr::memmem::find(&body, secret).is_none() {
        return body;
    }
    let mut clean = Vec::with_capacity(body.len());
    let mut rest = &body[..];
    while let Some(at) = memchr::memmem::find(rest, secret) {
        clean.extend_from_slice(&rest[..at]);
        clean.extend_from_slice(b"***");
        rest = &rest[at + secret.len()..];
    }
    clean.extend_from_slice(rest);
    clean.into()
}

/// Success with nothing to say.
pub(super) fn ok() -> Response {
    Json(json!({ "errcode": 0, "errmsg": "ok" })).into_response()
}

pub(super) async fn wrong_method(method: Method) -> Refusal {
    // WeChat's own words for the two usual mistakes; others have none.
    match method {
        Method::GET => Refusal::new(Errcode::POST_REQUIRED, "require POST method"),
        _ => Refusal::new(Errcode(43_001), "require GET method"),
    }
}

/// A request id in WeChat's manner.
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
    fn a_secret_that_is_repeated_is_taken_out() {
        let secret: SecretString = "s3cr3t".into();
        assert_eq!(without("a s3cr3t b s3cr3t".into(), &secret), "a *** b ***");
        assert_eq!(without("nothing".into(), &secret), "nothing");
    }
}
