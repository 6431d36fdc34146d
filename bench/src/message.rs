//! The message of all measurements, and its users.

use bytes::Bytes;
use serde_json::{Value, json};

/// The app that sends.
pub(crate) const APPID: &str = "wxbench0000000000";

/// The template of every message.
pub(crate) const TEMPLATE: &str = "BenchTemplate";

/// The openid of a user. Openids of neighbouring numbers are far apart, because real users come in random order.
pub(crate) fn user(number: u32) -> String {
    format!("oB{:016x}{number:010}", scatter(u64::from(number)))
}

/// Spreads numbers over all 64 bits; no two numbers share a value (the finalizer of SplitMix64).
pub(crate) const fn scatter(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The message to this user in the format of the gateway's API. All other programs take the same format.
pub(crate) fn to(user_number: u32) -> Value {
    json!({
        "app": APPID,
        "to": user(user_number),
        "template": TEMPLATE,
        "page": "pages/index/index?from=card",
        "data": { "thing1": "拿铁咖啡一杯", "date2": "2026年5月1日 09:30", "amount3": "¥18.00" },
    })
}

/// A request with one message.
pub(crate) fn single(user_number: u32) -> Bytes {
    to(user_number).to_string().into()
}

/// WeChat's push about this user, who has accepted the template.
pub(crate) fn accepted(user_number: u32, seconds: &str) -> Bytes {
    format!(
        "<xml><ToUserName><![CDATA[gh_bench]]></ToUserName><FromUserName><![CDATA[{}]]></FromUserName>\
         <CreateTime>{seconds}</CreateTime><MsgType><![CDATA[event]]></MsgType>\
         <Event><![CDATA[subscribe_msg_popup_event]]></Event><SubscribeMsgPopupEvent><List>\
         <TemplateId><![CDATA[{TEMPLATE}]]></TemplateId>\
         <SubscribeStatusString><![CDATA[accept]]></SubscribeStatusString><PopupScene>0</PopupScene>\
         </List></SubscribeMsgPopupEvent></xml>",
        user(user_number)
    )
    .into()
}

/// A request with one message to each of these users.
pub(crate) fn batch(user_numbers: impl Iterator<Item = u32>) -> Bytes {
    json!({ "messages": user_numbers.map(to).collect::<Vec<_>>() }).to_string().into()
}
