//! Makes WeChat's request from a message in the format of the gateway's API. This is the least that every forwarder must do.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    to: Cow<'a, str>,
    #[serde(borrow)]
    template: Cow<'a, str>,
    #[serde(borrow)]
    page: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
}

#[derive(Serialize)]
struct Request<'a> {
    touser: &'a str,
    template_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<&'a str>,
    data: BTreeMap<&'a str, Field<'a>>,
}

#[derive(Serialize)]
struct Field<'a> {
    value: &'a str,
}

/// The body to send to WeChat.
pub(super) fn of(message: &[u8]) -> serde_json::Result<Vec<u8>> {
    with_user(message, |_| ()).map(|((), body)| body)
}

/// Like [`of`], and returns the result of `read` for the user's openid, too.
pub(super) fn with_user<T>(message: &[u8], read: impl FnOnce(&str) -> T) -> serde_json::Result<(T, Vec<u8>)> {
    let message: Message<'_> = serde_json::from_slice(message)?;
    let body = serde_json::to_vec(&Request {
        touser: &message.to,
        template_id: &message.template,
        page: message.page.as_deref(),
        data: message.data.iter().map(|(name, value)| (name.as_ref(), Field { value })).collect(),
    })?;
    Ok((read(&message.to), body))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::message;

    #[test]
    fn the_body_is_wechats() {
        let body: Value = serde_json::from_slice(&of(&message::single(7)).unwrap()).unwrap();
        assert_eq!(
            body,
            json!({
                "touser": message::user(7),
                "template_id": message::TEMPLATE,
                "page": "pages/index/index?from=card",
                "data": {
                    "thing1": { "value": "拿铁咖啡一杯" },
                    "date2": { "value": "2026年5月1日 09:30" },
                    "amount3": { "value": "¥18.00" },
                },
            })
        );
        assert!(of(b"{}").is_err());
    }
}
