//! Every invalid input gets a clear problem with a stable code, and changes nothing.

use http::Method;
use serde_json::{Value, json};

use crate::world::{Answer, World};

async fn raw(world: &World, body: &str) -> Answer {
    world.call(Method::POST, "/v1/messages", &[], body.to_owned()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_cannot_be_read_is_explained() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let good = world.legacy(&user, "x");
    let with = |field: &str, value: Value| {
        let mut message = good.clone();
        message[field] = value;
        message
    };

    raw(&world, "{not json").await.problem(400, "malformed_json");
    raw(&world, "").await.problem(400, "malformed_json");
    let typed = [("content-type", "text/plain")];
    world
        .call(Method::POST, "/v1/messages", &typed, good.to_string())
        .await
        .problem(415, "unsupported_media_type");
    raw(&world, "[1,2]").await.problem(422, "invalid_field");
    let values = format!("[{}]", vec!["null"; 40].join(","));
    raw(&world, &values).await.problem(422, "invalid_field");
    let pause = format!("/v1/apps/{}/pause", world.wechat.seed.appid);
    world.call(Method::POST, &pause, &[], "[null,null]").await.problem(422, "invalid_field");
    world
        .call(Method::PATCH, pause.trim_end_matches("/pause"), &[], r#"{"callback":["abc",null]}"#)
        .await
        .problem(422, "invalid_field");

    let mut missing = good.clone();
    missing.as_object_mut().unwrap().remove("template");
    let problem = world.post("/v1/messages", missing).await;
    assert_eq!(problem.problem(422, "missing_field")["field"], "template");
    let problem = world.post("/v1/messages", with("sendat", json!("x"))).await;
    assert_eq!(problem.problem(422, "unknown_field")["field"], "sendat");
    let problem = world.post("/v1/messages", with("page", json!(7))).await.problem(422, "invalid_field");
    assert!(problem["detail"].as_str().unwrap().contains("string"), "{problem}");
    let problem =
        world.post("/v1/messages", with("send_at", json!("tomorrow"))).await.problem(422, "invalid_field");
    assert!(problem["detail"].as_str().unwrap().contains("RFC 3339"), "{problem}");

    assert_eq!(world.messages().await, 0, "nothing was accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_is_named() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let with = |field: &str, value: &str| {
        let mut message = world.legacy(&user, "x");
        message[field] = json!(value);
        message
    };
    world.post("/v1/messages", with("app", "wxffffffffffffffff")).await.problem(404, "unknown_app");
    world.post("/v1/messages", with("template", "nonesuch")).await.problem(422, "unknown_template");
    let problem =
        world.post("/v1/messages", with("to", "not an openid!")).await.problem(422, "invalid_field");
    assert_eq!(problem["field"], "to");
    world.get("/v1/permits?app=wxffffffffffffffff&openid=o1").await.problem(404, "unknown_app");
    world.get("/v1/apps/wxffffffffffffffff").await.problem(404, "unknown_app");
    world.get("/v1/nothing").await.problem(404, "not_found");
    world.get("/v1/messages?limit=0").await.problem(422, "invalid_field");
    world.get("/v1/messages?colour=red").await.problem(422, "unknown_field");
    world.delete("/v1/messages").await.problem(405, "method_not_allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_breaks_its_rule_is_named_with_the_rule() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_subscription(&user).await;
    let cases = [
        ("thing1", json!("123456789012345678901"), "20"),
        ("date2", json!("soon"), "date"),
        ("amount3", json!("a lot"), "¥100.5"),
    ];
    for (field, value, word) in cases {
        let mut message = world.subscribe(&user, "x");
        message["data"][field] = value;
        let problem = world.post("/v1/messages", message).await.problem(422, "invalid_field");
        assert_eq!(problem["field"], format!("data.{field}"));
        let detail = problem["detail"].as_str().unwrap().to_lowercase();
        assert!(detail.contains(word), "{field}: {detail}");
        assert!(problem["rule_zh"].is_string());
    }
    let mut missing = world.subscribe(&user, "x");
    missing["data"].as_object_mut().unwrap().remove("date2");
    assert_eq!(
        world.post("/v1/messages", missing).await.problem(422, "invalid_field")["field"],
        "data.date2"
    );
    let mut extra = world.subscribe(&user, "x");
    extra["data"]["thing9"] = json!("?");
    assert_eq!(world.post("/v1/messages", extra).await.problem(422, "invalid_field")["field"], "data.thing9");
    let mut page = world.subscribe(&user, "x");
    page["page"] = json!("/pages/index");
    assert_eq!(world.post("/v1/messages", page).await.problem(422, "invalid_field")["field"], "page");
    assert_eq!(world.totals(&user).await["available"], 1, "the permit was not touched");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_is_refused_with_its_limit() {
    let world = World::start_with(|settings| settings.max_body_bytes = 600_000).await;
    let user = world.wechat.user().await;
    let messages = vec![world.legacy(&user, "x"); 1_001];
    let problem =
        world.post("/v1/messages", json!({ "messages": messages })).await.problem(422, "invalid_field");
    assert_eq!(problem["field"], "messages");
    assert!(problem["detail"].as_str().unwrap().contains("1000"), "{problem}");
    world.post("/v1/messages", json!({ "messages": [] })).await.problem(422, "invalid_field");
    let huge = format!("{{\"app\":\"{}\"}}", "x".repeat(700_000));
    raw(&world, &huge).await.problem(413, "body_too_large");
    assert_eq!(world.messages().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_item_of_a_batch_does_not_hurt_its_neighbours() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_form(&user).await;
    let mut bad = world.legacy(&user, "bad");
    bad["template"] = json!("nonesuch");
    let batch = json!({ "messages": [bad, world.legacy(&user, "good"), { "app": 1 }] });
    let answer = world.post("/v1/messages?wait=10", batch).await.expect(202);
    assert_eq!((&answer["accepted"], &answer["refused"]), (&json!(1), &json!(2)));
    assert_eq!(answer["messages"][0]["error"]["code"], "unknown_template");
    assert_eq!(answer["messages"][1]["state"], "sent");
    assert!(answer["messages"][2]["error"]["code"].is_string());
    assert_eq!(world.wechat.texts(&user).await, ["good"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_not_json_is_located_like_a_single_message() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let good = world.legacy(&user, "x").to_string();
    let post = async |path: &str, body: &[u8]| {
        let typed = [("content-type", "application/json")];
        world.call(Method::POST, path, &typed, body.to_vec()).await.problem(400, "malformed_json")
    };
    for (path, name) in [("/v1/messages", "messages"), ("/v1/permits", "permits")] {
        let broken: [(&str, Vec<u8>); 4] = [
            ("a trailing comma", format!("{good},").into_bytes()),
            ("a raw line break", good.replacen('x', "x\ny", 1).into_bytes()),
            (
                "bad UTF-8",
                good.replacen('x', "?", 1).bytes().map(|b| if b == b'?' { 0xff } else { b }).collect(),
            ),
            ("broken off", good.as_bytes()[..good.len() - 9].to_vec()),
        ];
        for (what, item) in broken {
            // A list that breaks off has no end. The other lists are closed.
            let end: &[u8] = if what == "broken off" { b"" } else { b"]}" };
            let batch = [format!("{{\"{name}\":[\n").as_bytes(), &item, end].concat();
            let problem = post(path, &batch).await;
            assert!(problem["line"].as_u64() >= Some(2), "{what}: {problem}");
            assert!(problem["column"].is_u64(), "{what}: {problem}");
            let single = post(path, &item).await;
            assert!(single["line"].is_u64() && single["column"].is_u64(), "{what}: {single}");
        }
    }
    assert_eq!(world.messages().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_an_emoji_is_refused_alone() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    for _ in 0..2 {
        world.grant_form(&user).await;
    }
    let item = |text: &str| world.legacy(&user, text).to_string();
    let half = item("b HALF").replace("HALF", "\\ud83d");
    let batch = format!("{{\"messages\":[{},{half},{}]}}", item("first"), item("third"));
    let answer = world.call(Method::POST, "/v1/messages?wait=10", &[], batch).await.expect(202);
    assert_eq!((&answer["accepted"], &answer["refused"]), (&json!(2), &json!(1)), "{answer}");
    assert_eq!(answer["messages"][1]["error"]["code"], "malformed_json", "{answer}");
    assert_eq!(answer["messages"][1]["error"]["field"], "data.keyword1", "{answer}");
    assert_eq!(world.wechat.texts(&user).await, ["first", "third"]);
    raw(&world, &half).await.problem(400, "malformed_json");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_stands_twice_is_refused_wherever_it_stands() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let good = world.legacy(&user, "x").to_string();
    let twice = [
        ("app", good.replacen('{', "{\"app\":\"wx1\",", 1)),
        ("data.keyword1", good.replacen("\"data\":{", "\"data\":{\"keyword1\":\"y\",", 1)),
        (
            "data.keyword9.value",
            good.replacen("\"data\":{", "\"data\":{\"keyword9\":{\"value\":\"y\",\"value\":\"z\"},", 1),
        ),
    ];
    for (field, body) in twice {
        let problem = raw(&world, &body).await.problem(422, "duplicate_field");
        assert_eq!(problem["field"], field, "{body}");
        let batch = format!("{{\"messages\":[{body}]}}");
        let answer = raw(&world, &batch).await.expect(202);
        let error = &answer["messages"][0]["error"];
        assert_eq!((&error["code"], &error["field"]), (&json!("duplicate_field"), &json!(field)), "{batch}");
        let validated = world.call(Method::POST, "/v1/messages?validate=true", &[], body.clone()).await;
        validated.problem(422, "duplicate_field");
    }
    let permit = "{\"app\":\"a\",\"openid\":\"o\",\"kind\":\"form\",\"code\":\"f\",\"code\":\"g\"}";
    let typed = [("content-type", "application/json")];
    for body in [permit.to_owned(), format!("{{\"permits\":[],\"permits\":[{permit}]}}")] {
        world.call(Method::POST, "/v1/permits", &typed, body).await.problem(422, "duplicate_field");
    }
    let app = "{\"appid\":\"wx1\",\"secret\":\"s\",\"callback\":{\"token\":\"abc\",\"token\":\"abd\"}}";
    let problem = world.call(Method::POST, "/v1/apps", &typed, app).await.problem(422, "duplicate_field");
    assert_eq!(problem["field"], "callback.token");
    let key = [("idempotency-key", "one"), ("idempotency-key", "two")];
    let problem = world.call(Method::POST, "/v1/messages", &key, good).await.problem(400, "duplicate_header");
    assert_eq!(problem["field"], "Idempotency-Key");
    assert_eq!(world.messages().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_open_what_their_scopes_say() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let message = world.legacy(&user, "x").to_string();
    let post = |authorization: String| {
        let message = message.clone();
        let world = &world;
        async move {
            world.call(Method::POST, "/v1/messages", &[("authorization", &authorization)], message).await
        }
    };
    post(String::new()).await.problem(401, "unauthorized");
    post("Basic abc".into()).await.problem(401, "unauthorized");
    post("Bearer hyk_wrong".into()).await.problem(401, "unauthorized");
    let narrow = world.new_key(hongyan_gateway::keys::Scope::Permits).await;
    let problem = post(format!("Bearer {narrow}")).await.problem(403, "forbidden");
    assert!(problem["detail"].as_str().unwrap().contains("messages"), "{problem}");
    let wide = world.new_key(hongyan_gateway::keys::Scope::Messages).await;
    post(format!("Bearer {wide}")).await.expect(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_never_come_back() {
    let world = World::start().await;
    let appid = &world.wechat.seed.appid;
    for path in ["/v1/apps".to_owned(), format!("/v1/apps/{appid}"), "/metrics".to_owned()] {
        let text = world.get(&path).await.text;
        assert!(!text.contains(&world.wechat.seed.app_secret), "{path}");
        assert!(!text.contains(&world.gateway_secret), "{path}");
    }
    let again = json!({ "appid": appid, "secret": world.wechat.seed.app_secret });
    let problem = world.post("/v1/apps", again).await.problem(409, "app_exists");
    assert!(!problem.to_string().contains(&world.wechat.seed.app_secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permit_that_makes_no_sense_is_refused() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let (appid, template) = (&world.wechat.seed.appid, &world.wechat.seed.subscribe_template);
    let legacy = &world.wechat.seed.legacy_template;
    let cases = [
        (json!({ "kind": "form", "code": "the formId is a mock one" }), "mock_form_id", "code"),
        (json!({ "kind": "form" }), "invalid_field", "code"),
        (json!({ "kind": "form", "code": "f", "count": 2 }), "invalid_field", "count"),
        (json!({ "kind": "payment", "code": "p", "count": 4 }), "invalid_field", "count"),
        (json!({ "kind": "subscribe_once" }), "invalid_field", "template"),
        (json!({ "kind": "subscribe_once", "template": legacy }), "invalid_field", "template"),
        (json!({ "kind": "subscribe_once", "template": template, "code": "c" }), "invalid_field", "code"),
        (json!({ "kind": "carrier_pigeon", "code": "c" }), "invalid_field", "kind"),
    ];
    for (mut permit, code, field) in cases {
        permit["app"] = json!(appid);
        permit["openid"] = json!(user);
        let problem = world.post("/v1/permits", permit.clone()).await.problem(422, code);
        assert_eq!(problem["field"], field, "{permit}: {problem}");
    }
    assert_eq!(world.totals(&user).await["granted"], 0);
}

impl World {
    /// How many messages the gateway has.
    async fn messages(&self) -> usize {
        self.get("/v1/messages?limit=1000").await.expect(200)["messages"].as_array().unwrap().len()
    }
}
