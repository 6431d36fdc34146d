//! What happened to a message, as `/v1/messages/{id}/timeline` tells it.

use http::StatusCode;
use serde::Deserialize;

use super::words::Words;
use crate::api::Address;
use crate::format::At;
use crate::refusal::Refusal;
use crate::visit::Visit;

/// What happened, first to last.
#[derive(Debug, Deserialize)]
pub(super) struct Timeline {
    pub(super) entries: Vec<Entry>,
    /// The messages that this message replaced.
    pub(super) replaced: Vec<String>,
}

impl Timeline {
    /// The timeline of a message; `None`: reading it took too long. The rest of the page can be shown without it.
    pub(super) async fn read(visit: &Visit, id: &str) -> Result<Option<Self>, Refusal> {
        match visit.get::<Self>(&Address::of(&["messages", id, "timeline"])).await {
            Ok(mut timeline) => {
                // WeChat reports several messages in one event.
                for event in timeline.entries.iter_mut().filter_map(|entry| entry.event.as_mut()) {
                    event.effects.retain(|effect| effect.message.as_deref() == Some(id));
                }
                Ok(Some(timeline))
            }
            Err(refusal) if refusal.status == StatusCode::SERVICE_UNAVAILABLE => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// The permits that the attempts used.
    pub(super) fn permits(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter_map(|entry| entry.attempt.as_ref()?.permit.as_deref())
    }
}

/// One thing that happened; one of its members is set, but for the entry that says that the message was accepted.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    pub(super) at: At,
    pub(super) accepted_by: Option<Sender>,
    pub(super) attempt: Option<Attempt>,
    pub(super) event: Option<Event>,
    pub(super) resolution: Option<Resolution>,
    pub(super) delivery: Option<Delivery>,
    /// The webhook of the delivery.
    pub(super) webhook: Option<String>,
    pub(super) state: Option<String>,
}

/// Who sent the message.
#[derive(Debug, Deserialize)]
pub(super) struct Sender {
    kind: String,
    id: String,
    name: Option<String>,
}

impl Sender {
    /// The name, if the reader may know it.
    pub(super) fn told(&self, words: Words) -> String {
        let name = self.name.as_deref().unwrap_or(&self.id);
        if self.kind == "person" { words.sent_by_person(name) } else { words.sent_by_key(name) }
    }
}

/// One request to WeChat.
#[derive(Debug, Deserialize)]
pub(super) struct Attempt {
    pub(super) number: u32,
    pub(super) ended_at: Option<At>,
    pub(super) permit: Option<String>,
    outcome: Option<String>,
    errcode: Option<i64>,
    errmsg: Option<String>,
    why: Option<String>,
}

impl Attempt {
    pub(super) fn colour(&self) -> &'static str {
        match (self.outcome.as_deref(), self.errcode) {
            (Some("answered"), Some(0)) => "ok",
            (None, _) => "run",
            (Some("not_sent"), _) => "wait",
            _ => "bad",
        }
    }

    pub(super) fn heading(&self, words: Words) -> String {
        match self.outcome.as_deref() {
            Some("answered") => words.answered(self.errcode.unwrap_or_default()),
            Some("not_sent") => words.not_sent().to_owned(),
            Some(_) => words.no_answer().to_owned(),
            None => words.under_way().to_owned(),
        }
    }

    pub(super) fn text(&self) -> &str {
        self.errmsg.as_deref().or(self.why.as_deref()).unwrap_or_default()
    }
}

/// An event of WeChat's about the message.
#[derive(Debug, Deserialize)]
pub(super) struct Event {
    pub(super) app: String,
    pub(super) openid: Option<String>,
    pub(super) name: String,
    effects: Vec<Effect>,
}

#[derive(Debug, Deserialize)]
struct Effect {
    #[serde(rename = "effect")]
    kind: String,
    message: Option<String>,
    errcode: Option<i64>,
    errmsg: Option<String>,
}

impl Event {
    pub(super) fn colour(&self) -> &'static str {
        let did = |name: &str| self.effects.iter().any(|effect| effect.kind == name);
        if did("refused") {
            "bad"
        } else if did("delivered") {
            "ok"
        } else {
            ""
        }
    }

    /// What WeChat said, for a message that its user did not get.
    pub(super) fn text(&self) -> String {
        let said = self.effects.iter().filter_map(|effect| {
            Some(format!("{} {}", effect.errcode?, effect.errmsg.as_deref().unwrap_or_default()))
        });
        said.collect::<Vec<_>>().join(", ")
    }
}

/// What somebody found out about a message of unknown outcome.
#[derive(Debug, Deserialize)]
pub(super) struct Resolution {
    attempt: u32,
    outcome: String,
    then: Option<String>,
    by: String,
}

impl Resolution {
    pub(super) fn heading(&self, words: Words) -> &'static str {
        match self.by.as_str() {
            "event" => words.found_out_by_event(),
            "silence" => words.found_out_by_silence(),
            _ => words.found_out(),
        }
    }

    pub(super) fn text(&self, words: Words) -> String {
        let verdict = match (self.outcome.as_str(), self.then.as_deref()) {
            ("sent", _) => words.was_sent(),
            (_, Some("fail")) => words.was_not_sent_fail(),
            _ => words.was_not_sent_send(),
        };
        format!("{}: {verdict}", words.attempt(self.attempt))
    }
}

/// The delivery of a webhook event about the message.
#[derive(Debug, Deserialize)]
pub(super) struct Delivery {
    #[serde(rename = "type")]
    pub(super) kind: String,
    state: String,
    pub(super) attempts: u32,
    pub(super) last_answer: Option<Answer>,
    pub(super) next_try_at: Option<At>,
}

/// What the webhook answered.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    pub(super) status: Option<u16>,
    #[serde(default)]
    pub(super) text: String,
}

impl Delivery {
    pub(super) fn colour(&self) -> &'static str {
        match self.state.as_str() {
            "taken" => "ok",
            "given_up" => "bad",
            _ => "wait",
        }
    }

    pub(super) fn heading(&self, words: Words) -> &'static str {
        match self.state.as_str() {
            "taken" => words.webhook_has_it(),
            "given_up" => words.webhook_given_up(),
            _ => words.webhook_pending(),
        }
    }
}

#[cfg(test)]
mod tests {
    use hongyan_ui::Language;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_of_each_kind_is_read() {
        let at = "2026-11-27T01:02:03.004Z";
        let answer = json!({ "id": "msg_1", "replaced": ["msg_2"], "entries": [
            { "type": "accepted", "at": at, "accepted_by": { "kind": "key", "id": "key_1", "name": "orders" } },
            { "type": "attempt", "at": at, "attempt": {
                "number": 1, "started_at": at, "outcome": "unanswered", "why": "reset" } },
            { "type": "resolution", "at": at, "resolution": {
                "attempt": 1, "outcome": "sent", "resolved_at": at, "by": "event" } },
            { "type": "event", "at": at, "event": { "id": "evt_1", "app": "wx1", "openid": "o1", "name": "sent",
                "state": "done", "effects": [
                    { "effect": "refused", "message": "msg_1", "errcode": 4, "errmsg": "user refuse" }],
                "created_at": at, "received_at": at, "body": {} } },
            { "type": "state", "at": at, "state": "refused", "reason": { "code": "not_delivered" } },
            { "type": "delivery", "at": at, "webhook": "whk_1", "delivery": {
                "event": "whe_1", "type": "message.refused", "timestamp": at, "state": "given_up", "attempts": 3,
                "last_answer": { "at": at, "status": 410 } } },
        ]});
        let Timeline { entries, replaced } = serde_json::from_value(answer).unwrap();
        let words = Words(Language::En);
        assert_eq!((entries.len(), replaced), (6, vec!["msg_2".to_owned()]));
        let sender = entries[0].accepted_by.as_ref().unwrap();
        assert_eq!(sender.told(words), "By the API key orders");
        let attempt = entries[1].attempt.as_ref().unwrap();
        assert_eq!((attempt.colour(), attempt.text()), ("bad", "reset"));
        let resolution = entries[2].resolution.as_ref().unwrap();
        assert_eq!(resolution.text(words), "Request 1 to WeChat: The user has it");
        let event = entries[3].event.as_ref().unwrap();
        assert_eq!((event.colour(), event.text()), ("bad", "4 user refuse".to_owned()));
        assert_eq!(entries[4].state.as_deref(), Some("refused"));
        assert_eq!(entries[5].delivery.as_ref().unwrap().colour(), "bad");
    }
}
