//! The version of a gateway, by its description of the API, compared with the version of this command line.

use std::cmp::Ordering;

use ::http::Method;
use serde_json::Value;

use crate::text::{Text, say};

/// The version of this command line.
pub(crate) const OURS: &str = env!("CARGO_PKG_VERSION");

/// The version in a description of the API.
pub(crate) fn of(description: &Value) -> Option<&str> {
    description["info"]["version"].as_str()
}

/// How a gateway's version compares with the version of this command line, in words; `None` if they are the same.
pub(crate) fn difference(gateway: &str) -> Option<Text> {
    let words = match numbers(gateway).cmp(&numbers(OURS)) {
        Ordering::Equal => return None,
        Ordering::Less => say!("旧", "older than"),
        Ordering::Greater => say!("新", "newer than"),
    };
    Some(say!(
        "网关的版本是 {gateway}，比本程序（{OURS}）{words}",
        "the gateway is version {gateway}, {words} this command line, which is version {OURS}";
        words
    ))
}

/// Whether a gateway has a call. `path` may have a query.
pub(crate) fn serves(description: &Value, method: &Method, path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    let method = method.as_str().to_ascii_lowercase();
    let calls = description["paths"].as_object();
    calls.into_iter().flatten().any(|(template, calls)| is_of(template, path) && calls.get(&method).is_some())
}

/// Whether a path is one of those that a template such as `/v1/apps/{appid}` stands for.
fn is_of(template: &str, path: &str) -> bool {
    let (template, path) = (template.split('/'), path.split('/'));
    template.clone().count() == path.clone().count()
        && template
            .zip(path)
            .all(|(known, part)| known == part || (known.starts_with('{') && !part.is_empty()))
}

fn numbers(version: &str) -> Vec<u64> {
    let release = version.split(['-', '+']).next().unwrap_or_default();
    release.split('.').map(|number| number.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_is_found_by_its_template() {
        let description =
            json!({ "paths": { "/v1/apps/{appid}/pause": { "post": {} }, "/v1/apps": { "get": {} } } });
        assert!(serves(&description, &Method::POST, "/v1/apps/wx1/pause"));
        assert!(serves(&description, &Method::GET, "/v1/apps?x=/v1"));
        for (method, path) in [
            (Method::GET, "/v1/apps/wx1/pause"),
            (Method::POST, "/v1/apps//pause"),
            (Method::GET, "/v1/nodes"),
        ] {
            assert!(!serves(&description, &method, path), "{path}");
        }
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert_eq!(difference(OURS), None);
        assert!(difference("999.0.0").unwrap().en.contains("newer than"));
        assert!(difference("0.0.1-rc.9").unwrap().en.contains("older than"));
        assert_eq!(numbers("1.10.2").cmp(&numbers("1.9.9")), Ordering::Greater);
    }
}
