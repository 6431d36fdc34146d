//! The request that sent a card, as it may be shown: without tokens and secrets.

use hongyan_clock::UnixMillis;
use serde::Serialize;

use super::requests::LoggedRequest;

/// Names of members and parameters whose value is never shown.
const SECRET: [&str; 4] = ["access_token", "secret", "appsecret", "session_key"];
/// What stands in the place of a secret.
const HIDDEN: &str = "…";

/// A request that sent a card.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SentRequest {
    pub(crate) time: UnixMillis,
    pub(crate) method: String,
    pub(crate) path: String,
    /// The parameters of the address.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) content_type: Option<String>,
    /// As it was sent. `null` if it was too large to be kept.
    pub(crate) body: Option<String>,
    pub(crate) errcode: Option<i32>,
}

impl SentRequest {
    pub(crate) fn of(request: &LoggedRequest) -> Self {
        let kept = &request.kept;
        let shown = |(name, value): &(String, String)| {
            let value = if is_secret(name) { HIDDEN.to_owned() } else { value.clone() };
            (name.clone(), value)
        };
        Self {
            time: request.time,
            method: request.method.clone(),
            path: request.path.clone(),
            query: kept.query.iter().map(shown).collect(),
            content_type: kept.content_type.clone(),
            // No request without a body sends a card.
            body: (!kept.body.is_empty()).then(|| without_secrets(&String::from_utf8_lossy(&kept.body))),
            errcode: request.errcode,
        }
    }
}

fn is_secret(name: &str) -> bool {
    SECRET.iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

/// A JSON text as it was written, except that the text of each secret member is hidden, also where the same member stands
/// twice.
fn without_secrets(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    let mut rest = json;
    // Whether the next text is the value of a secret member.
    let mut hides = false;
    while let Some(begin) = rest.find('"') {
        let (before, text) = rest.split_at(begin);
        // A comma or a bracket between a name and a text: the text is not the value of the name.
        hides &= before.trim() == ":";
        let end = end_of_text(text);
        let (text, behind) = text.split_at(end);
        shown.push_str(before);
        if hides {
            shown.push('"');
            shown.push_str(HIDDEN);
            shown.push('"');
            hides = false;
        } else {
            shown.push_str(text);
            let name: Option<String> = serde_json::from_str(text).ok();
            hides = behind.trim_start().starts_with(':') && name.is_some_and(|name| is_secret(&name));
        }
        rest = behind;
    }
    shown.push_str(rest);
    shown
}

/// Where the JSON text ends that begins here with its quotation mark.
fn end_of_text(text: &str) -> usize {
    let mut is_escaped = false;
    for (place, char) in text.char_indices().skip(1) {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return place + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_and_all_else_is_as_it_was_sent() {
        let sent = r#"{ "touser":"o1", "access_token" : "A\"B", "data":{"thing1":{"value":"access_token"}},
            "\u0061ccess_token":"C", "secret":["D"],"n":1.50, "SECRET":"E"}"#;
        let shown = r#"{ "touser":"o1", "access_token" : "…", "data":{"thing1":{"value":"access_token"}},
            "\u0061ccess_token":"…", "secret":["D"],"n":1.50, "SECRET":"…"}"#;
        assert_eq!(without_secrets(sent), shown);
        assert_eq!(without_secrets(r#"{"access_token":"cut"#), r#"{"access_token":"…""#);
        assert_eq!(without_secrets("no JSON"), "no JSON");
    }
}
