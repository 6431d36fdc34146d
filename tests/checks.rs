//! The checks before a message is accepted, and how a caller runs them without sending.

use serde_json::{Value, json};

use crate::world::World;

fn codes(answer: &Value) -> Vec<&str> {
    answer["warnings"].as_array().unwrap().iter().map(|warning| warning["code"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_wrong_is_told_at_once_in_two_languages() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let mut message = world.subscribe(&user, &"长".repeat(21));
    message["data"]["date2"] = json!("soon");
    message["page"] = json!("/pages/index");
    let problem = world.post("/v1/messages", message).await.problem(422, "invalid_field");
    let errors = problem["errors"].as_array().unwrap();
    let fields: Vec<&str> = errors.iter().map(|error| error["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["page", "data.thing1", "data.date2"]);
    assert_eq!(errors[1]["value"], "长".repeat(21));
    assert!(errors[1]["detail"].as_str().unwrap().contains("21 characters, 20 are allowed"), "{problem}");
    assert!(errors[1]["detail_zh"].as_str().unwrap().contains("现有 21 个字符，最多 20 个"), "{problem}");
    assert!(
        errors.iter().all(|error| error["rule"].is_string() && error["rule_zh"].is_string()),
        "{problem}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn validating_stores_nothing_and_touches_no_permit_and_no_key() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let message = || world.subscribe(&user, "Latte");
    let path = "/v1/messages?validate=true";
    let key = [("idempotency-key", "order-1")];
    let ask = async |path: &str| world.call(http::Method::POST, path, &key, message().to_string()).await;
    let without = ask(path).await.expect(200);
    assert_eq!(without["valid"], true);
    assert_eq!(codes(&without), ["no_permit"]);
    world.grant_subscription(&user).await;
    let with = ask(path).await.expect(200);
    assert_eq!(with, json!({ "valid": true, "warnings": [] }));
    let path_of_all = format!("/v1/messages?app={}", world.wechat.seed.appid);
    assert_eq!(world.get(&path_of_all).await.expect(200)["messages"], json!([]));
    assert_eq!(world.totals(&user).await["available"], 1);
    // The key is still unused.
    let sent = ask("/v1/messages?wait=15").await.expect(202);
    assert_eq!((&sent["state"], sent.get("replayed")), (&json!("sent"), None), "{sent}");
    // The refusals are the same as for sending.
    let wrong = world.subscribe(&user, "");
    let refused = world.post(path, wrong.clone()).await.problem(422, "invalid_field");
    assert_eq!(refused, world.post("/v1/messages", wrong).await.problem(422, "invalid_field"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_validated_one_by_one_and_a_pause_is_a_warning() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_subscription(&user).await;
    world.post(&format!("/v1/apps/{}/pause", world.wechat.seed.appid), json!({})).await.expect(200);
    let batch =
        json!({ "messages": [world.subscribe(&user, "Latte"), world.subscribe(&user, ""), { "app": 1 }] });
    let answer = world.post("/v1/messages?validate=true", batch).await.expect(200);
    assert_eq!((&answer["valid"], &answer["refused"]), (&json!(1), &json!(2)));
    assert_eq!(codes(&answer["messages"][0]), ["app_paused"]);
    assert_eq!(answer["messages"][1]["error"]["errors"][0]["field"], "data.thing1");
    assert!(answer["messages"][2]["error"]["code"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_is_too_long_is_cut_for_who_wants_that() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let text = "拿铁咖啡一杯，少冰，半糖，请尽快到朝阳门店领取";
    let cut = format!("{}…", text.chars().take(19).collect::<String>());
    let ask = |truncate: Option<bool>| {
        let mut message = world.subscribe(&user, text);
        if let Some(truncate) = truncate {
            message["truncate"] = truncate.into();
        }
        message
    };
    world.grant_subscription(&user).await;
    world.grant_subscription(&user).await;
    world.post("/v1/messages", ask(None)).await.problem(422, "invalid_field");
    let sent = world.post("/v1/messages?wait=15", ask(Some(true))).await.expect(202);
    assert_eq!((&sent["state"], codes(&sent)), (&json!("sent"), vec!["shortened"]), "{sent}");
    assert_eq!(sent["warnings"][0]["field"], "data.thing1");
    // The app's default, and a message that overrides it.
    let path = format!("/v1/apps/{}", world.wechat.seed.appid);
    let change = json!({ "truncate": true }).to_string();
    assert_eq!(world.call(http::Method::PATCH, &path, &[], change).await.expect(200)["truncate"], true);
    world.post("/v1/messages?wait=15", ask(None)).await.expect(202);
    world.post("/v1/messages", ask(Some(false))).await.problem(422, "invalid_field");
    assert_eq!(world.wechat.texts(&user).await, [cut.clone(), cut]);
    // A field that must not be shortened is refused all the same.
    let mut sum = world.subscribe(&user, "x");
    sum["data"]["amount3"] = json!("¥123456789012.00");
    let problem = world.post("/v1/messages", sum).await.problem(422, "invalid_field");
    assert_eq!(problem["field"], "data.amount3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_large_as_a_whole_is_refused() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let lines: Vec<String> = (1..=30).map(|n| format!("栏{n}:{{{{keyword{n}.DATA}}}}")).collect();
    let content = lines.join("\n");
    let body = json!({ "family": "legacy", "title": "很多栏", "content": content });
    let template = world.wechat.control("templates", body).await["template_id"].clone();
    let message = |text: &str| {
        let data: serde_json::Map<String, Value> =
            (1..=30).map(|n| (format!("keyword{n}"), text.into())).collect();
        json!({ "app": world.wechat.seed.appid, "to": user, "template": template, "data": data })
    };
    let path = "/v1/messages?validate=true";
    world.post(path, message("短")).await.expect(200);
    let problem = world.post(path, message(&"好".repeat(200))).await.problem(422, "invalid_field");
    assert_eq!(problem["field"], "data");
    assert!(problem["detail"].as_str().unwrap().contains("16384"), "{problem}");
}
