//! The login: exchanges a `wx.login` code for the user's identity.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::OpenId;

/// The only `grant_type` that `GET /sns/jscode2session` accepts.
pub const AUTHORIZATION_CODE: &str = "authorization_code";

/// The answer of `GET /sns/jscode2session`.
///
/// Source: <https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_code2session.html>.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LoginAnswer {
    /// The user, for this mini program only.
    pub openid: OpenId,
    /// The key that signs the data WeChat gives to the mini program's client. The key must not leave the server.
    #[serde(with = "crate::secret")]
    pub session_key: SecretString,
    /// The user across all apps of one company; only when the app is bound to an open platform account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unionid: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_key_is_hidden_from_logs() {
        let json = r#"{"openid":"oABCdefghijkl","session_key":"tiihtNczf5v6AKRyjwEUhQ=="}"#;
        let answer: LoginAnswer = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&answer).unwrap(), json);
        let shown = format!("{answer:?}");
        assert!(!shown.contains("tiiht") && !shown.contains("defgh"), "{shown}");
    }
}
