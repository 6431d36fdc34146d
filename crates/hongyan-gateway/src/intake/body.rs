//! WeChat's request body, built once when a message is accepted, stored, and sent as it is.

use std::sync::Arc;

use hongyan_wechat::{Fields, Lang, MiniprogramState, OpenId, SubscribeMessage, TemplateId};
use serde::{Deserialize, Serialize};

/// The body of a template message without its `form_id`, which dispatch puts in when it knows the permit.
#[derive(Debug, Serialize, Deserialize)]
pub struct TemplateBody {
    /// The user.
    pub touser: OpenId,
    /// The template.
    pub template_id: TemplateId,
    /// The page that a tap opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// The fields.
    pub data: Fields,
    /// The default colour of the fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
    /// The field that is shown large, as `keyword1.DATA`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emphasis_keyword: Option<String>,
}

/// What a stored body says of the message, whichever call it is for.
#[derive(Debug, Deserialize)]
pub struct BodyView {
    /// The page that a tap opens.
    pub page: Option<String>,
    /// The fields.
    #[serde(default)]
    pub data: Fields,
    /// The field that is shown large.
    pub emphasis_keyword: Option<String>,
    /// The language of the card's frame.
    pub lang: Option<Lang>,
    /// The version of the mini program that a tap opens.
    pub miniprogram_state: Option<MiniprogramState>,
}

/// A template message's body.
pub fn template(body: &TemplateBody) -> Arc<[u8]> {
    bytes(body)
}

/// A subscribe message's body.
pub fn subscribe(body: &SubscribeMessage) -> Arc<[u8]> {
    bytes(body)
}

fn bytes(body: &impl Serialize) -> Arc<[u8]> {
    serde_json::to_vec(body).expect("plain values with text keys always serialize").into()
}
