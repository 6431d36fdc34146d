//! The call that says how much of a daily quota is used.

use http::Method;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::calls::{JSON, json, with_token};
use super::{CallError, Client, Repeat};

/// How often an app may make a call today, and how often it has made the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Quota {
    /// The calls that WeChat allows.
    pub daily_limit: i64,
    /// The calls that were made.
    pub used: i64,
    /// The calls that are left.
    pub remain: i64,
}

#[derive(Serialize)]
struct QuotaRequest<'a> {
    cgi_path: &'a str,
}

#[derive(Deserialize)]
struct QuotaAnswer {
    quota: Quota,
}

impl Client {
    /// `POST /cgi-bin/openapi/quota/get`: how much of the daily quota of a call is used.
    ///
    /// Source: <https://developers.weixin.qq.com/miniprogram/dev/server/API/openApi-mgnt/api_getapiquota.html>.
    ///
    /// # Errors
    /// When WeChat refuses the call or does not answer.
    pub async fn quota(&self, token: &SecretString, cgi_path: &str) -> Result<Quota, CallError> {
        let path = with_token("/cgi-bin/openapi/quota/get", token);
        let body = json(&QuotaRequest { cgi_path });
        let QuotaAnswer { quota } =
            self.call(Method::POST, &path, JSON, body, token, Repeat::IfHungUp).await?;
        Ok(quota)
    }
}
