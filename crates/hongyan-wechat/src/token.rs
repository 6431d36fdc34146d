//! The access token: the request for a token and its answer.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::AppId;

/// The only `grant_type` that the two token calls accept.
pub const CLIENT_CREDENTIAL: &str = "client_credential";

/// The answer of `GET /cgi-bin/token` and of `POST /cgi-bin/stable_token`.
///
/// Source: <https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-access-token/api_getaccesstoken.html>.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokenAnswer {
    /// The credential that every other call carries in its URL.
    #[serde(with = "crate::secret")]
    pub access_token: SecretString,
    /// For how many seconds from now the token is valid; at most 7,200.
    pub expires_in: u64,
}

/// The body of `POST /cgi-bin/stable_token`.
///
/// Source: <https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-access-token/api_getstableaccesstoken.html>.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StableTokenRequest {
    /// Must be [`CLIENT_CREDENTIAL`].
    pub grant_type: String,
    /// The mini program.
    pub appid: AppId,
    /// Its AppSecret.
    #[serde(with = "crate::secret")]
    pub secret: SecretString,
    /// `true` invalidates the current token and makes a new token; otherwise WeChat returns the current token until it
    /// expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_refresh: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_written_for_wechat_and_hidden_from_logs() {
        let json = r#"{"access_token":"12_abcdef","expires_in":7200}"#;
        let answer: TokenAnswer = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&answer).unwrap(), json);
        assert!(!format!("{answer:?}").contains("abcdef"));
    }

    #[test]
    fn force_refresh_may_be_left_out() {
        let json = r#"{"grant_type":"client_credential","appid":"wx1","secret":"s3cr3t"}"#;
        let request: StableTokenRequest = serde_json::from_str(json).unwrap();
        assert_eq!(request.force_refresh, None);
        assert_eq!(serde_json::to_string(&request).unwrap(), json);
        assert!(!format!("{request:?}").contains("s3cr3t"));
    }
}
