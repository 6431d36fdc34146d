//! What the description says about all calls: which calls need no key, the header of every answer, the links between
//! calls, and the requests to webhooks. Added to the finished document, so that no call can forget it.

use serde_json::{Value, json};
use utoipa::openapi::OpenApi;

use super::{links, webhooks};
use crate::request_id;

/// The name of the header's component.
const REQUEST_ID: &str = "RequestId";

/// The description as it is served.
pub(crate) fn finished(description: &OpenApi) -> Value {
    let mut whole = serde_json::to_value(description).expect("a description is texts, numbers and lists");
    for (path, item) in members(&mut whole["paths"]) {
        let has_id = request_id::is_in_answers(path);
        for (_, call) in members(item) {
            finish(call, has_id);
        }
    }
    let components = &mut whole["components"];
    components["headers"][REQUEST_ID] = json!({
        "description": "Identifies the request in the gateway's log. A valid x-request-id of the request is repeated.",
        "schema": { "type": "string", "pattern": request_id::PATTERN, "examples": ["019a3c5e7b9170018a2b3c4d5e6f7081"] },
    });
    for (_, answer) in members(&mut components["responses"]) {
        // Answers of health calls lack this header, but those calls refuse nothing except a wrong method.
        answer["headers"][request_id::NAME.as_str()] =
            json!({ "$ref": format!("#/components/headers/{REQUEST_ID}") });
    }
    for (name, schema) in webhooks::schemas() {
        components["schemas"][name] = schema;
    }
    whole["webhooks"] = webhooks::all();
    whole
}

fn finish(call: &mut Value, has_id: bool) {
    if call["security"].is_null() {
        call["security"] = json!([]);
    }
    let name = call["operationId"].as_str().unwrap_or_default().to_owned();
    for (status, answer) in members(&mut call["responses"]) {
        if !answer["$ref"].is_null() {
            continue;
        }
        if has_id {
            answer["headers"][request_id::NAME.as_str()] =
                json!({ "$ref": format!("#/components/headers/{REQUEST_ID}") });
        }
        let links = links::of(&name, status);
        if !links.is_empty() {
            answer["links"] = Value::Object(links);
        }
    }
}

fn members(value: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    value.as_object_mut().into_iter().flatten()
}
