//! A request to a callback URL: verifies that it comes from WeChat, and reads its event.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::document::{Unreadable, parse_document};
use super::envelope::{EncodingAesKey, OpenError};
use super::signature::is_signed;
use crate::AppId;

/// The shared secrets of an app and WeChat for pushes.
#[derive(Debug, Clone)]
pub struct CallbackKeys {
    /// The token that signs requests.
    pub token: SecretString,
    /// The key that encrypts messages; `None` in plain mode.
    pub aes_key: Option<EncodingAesKey>,
}

/// The parameters of WeChat's requests. Missing parameters are empty.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct PushParameters {
    /// The signature over token, timestamp and nonce.
    pub signature: String,
    /// Seconds since 1970.
    pub timestamp: String,
    /// A random text.
    pub nonce: String,
    /// The text to answer when WeChat checks the URL.
    pub echostr: String,
    /// The signature over token, timestamp, nonce and the encrypted message.
    pub msg_signature: String,
}

/// Why a request is refused. For logs only; the sender learns only that the request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PushRefused {
    /// The signature is missing or wrong.
    #[error("the signature is wrong; is the token the same as on WeChat's page?")]
    Signature,
    /// The app expects encrypted messages, and this message is not encrypted.
    #[error("the push is not encrypted, but this app's pushes must be encrypted")]
    NotSealed,
    /// The message is encrypted, and the app has no key.
    #[error("the push is encrypted, but no EncodingAESKey is set for this app")]
    NoKey,
    /// The message cannot be decrypted.
    #[error("the push cannot be decrypted: {0}")]
    Sealed(#[from] OpenError),
    /// The body or its encrypted content is not a document.
    #[error("{0}")]
    Unreadable(#[from] Unreadable),
}

/// Whether a request is WeChat's check of the URL, judged by its signature. Then `echostr` is the answer.
pub fn address_check(keys: &CallbackKeys, parameters: &PushParameters) -> bool {
    let token = keys.token.expose_secret();
    is_signed(&parameters.signature, &[token, &parameters.timestamp, &parameters.nonce])
}

/// Opens a push: verifies its signature, decrypts it if the app has a key, and reads it.
///
/// In compatible mode a request contains the message twice, in plain text and encrypted. The signature covers only the
/// encrypted message, so the plain text is ignored. An app with a key accepts only encrypted messages.
///
/// # Errors
/// When the request does not come from WeChat, or is not for this app.
pub fn open_push(
    keys: &CallbackKeys,
    appid: &AppId,
    parameters: &PushParameters,
    body: &[u8],
) -> Result<Map<String, Value>, PushRefused> {
    let PushParameters { timestamp, nonce, .. } = parameters;
    let token = keys.token.expose_secret();
    let Some(key) = &keys.aes_key else {
        if !address_check(keys, parameters) {
            return Err(PushRefused::Signature);
        }
        let document = parse_document(body)?;
        // In safe mode the encrypted message is all that the body contains, and the key is missing.
        let is_sealed = document.contains_key("Encrypt") && !document.contains_key("MsgType");
        return if is_sealed { Err(PushRefused::NoKey) } else { Ok(document) };
    };
    let document = parse_document(body)?;
    let sealed = document.get("Encrypt").and_then(Value::as_str).ok_or(PushRefused::NotSealed)?;
    if !is_signed(&parameters.msg_signature, &[token, timestamp, nonce, sealed]) {
        return Err(PushRefused::Signature);
    }
    Ok(parse_document(&key.open(sealed, appid)?)?)
}

#[cfg(test)]
mod tests {
    use super::super::sign;
    use super::*;

    const EVENT: &str = "<xml><MsgType>event</MsgType><Event>e</Event></xml>";

    fn appid() -> AppId {
        "wxb11529c136998cb6".parse().unwrap()
    }

    fn keys(sealed: bool) -> CallbackKeys {
        let key = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG".parse().unwrap();
        CallbackKeys { token: "token".to_owned().into(), aes_key: sealed.then_some(key) }
    }

    fn parameters(sealed: Option<&str>) -> PushParameters {
        let (timestamp, nonce) = ("1610969440".to_owned(), "n".to_owned());
        PushParameters {
            signature: sign(&["token", &timestamp, &nonce]),
            msg_signature: sealed
                .map(|sealed| sign(&["token", &timestamp, &nonce, sealed]))
                .unwrap_or_default(),
            timestamp,
            nonce,
            echostr: String::new(),
        }
    }

    fn open(
        keys: &CallbackKeys,
        parameters: &PushParameters,
        body: &str,
    ) -> Result<Map<String, Value>, PushRefused> {
        open_push(keys, &appid(), parameters, body.as_bytes())
    }

    #[test]
    fn each_mode_gives_the_same_event() {
        let event = parse_document(EVENT.as_bytes()).unwrap();
        let sealed = keys(true).aes_key.unwrap().seal([1; 16], EVENT.as_bytes(), &appid());
        let sealing = parameters(Some(&sealed));
        assert_eq!(open(&keys(false), &parameters(None), EVENT).unwrap(), event);
        let safe = format!("<xml><ToUserName>gh</ToUserName><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>");
        assert_eq!(open(&keys(true), &sealing, &safe).unwrap(), event);
        assert_eq!(open(&keys(true), &sealing, &format!(r#"{{"Encrypt":"{sealed}"}}"#)).unwrap(), event);
        // The signature does not cover the plain text, so the plain text does not count.
        let forged = format!("<xml><MsgType>text</MsgType><Encrypt>{sealed}</Encrypt></xml>");
        assert_eq!(open(&keys(true), &sealing, &forged).unwrap(), event);
        // Compatible mode for an app without a key: only the plain text can be read.
        let both = format!("<xml><MsgType>event</MsgType><Event>e</Event><Encrypt>{sealed}</Encrypt></xml>");
        assert_eq!(open(&keys(false), &parameters(None), &both).unwrap()["Event"], "e");
    }

    #[test]
    fn what_is_not_wechats_is_refused() {
        let sealed = keys(true).aes_key.unwrap().seal([1; 16], EVENT.as_bytes(), &appid());
        let body = format!("<xml><Encrypt>{sealed}</Encrypt></xml>");
        let wrong = PushParameters { signature: "0".repeat(40), ..parameters(None) };
        assert_eq!(open(&keys(false), &wrong, EVENT), Err(PushRefused::Signature));
        assert_eq!(open(&keys(false), &PushParameters::default(), EVENT), Err(PushRefused::Signature));
        assert_eq!(open(&keys(true), &parameters(None), &body), Err(PushRefused::Signature));
        assert_eq!(open(&keys(true), &parameters(None), EVENT), Err(PushRefused::NotSealed));
        assert_eq!(open(&keys(false), &parameters(None), &body), Err(PushRefused::NoKey));
        let other = keys(true).aes_key.unwrap().seal([1; 16], EVENT.as_bytes(), &"wx1".parse().unwrap());
        let body = format!("<xml><Encrypt>{other}</Encrypt></xml>");
        let refused = open(&keys(true), &parameters(Some(&other)), &body);
        assert_eq!(refused, Err(PushRefused::Sealed(OpenError::OtherApp)));
        assert!(!address_check(&keys(false), &wrong) && address_check(&keys(true), &parameters(None)));
    }
}
