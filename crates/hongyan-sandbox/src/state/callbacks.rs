//! The callback URL of an app, and the form of a push on the wire.
//!
//! Source: <https://developers.weixin.qq.com/miniprogram/dev/framework/server-ability/message-push.html>.

use hongyan_clock::UnixMillis;
use hongyan_wechat::AppId;
use hongyan_wechat::callback::{EncodingAesKey, is_signed, parse_document, sign, to_xml};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::form_urlencoded::Serializer;

use crate::random;

/// How long WeChat waits for the answer to a push.
pub(crate) const PATIENCE_MS: u64 = 5_000;
/// The longest URL.
const MAX_URL_BYTES: usize = 2_048;
/// The age of a damaged timestamp: older than any receiver accepts.
const OLD_SECONDS: i64 = 24 * 3600;

/// Whether pushes are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// Plain text.
    #[default]
    Plain,
    /// Plain text and encrypted, in one body.
    Compatible,
    /// Encrypted.
    Safe,
}

/// The format of pushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    /// WeChat's default.
    #[default]
    Xml,
    /// The other format that the admin console offers.
    Json,
}

/// The callback settings of an app, as in WeChat's admin console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Callback {
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) encoding_aes_key: Option<String>,
    #[serde(default)]
    pub(crate) mode: Mode,
    #[serde(default)]
    pub(crate) format: Format,
    /// The time limit for an answer; WeChat's own limit is [`PATIENCE_MS`].
    pub(crate) timeout_ms: u64,
}

/// The content of a push, before it is written for a callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    /// An event with a list: XML wraps the list in an element, JSON does not.
    Event { head: Map<String, Value>, wrapper: &'static str, list: Vec<Map<String, Value>> },
    /// A test's own object, written in the callback's format.
    Object(Map<String, Value>),
    /// A test's own text, pushed unchanged.
    Text(String),
}

/// A deliberate defect of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Damage {
    /// Signed with another token.
    Signature,
    /// Signed correctly, a day ago.
    Timestamp,
    /// Pushed a second time although the first push was answered.
    Twice,
}

/// A push as it is sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) url: String,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
}

impl Message {
    /// The message as a tree, in the form that a receiver of this format reads.
    pub(crate) fn tree(&self, format: Format) -> Option<Map<String, Value>> {
        match (self, format) {
            (Self::Text(_), _) => None,
            (Self::Object(map), _) => Some(map.clone()),
            (Self::Event { head, wrapper, list }, Format::Xml) => {
                let mut map = head.clone();
                let list: Vec<_> = list.iter().cloned().map(Value::Object).collect();
                map.insert((*wrapper).to_owned(), json!({ "List": list }));
                Some(map)
            }
            (Self::Event { head, list, .. }, Format::Json) => {
                // In JSON, WeChat writes CreateTime as a number and every value of the list as a string (captured pushes
                // show this, against WeChat's page), and a single entry without brackets.
                let mut map = head.clone();
                let mut list: Vec<Value> = list
                    .iter()
                    .map(|entry| entry.iter().map(|(k, v)| (k.clone(), as_text(v))).collect())
                    .collect();
                let list = if list.len() == 1 { list.remove(0) } else { Value::Array(list) };
                map.insert("List".to_owned(), list);
                Some(map)
            }
        }
    }

    /// `Event`, for the log.
    pub(crate) fn event(&self) -> Option<&str> {
        match self {
            Self::Event { head: map, .. } | Self::Object(map) => map.get("Event").and_then(Value::as_str),
            Self::Text(_) => None,
        }
    }
}

fn as_text(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.to_string().into(),
        other => other.clone(),
    }
}

impl Callback {
    /// What is wrong with the settings, in words.
    pub(crate) fn problem(&self) -> Option<String> {
        if self.url.len() > MAX_URL_BYTES {
            return Some(format!("url: must have at most {MAX_URL_BYTES} bytes"));
        }
        match url::Url::parse(&self.url) {
            Ok(url) if url.scheme() == "http" && url.has_host() => {}
            Ok(_) => {
                return Some(
                    "url: must begin with http://, because the sandbox does not push over TLS".into(),
                );
            }
            Err(e) => return Some(format!("url: {e}")),
        }
        // WeChat's own rule for tokens.
        let is_token =
            (3..=32).contains(&self.token.len()) && self.token.bytes().all(|b| b.is_ascii_alphanumeric());
        if !is_token {
            return Some("token: must have 3 to 32 letters and digits".into());
        }
        if !(1..=PATIENCE_MS).contains(&self.timeout_ms) {
            return Some(format!("timeout_ms: must be from 1 to {PATIENCE_MS}"));
        }
        match &self.encoding_aes_key {
            Some(key) => key.parse::<EncodingAesKey>().err().map(|e| format!("encoding_aes_key: {e}")),
            None if self.mode == Mode::Plain => None,
            None => Some("encoding_aes_key: is required in compatible and safe mode".into()),
        }
    }

    /// The URL of WeChat's check, whose answer must be `echostr`.
    pub(crate) fn check_url(&self, now: UnixMillis, echostr: &str) -> String {
        let (timestamp, nonce) = (now.as_seconds().to_string(), nonce());
        let signature = sign(&[&self.token, &timestamp, &nonce]);
        self.with_query(&[
            ("signature", &signature),
            ("echostr", echostr),
            ("timestamp", &timestamp),
            ("nonce", &nonce),
        ])
    }

    /// A push of `message` at this time.
    pub(crate) fn write(
        &self,
        appid: &AppId,
        openid: Option<&str>,
        message: &Message,
        damage: &[Damage],
        now: UnixMillis,
    ) -> Written {
        let back = if damage.contains(&Damage::Timestamp) { OLD_SECONDS } else { 0 };
        let timestamp = (now.as_seconds() - back).to_string();
        let nonce = nonce();
        let forged = format!("not{}", self.token);
        let token = if damage.contains(&Damage::Signature) { &forged } else { &self.token };
        let signature = sign(&[token, &timestamp, &nonce]);
        let mut query: Vec<(&str, &str)> =
            vec![("signature", &signature), ("timestamp", &timestamp), ("nonce", &nonce)];
        query.extend(openid.map(|openid| ("openid", openid)));

        let tree = message.tree(self.format);
        let readable = match (message, &tree) {
            (Message::Text(text), _) => text.clone(),
            (_, Some(tree)) => self.text_of(tree),
            (_, None) => String::new(),
        };
        let key = self.encoding_aes_key.as_deref().and_then(|key| key.parse::<EncodingAesKey>().ok());
        let key = key.filter(|_| self.mode != Mode::Plain);
        let (body, msg_signature) = match key {
            None => (readable, None),
            Some(key) => {
                let sealed = key.seal(random::bytes(), readable.as_bytes(), appid);
                let msg_signature = sign(&[token, &timestamp, &nonce, &sealed]);
                let mut outer = match (self.mode, tree) {
                    (Mode::Compatible, Some(tree)) => tree,
                    _ => Map::from_iter([("ToUserName".to_owned(), original_id(appid).into())]),
                };
                outer.insert("Encrypt".to_owned(), sealed.into());
                (self.text_of(&outer), Some(msg_signature))
            }
        };
        if let Some(msg_signature) = &msg_signature {
            query.extend([("encrypt_type", "aes"), ("msg_signature", msg_signature)]);
        }
        let content_type = match self.format {
            Format::Xml => "text/xml",
            Format::Json => "application/json",
        };
        Written { url: self.with_query(&query), content_type, body }
    }

    /// Whether an answer accepts a push: `success`, an empty answer, or a reply to the user, such as the reply that
    /// transfers a conversation to customer service. A reply is XML or JSON with a `MsgType`, because different libraries
    /// write either; in safe mode the reply is encrypted and signed.
    pub(crate) fn takes_answer(&self, appid: &AppId, answer: &str) -> bool {
        if matches!(answer, "success" | "") {
            return true;
        }
        let Ok(outer) = parse_document(answer.as_bytes()) else { return false };
        let is_reply = |tree: &Map<String, Value>| {
            tree.get("MsgType").and_then(Value::as_str).is_some_and(|word| !word.is_empty())
        };
        match self.mode {
            Mode::Plain => is_reply(&outer),
            Mode::Compatible => is_reply(&outer) || self.opened(appid, &outer).is_some_and(|t| is_reply(&t)),
            Mode::Safe => self.opened(appid, &outer).is_some_and(|tree| is_reply(&tree)),
        }
    }

    /// The content of an encrypted reply, if its signature and encryption are valid.
    fn opened(&self, appid: &AppId, outer: &Map<String, Value>) -> Option<Map<String, Value>> {
        // JSON has numbers here, XML has strings.
        let text = |name: &str| match outer.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let (sealed, signature) = (text("Encrypt")?, text("MsgSignature")?);
        let (timestamp, nonce) = (text("TimeStamp")?, text("Nonce")?);
        if !is_signed(&signature, &[&self.token, &timestamp, &nonce, &sealed]) {
            return None;
        }
        let key = self.encoding_aes_key.as_deref()?.parse::<EncodingAesKey>().ok()?;
        parse_document(&key.open(&sealed, appid).ok()?).ok()
    }

    fn text_of(&self, tree: &Map<String, Value>) -> String {
        match self.format {
            Format::Xml => to_xml(tree),
            Format::Json => serde_json::to_string(tree).expect("the keys of a map are texts"),
        }
    }

    fn with_query(&self, query: &[(&str, &str)]) -> String {
        let own = if self.url.contains('?') { '&' } else { '?' };
        format!("{}{own}{}", self.url, Serializer::new(String::new()).extend_pairs(query).finish())
    }
}

fn nonce() -> String {
    (u32::from_ne_bytes(random::bytes()) % 1_000_000_000).to_string()
}

/// The app's "original id", which pushes name as their receiver. WeChat's original ids are random; here the id follows
/// from the appid, so that it is the same in every run.
pub(crate) fn original_id(appid: &AppId) -> String {
    use sha2::Digest as _;
    format!("gh_{}", hex::encode(&sha2::Sha256::digest(appid.as_str())[..6]))
}

#[cfg(test)]
mod tests {
    use hongyan_wechat::callback::{CallbackKeys, Event, Notice, PushParameters, notice_of, open_push};

    use super::*;
    use crate::state::events;
    use crate::state::inbox::Msgid;

    const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

    fn callback(mode: Mode, format: Format) -> Callback {
        Callback {
            url: "http://127.0.0.1:1/callback/wx1?x=1".into(),
            token: "token1".into(),
            encoding_aes_key: Some(KEY.into()),
            mode,
            format,
            timeout_ms: PATIENCE_MS,
        }
    }

    fn parameters(written: &Written) -> PushParameters {
        let url = url::Url::parse(&written.url).unwrap();
        let map: Map<_, _> =
            url.query_pairs().map(|(k, v)| (k.into_owned(), Value::String(v.into_owned()))).collect();
        assert_eq!(map["x"], "1", "the address keeps its own parameters");
        serde_json::from_value(Value::Object(map)).unwrap()
    }

    fn keys(mode: Mode) -> CallbackKeys {
        let aes_key = (mode != Mode::Plain).then(|| KEY.parse().unwrap());
        CallbackKeys { token: "token1".to_owned().into(), aes_key }
    }

    #[test]
    fn what_is_written_in_any_mode_and_format_is_read_as_the_same_event() {
        let (appid, openid) = ("wx1".parse().unwrap(), "oUser".parse().unwrap());
        let message =
            events::sent(&appid, &openid, &"T1".parse().unwrap(), Msgid(7), true, UnixMillis(17_000));
        for mode in [Mode::Plain, Mode::Compatible, Mode::Safe] {
            for format in [Format::Xml, Format::Json] {
                let written =
                    callback(mode, format).write(&appid, Some("oUser"), &message, &[], UnixMillis(17_000));
                let read = open_push(&keys(mode), &appid, &parameters(&written), written.body.as_bytes());
                let event = Event::of(read.unwrap());
                assert_eq!((event.create_time, event.openid.as_ref()), (17, Some(&openid)));
                let Some(Notice::Sent(sent)) = notice_of(&event) else { panic!("{mode:?} {format:?}") };
                assert_eq!((sent[0].msgid, sent[0].error_code), (Some(7), 0));
                let is_readable = written.body.contains("subscribe_msg_sent_event");
                assert_eq!(is_readable, mode != Mode::Safe, "{mode:?} {format:?}");
            }
        }
    }

    #[test]
    fn a_list_of_one_has_no_brackets_in_json_and_no_wrapper() {
        let (appid, openid) = ("wx1".parse().unwrap(), "oUser".parse().unwrap());
        let one = events::popup(&appid, &openid, &[("T1".parse().unwrap(), "accept".into())], UnixMillis(0));
        let tree = one.tree(Format::Json).unwrap();
        assert_eq!(tree["List"]["SubscribeStatusString"], "accept");
        assert!(!tree.contains_key("SubscribeMsgPopupEvent"));
        assert_eq!(tree["CreateTime"], 0, "a number");
        assert_eq!(tree["List"]["PopupScene"], "0", "a text");
        let xml = to_xml(&one.tree(Format::Xml).unwrap());
        assert!(xml.contains("<SubscribeMsgPopupEvent><List><PopupScene>0</PopupScene>"), "{xml}");
        let entries = [("T1".parse().unwrap(), "accept".into()), ("T2".parse().unwrap(), "reject".into())];
        let two = events::popup(&appid, &openid, &entries, UnixMillis(0));
        assert_eq!(two.tree(Format::Json).unwrap()["List"][1]["TemplateId"], "T2");
    }

    #[test]
    fn damage_is_seen_by_who_looks() {
        let appid = "wx1".parse().unwrap();
        let message = Message::Object(Map::from_iter([("MsgType".to_owned(), "event".into())]));
        for mode in [Mode::Plain, Mode::Safe] {
            let callback = callback(mode, Format::Json);
            let write = |damage| callback.write(&appid, None, &message, damage, UnixMillis(1_000_000_000));
            let forged = write(&[Damage::Signature]);
            assert!(open_push(&keys(mode), &appid, &parameters(&forged), forged.body.as_bytes()).is_err());
            let old = write(&[Damage::Timestamp]);
            assert_eq!(parameters(&old).timestamp, "913600");
            assert!(open_push(&keys(mode), &appid, &parameters(&old), old.body.as_bytes()).is_ok());
        }
    }

    #[test]
    fn a_reply_is_taken_as_well_as_success() {
        let appid = "wx1".parse().unwrap();
        let takes = |mode, answer: &str| callback(mode, Format::Json).takes_answer(&appid, answer);
        let xml = "<xml><ToUserName><![CDATA[o1]]></ToUserName><CreateTime>1</CreateTime>\
                   <MsgType><![CDATA[transfer_customer_service]]></MsgType></xml>";
        for reply in [r#"{"MsgType":"transfer_customer_service"}"#, xml] {
            assert!(takes(Mode::Plain, reply) && takes(Mode::Compatible, reply), "{reply}");
            assert!(!takes(Mode::Safe, reply), "in safe mode the reply must be encrypted: {reply}");
            let sealed = KEY.parse::<EncodingAesKey>().unwrap().seal([7; 16], reply.as_bytes(), &appid);
            let signature = sign(&["token1", "17", "n", &sealed]);
            let json = json!({ "Encrypt": sealed, "MsgSignature": signature, "TimeStamp": 17, "Nonce": "n" });
            let outer = to_xml(json.as_object().unwrap());
            for outer in [json.to_string(), outer] {
                assert!(takes(Mode::Safe, &outer) && takes(Mode::Compatible, &outer), "{outer}");
                assert!(
                    !takes(Mode::Safe, &outer.replace(&signature, &"0".repeat(40))),
                    "a forged signature"
                );
            }
        }
        for mode in [Mode::Plain, Mode::Compatible, Mode::Safe] {
            assert!(takes(mode, "success") && takes(mode, ""));
            for garbage in ["no", "ok", "{}", "<xml></xml>", r#"{"MsgType":""}"#, r#"{"MsgType":"#, "<html>"]
            {
                assert!(!takes(mode, garbage), "{garbage}");
            }
        }
    }

    #[test]
    fn settings_that_cannot_work_are_explained() {
        let good = callback(Mode::Safe, Format::Xml);
        assert_eq!(good.problem(), None);
        let wrong = [
            (Callback { url: "https://x/".into(), ..good.clone() }, "TLS"),
            (Callback { url: "x".into(), ..good.clone() }, "url"),
            (Callback { token: "a-b".into(), ..good.clone() }, "token"),
            (Callback { encoding_aes_key: None, ..good.clone() }, "encoding_aes_key"),
            (Callback { encoding_aes_key: Some("short".into()), ..good.clone() }, "43"),
            (Callback { timeout_ms: 5_001, ..good }, "timeout_ms"),
        ];
        for (callback, words) in wrong {
            assert!(callback.problem().unwrap().contains(words), "{words}");
        }
    }
}
