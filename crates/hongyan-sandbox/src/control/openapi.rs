//! `GET /_sandbox/openapi.json`: every call of [`CALLS`] as OpenAPI 3.1.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::header;
use serde_json::{Map, Value, json};

use super::calls::{CALLS, Call, SCHEMAS, TYPES};

/// The description, made once.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| description().to_string());

/// `GET /_sandbox/openapi.json`.
pub(super) async fn show() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
}

/// The OpenAPI description of the sandbox's own calls.
pub fn description() -> Value {
    let mut paths = Map::new();
    for call in CALLS {
        let path = paths.entry(call.path).or_insert_with(|| json!({}));
        path[call.method.to_lowercase()] = operation(call);
    }
    let schemas: Map<_, _> =
        SCHEMAS.iter().map(|(name, text)| ((*name).to_owned(), whole_schema(text))).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Hongyan sandbox",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The sandbox's own calls: what users do, what they see, time and faults. WeChat's calls are those \
                            that WeChat documents, at the same host.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [],
        "paths": paths,
        "components": { "schemas": schemas },
    })
}

fn operation(call: &Call) -> Value {
    let mut parameters: Vec<_> = members(call.query)
        .map(|member| {
            let Member { name, is_required, schema, .. } = member;
            json!({ "name": name, "in": "query", "required": is_required, "schema": schema })
        })
        .collect();
    if call.path.contains("{id}") {
        parameters
            .push(json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "integer" } }));
    }
    let media = if call.answer == "=events" { "text/event-stream" } else { "application/json" };
    let words: Vec<_> = call.path.split(['/', '_', '.', '{', '}']).filter(|word| !word.is_empty()).collect();
    let mut operation = json!({
        "operationId": format!("{}_{}", call.method.to_lowercase(), words.join("_")),
        "summary": call.en,
        "parameters": parameters,
        "responses": {
            "200": { "description": "Done.", "content": { media: { "schema": whole_schema(call.answer) } } },
            "4XX": {
                "description": "Refused, in words and with a code for programs.",
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } },
            },
        },
    });
    if !call.body.is_empty() {
        // No body counts as an empty object.
        let is_required = call.body.starts_with('=') || members(call.body).any(|member| member.is_required);
        operation["requestBody"] = json!({
            "required": is_required,
            "content": { "application/json": { "schema": whole_schema(call.body) } },
        });
    }
    operation
}

/// A member of an object, or a parameter.
struct Member {
    name: &'static str,
    is_required: bool,
    schema: Value,
}

fn members(text: &'static str) -> impl Iterator<Item = Member> {
    text.split_whitespace().filter_map(|part| part.split_once(':')).map(|(name, kind)| {
        let is_required = kind.ends_with('!');
        Member { name, is_required, schema: schema(kind.trim_end_matches('!')) }
    })
}

/// The schema of a body or an answer.
pub(super) fn whole_schema(text: &'static str) -> Value {
    if let Some(kind) = text.strip_prefix('=') {
        return schema(kind);
    }
    if let Some(kind) = text.strip_prefix("*:") {
        return json!({ "type": "object", "additionalProperties": schema(kind) });
    }
    let mut properties = Map::new();
    let mut required = Vec::new();
    for Member { name, is_required, schema } in members(text) {
        properties.insert(name.to_owned(), schema);
        if is_required {
            required.push(name);
        }
    }
    json!({ "type": "object", "properties": properties, "required": required })
}

fn schema(kind: &str) -> Value {
    if let Some(kind) = kind.strip_suffix('?') {
        return json!({ "anyOf": [schema(kind), { "type": "null" }] });
    }
    if let Some(kind) = kind.strip_prefix('[').and_then(|kind| kind.strip_suffix(']')) {
        return json!({ "type": "array", "items": schema(kind) });
    }
    if kind.contains('|') {
        let words: Vec<_> = kind.split('|').collect();
        return json!({ "type": "string", "enum": words });
    }
    if kind.starts_with(|first: char| first.is_ascii_uppercase()) {
        return json!({ "$ref": format!("#/components/schemas/{kind}") });
    }
    let known =
        TYPES.iter().find(|(name, _)| *name == kind).and_then(|(_, text)| serde_json::from_str(text).ok());
    known.unwrap_or_else(|| json!({}))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::body::Body;
    use http::Method;

    use super::*;
    use crate::testing::{Platform, json_of};

    #[tokio::test]
    async fn every_route_is_described_and_no_other() {
        let platform = Platform::new();
        let mut routes = BTreeSet::new();
        for (path, _) in crate::control::ROUTES {
            for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
                let asked = format!("/_sandbox{}", path.replace("{id}", "0"));
                let response = platform.ask(method.clone(), &asked, Body::empty()).await;
                // A method that the path does not have is the only cause of a 405.
                if response.status() != http::StatusCode::METHOD_NOT_ALLOWED {
                    routes.insert(format!("{method} /_sandbox{path}"));
                }
            }
        }
        let described: Vec<_> = CALLS.iter().map(|call| format!("{} {}", call.method, call.path)).collect();
        assert_eq!(described.iter().cloned().collect::<BTreeSet<_>>(), routes);
        assert_eq!(described.len(), routes.len(), "each call once");
        let document = platform.get("/_sandbox/openapi.json").await;
        let paths = document["paths"].as_object().unwrap();
        assert_eq!(paths.values().map(|path| path.as_object().unwrap().len()).sum::<usize>(), routes.len());
    }

    /// The names that a refusal of an unknown name lists.
    fn names_in(refusal: &str) -> BTreeSet<String> {
        let (_, listed) = refusal.split_once("expected").unwrap_or_default();
        listed.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn every_parameter_and_every_member_of_a_body_is_described_and_no_other() {
        let platform = Platform::new();
        for call in CALLS.iter().filter(|call| !["=State", "=events"].contains(&call.body)) {
            let method: Method = call.method.parse().unwrap();
            let path = call.path.replace("{id}", "0");
            let described =
                |text| members(text).map(|member| member.name.to_owned()).collect::<BTreeSet<_>>();
            let asked = if call.method == "POST" { path.clone() } else { format!("{path}?unknown_name=1") };
            if call.answer == "=events" || call.query.is_empty() && call.body.is_empty() {
                continue;
            }
            let body = Body::from(r#"{"unknown_name":1}"#);
            let (_, refusal) = json_of(platform.ask(method, &asked, body).await).await;
            let known = names_in(refusal["error"].as_str().unwrap());
            let written = if call.method == "POST" { described(call.body) } else { described(call.query) };
            assert_eq!(written, known, "{} {}: {refusal}", call.method, call.path);
        }
    }

    #[test]
    fn every_type_that_is_named_exists() {
        let texts = CALLS.iter().flat_map(|call| [call.query, call.body, call.answer]);
        for text in texts.chain(SCHEMAS.iter().map(|(_, text)| *text)) {
            for kind in
                text.split_whitespace().map(|part| part.trim_start_matches('=').rsplit(':').next().unwrap())
            {
                let kind =
                    kind.trim_end_matches(['!', '?']).trim_start_matches('[').trim_end_matches([']', '?']);
                let is_known = kind.contains('|')
                    || SCHEMAS.iter().any(|(name, _)| *name == kind)
                    || TYPES
                        .iter()
                        .any(|(name, text)| *name == kind && serde_json::from_str::<Value>(text).is_ok());
                assert!(is_known, "{kind} of {text}");
            }
        }
    }
}
