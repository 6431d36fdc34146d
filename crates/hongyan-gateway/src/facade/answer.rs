//! WeChat's form of answering, and the gateway's own errcodes in it.

use axum::Json;
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use hongyan_store::StoreError;
use hongyan_wechat::{CallError, Errcode};
use serde_json::json;

/// The gateway took the message and cannot say yet what became of it; do not send it again.
pub(super) const STILL_ON_ITS_WAY: Errcode = Errcode(880_001);

/// The request reached WeChat and no answer came; do not send it again before looking the message up.
pub(super) const OUTCOME_UNKNOWN: Errcode = Errcode(880_002);

/// The gateway itself failed; nothing was accepted.
pub(super) const GATEWAY_FAILED: Errcode = Errcode(880_003);

/// An operator has paused the app; nothing was sent.
pub(super) const APP_PAUSED: Errcode = Errcode(880_004);

/// A missing `access_token`. Source: WeChat's table of global errcodes.
pub(super) const TOKEN_MISSING: Errcode = Errcode(41_001);

/// An answer that says no, in WeChat's form.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) errcode: Errcode,
    pub(super) errmsg: String,
}

impl Refusal {
    pub(super) fn new(errcode: Errcode, errmsg: impl Into<String>) -> Self {
        Self { errcode, errmsg: errmsg.into() }
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
        Json(json!({ "errcode": self.errcode, "errmsg": errmsg, "rid": rid })).into_response()
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store failed a facade call");
        Self::new(GATEWAY_FAILED, "hongyan: the store does not answer, nothing was accepted; try again")
    }
}

impl From<CallError> for Refusal {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused { errcode, errmsg, .. } => Self::new(errcode, errmsg),
            CallError::Failed(failure) => {
                tracing::warn!(%failure, "a facade call got no answer from WeChat");
                Self::new(Errcode::SYSTEM_BUSY, "hongyan: WeChat could not be reached or did not answer")
            }
        }
    }
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
