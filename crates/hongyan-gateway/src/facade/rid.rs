//! `POST /cgi-bin/openapi/rid/get`: WeChat's details of a refused request, without credentials.
//!
//! WeChat shows the parameters and the body of any request of the app, including the gateway's own requests, which contain the
//! AppSecret or the access token. WeChat's documentation does not say whether WeChat hides them.

use axum::body::Body;
use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use hongyan_ledger::settle::is_token_refusal;
use hongyan_wechat::blot::Blotter;
use hongyan_wechat::{Answered, CallError, Errcode, Failure, SecretString};
use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use super::answer::Refusal;
use super::clean::blotter;
use super::pass::no_token;
use super::request::{ACCESS_TOKEN, MAX_CREDENTIALS_BYTES, Parameters, passed_on, whole};
use super::token::app_of;
use crate::context::Context;
use crate::door::outgoing::Behalf;

/// The names whose values are hidden, split at the underscore, which has several spellings. Longer names that end like this
/// are hidden too (`appsecret`, `component_access_token`).
const HIDDEN: [&[&str]; 5] =
    [&["access", "token"], &["refresh", "token"], &["secret"], &["js", "code"], &["session", "key"]];

/// The spellings of an underscore: plain, in a URL, in a URL inside a URL, and in JSON.
const UNDERSCORES: [&str; 4] = ["_", "%5f", "%255f", "\\u005f"];

/// Replaces a hidden value.
const HIDE: &str = "***";

/// Asks WeChat about a request.
pub(super) async fn get(
    State(context): State<Context>,
    uri: Uri,
    parameters: Parameters,
    body: Body,
) -> Result<Response, Refusal> {
    let app = app_of(&context, parameters.access_token()).await?;
    let body = whole(body, MAX_CREDENTIALS_BYTES).await?;
    let _place = context.outgoing.place(Behalf::Caller).await.map_err(Refusal::no_place)?;
    let ask = async |token: &SecretString| {
        let path = passed_on(&uri, &[(ACCESS_TOKEN, token.expose_secret())]);
        let asked =
            context.wechat.exchange(axum::http::Method::POST, &path, Some("application/json"), body.clone());
        let Answered { status, body, .. } =
            asked.await.map_err(|failure| Refusal::from(CallError::from(failure)))?;
        let value: Value = serde_json::from_slice(&body).map_err(|_| {
            Refusal::from(CallError::from(Failure::Unanswered(
                "not the JSON that this call answers with".into(),
            )))
        })?;
        Ok::<_, Refusal>((status, value))
    };
    let token = context.apps.token(&app).await.map_err(no_token)?;
    let (mut status, mut answer) = ask(&token.value).await?;
    let errcode = answer["errcode"].as_i64().and_then(|code| i32::try_from(code).ok());
    if errcode.is_some_and(|code| is_token_refusal(Errcode(code))) {
        let fresh = context.apps.token_after(&app, token.generation).await.map_err(no_token)?;
        (status, answer) = ask(&fresh.value).await?;
    }
    let clean = without_credentials(answer, &blotter(&context, &app, Some(&token.value))?);
    Ok((status, axum::Json(clean)).into_response())
}

/// Hides every credential in every text of the answer.
fn without_credentials(value: Value, blotter: &Blotter) -> Value {
    let clean = |text: String| {
        let text = without_named(&text);
        String::from_utf8_lossy(&blotter.whole(text.as_bytes())).into_owned()
    };
    match value {
        Value::String(text) => Value::String(clean(text)),
        Value::Array(items) => {
            Value::Array(items.into_iter().map(|item| without_credentials(item, blotter)).collect())
        }
        Value::Object(members) => {
            let hidden = |(name, value): (String, Value)| {
                let value =
                    if ends_in_hidden(&name) { HIDE.into() } else { without_credentials(value, blotter) };
                (clean(name), value)
            };
            Value::Object(members.into_iter().map(hidden).collect::<Map<_, _>>())
        }
        other => other,
    }
}

/// Hides the values of the hidden names in a text: a query, JSON, JSON in JSON, or a fragment.
fn without_named(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let (mut clean, mut rest) = (String::with_capacity(text.len()), 0);
    let mut at = 0;
    while at < text.len() {
        let value = name_at(&lower[at..]).and_then(|length| value_behind(&lower, at + length));
        match value {
            Some((from, to)) => {
                clean.push_str(&text[rest..from]);
                clean.push_str(HIDE);
                (rest, at) = (to, to);
            }
            None => at += lower[at..].chars().next().map_or(1, char::len_utf8),
        }
    }
    clean.push_str(&text[rest..]);
    clean
}

fn ends_in_hidden(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    (0..name.len())
        .filter(|at| name.is_char_boundary(*at))
        .any(|at| name_at(&name[at..]).is_some_and(|length| at + length == name.len()))
}

/// The length of the hidden name at the beginning of a text.
fn name_at(text: &str) -> Option<usize> {
    HIDDEN.iter().find_map(|parts| {
        let mut rest = text;
        for (number, part) in parts.iter().enumerate() {
            if number > 0 {
                rest = UNDERSCORES.iter().find_map(|underscore| rest.strip_prefix(underscore))?;
            }
            rest = rest.strip_prefix(part)?;
        }
        Some(text.len() - rest.len())
    })
}

/// The beginning and end of the value after a name, if there is a value: `="`, `":"`, `%3D` and the like stand between.
fn value_behind(text: &str, at: usize) -> Option<(usize, usize)> {
    const QUOTES: [&str; 6] = ["\\", "\"", "'", "%22", "%5c", " "];
    const EQUALS: [&str; 4] = ["=", ":", "%3d", "%3a"];
    let mut rest = &text[at..];
    let skip = |rest: &mut &str| {
        while let Some(after) = QUOTES.iter().find_map(|quote| rest.strip_prefix(quote)) {
            *rest = after;
        }
    };
    skip(&mut rest);
    rest = EQUALS.iter().find_map(|equals| rest.strip_prefix(equals))?;
    skip(&mut rest);
    let from = text.len() - rest.len();
    let ends = |tail: &str| {
        tail.starts_with(['&', '"', '\'', '\\', ',', '}', ']', ';', '<', '>', '#'])
            || tail.starts_with(char::is_whitespace)
            || ["%22", "%26", "%2c", "%7d"].iter().any(|end| tail.starts_with(end))
    };
    let length =
        rest.char_indices().find_map(|(at, _)| ends(&rest[at..]).then_some(at)).unwrap_or(rest.len());
    (length > 0).then_some((from, from + length))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_values_of_hidden_names_are_taken_out_of_every_text() {
        let rows = [
            ("access_token=50_Im7xx-x", "access_token=***"),
            ("a=1&ACCESS_TOKEN=x&b=2", "a=1&ACCESS_TOKEN=***&b=2"),
            ("appid=wx1&secret=abc", "appid=wx1&secret=***"),
            (r#"{"appid":"wx1","appsecret":"abc","n":1}"#, r#"{"appid":"wx1","appsecret":"***","n":1}"#),
            (r#"{\"secret\": \"a\"}"#, r#"{\"secret\": \"***\"}"#),
            ("js%5Fcode%3D0a1%26x", "js%5Fcode%3D***%26x"),
            ("component_access_token=x#y", "component_access_token=***#y"),
            ("the secret of it", "the secret of it"),
            ("secret=", "secret="),
            ("你 access_token=好&x", "你 access_token=***&x"),
            (r#"{"secret":"#, r#"{"secret":"#),
        ];
        for (text, expected) in rows {
            assert_eq!(without_named(text), expected);
        }
    }

    #[test]
    fn known_secrets_go_wherever_they_stand() {
        let answer = json!({
            "errcode": 0,
            "request": {
                "request_url": "access_token=REAL_TOKEN_85",
                "request_body": "{\"appid\":\"wx1\",\"k\":\"\\u0052EAL_TOKEN_85\"}",
                "response_body": "[\"REAL_TOKEN_85\"]", "invoke_time": 5, "access_token": { "x": 1 },
            },
        });
        let clean = without_credentials(answer, &Blotter::new(["REAL_TOKEN_85".into()]));
        let expected = json!({
            "errcode": 0,
            "request": {
                "request_url": "access_token=***",
                "request_body": "{\"appid\":\"wx1\",\"k\":\"******************\"}",
                "response_body": "[\"*************\"]", "invoke_time": 5, "access_token": "***",
            },
        });
        assert_eq!(clean, expected);
    }
}
