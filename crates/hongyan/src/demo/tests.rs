//! The demo as its user meets it: over HTTP.

use ::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::*;

fn args(data_dir: Option<&Path>) -> DemoArgs {
    let any = ([127, 0, 0, 1], 0).into();
    DemoArgs {
        sandbox_hosts: Vec::new(),
        listen: any,
        sandbox_listen: any,
        data_dir: data_dir.map(Path::to_owned),
        events: false,
        json: true,
        exit_with_parent: false,
    }
}

async fn ask(url: &str, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
    let api = Api::new(url.parse().unwrap(), "none".into()).unwrap();
    let answer = api.exchange(method, path, &[], body.as_ref()).await.unwrap();
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

/// Calls one endpoint of the sandbox for the demo's user.
async fn phone(demo: &Demo, path: &str, mut body: Value) -> Value {
    body["appid"] = demo.addresses.appid.as_str().into();
    body["openid"] = demo.addresses.openid.as_str().into();
    let (status, answer) = ask(&demo.addresses.sandbox, Method::POST, path, Some(body)).await;
    assert!(status.is_success(), "{path}: {answer}");
    answer
}

/// Calls the back end in the way that the phone calls it.
async fn backend(demo: &Demo, path: &str, body: Value) -> (StatusCode, Value) {
    ask(&demo.addresses.sandbox, Method::POST, &format!("/backend{path}"), Some(body)).await
}

/// Waits until a message is sent.
async fn sent(demo: &Demo, id: &Value) -> Value {
    let api =
        Api::new(demo.addresses.gateway.parse().unwrap(), demo.addresses.api_key.as_str().into()).unwrap();
    loop {
        let path = format!("/v1/messages/{}", id.as_str().unwrap());
        let message = api.call(Method::GET, &path, &[], None).await.unwrap();
        if !["ready", "sending"].contains(&message["state"].as_str().unwrap()) {
            return message;
        }
        tokio::task::yield_now().await;
    }
}

async fn inbox(demo: &Demo) -> Vec<Value> {
    let Addresses { sandbox, appid, openid, .. } = &demo.addresses;
    let path = format!("/_sandbox/inbox?appid={appid}&openid={openid}");
    ask(sandbox, Method::GET, &path, None).await.1.as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_phone_submits_pays_and_subscribes() {
    let demo = Demo::start(&args(None)).await.unwrap();
    let dir = demo.data_dir.path().to_owned();
    let code = phone(&demo, "/_sandbox/login", json!({})).await["code"].clone();
    let (status, login) = backend(&demo, "/onLogin", json!({ "code": code })).await;
    assert_eq!(status, 200, "{login}");
    let session = &login["session"];

    let form = phone(&demo, "/_sandbox/forms", json!({})).await["form_id"].clone();
    let (status, message) =
        backend(&demo, "/template", json!({ "input": "from a form", "formId": form, "session": session }))
            .await;
    assert_eq!(status, 200, "{message}");
    assert_eq!(sent(&demo, &message["id"]).await["state"], "sent");

    let prepay = phone(&demo, "/_sandbox/payments", json!({})).await["prepay_id"].clone();
    let code = phone(&demo, "/_sandbox/login", json!({})).await["code"].clone();
    let (_, message) =
        backend(&demo, "/template", json!({ "input": "from a payment", "prepayId": prepay, "code": code }))
            .await;
    assert_eq!(sent(&demo, &message["id"]).await["state"], "sent");

    let template = &demo.addresses.templates.subscribe;
    phone(&demo, "/_sandbox/subscriptions", json!({ "template_id": template, "result": "accept" })).await;
    let long = "more than twenty characters of text";
    let tap = json!({ "session": session, "template": template, "result": "accept", "input": long });
    let (_, message) = backend(&demo, "/subscribe", tap).await;
    assert_eq!(sent(&demo, &message["id"]).await["state"], "sent");

    let cards = inbox(&demo).await;
    let texts: Vec<_> = cards.iter().map(|card| card["fields"][0]["value"].as_str().unwrap()).collect();
    assert_eq!(texts, ["from a form", "from a payment", "more than twenty cha"]);
    assert_eq!(cards[0]["fields"][0]["color"], "#173177");
    assert_eq!(cards[0]["page"], "pages/index/index?from=card");

    demo.stop().await.unwrap();
    assert!(!dir.exists(), "the temporary directory is removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_back_end_passes_the_gateways_words_on() {
    let demo = Demo::start(&args(None)).await.unwrap();
    let (status, answer) =
        backend(&demo, "/subscribe", json!({ "session": "unknown", "result": "accept" })).await;
    assert_eq!((status.as_u16(), &answer["code"]), (401, &json!("session_unknown")));
    let code = phone(&demo, "/_sandbox/login", json!({})).await["code"].clone();
    let session = backend(&demo, "/onLogin", json!({ "code": code })).await.1["session"].clone();
    let (status, answer) = backend(&demo, "/onLogin", json!({ "code": code })).await;
    assert!(status.is_client_error(), "{answer}");
    assert_eq!(answer["errcode"], 40163, "{answer}");
    let (_, answer) = backend(&demo, "/subscribe", json!({ "session": session, "result": "reject" })).await;
    assert_eq!(answer, json!({ "state": "not_sent" }));
    let mock = json!({ "input": "x", "formId": "the formId is a mock one", "session": session });
    let (status, answer) = backend(&demo, "/template", mock).await;
    assert_eq!((status.as_u16(), &answer["code"]), (422, &json!("mock_form_id")));
    assert_eq!(backend(&demo, "/nothing", json!({})).await.0, 404);
    demo.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_demo_has_the_same_keys_and_cards_next_time() {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::start(&args(Some(dir.path()))).await.unwrap();
    let before = demo.addresses.clone();
    let form = phone(&demo, "/_sandbox/forms", json!({})).await["form_id"].clone();
    let code = phone(&demo, "/_sandbox/login", json!({})).await["code"].clone();
    let (_, message) =
        backend(&demo, "/template", json!({ "input": "kept", "formId": form, "code": code })).await;
    sent(&demo, &message["id"]).await;
    let second = Demo::start(&args(Some(dir.path()))).await;
    let refused = second.map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("another hongyan process"), "{refused}");
    demo.stop().await.unwrap();

    let demo = Demo::start(&args(Some(dir.path()))).await.unwrap();
    assert_eq!(demo.addresses.api_key, before.api_key);
    assert_eq!(demo.addresses.gateway_secret, before.gateway_secret);
    assert_eq!(inbox(&demo).await.len(), 1);
    assert_eq!(sent(&demo, &message["id"]).await["state"], "sent");
    demo.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_events_an_answer_to_the_box_is_granted_and_a_message_is_known_to_be_delivered() {
    let demo = Demo::start(&DemoArgs { events: true, ..args(None) }).await.unwrap();
    let Addresses { gateway, appid, api_key, openid, templates, .. } = demo.addresses.clone();
    let api = Api::new(gateway.parse().unwrap(), api_key.as_str().into()).unwrap();
    let message = json!({
        "app": appid, "to": openid, "template": templates.subscribe, "permit": "wait",
        "data": { "thing1": "Hello", "date2": "2026-05-01", "amount3": "¥18.00" },
    });
    let waiting = api.call(Method::POST, "/v1/messages", &[], Some(&message)).await.unwrap();
    assert_eq!(waiting["state"], "waiting", "{waiting}");
    let accept = json!({ "template_id": templates.subscribe, "result": "accept" });
    phone(&demo, "/_sandbox/subscriptions", accept).await;
    let path = format!("/v1/messages/{}", waiting["id"].as_str().unwrap());
    let delivered = async {
        loop {
            let message = api.call(Method::GET, &path, &[], None).await.unwrap();
            if message["state"] == "delivered" {
                return message;
            }
            assert!(
                ["waiting", "ready", "sending", "sent"].contains(&message["state"].as_str().unwrap()),
                "{message}"
            );
            tokio::task::yield_now().await;
        }
    };
    let message = tokio::time::timeout(std::time::Duration::from_secs(30), delivered).await.unwrap();
    assert_eq!(message["attempt_count"], 1);
    assert_eq!(inbox(&demo).await.len(), 1);
    demo.stop().await.unwrap();
}
