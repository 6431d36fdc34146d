//! The three events about subscribe messages in WeChat's words.
//!
//! Source: <https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/subscribe-message.html>.

use hongyan_clock::UnixMillis;
use hongyan_wechat::{AppId, OpenId, TemplateId};
use serde_json::{Map, Value, json};

use super::callbacks::{Message, original_id};
use super::inbox::Msgid;

/// The `ErrorCode` of a message that WeChat accepted and the user refuses.
pub(crate) const USER_REFUSED: i64 = 3;

/// The user answered the subscription box.
pub(crate) fn popup(
    appid: &AppId,
    openid: &OpenId,
    answers: &[(TemplateId, String)],
    now: UnixMillis,
) -> Message {
    let entry = |(id, word): &(TemplateId, String)| {
        // 0: the box was shown; 2: the user had ticked "always" before. The sandbox always shows the box.
        object(json!({ "TemplateId": id, "SubscribeStatusString": word, "PopupScene": 0 }))
    };
    Message::Event {
        head: head(appid, openid, "subscribe_msg_popup_event", now),
        wrapper: "SubscribeMsgPopupEvent",
        list: answers.iter().map(entry).collect(),
    }
}

/// The user changed the setting. WeChat reports only refusals.
pub(crate) fn change(appid: &AppId, openid: &OpenId, template: &TemplateId, now: UnixMillis) -> Message {
    Message::Event {
        head: head(appid, openid, "subscribe_msg_change_event", now),
        wrapper: "SubscribeMsgChangeEvent",
        list: vec![object(json!({ "TemplateId": template, "SubscribeStatusString": "reject" }))],
    }
}

/// The result of a message.
pub(crate) fn sent(
    appid: &AppId,
    openid: &OpenId,
    template: &TemplateId,
    msgid: Msgid,
    arrived: bool,
    now: UnixMillis,
) -> Message {
    let (code, status) = if arrived { (0, "success") } else { (USER_REFUSED, "user refuse") };
    Message::Event {
        head: head(appid, openid, "subscribe_msg_sent_event", now),
        wrapper: "SubscribeMsgSentEvent",
        list: vec![object(json!({
            "TemplateId": template, "MsgID": msgid, "ErrorCode": code, "ErrorStatus": status,
        }))],
    }
}

fn head(appid: &AppId, openid: &OpenId, event: &str, now: UnixMillis) -> Map<String, Value> {
    object(json!({
        "ToUserName": original_id(appid),
        "FromUserName": openid,
        "CreateTime": now.as_seconds(),
        "MsgType": "event",
        "Event": event,
    }))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
