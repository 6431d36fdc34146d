//! The body of the request to WeChat. It is built when a message is accepted, stored, and sent unchanged.

use std::sync::Arc;

use hongyan_wechat::{FieldValue, Fields, Lang, MiniprogramState, OpenId, SubscribeMessage, TemplateId};
use serde::{Deserialize, Serialize};

use crate::members::Members;

/// The body of a template message without `form_id`. Dispatch adds the `form_id` when the permit is known.
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

/// The contents of a stored body, for either call. The facade stores a body as its caller wrote it: a member of an unusual
/// form is missing here, and the value of an unusual field is shown as its JSON.
#[derive(Debug)]
pub struct BodyView {
    /// The page that a tap opens.
    pub page: Option<String>,
    /// The fields.
    pub data: Fields,
    /// The field that is shown large.
    pub emphasis_keyword: Option<String>,
    /// The language of the card's frame.
    pub lang: Option<Lang>,
    /// The version of the mini program that a tap opens.
    pub miniprogram_state: Option<MiniprogramState>,
}

impl BodyView {
    /// Reads a stored body.
    ///
    /// # Errors
    /// When the body is not a JSON object; no such body is stored.
    pub fn read(body: &[u8]) -> Result<Self, serde_json::Error> {
        let members = Members::read(body)?;
        let mut data = Fields::default();
        for (name, value) in members.read_as::<Members<'_>>("data").iter().flat_map(Members::iter) {
            let value = value.get();
            data.set(name, serde_json::from_str(value).unwrap_or_else(|_| FieldValue::from(value)));
        }
        Ok(Self {
            page: members.text("page"),
            data,
            emphasis_keyword: members.text("emphasis_keyword"),
            lang: members.read_as("lang"),
            miniprogram_state: members.read_as("miniprogram_state"),
        })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_a_caller_wrote_is_shown_as_far_as_it_is_usual() {
        let body = r#"{"touser":"o1","page":5,"lang":"zh","miniprogram_state":"trial","more":{},
            "data":{"thing1":{"value":"x","color":""},"number2":{"value":20},"thing3":null,"thing4":{"value":"\ud83d"}}}"#;
        let view = BodyView::read(body.as_bytes()).unwrap();
        assert_eq!(
            (view.page, view.lang, view.miniprogram_state),
            (None, None, Some(MiniprogramState::Trial))
        );
        let values: Vec<_> = view.data.iter().map(|(_, value)| value.value.as_str()).collect();
        assert_eq!(values, ["x", "20", "null", "{\"value\":\"\\ud83d\"}"]);
        assert!(BodyView::read(br#"{"data":"x"}"#).unwrap().data.0.is_empty());
    }
}
