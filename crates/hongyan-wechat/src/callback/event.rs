//! Reads events from the common tree of XML and JSON.

use serde_json::{Map, Value};

use crate::{OpenId, TemplateId};

/// The `ErrorCode` of a `subscribe_msg_sent_event` for a message that reached the user.
pub const SENT_OK: i64 = 0;

/// Any push of WeChat.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The user of the push, if the push names a user.
    pub openid: Option<OpenId>,
    /// The time of the event in seconds, as WeChat reports it. 0 if WeChat reports no time.
    pub create_time: i64,
    /// `MsgType`: `event`, or `text` and other types for messages from users.
    pub msg_type: String,
    /// `Event` in WeChat's spelling; `None` if the push is not an event.
    pub name: Option<String>,
    /// The whole body.
    pub body: Map<String, Value>,
}

impl Event {
    /// Reads the members that every push has. Missing and unreadable members are left out; the whole body is kept.
    pub fn of(body: Map<String, Value>) -> Self {
        Self {
            openid: text(&body, "FromUserName").and_then(|text| text.parse().ok()),
            create_time: number(&body, "CreateTime").unwrap_or(0),
            msg_type: text(&body, "MsgType").unwrap_or_default().to_owned(),
            name: text(&body, "Event").filter(|name| !name.is_empty()).map(str::to_owned),
            body,
        }
    }
}

/// A user's answer for one template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscribeResult {
    /// The user accepted.
    Accepted,
    /// The user refused, or withdrew the acceptance.
    Rejected,
    /// Any other word: banned, filtered, or a new word.
    Other,
}

impl SubscribeResult {
    /// Reads WeChat's word. All four words of acceptance begin alike.
    pub fn of(word: &str) -> Self {
        match word {
            "accept" | "acceptWithAudio" | "acceptWithAlert" | "acceptWithForcePush" => Self::Accepted,
            "reject" => Self::Rejected,
            _ => Self::Other,
        }
    }
}

/// A user's answer for one template, in the mini program's subscription box or in WeChat's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscribeEntry {
    /// The template.
    pub template: TemplateId,
    /// The answer.
    pub result: SubscribeResult,
}

/// The result of a message that WeChat had accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentEntry {
    /// The message's template.
    pub template: TemplateId,
    /// WeChat's id of the message, as in the answer to the send.
    pub msgid: Option<i64>,
    /// [`SENT_OK`], or the code of the reason why the message did not reach the user.
    pub error_code: i64,
    /// The same in WeChat's words: `success`, `user refuse`, …
    pub error_status: String,
}

/// An event that the gateway acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// `subscribe_msg_popup_event`: the user answered the mini program's subscription box.
    Popup(Vec<SubscribeEntry>),
    /// `subscribe_msg_change_event`: the user changed the setting. WeChat reports only refusals.
    Change(Vec<SubscribeEntry>),
    /// `subscribe_msg_sent_event`: the results of messages.
    Sent(Vec<SentEntry>),
}

/// Reads an event of these three types. Entries without a template are left out, because nothing can be done with them;
/// the event's body still contains them.
pub fn notice_of(event: &Event) -> Option<Notice> {
    Some(match event.name.as_deref()? {
        "subscribe_msg_popup_event" => Notice::Popup(subscriptions(event, "SubscribeMsgPopupEvent")),
        "subscribe_msg_change_event" => Notice::Change(subscriptions(event, "SubscribeMsgChangeEvent")),
        "subscribe_msg_sent_event" => Notice::Sent(
            entries(event, "SubscribeMsgSentEvent")
                .filter_map(|entry| {
                    Some(SentEntry {
                        template: text(entry, "TemplateId")?.parse().ok()?,
                        msgid: number(entry, "MsgID").filter(|&id| id != 0),
                        error_code: number(entry, "ErrorCode")?,
                        error_status: text(entry, "ErrorStatus").unwrap_or_default().to_owned(),
                    })
                })
                .collect(),
        ),
        _ => return None,
    })
}

fn subscriptions(event: &Event, wrapper: &str) -> Vec<SubscribeEntry> {
    entries(event, wrapper)
        .filter_map(|entry| {
            Some(SubscribeEntry {
                template: text(entry, "TemplateId")?.parse().ok()?,
                result: SubscribeResult::of(text(entry, "SubscribeStatusString")?),
            })
        })
        .collect()
}

/// The entries of `List`: an object is one entry, an array several, and a missing list has no entries. XML wraps the list
/// in an element, JSON does not.
fn entries<'a>(event: &'a Event, wrapper: &str) -> impl Iterator<Item = &'a Map<String, Value>> {
    let around = event.body.get(wrapper).and_then(Value::as_object).unwrap_or(&event.body);
    let (one, several) = match around.get("List") {
        Some(Value::Array(items)) => (None, items.as_slice()),
        one => (one, [].as_slice()),
    };
    one.into_iter().chain(several).filter_map(Value::as_object)
}

/// A string. XML has only strings, and JSON uses strings for numbers too.
fn text<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    map.get(name).and_then(Value::as_str)
}

/// A number, or a string that contains a number.
fn number(map: &Map<String, Value>, name: &str) -> Option<i64> {
    match map.get(name)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::parse_document;
    use super::*;

    fn event(text: &str) -> Event {
        Event::of(parse_document(text.as_bytes()).unwrap())
    }

    fn subscribe(template: &str, result: SubscribeResult) -> SubscribeEntry {
        SubscribeEntry { template: template.parse().unwrap(), result }
    }

    #[test]
    fn a_popup_is_read_from_xml_and_json_alike() {
        let xml = event(
            "<xml><ToUserName><![CDATA[gh_1]]></ToUserName><FromUserName><![CDATA[oUser]]></FromUserName>\
             <CreateTime>1610969440</CreateTime><MsgType><![CDATA[event]]></MsgType>\
             <Event><![CDATA[subscribe_msg_popup_event]]></Event><SubscribeMsgPopupEvent>\
             <List><TemplateId><![CDATA[T1]]></TemplateId>\
             <SubscribeStatusString><![CDATA[accept]]></SubscribeStatusString><PopupScene>0</PopupScene></List>\
             <List><TemplateId><![CDATA[T2]]></TemplateId>\
             <SubscribeStatusString><![CDATA[reject]]></SubscribeStatusString><PopupScene>2</PopupScene></List>\
             </SubscribeMsgPopupEvent></xml>",
        );
        let json = event(
            r#"{"ToUserName":"gh_1","FromUserName":"oUser","CreateTime":"1610969440","MsgType":"event",
                "Event":"subscribe_msg_popup_event","List":[
                {"TemplateId":"T1","SubscribeStatusString":"accept","PopupScene":"0"},
                {"TemplateId":"T2","SubscribeStatusString":"reject","PopupScene":"2"}]}"#,
        );
        let notice = Notice::Popup(vec![
            subscribe("T1", SubscribeResult::Accepted),
            subscribe("T2", SubscribeResult::Rejected),
        ]);
        for event in [xml, json] {
            assert_eq!(
                (event.openid.as_ref().unwrap().as_str(), event.create_time),
                ("oUser", 1_610_969_440)
            );
            assert_eq!(notice_of(&event).unwrap(), notice);
        }
    }

    #[test]
    fn a_list_is_one_or_several_or_missing() {
        let change = |list: Value| {
            let mut body = json!({ "Event": "subscribe_msg_change_event" });
            if !list.is_null() {
                body["List"] = list;
            }
            let Value::Object(body) = body else { unreachable!("it was made as one") };
            notice_of(&Event::of(body)).unwrap()
        };
        let entry = json!({ "TemplateId": "T1", "SubscribeStatusString": "reject" });
        let one = Notice::Change(vec![subscribe("T1", SubscribeResult::Rejected)]);
        assert_eq!(change(entry.clone()), one);
        assert_eq!(change(json!([entry])), one);
        assert_eq!(
            change(json!([entry, entry])),
            Notice::Change(vec![subscribe("T1", SubscribeResult::Rejected); 2])
        );
        for nothing in [Value::Null, json!([]), json!(""), json!({}), json!([1, "x", null])] {
            assert_eq!(change(nothing), Notice::Change(Vec::new()));
        }
    }

    #[test]
    fn what_became_of_a_message_is_read_with_its_number() {
        let xml = event(
            "<xml><FromUserName>oUser</FromUserName><Event>subscribe_msg_sent_event</Event><SubscribeMsgSentEvent>\
             <List><TemplateId>T1</TemplateId><MsgID>1700827132819554304</MsgID><ErrorCode>3</ErrorCode>\
             <ErrorStatus>user refuse</ErrorStatus></List></SubscribeMsgSentEvent></xml>",
        );
        let json = event(
            r#"{"FromUserName":"oUser","Event":"subscribe_msg_sent_event","List":{"TemplateId":"T1",
                "MsgID":"1700827132819554304","ErrorCode":3,"ErrorStatus":"user refuse"}}"#,
        );
        for event in [xml, json] {
            assert_eq!(
                notice_of(&event),
                Some(Notice::Sent(vec![SentEntry {
                    template: "T1".parse().unwrap(),
                    msgid: Some(1_700_827_132_819_554_304),
                    error_code: 3,
                    error_status: "user refuse".into(),
                }]))
            );
        }
    }

    #[test]
    fn what_is_not_known_is_kept_whole() {
        let other =
            event("<xml><MsgType>event</MsgType><Event>wxa_media_check</Event><trace_id>t</trace_id></xml>");
        assert_eq!(notice_of(&other), None);
        assert_eq!((other.openid.clone(), other.create_time), (None, 0));
        assert_eq!(other.body["trace_id"], "t");
        let text = event(r#"{"MsgType":"text","Content":"hello","FromUserName":"not an openid!"}"#);
        assert_eq!((text.name.as_deref(), text.openid.as_ref(), notice_of(&text)), (None, None, None));
    }
}
