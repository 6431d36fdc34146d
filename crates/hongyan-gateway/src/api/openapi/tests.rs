use std::collections::{BTreeMap, BTreeSet};

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use hongyan_clock::Clock;
use serde_json::Value;
use tower::ServiceExt;

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
    ("/v1/permits", "get"),
    ("/v1/permits", "post"),
    ("/v1/reach", "get"),
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
const NOT_CALLS: [&str; 5] = ["/", "/console", "/errcodes", "/openapi.json", "/problems"];

fn not_a_call(path: &str) -> bool {
    // axum keeps the fallback under a path of its own.
    NOT_CALLS.contains(&path) || path.contains("__private__axum_fallback")
}

/// The description, as it is served.
pub(in crate::api) fn description() -> Description {
    Description(serde_json::to_value(calls().into_openapi()).unwrap())
}

/// Every described call: path and method.
pub(in crate::api) fn described() -> BTreeSet<(String, String)> {
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
        database: format!("sqlite:{}", directory.path().join("test.db").display()),
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
            if path.starts_with("/v1/") {
                assert!(call["security"][0]["api_key"][0].is_string(), "{what}: which scope?");
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
