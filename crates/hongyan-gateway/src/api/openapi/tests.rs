use std::collections::{BTreeMap, BTreeSet};

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use hongyan_clock::Clock;
use serde_json::Value;
use tower::ServiceExt;

use super::finished;
use super::validate::Description;
use crate::api::{calls, router};
use crate::config::Settings;
use crate::service::Gateway;

/// Every call, as it was promised to others. Add freely; rename nothing.
const PROMISED: &[(&str, &str)] = &[
    ("/livez", "get"),
    ("/metrics", "get"),
    ("/mp/{appid}/login", "post"),
    ("/mp/{appid}/permits", "post"),
    ("/readyz", "get"),
    ("/v1/apps", "get"),
    ("/v1/apps", "post"),
    ("/v1/apps/{appid}", "delete"),
    ("/v1/apps/{appid}", "get"),
    ("/v1/apps/{appid}", "patch"),
    ("/v1/events", "get"),
    ("/v1/apps/{appid}/library", "get"),
    ("/v1/apps/{appid}/templates", "get"),
    ("/v1/apps/{appid}/templates", "post"),
    ("/v1/apps/{appid}/templates/{template}", "delete"),
    ("/v1/apps/{appid}/templates/{template}", "get"),
    ("/v1/apps/{appid}/tokens", "delete"),
    ("/v1/apps/{appid}/tokens", "get"),
    ("/v1/apps/{appid}/tokens/{id}", "delete"),
    ("/v1/login", "post"),
    ("/v1/messages", "get"),
    ("/v1/messages", "post"),
    ("/v1/messages/{id}", "delete"),
    ("/v1/messages/{id}", "get"),
    ("/v1/messages/{id}/resolve", "post"),
    ("/v1/messages/{id}/timeline", "get"),
    ("/v1/permits", "get"),
    ("/v1/permits", "post"),
    ("/v1/reach", "get"),
    ("/v1/stats", "get"),
    ("/v1/users/decrypt", "post"),
    ("/v1/webhooks", "get"),
    ("/v1/webhooks", "post"),
    ("/v1/webhooks/{id}", "delete"),
    ("/v1/webhooks/{id}", "get"),
    ("/v1/webhooks/{id}", "patch"),
    ("/v1/webhooks/{id}/deliveries", "get"),
    ("/v1/webhooks/{id}/enable", "post"),
    ("/v1/webhooks/{id}/replay", "post"),
    ("/v1/webhooks/{id}/secret", "post"),
    ("/v1/webhooks/{id}/test", "post"),
];

/// Paths that are for people, or the description itself.
const NOT_CALLS: [&str; 7] =
    ["/", "/console", "/errcodes", "/errcodes/{code}", "/openapi.json", "/problems", "/problems/{code}"];

fn not_a_call(path: &str) -> bool {
    // axum keeps the fallback under a path of its own.
    NOT_CALLS.contains(&path) || path.starts_with("/assets/") || path.contains("__private__axum_fallback")
}

/// The description, as it is served.
pub(in crate::api) fn description() -> Description {
    Description(finished(&calls().into_openapi()))
}

/// Every described call: path and method.
pub(crate) fn described() -> BTreeSet<(String, String)> {
    let Description(description) = description();
    let paths = description["paths"].as_object().unwrap();
    let calls = paths.iter().flat_map(|(path, item)| {
        item.as_object().unwrap().keys().map(move |method| (path.clone(), method.clone()))
    });
    calls.collect()
}

/// A gateway without apps on a database of its own; WeChat is nowhere.
async fn gateway() -> (tempfile::TempDir, Router, Gateway) {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings {
        data_dir: directory.path().to_owned(),
        database: Some(format!("sqlite:{}", directory.path().join("test.db").display())),
        wechat_base_url: "http://127.0.0.1:1".parse().unwrap(),
        ..Settings::default()
    };
    let gateway = Gateway::start(settings, Clock::system()).await.unwrap();
    (directory, router(gateway.context().clone()), gateway)
}

async fn ask(router: &Router, method: Method, path: &str) -> (StatusCode, String) {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[test]
fn every_promised_call_is_described() {
    let described = described();
    for (path, method) in PROMISED {
        assert!(described.contains(&((*path).to_owned(), (*method).to_owned())), "{method} {path}");
    }
}

#[tokio::test]
async fn what_is_described_is_served_and_nothing_else() {
    let (_directory, router, gateway) = gateway().await;
    let described = described();

    // All paths that axum knows, from the only place where it tells: how it prints itself. Should that change, no
    // path is found, and the sets differ.
    let printed = format!("{router:?}");
    let served: BTreeSet<&str> =
        printed.split('"').filter(|text| text.starts_with('/') && !not_a_call(text)).collect();
    let paths: BTreeSet<&str> = described.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(served, paths);

    // Each path takes the methods that are described and no others.
    for path in paths {
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let expected = described.contains(&(path.to_owned(), method.as_str().to_lowercase()));
            let concrete = path
                .replace("{appid}", "wx0123456789abcdef")
                .replace("{id}", "msg_1")
                .replace("{template}", "t");
            let (status, _) = ask(&router, method.clone(), &concrete).await;
            assert_eq!(status != StatusCode::METHOD_NOT_ALLOWED, expected, "{method} {path}: {status}");
        }
    }
    gateway.close(std::time::Duration::from_secs(1)).await;
}

#[tokio::test]
async fn the_description_is_served_as_json_for_version_3_1() {
    let (_directory, router, gateway) = gateway().await;
    let (status, body) = ask(&router, Method::GET, "/openapi.json").await;
    let served: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &served["openapi"]), (StatusCode::OK, &Value::from("3.1.0")));
    assert_eq!(served, description().0);
    gateway.close(std::time::Duration::from_secs(1)).await;
}

#[test]
fn every_call_has_a_name_of_its_own_a_known_family_a_summary_and_refusals() {
    let Description(description) = description();
    let families: Vec<&Value> =
        description["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    let mut names = BTreeMap::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, call) in item.as_object().unwrap() {
            let what = format!("{method} {path}");
            let before = names.insert(call["operationId"].as_str().unwrap().to_owned(), what.clone());
            assert_eq!(before, None, "{what} has the same name");
            assert!(families.contains(&&call["tags"][0]), "{what}: {}", call["tags"]);
            assert!(call["summary"].as_str().is_some_and(|text| text.len() > 10), "{what}");
            assert!(call["description"].as_str().is_some_and(|text| text.len() > 10), "{what}: tell more");
            if path.starts_with("/v1/") {
                assert!(call["security"][0]["api_key"][0].is_string(), "{what}: which scope?");
            }
            assert!(call["security"].is_array(), "{what}: which key, or none?");
            let good =
                call["responses"].as_object().unwrap().iter().filter(|(status, _)| status.starts_with('2'));
            for (status, answer) in good {
                let has_id = answer["headers"]["x-request-id"].is_object();
                assert_eq!(has_id, path.starts_with("/v1/") || path.starts_with("/mp/"), "{what} {status}");
            }
            if path.starts_with("/v1/") || path.starts_with("/mp/") {
                assert_eq!(call["responses"]["4XX"]["$ref"], "#/components/responses/Refusal", "{what}");
                assert_eq!(call["responses"]["5XX"]["$ref"], "#/components/responses/Refusal", "{what}");
            }
        }
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_component_is_used() {
    fn collect(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    found.insert(reference.clone());
                }
                members.values().for_each(|member| collect(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            _ => {}
        }
    }
    let Description(description) = description();
    let mut references = BTreeSet::new();
    collect(&description, &mut references);
    for reference in &references {
        assert!(
            description.pointer(reference.trim_start_matches('#')).is_some(),
            "{reference} leads nowhere"
        );
    }
    for name in description["components"]["schemas"].as_object().unwrap().keys() {
        assert!(references.contains(&format!("#/components/schemas/{name}")), "{name} is not used");
    }
}

/// Every schema of what comes in: bodies, and parameters.
fn incoming(description: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, call) in item.as_object().unwrap() {
            let what = format!("{method} {path}");
            for parameter in call["parameters"].as_array().into_iter().flatten() {
                found.push((format!("{what} {}", parameter["name"]), parameter["schema"].clone()));
            }
            let body = &call["requestBody"]["content"]["application/json"]["schema"];
            if !body.is_null() {
                found.push((what, body.clone()));
            }
        }
    }
    found
}

/// Panics at a text, a list, a number or an object without a bound.
fn assert_bounded(description: &Value, schema: &Value, at: &str, way: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        // WeChat's and the gateway's own words refer to themselves nowhere; this only keeps a mistake from looping.
        assert!(!way.contains(&reference.to_owned()), "{at}: {reference} holds itself");
        way.push(reference.to_owned());
        let target = description.pointer(reference.trim_start_matches('#')).unwrap();
        assert_bounded(description, target, &format!("{at} ({reference})"), way);
        way.pop();
        return;
    }
    for forms in ["oneOf", "anyOf", "allOf"] {
        for form in schema[forms].as_array().into_iter().flatten() {
            assert_bounded(description, form, at, way);
        }
    }
    if schema["enum"].is_array() {
        return;
    }
    let is = |name: &str| {
        schema["type"] == name || schema["type"].as_array().is_some_and(|types| types.contains(&name.into()))
    };
    if is("string") {
        let is_bounded = schema["maxLength"].is_u64()
            || schema["format"] == "date-time"
            || schema["pattern"].as_str().is_some_and(|pattern| pattern.contains('{'));
        assert!(is_bounded, "{at}: a text without a bound: {schema}");
    }
    if is("integer") || is("number") && schema["format"] != Value::Null {
        assert!(
            !schema["minimum"].is_null() && !schema["maximum"].is_null(),
            "{at}: a number without a bound: {schema}"
        );
    }
    if is("array") {
        assert!(schema["maxItems"].is_u64(), "{at}: a list without a bound: {schema}");
        assert_bounded(description, &schema["items"], at, way);
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        assert_bounded(description, member, &format!("{at}.{name}"), way);
    }
    if is("object") {
        let rest = &schema["additionalProperties"];
        let is_bounded =
            *rest == false || schema["maxProperties"].is_u64() || schema["properties"].is_object();
        assert!(is_bounded, "{at}: an object without a bound: {schema}");
        if rest.is_object() {
            assert_bounded(description, rest, at, way);
        }
    }
}

#[test]
fn everything_that_comes_in_has_a_bound() {
    let Description(description) = description();
    let incoming = incoming(&description);
    assert!(incoming.len() > 40, "{}", incoming.len());
    for (what, schema) in incoming {
        assert_bounded(&description, &schema, &what, &mut Vec::new());
    }
}

#[test]
fn names_read_well_in_a_generated_client() {
    let Description(description) = description();
    let vague =
        ["Answer", "Answers", "Request", "Fields", "Then", "Outcome", "Effect", "Totals", "CreateRequest"];
    for name in description["components"]["schemas"].as_object().unwrap().keys() {
        assert!(!vague.contains(&name.as_str()), "{name}");
        let words = name.chars().filter(char::is_ascii_uppercase).count();
        // `MessageRequest` says what is asked for; `ListAnswer` or `CreateRequest` do not.
        let verb = ["List", "Create", "Change", "Test", "Revoke", "Send", "Code"]
            .iter()
            .any(|verb| ["Answer", "Answers", "Request"].iter().any(|end| *name == format!("{verb}{end}")));
        assert!(!verb && words >= 1, "{name} says not of what");
    }
}
