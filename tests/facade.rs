//! An existing back end moves to the gateway by changing the host: WeChat's own calls, answered in WeChat's format.

use std::process::Stdio;

use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::world::World;

impl World {
    pub async fn facade_token(&self) -> String {
        let (appid, secret) = (&self.wechat.seed.appid, &self.gateway_secret);
        let path = format!("/cgi-bin/token?grant_type=client_credential&appid={appid}&secret={secret}");
        let answer = self.get(&path).await.expect(200);
        assert_eq!(answer["expires_in"], 7200);
        answer["access_token"].as_str().unwrap().to_owned()
    }

    async fn facade_send(&self, path: &str, token: &str, body: Value) -> Value {
        self.post(&format!("{path}?access_token={token}"), body).await.expect(200)
    }
}

fn data() -> Value {
    json!({ "keyword1": { "value": "facade" }, "keyword2": { "value": "b" }, "keyword3": { "value": "c" } })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_go_out_in_time_is_withdrawn_and_the_next_one_goes_on() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let token = world.facade_token().await;
    let path = "/cgi-bin/message/wxopen/template/send";
    let body = json!({
        "touser": user,
        "template_id": world.wechat.seed.legacy_template,
        "form_id": world.wechat.form(&user).await,
        "data": data(),
    });
    world.wechat.chaos(json!({ "path": path, "kind": "errcode", "errcode": 45009, "times": 1 })).await;
    let refused = world.facade_send(path, &token, body).await;
    assert_eq!(refused["errcode"], 45009, "WeChat's errcode: {refused}");
    let listed = world.get("/v1/messages").await.expect(200);
    assert_eq!(listed["messages"][0]["state"], "cancelled", "a refused message is not sent tomorrow");
    assert!(world.wechat.inbox(&user).await.is_empty());

    // While the app is paused, WeChat is not asked again, and the answer says why.
    let asked = world.wechat.asked(path).await;
    let body = json!({
        "touser": user,
        "template_id": world.wechat.seed.legacy_template,
        "form_id": world.wechat.form(&user).await,
        "data": data(),
    });
    assert_eq!(world.facade_send(path, &token, body).await["errcode"], 45009);
    assert_eq!(world.wechat.asked(path).await, asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_send_brings_its_form_id_and_is_a_message_like_any_other() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let token = world.facade_token().await;
    let body = json!({
        "touser": user,
        "template_id": world.wechat.seed.legacy_template,
        "form_id": world.wechat.form(&user).await,
        "page": "pages/index/index",
        "data": data(),
    });
    let path = "/cgi-bin/message/wxopen/template/send";
    let with_token = format!("{path}?access_token={token}");
    let answer =
        world.call(Method::POST, &with_token, &[("x-request-id", "order-9")], body.to_string()).await;
    assert!(!answer.headers.contains_key("x-request-id"), "WeChat's answers have no such header");
    assert_eq!(answer.expect(200)["errcode"], 0);
    assert_eq!(world.wechat.texts(&user).await, ["facade"]);
    assert_eq!(world.totals(&user).await["spent"], 1);
    let listed = world.get("/v1/messages").await.expect(200);
    assert_eq!(listed["messages"][0]["state"], "sent");
    let id = listed["messages"][0]["id"].as_str().unwrap();
    assert_eq!(world.message(id).await["request_id"], "order-9");
    // The same form id again is answered as by WeChat.
    let again = world.facade_send(path, &token, body).await;
    assert_eq!(again["errcode"], 41029);
    assert!(again["errmsg"].as_str().unwrap().contains("rid:"));
    assert_eq!(world.wechat.texts(&user).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscribe_send_uses_a_permit_or_goes_out_without_one() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let token = world.facade_token().await;
    let path = "/cgi-bin/message/subscribe/send";
    let body = |text: &str| {
        json!({
            "touser": user,
            "template_id": world.wechat.seed.subscribe_template,
            "data": { "thing1": { "value": text }, "date2": { "value": "2026-05-01" }, "amount3": { "value": "¥1" } },
        })
    };
    assert_eq!(world.facade_send(path, &token, body("none")).await["errcode"], 43101);
    world.wechat.subscribe(&user, "accept").await;
    assert_eq!(world.facade_send(path, &token, body("untold")).await["errcode"], 0);
    world.grant_subscription(&user).await;
    assert_eq!(world.facade_send(path, &token, body("told")).await["errcode"], 0);
    assert_eq!(world.totals(&user).await["spent"], 1);
    assert_eq!(world.wechat.texts(&user).await, ["untold", "told"]);
    // WeChat's own refusals are passed on unchanged.
    let mut wrong = body("x");
    wrong["data"]["date2"]["value"] = json!("someday");
    world.grant_subscription(&user).await;
    let refused = world.facade_send(path, &token, wrong).await;
    assert_eq!(refused["errcode"], 47003);
    assert!(refused["errmsg"].as_str().unwrap().contains("date2"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_the_gateways_own() {
    let world = World::start().await;
    let (appid, secret) = (&world.wechat.seed.appid, &world.gateway_secret);
    let first = world.facade_token().await;
    let stable = json!({ "grant_type": "client_credential", "appid": appid, "secret": secret });
    let second = world.post("/cgi-bin/stable_token", stable).await.expect(200)["access_token"].clone();
    assert!(first.starts_with("hyt_") && second.as_str().unwrap().starts_with("hyt_"));
    // Fetching a token does not invalidate the other token, and both can list the templates.
    for token in [first.as_str(), second.as_str().unwrap()] {
        let list = world.get(&format!("/wxaapi/newtmpl/gettemplate?access_token={token}")).await.expect(200);
        assert_eq!(list["errcode"], 0, "{list}");
        assert!(!list["data"].as_array().unwrap().is_empty());
    }
    // A call that is passed on also replaces an invalid token.
    world.wechat.control("tokens/rotate", json!({})).await;
    let list = world.get(&format!("/wxaapi/newtmpl/gettemplate?access_token={first}")).await.expect(200);
    assert_eq!(list["errcode"], 0, "{list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_refused_in_wechats_form() {
    let world = World::start().await;
    let (appid, real) = (&world.wechat.seed.appid, &world.wechat.seed.app_secret);
    let token = |query: String| {
        let world = &world;
        async move { world.get(&format!("/cgi-bin/token?{query}")).await.expect(200)["errcode"].clone() }
    };
    let kind = "grant_type=client_credential";
    assert_eq!(token(format!("{kind}&appid={appid}&secret=wrong")).await, 40125);
    assert_eq!(
        token(format!("{kind}&appid={appid}&secret={real}")).await,
        40125,
        "the facade does not accept the real secret"
    );
    assert_eq!(token(format!("{kind}&appid=wxffffffffffffffff&secret=x")).await, 40013);
    assert_eq!(token(format!("{kind}&appid={appid}")).await, 41004);
    assert_eq!(token(format!("grant_type=x&appid={appid}&secret=x")).await, 40002);
    for path in ["/wxaapi/newtmpl/gettemplate", "/cgi-bin/anything", "/wxa/checksession"] {
        assert_eq!(world.get(path).await.expect(200)["errcode"], 41001, "{path}");
        assert_eq!(
            world.get(&format!("{path}?access_token=x")).await.expect(200)["errcode"],
            40001,
            "{path}"
        );
    }
    assert_eq!(world.get("/cgi-bin/message/subscribe/send").await.expect(200)["errcode"], 43002);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_through_the_facade_answers_as_wechat_does() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let code = world.wechat.login_code(&user).await;
    let (appid, secret) = (&world.wechat.seed.appid, &world.gateway_secret);
    let path = format!(
        "/sns/jscode2session?appid={appid}&secret={secret}&js_code={code}&grant_type=authorization_code"
    );
    let answer = world.get(&path).await.expect(200);
    assert_eq!(answer["openid"], user);
    assert!(answer["session_key"].is_string());
    let again = world.get(&path).await.expect(200);
    assert_eq!(again["errcode"], 40163, "a code works once: {again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_key_with_the_scope_opens_the_facade_of_every_app() {
    let world = World::start().await;
    let token = async |secret: &str| {
        let appid = &world.wechat.seed.appid;
        let path = format!("/cgi-bin/token?grant_type=client_credential&appid={appid}&secret={secret}");
        world.get(&path).await.expect(200)
    };
    let narrow = world.new_key(hongyan_gateway::keys::Scope::Messages).await;
    assert_eq!(token(&narrow).await["errcode"], 40125);
    let wide = world.new_key(hongyan_gateway::keys::Scope::Facade).await;
    assert!(token(&wide).await["access_token"].as_str().unwrap().starts_with("hyt_"));
}

/// A script that prints its address, and is killed at the end of the test.
struct Script {
    url: String,
    _child: Child,
}

async fn run(program: &str, file: &str, env: &[(&str, &str)]) -> Script {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let mut child = Command::new(program)
        .arg(format!("{root}/{file}"))
        .envs(env.iter().copied())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{program} did not start: {error}"));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = loop {
        let line = lines.next_line().await.unwrap().expect("the script ended before it listened");
        if let Some(at) = line.find("http://") {
            break line[at..].trim().to_owned();
        }
    };
    Script { url, _child: child }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tutorials_script_runs_unchanged_but_for_its_host() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let env = [
        ("WECHAT_HOST", world.url.as_str()),
        ("APPID", &world.wechat.seed.appid),
        ("SECRET", &world.gateway_secret),
        ("TEMPLATE_ID", &world.wechat.seed.legacy_template),
        ("PORT", "0"),
    ];
    let script = run("node", "examples/tutorial-facade/server.js", &env).await;
    let http = &world.wechat.http;
    let body = json!({
        "input": "typed in the tutorial",
        "formId": world.wechat.form(&user).await,
        "code": world.wechat.login_code(&user).await,
    });
    let answer = http.post(&format!("{}/template", script.url), &body).await;
    assert!(answer.status.is_success(), "{answer:?}");
    assert_eq!(world.wechat.texts(&user).await, ["typed in the tutorial"]);
    assert_eq!(world.totals(&user).await["spent"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_back_ends_behave_alike() {
    let world = World::start().await;
    for (program, file) in [("node", "examples/node/backend.mjs"), ("python3", "examples/python/backend.py")]
    {
        let user = world.wechat.user().await;
        let env = [
            ("HONGYAN_URL", world.url.as_str()),
            ("HONGYAN_API_KEY", &world.key),
            ("APPID", &world.wechat.seed.appid),
            ("LEGACY_TEMPLATE", &world.wechat.seed.legacy_template),
            ("SUBSCRIBE_TEMPLATE", &world.wechat.seed.subscribe_template),
            ("PORT", "0"),
        ];
        let script = run(program, file, &env).await;
        let http = &world.wechat.http;
        let code = world.wechat.login_code(&user).await;
        let login = http.post(&format!("{}/onLogin", script.url), &json!({ "code": code })).await.expect(200);
        let session = login["session"].as_str().unwrap();
        let form = json!({ "input": "typed", "formId": world.wechat.form(&user).await, "session": session });
        let sent = http.post(&format!("{}/template", script.url), &form).await;
        assert!(sent.status.is_success(), "{file}: {sent:?}");
        world.settled(&sent.text("id")).await;
        world.wechat.subscribe(&user, "accept").await;
        let template = &world.wechat.seed.subscribe_template;
        let tap = json!({ "session": session, "template": template, "result": "accept" });
        let sent = http.post(&format!("{}/subscribe", script.url), &tap).await;
        assert!(sent.status.is_success(), "{file}: {sent:?}");
        world.settled(&sent.text("id")).await;
        let texts = world.wechat.texts(&user).await;
        assert_eq!((texts.len(), texts[0].as_str()), (2, "typed"), "{file}");
        let lines = std::fs::read_to_string(format!("{}/../../{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert!(lines.lines().count() <= 60, "{file} must stay short");
        let problem = http
            .post(
                &format!("{}/template", script.url),
                &json!({ "input": "x", "formId": "the formId is a mock one", "session": session }),
            )
            .await;
        assert_eq!(problem.body["code"], "mock_form_id", "{file}: the gateway's text is passed on");
    }
}
