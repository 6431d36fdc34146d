//! A value for a schema, and a call with curl.

use serde_json::{Map, Value, json};

use super::model::{Api, Call, referred};
use super::schema::alternatives;

/// How deep a value goes. Deeper lists and objects are empty.
const DEEPEST: usize = 8;

/// A value that the schema allows: its own example, or one that is made of the examples of its required members.
pub(crate) fn value(document: &Value, schema: &Value) -> Value {
    of(document, schema, 0)
}

fn of(document: &Value, schema: &Value, depth: usize) -> Value {
    let own = schema.get("example");
    if let Some(own) = own.or_else(|| schema["examples"].get(0)).or_else(|| schema.get("const")) {
        return own.clone();
    }
    if depth > DEEPEST {
        return Value::Null;
    }
    if let Some((_, target)) = referred(document, schema) {
        return of(document, target, depth + 1);
    }
    if let Some(one) = alternatives(schema).0.first() {
        return of(document, one, depth + 1);
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let mut whole = Map::new();
        for part in parts {
            if let Value::Object(part) = of(document, part, depth + 1) {
                whole.extend(part);
            }
        }
        return Value::Object(whole);
    }
    if let Some(first) = schema["enum"].get(0).or_else(|| schema.get("default")) {
        return first.clone();
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap_or_default();
    match kind {
        "object" => object(document, schema, depth),
        "array" => json!([of(document, &schema["items"], depth + 1)]),
        "boolean" => Value::Bool(true),
        "integer" => json!(schema["minimum"].as_i64().unwrap_or(0).max(1)),
        "number" => json!(1.5),
        "string" if schema["format"] == "date-time" => json!("2026-05-01T09:30:00Z"),
        "string" => json!("…"),
        _ => json!({}),
    }
}

fn object(document: &Value, schema: &Value, depth: usize) -> Value {
    let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names = required.iter().filter_map(Value::as_str);
    let member = |name: &str| (name.to_owned(), of(document, &schema["properties"][name], depth + 1));
    let mut members: Map<String, Value> = names.map(member).collect();
    if members.is_empty() && depth == 0 {
        // A change of nothing is no example of a change.
        members.extend(
            schema["properties"].as_object().and_then(|all| all.keys().next()).map(|name| member(name)),
        );
    }
    Value::Object(members)
}

/// The call with curl.
pub(crate) fn curl(api: &Api, call: &Call) -> String {
    let document = &api.document;
    let text = |parameter: &Value| {
        let own = &parameter["example"];
        let value = if own.is_null() { value(document, &parameter["schema"]) } else { own.clone() };
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    };
    let mut path = call.path.clone();
    let mut query = Vec::new();
    for parameter in call.parameters() {
        let name = parameter["name"].as_str().unwrap_or_default();
        match parameter["in"].as_str() {
            Some("path") => path = path.replace(&format!("{{{name}}}"), &text(parameter)),
            Some("query") if parameter["required"] == true => {
                query.push(format!("{name}={}", text(parameter)));
            }
            _ => {}
        }
    }
    if !query.is_empty() {
        path = format!("{path}?{}", query.join("&"));
    }
    let method = if call.method == "GET" { String::new() } else { format!(" -X {}", call.method) };
    let mut lines = vec![format!("curl -s{method} \"{}{path}\"", api.server)];
    match call.credential() {
        Some(("session", _)) => lines.push("-H \"Authorization: Bearer $SESSION\"".to_owned()),
        Some(_) => lines.push("-H \"Authorization: Bearer $KEY\"".to_owned()),
        None => {}
    }
    if let Some(schema) = call.body() {
        lines.push("-H 'Content-Type: application/json'".to_owned());
        let body = format!("{:#}", value(document, schema));
        // A shell takes everything between two single quotes as it is.
        lines.push(format!("-d '{}'", body.replace('\'', "'\\''")));
    }
    lines.join(" \\\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::api;

    fn example(slug: &str, anchor: &str) -> String {
        let api = api(slug).unwrap();
        let call =
            api.groups.iter().flat_map(|group| &group.calls).find(|call| call.anchor == anchor).unwrap();
        curl(api, call)
    }

    #[test]
    fn a_call_with_curl_has_what_the_call_needs() {
        let send = example("gateway", "send_messages");
        assert!(send.starts_with("curl -s -X POST \"$GATEWAY/v1/messages\" \\\n"), "{send}");
        assert!(send.contains("Bearer $KEY") && send.contains("\"app\": \"wx"), "{send}");
        let permits = example("gateway", "list_permits");
        assert!(permits.starts_with("curl -s \"$GATEWAY/v1/permits?"), "{permits}");
        assert!(!example("gateway", "live").contains("Bearer"));
        let login = example("sandbox", "post_sandbox_login");
        assert!(login.contains("\"appid\": \"wx0123456789abcdef\""), "{login}");
    }

    #[test]
    fn no_example_has_a_placeholder_in_its_path() {
        for api in crate::reference::apis() {
            for call in
                api.groups.iter().flat_map(|group| &group.calls).filter(|call| !call.method.is_empty())
            {
                let example = curl(api, call);
                let address = example.lines().next().unwrap();
                assert!(!address.contains(['{', '…']), "{address}");
            }
        }
    }
}
