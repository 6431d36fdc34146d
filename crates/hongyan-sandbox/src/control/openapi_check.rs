//! For tests: whether an answer is as the OpenAPI description says. The helpers of all tests check every answer.

use http::Method;
use serde_json::Value;

use super::calls::{CALLS, Call, SCHEMAS};
use super::openapi::whole_schema;

/// What is wrong with a value by its schema; members that the schema does not name are wrong, too.
fn fault(value: &Value, schema: &Value, at: &str) -> Option<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let (_, text) = SCHEMAS.iter().find(|(known, _)| name.ends_with(&format!("/{known}"))).unwrap();
        return fault(value, &whole_schema(text), at);
    }
    if let Some(either) = schema["anyOf"].as_array() {
        return (!value.is_null()).then(|| fault(value, &either[0], at)).flatten();
    }
    let is_right = match schema["type"].as_str() {
        None => true,
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        Some(other) => panic!("{other}"),
    };
    if !is_right || schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        return Some(format!("{at}: {value} is not {schema}"));
    }
    if let Some(items) = value.as_array() {
        return items.iter().find_map(|item| fault(item, &schema["items"], &format!("{at}[]")));
    }
    let properties = schema["properties"].as_object()?;
    let object = value.as_object()?;
    let missing =
        schema["required"].as_array()?.iter().find(|name| !object.contains_key(name.as_str().unwrap()));
    missing.map(|name| format!("{at}: {name} is missing")).or_else(|| {
        object.iter().find_map(|(name, value)| match properties.get(name) {
            Some(schema) => fault(value, schema, &format!("{at}.{name}")),
            None => Some(format!("{at}.{name} is not described")),
        })
    })
}

fn call_of(method: &str, path: &str) -> Option<&'static Call> {
    let path = path.split('?').next().unwrap();
    let of_id = path.rsplit_once('/').map(|(front, _)| format!("{front}/{{id}}")).unwrap_or_default();
    let find = |path: &str| CALLS.iter().find(|call| call.method == method && call.path == path);
    find(path).or_else(|| find(&of_id))
}

/// Fails if an answer of a call is not as the document describes it.
pub(crate) fn check_answer(method: &Method, path: &str, status: http::StatusCode, answer: &Value) {
    let Some(call) = call_of(method.as_str(), path) else { return };
    let wanted = if status.is_success() { call.answer } else { SCHEMAS[0].1 };
    if let Some(fault) = fault(answer, &whole_schema(wanted), "") {
        panic!("{method} {path} {status}: {fault}");
    }
}
