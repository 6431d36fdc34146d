//! The log tells the story: the start, each change with who made it, each request, the stop.

use std::process::Stdio;

use hongyan_clock::Clock;
use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use crate::process::{create_key, hongyan};
use crate::webhooks::receiver::Receiver;
use crate::world::{Answer, Http, PATIENCE, Platform};

/// A gateway in its own process whose log is read.
struct Logged {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
    url: String,
    bearer: String,
}

impl Logged {
    /// Starts a gateway without `--json`, whose address is in its log. Also returns the line of the start.
    async fn start(dir: &std::path::Path, wechat: &str, log: &str) -> (Self, Value) {
        let bearer = format!("Bearer {}", create_key(dir).await);
        let mut command = hongyan(&["serve", "--listen", "127.0.0.1:0"]);
        command
            .env("HONGYAN_DATA_DIR", dir)
            .env("HONGYAN_WECHAT_BASE_URL", wechat)
            .env("HONGYAN_NODE_ID", "node-7")
            .env("HONGYAN_LOG", log)
            .env("HONGYAN_WEBHOOK_ALLOW_HTTP", "true")
            .env("HONGYAN_WEBHOOK_ALLOW_PRIVATE", "true")
            .current_dir(dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut logged = Self { child, lines, url: String::new(), bearer };
        let started = logged.line(|line| line["message"] == "started").await;
        started["gateway"].as_str().unwrap().clone_into(&mut logged.url);
        (logged, started)
    }

    /// The next line that fits. Each line up to it must be JSON.
    async fn line(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        let mut before = Vec::new();
        loop {
            let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("not logged; logged: {before:#?}")).unwrap();
            let line = line.unwrap_or_else(|| panic!("the log has ended: {before:#?}"));
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
            if fits(&line) {
                return line;
            }
            before.push(line);
        }
    }

    async fn call(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let mut all = vec![("authorization", self.bearer.as_str()), ("content-type", "application/json")];
        all.extend(headers);
        Http::new().send(method, &format!("{}{path}", self.url), &all, body.to_string()).await
    }

    /// Stops the gateway. Returns the last two lines of the log.
    async fn stop(mut self) -> (Value, Value) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().await.unwrap().success());
        let stopping = self.line(|line| line["message"] == "stopping").await;
        let stopped = self.line(|line| line["message"] == "stopped").await;
        assert!(self.child.wait().await.unwrap().success());
        let mut printed = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut printed).await.unwrap();
        assert_eq!(printed, "", "standard output is for results");
        (stopping, stopped)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_of_the_start_of_each_change_and_of_the_stop() {
    let dir = tempfile::tempdir().unwrap();
    let wechat = Platform::start(Clock::system()).await;
    let (mut gateway, started) = Logged::start(dir.path(), &wechat.url, "info").await;
    let database = format!("sqlite:{}", dir.path().join("hongyan.db").display());
    assert_eq!(
        (&started["version"], &started["database"], &started["node_id"], &started["lanes"]),
        (&json!(env!("CARGO_PKG_VERSION")), &json!(database), &json!("node-7"), &json!(64))
    );
    assert!(started["schema_version"].as_i64().unwrap() > 0 && started["took_ms"].is_u64(), "{started}");

    let (appid, secret) = (&wechat.seed.appid, &wechat.seed.app_secret);
    let id = ("x-request-id", "story-1");
    gateway
        .call(Method::POST, "/v1/apps", &[id], &json!({ "appid": appid, "secret": secret }))
        .await
        .expect(201);
    let registered = gateway.line(|line| line["target"] == "audit").await;
    let told = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(told(&registered, "message"), "a change was made");
    assert_eq!((told(&registered, "actor"), told(&registered, "name")), ("key".into(), "story".into()));
    assert!(told(&registered, "id").starts_with("key_"), "{registered}");
    assert_eq!(
        (told(&registered, "call"), told(&registered, "object"), told(&registered, "fields")),
        ("POST /v1/apps".into(), appid.clone(), "appid,secret".into())
    );
    assert_eq!(registered["span"]["id"], "story-1");
    assert!(!registered.to_string().contains(secret.as_str()), "{registered}");

    let change = json!({ "name": "shop", "callback": { "token": "callback0token" } });
    gateway.call(Method::PATCH, &format!("/v1/apps/{appid}"), &[], &change).await.expect(200);
    let changed = gateway.line(|line| line["target"] == "audit").await;
    assert_eq!(told(&changed, "fields"), "callback.token,name");
    gateway.call(Method::POST, "/v1/apps", &[], &json!({ "appid": "no appid", "secret": "s" })).await;
    let refused = gateway.line(|line| line["target"] == "audit").await;
    assert_eq!(
        (told(&refused, "message"), told(&refused, "result")),
        ("a change was refused".into(), "invalid_field".into())
    );

    let (stopping, stopped) = gateway.stop().await;
    assert_eq!(stopping["why"], "SIGTERM");
    assert_eq!(stopped["node_id"], "node-7");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_id_of_a_request_leads_through_the_log_the_message_and_its_webhook() {
    let dir = tempfile::tempdir().unwrap();
    let wechat = Platform::start(Clock::system()).await;
    let receiver = Receiver::start().await;
    let log = "warn,request=debug,hongyan::serve=info,hongyan_gateway::settle=debug,hongyan_gateway::webhooks=debug";
    let (mut gateway, _) = Logged::start(dir.path(), &wechat.url, log).await;
    let app = json!({ "appid": wechat.seed.appid, "secret": wechat.seed.app_secret });
    gateway.call(Method::POST, "/v1/apps", &[], &app).await.expect(201);
    let hook = json!({ "url": receiver.url, "types": ["message.sent"] });
    gateway.call(Method::POST, "/v1/webhooks", &[], &hook).await.expect(201);
    let user = wechat.user().await;
    let form = wechat.form(&user).await;
    let permit = json!({ "app": wechat.seed.appid, "openid": user, "kind": "form", "code": form });
    gateway.call(Method::POST, "/v1/permits", &[], &permit).await.expect(201);
    let message = json!({
        "app": wechat.seed.appid, "to": user, "template": wechat.seed.legacy_template,
        "data": { "keyword1": "a", "keyword2": "b", "keyword3": "c" },
    });
    let answer =
        gateway.call(Method::POST, "/v1/messages?wait=15", &[("x-request-id", "order-7")], &message).await;
    assert_eq!(answer.headers["x-request-id"], "order-7");
    let id = answer.text("id");

    let event = receiver.first("message.sent").await;
    assert_eq!(event.body["data"]["request_id"], "order-7");
    assert_eq!(event.headers["x-request-id"], "order-7");
    let stored =
        gateway.call(Method::GET, &format!("/v1/messages/{id}"), &[], &Value::Null).await.expect(200);
    assert_eq!(stored["request_id"], "order-7");
    let told = gateway.call(Method::GET, &format!("/v1/messages/{id}/timeline"), &[], &Value::Null).await;
    assert_eq!(told.expect(200)["entries"][0]["request_id"], "order-7");

    let attempt = gateway.line(|line| line["message"] == "an attempt ended").await;
    assert_eq!(
        (&attempt["message_id"], &attempt["request_id"], &attempt["outcome"], &attempt["errcode"]),
        (&json!(id), &json!("order-7"), &json!("answered"), &json!(0))
    );
    let asked =
        gateway.line(|line| line["target"] == "request" && line["route"] == "/v1/messages/{id}").await;
    assert_eq!((&asked["method"], &asked["status"]), (&json!("GET"), &json!(200)));
    assert!(asked["caller"].as_str().unwrap().starts_with("key_") && asked["ms"].is_u64(), "{asked}");
}
