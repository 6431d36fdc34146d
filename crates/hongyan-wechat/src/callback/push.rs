//! A request to a callback address: whether it is WeChat's, and the event in it.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::document::{Unreadable, parse_document};
use super::envelope::{EncodingAesKey, OpenError};
use super::signature::is_signed;
use crate::AppId;

/// What an app and WeChat have agreed on for pushes.
#[derive(Debug, Clone)]
pub struct CallbackKeys {
    /// What requests are signed with.
    pub token: SecretString,
    /// What messages are enciphered with; `None` in plain mode.
    pub aes_key: Option<EncodingAesKey>,
}

/// The parameters of WeChat's requests. Those that are missing are empty.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct PushParameters {
    /// Over token, timestamp and nonce.
    pub signature: String,
    /// Seconds since 1970.
    pub timestamp: String,
    /// Chance.
    pub nonce: String,
    /// To be answered when the address is checked.
    pub echostr: String,
    /// Over token, timestamp, nonce and the enciphered message.
    pub msg_signature: String,
}

/// Why a request is not taken. For logs; whoever sent it learns only that it was not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PushRefused {
    /// The signature is missing or wrong.
    #[error("its signature is wrong; is the token the one on WeChat's page?")]
    Signature,
    /// The app wants enciphered messages, and this is none.
    #[error("it is not enciphered, as this app's pushes must be")]
    NotSealed,
    /// It is enciphered, and the app has no key.
    #[error("it is enciphered, and no EncodingAESKey is set for this app")]
    NoKey,
    /// It cannot be deciphered.
    #[error("it cannot be deciphered: {0}")]
    Sealed(#[from] OpenError),
    /// It, or what was inside, is no document.
    #[error("{0}")]
    Unreadable(#[from] Unreadable),
}

/// Whether a request is WeChat's check of the address, by its signature. Then `echostr` is the answer to it.
pub fn address_check(keys: &CallbackKeys, parameters: &PushParameters) -> bool {
    let token = keys.token.expose_secret();
    is_signed(&parameters.signature, &[token, &parameters.timestamp, &parameters.nonce])
}

/// Opens a push: checks its signature, deciphers it where that is agreed on, and reads it.
///
/// In compatible mode a message stands in the request twice, readable and enciphered. Only the enciphered one is under
/// the signature, so the other is not looked at. An app with a key takes nothing that is not enciphered.
///
/// # Errors
/// When it is not WeChat's, or not for this app.
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
        // Safe mode without the key: there is nothing else in it.
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
        // The readable part is not under the signature: what it says does not count.
        let forged = format!("<xml><MsgType>text</MsgType><Encrypt>{sealed}</Encrypt></xml>");
        assert_eq!(open(&keys(true), &sealing, &forged).unwrap(), event);
        // Compatible mode for somebody without a key: the readable part is all there is.
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
