//! The envelope around every answer of WeChat: `errcode`, `errmsg`, and sometimes a `rid`.
//!
//! WeChat always answers with HTTP 200, and reports the result in `errcode`. A successful answer of some calls (token,
//! login) has no `errcode`; a refusal always has an `errcode`. An answer with neither an `errcode` nor the expected
//! contents comes from a server in between, not from WeChat.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Errcode;

/// An answer with its envelope: `{"errcode":0,"errmsg":"ok", …the contents…}`.
///
/// The answer of a call without contents is `Answer<Empty>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer<T> {
    /// The result code.
    pub errcode: Errcode,
    /// WeChat's text for the result code.
    pub errmsg: String,
    /// WeChat's id of the request, for questions to WeChat; valid for seven days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rid: Option<String>,
    /// The contents, if the errcode is 0.
    #[serde(flatten)]
    pub body: Option<T>,
}

/// No contents: the answer of a call that returns no data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

impl<T> Answer<T> {
    /// A successful answer.
    pub fn ok(body: T) -> Self {
        Self { errcode: Errcode::OK, errmsg: "ok".to_owned(), rid: None, body: Some(body) }
    }

    /// A refusal.
    pub fn refused(errcode: Errcode, errmsg: impl Into<String>) -> Self {
        Self { errcode, errmsg: errmsg.into(), rid: None, body: None }
    }
}

impl<T: DeserializeOwned> Answer<T> {
    /// Reads an answer's bytes.
    ///
    /// # Errors
    /// When the bytes are not an answer of WeChat to this call. The error quotes none of the bytes: they may hold a
    /// token.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotWeChats> {
        let head = Head::parse(bytes)?;
        let errcode = head.errcode.unwrap_or(Errcode::OK);
        let rid = head.rid();
        let body = if errcode.is_ok() { Some(from_json(bytes)?) } else { None };
        Ok(Self { errcode, errmsg: head.errmsg.unwrap_or_default(), rid, body })
    }
}

/// WeChat's result of a send.
///
/// Source: <https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-message-management/subscribe-message/api_sendmessage.html>.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SendAnswer {
    /// The result code; 0 means that WeChat accepted the message.
    pub errcode: Errcode,
    /// WeChat's text for the result code.
    pub errmsg: String,
    /// WeChat's id of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rid: Option<String>,
    /// WeChat's id of the message, which a later `subscribe_msg_sent_event` repeats. Sometimes missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msgid: Option<i64>,
}

impl SendAnswer {
    /// Reads an answer's bytes.
    ///
    /// # Errors
    /// When the bytes are not JSON with an `errcode`: then they are not WeChat's result of a send.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotWeChats> {
        let head = Head::parse(bytes)?;
        let errcode = head.errcode.ok_or(NotWeChats::NoErrcode)?;
        let msgid = head.msgid.as_ref().and_then(MessageNumber::get);
        let rid = head.rid();
        Ok(Self { errcode, errmsg: head.errmsg.unwrap_or_default(), rid, msgid })
    }
}

/// Why bytes are not an answer of WeChat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotWeChats {
    /// The bytes are not JSON, or JSON of another shape.
    #[error("not the JSON that this call answers with (line {line}, column {column})")]
    Unreadable {
        /// The line at which reading stopped, from 1.
        line: usize,
        /// The column at which reading stopped, from 1.
        column: usize,
    },
    /// The bytes are JSON without an errcode.
    #[error("JSON without an errcode")]
    NoErrcode,
}

/// The members that all answers share, and the message's id; all other members are skipped without a copy.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    errcode: Option<Errcode>,
    #[serde(default)]
    errmsg: Option<String>,
    #[serde(default)]
    rid: Option<String>,
    #[serde(default)]
    msgid: Option<MessageNumber>,
}

/// WeChat writes a message's number as a JSON number or as a string, depending on the call.
#[derive(Deserialize)]
#[serde(untagged)]
enum MessageNumber {
    Number(i64),
    Text(String),
    Other(serde::de::IgnoredAny),
}

impl MessageNumber {
    fn get(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
            Self::Other(_) => None,
        }
    }
}

impl Head {
    fn parse(bytes: &[u8]) -> Result<Self, NotWeChats> {
        match from_json(bytes) {
            // A broken errmsg (not UTF-8, or cut inside a character) must not hide the errcode.
            Err(_) if std::str::from_utf8(bytes).is_err() => {
                from_json(String::from_utf8_lossy(bytes).as_bytes())
            }
            other => other,
        }
    }

    /// The `rid`, which has its own member or, more often, is the end of `errmsg`: `… rid: 66a1-…`.
    fn rid(&self) -> Option<String> {
        self.rid.clone().or_else(|| {
            let (_, after) = self.errmsg.as_deref()?.rsplit_once("rid:")?;
            let end = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
            let rid = after.trim_start().split(end).next().unwrap_or_default();
            (!rid.is_empty()).then(|| rid.to_owned())
        })
    }
}

fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, NotWeChats> {
    serde_json::from_slice(bytes).map_err(|e| NotWeChats::Unreadable { line: e.line(), column: e.column() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TokenAnswer;

    #[test]
    fn a_verdict_is_read_with_its_rid_and_message_number() {
        let answer =
            SendAnswer::parse(br#"{"errcode":0,"errmsg":"ok","msgid":1864323726461255680}"#).unwrap();
        assert_eq!((answer.errcode, answer.msgid), (Errcode::OK, Some(1_864_323_726_461_255_680)));
        let refused =
            br#"{"errcode":43101,"errmsg":"user refuse to accept the msg rid: 66a1b2c3-0d4e5f60-7a8b9c0d"}"#;
        let answer = SendAnswer::parse(refused).unwrap();
        assert_eq!(answer.errcode, Errcode::NOT_ACCEPTED);
        assert_eq!(answer.rid.unwrap(), "66a1b2c3-0d4e5f60-7a8b9c0d");
        let answer = SendAnswer::parse(br#"{"errcode":0,"errmsg":"ok","rid":"r1","msgid":"12"}"#).unwrap();
        assert_eq!((answer.rid.as_deref(), answer.msgid), (Some("r1"), Some(12)));
        assert_eq!(SendAnswer::parse(br#"{"errcode":0,"msgid":{}}"#).unwrap().msgid, None);
    }

    #[test]
    fn what_has_no_errcode_is_no_verdict_on_a_send() {
        assert_eq!(SendAnswer::parse(b"{}").unwrap_err(), NotWeChats::NoErrcode);
        for garbage in ["", "<html>", "[]", "1", "null", "{\"errcode\":\"0\"}", "{\"errcode\":0"] {
            assert!(SendAnswer::parse(garbage.as_bytes()).is_err(), "{garbage}");
        }
    }

    #[test]
    fn a_cut_character_in_errmsg_does_not_hide_the_verdict() {
        let answer = SendAnswer::parse(b"{\"errcode\":47003,\"errmsg\":\"argument \xe5\xad\"}").unwrap();
        assert_eq!(answer.errcode, Errcode::FIELD_RULE);
    }

    #[test]
    fn a_success_may_lack_an_errcode_and_a_refusal_has_no_contents() {
        let good = Answer::<TokenAnswer>::parse(br#"{"access_token":"t","expires_in":7200}"#).unwrap();
        assert_eq!(good.body.unwrap().expires_in, 7200);
        let bad = Answer::<TokenAnswer>::parse(br#"{"errcode":40125,"errmsg":"invalid appsecret"}"#).unwrap();
        assert!(bad.body.is_none() && bad.errcode == Errcode::INVALID_SECRET);
        assert!(Answer::<TokenAnswer>::parse(br#"{"errcode":0,"errmsg":"ok"}"#).is_err());
    }

    #[test]
    fn an_error_does_not_quote_what_it_could_not_read() {
        let error =
            Answer::<TokenAnswer>::parse(br#"{"access_token":"s3cr3t","expires_in":"s3cr3t"}"#).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cr3t"));
    }

    fn json(value: &impl Serialize) -> String {
        serde_json::to_string(value).unwrap()
    }

    #[test]
    fn an_answer_is_written_flat() {
        #[derive(Serialize)]
        struct Id {
            id: u8,
        }
        assert_eq!(json(&Answer::ok(Id { id: 7 })), r#"{"errcode":0,"errmsg":"ok","id":7}"#);
        assert_eq!(Answer::parse(br#"{"errcode":0,"errmsg":"ok","more":1}"#), Ok(Answer::ok(Empty {})));
        assert_eq!(json(&Answer::ok(Empty {})), r#"{"errcode":0,"errmsg":"ok"}"#);
        assert_eq!(
            json(&Answer::<Empty>::refused(Errcode::INVALID_PAGE, "invalid page")),
            r#"{"errcode":41030,"errmsg":"invalid page"}"#
        );
    }
}
