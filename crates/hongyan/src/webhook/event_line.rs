//! An event of a webhook as one line for people.

use serde_json::Value;

use crate::listing::text;

/// The members of an event's data that tell events apart, in the order of the line.
const TELLING: [&str; 11] =
    ["id", "webhook", "app", "to", "openid", "kind", "name", "state", "code", "reference", "detail"];

/// When, what, and about what.
pub(super) fn line(id: &str, event: &Value) -> String {
    let data = &event["data"];
    let mut words = vec![text(&event["timestamp"]), text(&event["type"]), id.to_owned()];
    words.extend(TELLING.iter().map(|name| text(&data[*name])).filter(|word| !word.is_empty()));
    words.extend(data["reason"]["code"].as_str().map(str::to_owned));
    words.join("  ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_line_says_what_it_is_about() {
        let event = json!({
            "type": "message.failed", "timestamp": "2026-05-01T01:30:00.041Z",
            "data": { "id": "msg_1", "app": "wx1", "to": "o1", "state": "failed", "reason": { "code": "no_permit" } },
        });
        assert_eq!(
            line("whe_1", &event),
            "2026-05-01T01:30:00.041Z  message.failed  whe_1  msg_1  wx1  o1  failed  no_permit"
        );
    }
}
