//! What can be done about a message.

use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use http::Method;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::show::Detail;
use crate::api::Address;
use crate::form::{Form, Nothing};
use crate::refusal::Refusal;
use crate::visit::Visit;

fn back(id: &str, done: &str) -> Response {
    Redirect::to(&format!("/console/messages/{id}?done={done}")).into_response()
}

/// `POST /console/messages/{id}/cancel`.
pub(super) async fn cancel(
    visit: Visit,
    Path(id): Path<String>,
    _: Form<Nothing>,
) -> Result<Response, Refusal> {
    visit.ask::<IgnoredAny>(Method::DELETE, &Address::of(&["messages", &id])).await?;
    Ok(back(&id, "cancelled"))
}

#[derive(Deserialize)]
pub(super) struct Resolve {
    verdict: Verdict,
    attempt: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Sent,
    Send,
    Fail,
}

/// `POST /console/messages/{id}/resolve`.
pub(super) async fn resolve(
    visit: Visit,
    Path(id): Path<String>,
    Form(form): Form<Resolve>,
) -> Result<Response, Refusal> {
    let mut body = match form.verdict {
        Verdict::Sent => json!({ "outcome": "sent" }),
        Verdict::Send => json!({ "outcome": "not_sent", "then": "send" }),
        Verdict::Fail => json!({ "outcome": "not_sent", "then": "fail" }),
    };
    // The attempt that the page has shown: about a later one nobody has found out anything.
    body["attempt"] = json!(form.attempt);
    visit.send::<IgnoredAny>(Method::POST, &Address::of(&["messages", &id, "resolve"]), &body).await?;
    Ok(back(&id, "resolved"))
}

#[derive(Deserialize)]
pub(super) struct SendAgain {
    once: String,
}

#[derive(Deserialize)]
struct Accepted {
    id: String,
}

/// `POST /console/messages/{id}/send`: a new message with the same content.
pub(super) async fn send_again(
    visit: Visit,
    Path(id): Path<String>,
    Form(form): Form<SendAgain>,
) -> Result<Response, Refusal> {
    let detail: Detail = visit.get(&Address::of(&["messages", &id])).await?;
    let mut body = json!({
        "app": detail.message.app,
        "to": detail.message.to,
        "template": detail.message.template,
        "data": detail.data,
        "permit": detail.message.permit_policy,
        "on_unknown": detail.message.on_unknown,
    });
    let optional = [
        ("page", &detail.page),
        ("emphasis_keyword", &detail.emphasis_keyword),
        ("lang", &detail.lang),
        ("miniprogram_state", &detail.miniprogram_state),
        ("reference", &detail.message.reference),
        ("collapse_key", &detail.message.collapse_key),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            body[name] = Value::from(value.as_str());
        }
    }
    let accepted: Accepted = visit.send_once(&Address::of(&["messages"]), &body, &form.once).await?;
    // The new message does not know which message it repeats, so the address says it.
    Ok(back(&accepted.id, &format!("sent&of={id}")))
}
