//! One attempt to deliver an event: the request, and its outcome.

use std::sync::Arc;

use hongyan_clock::UnixMillis;
use hongyan_ledger::webhook::{Reply, fate};
use hongyan_store::types::{Delivery, Tried, WebhookAnswer};
use serde::Deserialize;

use super::client::{Answer, Connection, Place, Post};
use super::sign::Signer;
use crate::traces::Span;

/// A request that has ended, and its connection if the connection can be used again.
pub(super) struct Landed {
    pub(super) delivery: Delivery,
    pub(super) tried: Tried,
    pub(super) connection: Option<Connection>,
}

/// The parts that all requests of a webhook share.
pub(super) struct Address {
    pub(super) signer: Signer,
    pub(super) place: Arc<Place>,
}

impl Address {
    /// The request for an event.
    pub(super) fn post(&self, delivery: &Delivery, now: UnixMillis) -> Post {
        let (id, body) = (delivery.id.to_string(), body(delivery));
        Post {
            signature: self.signer.sign(&id, now, body.as_bytes()),
            id,
            timestamp: now.as_seconds(),
            request_id: request_id(delivery),
            traceparent: None,
            body: body.into(),
        }
    }
}

/// Says in a delivery's span how the delivery ended.
pub(super) fn end_span(mut span: Span, answer: &Answer) {
    match answer.status {
        Some(status) => span.number("http.response.status_code", status),
        None => span.failed("no_answer"),
    }
    if let Some(status) = answer.status.filter(|status| !(200..300).contains(status)) {
        span.failed(status);
    }
}

/// The id of the request that brought the event's message.
pub(super) fn request_id(delivery: &Delivery) -> Option<String> {
    #[derive(Deserialize)]
    struct Data<'a> {
        #[serde(borrow)]
        request_id: Option<&'a str>,
    }

    if !delivery.kind.name().starts_with("message.") {
        return None;
    }
    serde_json::from_str::<Data<'_>>(&delivery.data).ok()?.request_id.map(str::to_owned)
}

/// The outcome of an attempt.
pub(super) fn ended(delivery: &Delivery, began: UnixMillis, now: UnixMillis, answer: Answer) -> Tried {
    let Answer { status, text } = answer;
    let reply = status.map_or(Reply::Failed, Reply::of_status);
    let (tries, first_at) = (delivery.tries + 1, delivery.first_at.unwrap_or(began));
    Tried {
        reply,
        fate: fate(reply, tries, first_at, now, crate::random::unit()),
        tries,
        first_at,
        answer: WebhookAnswer { at: now, status, text },
        random: crate::random::unit(),
    }
}

/// The body of the request, identical in every attempt.
fn body(delivery: &Delivery) -> String {
    format!(
        r#"{{"type":"{}","timestamp":"{}","data":{}}}"#,
        delivery.kind, delivery.created_at, delivery.data
    )
}

#[cfg(test)]
mod tests {
    use hongyan_ledger::ids::IdMaker;
    use hongyan_ledger::webhook::EventType;

    use super::*;

    #[test]
    fn a_body_is_json_with_type_timestamp_and_data() {
        let at = UnixMillis(1_790_000_000_000);
        let delivery = Delivery {
            id: IdMaker::new().webhook_event(1, at),
            kind: EventType::MessageSent,
            subject: 0,
            created_at: at,
            data: r#"{"id":"msg_1","request_id":"r-1"}"#.into(),
            traceparent: None,
            tries: 0,
            first_at: None,
            is_behind: false,
        };
        assert_eq!(request_id(&delivery).as_deref(), Some("r-1"));
        let body: serde_json::Value = serde_json::from_str(&body(&delivery)).unwrap();
        assert_eq!(
            body,
            serde_json::json!({
                "type": "message.sent", "timestamp": at.to_string(), "data": { "id": "msg_1", "request_id": "r-1" },
            })
        );
    }
}
