//! The world of a story: sandbox, gateway and clock.

use std::sync::Arc;
use std::time::Duration;

use hongyan_clock::Clock;
use hongyan_gateway::Context;
use hongyan_gateway::config::Settings;
use hongyan_gateway::keys::{NewKey, Scope, create_key};
use hongyan_gateway::{Gateway, GatewayError};
use hongyan_ledger::MessageId;
use hongyan_sandbox::{Sandbox, SandboxConfig, Seed};
use http::Method;
use hyper::body::Bytes;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use crate::client::{Answer, Http, PATIENCE, eventually};

/// A sandbox on a free port. It ends with the last clone.
#[derive(Clone)]
pub struct Platform {
    pub url: String,
    pub seed: Seed,
    pub http: Http,
    _stop: watch::Sender<()>,
}

impl Platform {
    pub async fn start(clock: Clock) -> Self {
        let sandbox = Sandbox::new(SandboxConfig::new(clock)).unwrap().with_pages(hongyan_docs::router());
        let seed = sandbox.seed();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, mut stopped) = watch::channel(());
        tokio::spawn(sandbox.serve(listener, async move {
            // Ends when the sender is dropped with the platform.
            let _ = stopped.changed().await;
        }));
        Self { url, seed, http: Http::new(), _stop: stop }
    }

    /// A call of the sandbox's control API.
    pub async fn control(&self, call: &str, mut body: Value) -> Value {
        if let Some(object) = body.as_object_mut() {
            object.entry("appid").or_insert_with(|| self.seed.appid.clone().into());
        }
        self.raw_control(call, &body).await
    }

    /// A call of the sandbox's control API that does not concern an app.
    pub async fn raw_control(&self, call: &str, body: &Value) -> Value {
        let answer = self.http.post(&format!("{}/_sandbox/{call}", self.url), body).await;
        assert!(answer.status.is_success(), "{call}: {answer:?}");
        answer.body
    }

    /// The cards that the user got, oldest first.
    pub async fn inbox(&self, openid: &str) -> Vec<Value> {
        let url = format!("{}/_sandbox/inbox?appid={}&openid={openid}", self.url, self.seed.appid);
        self.http.get(&url).await.expect(200).as_array().unwrap().clone()
    }

    /// The text of the first field of each card that the user got.
    pub async fn texts(&self, openid: &str) -> Vec<String> {
        let first = |card: &Value| card["fields"][0]["value"].as_str().unwrap().to_owned();
        self.inbox(openid).await.iter().map(first).collect()
    }

    /// The number of requests to a path.
    pub async fn asked(&self, path: &str) -> usize {
        let url = format!("{}/_sandbox/requests?path={path}&limit=10000", self.url);
        let body = self.http.get(&url).await.expect(200);
        body.as_array().or_else(|| body["requests"].as_array()).unwrap().len()
    }

    pub async fn user(&self) -> String {
        self.control("users", json!({})).await["openid"].as_str().unwrap().to_owned()
    }

    pub async fn form(&self, openid: &str) -> String {
        self.control("forms", json!({ "openid": openid })).await["form_id"].as_str().unwrap().to_owned()
    }

    pub async fn payment(&self, openid: &str) -> String {
        self.control("payments", json!({ "openid": openid })).await["prepay_id"].as_str().unwrap().to_owned()
    }

    pub async fn login_code(&self, openid: &str) -> String {
        self.control("login", json!({ "openid": openid })).await["code"].as_str().unwrap().to_owned()
    }

    /// The user accepts the subscribe template, or not.
    pub async fn subscribe(&self, openid: &str, result: &str) {
        let template = self.seed.subscribe_template.clone();
        self.control("subscriptions", json!({ "openid": openid, "template_id": template, "result": result }))
            .await;
    }

    pub async fn chaos(&self, rule: Value) {
        self.raw_control("chaos", &rule).await;
    }

    /// Ends all faults.
    pub async fn end_chaos(&self) {
        let url = format!("{}/_sandbox/chaos", self.url);
        let answer = self.http.send(Method::DELETE, &url, &[], "").await;
        assert!(answer.status.is_success(), "{answer:?}");
    }
}

/// Sandbox, gateway and clock, with a registered app and an API key.
pub struct World {
    pub clock: Clock,
    pub wechat: Platform,
    pub url: String,
    pub key: String,
    pub gateway_secret: String,
    pub gateway: Context,
    http: Http,
    settings: Settings,
    serving: Serving,
    /// Removed with the last world that uses it.
    dir: Arc<tempfile::TempDir>,
}

/// A gateway that serves at a URL until it is told to stop.
struct Serving {
    stop: watch::Sender<()>,
    ended: tokio::task::JoinHandle<()>,
}

impl Serving {
    async fn start(gateway: Gateway) -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, mut stopped) = watch::channel(());
        let pages = hongyan_console::router(gateway.context()).merge(hongyan_docs::router());
        let gateway = gateway.with_pages(pages);
        let ended = tokio::spawn(async move {
            let until = async move {
                // Also when the sender is dropped.
                let _ = stopped.changed().await;
            };
            gateway.serve(listener, until).await.unwrap();
        });
        (Self { stop, ended }, url)
    }
}

/// The settings of a gateway under test.
pub fn settings(dir: &std::path::Path, wechat: &str) -> Settings {
    Settings {
        data_dir: dir.to_owned(),
        database: Some(format!("sqlite:{}", dir.join("hongyan.db").display())),
        wechat_base_url: wechat.parse().unwrap(),
        drain_seconds: 5,
        // Stories move the time by days. Stories about templates set this themselves.
        template_sync_seconds: 0,
        ..Settings::default()
    }
}

impl World {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(adjust: impl FnOnce(&mut Settings)) -> Self {
        Self::begin(adjust, Gateway::start).await
    }

    /// The first of several nodes on a shared store. `machine`: the clock of leases.
    pub async fn first_node(node: &str, machine: Clock, adjust: impl FnOnce(&mut Settings)) -> Self {
        let named = |settings: &mut Settings| {
            node.clone_into(&mut settings.node_id);
            adjust(settings);
        };
        Self::begin(named, async |settings: Settings, clock| {
            let store = Gateway::open_store(&settings)?;
            Gateway::start_on(store, settings, clock, machine).await
        })
        .await
    }

    /// The gateway of these settings on a database that exists. The app is registered there, and `directory` holds the database.
    pub async fn on(
        directory: Arc<tempfile::TempDir>,
        settings: Settings,
        wechat: Platform,
        clock: Clock,
    ) -> Self {
        let gateway = Gateway::start(settings.clone(), clock.clone()).await.unwrap();
        Self::of(gateway, directory, settings, wechat, clock).await
    }

    /// A world with this gateway, a key, and a registered app.
    async fn begin(
        adjust: impl FnOnce(&mut Settings),
        start: impl AsyncFnOnce(Settings, Clock) -> Result<Gateway, GatewayError>,
    ) -> Self {
        let clock = Clock::system();
        let wechat = Platform::start(clock.clone()).await;
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let mut settings = settings(dir.path(), &wechat.url);
        adjust(&mut settings);
        let gateway = start(settings.clone(), clock.clone()).await.unwrap();
        let mut world = Self::of(gateway, dir, settings, wechat, clock).await;
        let app = json!({ "appid": world.wechat.seed.appid, "secret": world.wechat.seed.app_secret });
        let registered = world.post("/v1/apps", app).await;
        world.gateway_secret = registered.text("gateway_secret");
        registered.expect(201);
        world
    }

    /// A world with this gateway and a key.
    async fn of(
        gateway: Gateway,
        dir: Arc<tempfile::TempDir>,
        settings: Settings,
        wechat: Platform,
        clock: Clock,
    ) -> Self {
        let context = gateway.context().clone();
        let (_, key) = create_key(&*context.store, &context.ids, &clock, NewKey::new("story", &[Scope::All]))
            .await
            .unwrap();
        let (serving, url) = Serving::start(gateway).await;
        Self {
            clock,
            wechat,
            url,
            key: key.expose_secret().to_owned(),
            gateway_secret: String::new(),
            gateway: context,
            http: Http::new(),
            settings,
            serving,
            dir,
        }
    }

    /// Another node: a gateway on the same store, with the same app and key.
    pub async fn another_node(&self, node: &str, machine: Clock) -> Self {
        let settings = Settings { node_id: node.to_owned(), ..self.settings.clone() };
        let store = Arc::clone(&self.gateway.store);
        let gateway = Gateway::start_on(store, settings.clone(), self.clock.clone(), machine).await.unwrap();
        let context = gateway.context().clone();
        let (serving, url) = Serving::start(gateway).await;
        Self {
            clock: self.clock.clone(),
            wechat: self.wechat.clone(),
            url,
            key: self.key.clone(),
            gateway_secret: self.gateway_secret.clone(),
            gateway: context,
            http: Http::new(),
            settings,
            serving,
            dir: Arc::clone(&self.dir),
        }
    }

    /// Stops the gateway gracefully.
    pub async fn stop(self) {
        let Serving { stop, ended } = self.serving;
        stop.send_replace(());
        tokio::time::timeout(PATIENCE, ended).await.expect("the gateway ends").unwrap();
    }

    /// Stops the gateway gracefully, and starts another gateway on its database.
    pub async fn restart(self) -> Self {
        let Serving { stop, ended } = self.serving;
        stop.send_replace(());
        tokio::time::timeout(PATIENCE, ended).await.expect("the gateway ends").unwrap();
        let gateway = Gateway::start(self.settings.clone(), self.clock.clone()).await.unwrap();
        let context = gateway.context().clone();
        let (serving, url) = Serving::start(gateway).await;
        Self { gateway: context, serving, url, http: Http::new(), ..self }
    }

    pub async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let bearer = format!("Bearer {}", self.key);
        let mut all = vec![("authorization", bearer.as_str()), ("content-type", "application/json")];
        all.retain(|(name, _)| !headers.iter().any(|(other, _)| other == name));
        all.extend(headers.iter().filter(|(_, value)| !value.is_empty()));
        self.http.send(method, &format!("{}{path}", self.url), &all, body).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, &[], body.to_string()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, &[], "").await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, &[], "").await
    }

    /// A legacy template message whose first field is `text`.
    pub fn legacy(&self, openid: &str, text: &str) -> Value {
        json!({
            "app": self.wechat.seed.appid,
            "to": openid,
            "template": self.wechat.seed.legacy_template,
            "data": { "keyword1": text, "keyword2": "2026-05-01 09:30", "keyword3": "done" },
        })
    }

    /// A subscribe message whose first field is `text`.
    pub fn subscribe(&self, openid: &str, text: &str) -> Value {
        json!({
            "app": self.wechat.seed.appid,
            "to": openid,
            "template": self.wechat.seed.subscribe_template,
            "data": { "thing1": text, "date2": "2026-05-01", "amount3": "¥12.50" },
        })
    }

    /// Sends a message and waits until it is settled. Returns the message as it is then.
    pub async fn send(&self, message: Value) -> Value {
        let accepted = self.post("/v1/messages?wait=15", message).await.expect(202);
        self.message(accepted["id"].as_str().unwrap()).await
    }

    /// Sends a message without waiting. Returns its id.
    pub async fn accept(&self, message: Value) -> String {
        let accepted = self.post("/v1/messages", message).await.expect(202);
        accepted["id"].as_str().unwrap().to_owned()
    }

    pub async fn message(&self, id: &str) -> Value {
        self.get(&format!("/v1/messages/{id}")).await.expect(200)
    }

    /// Waits until a message is settled. Returns the message as it is then.
    pub async fn settled(&self, id: &str) -> Value {
        let parsed: MessageId = id.parse().unwrap();
        let over = ["sent", "delivered", "refused", "failed", "unknown", "cancelled", "expired"];
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let mut listener = self.gateway.report.listen(parsed);
            let message = self.message(id).await;
            if over.contains(&message["state"].as_str().unwrap()) {
                return message;
            }
            // A listener is also told of a pause; this function waits for the state after the pause.
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            assert!(
                listener.settled(left).await.is_some(),
                "not settled in time: {}",
                self.message(id).await
            );
        }
    }

    pub async fn grant(&self, openid: &str, kind: &str, code: &str) -> Value {
        let permit = json!({ "app": self.wechat.seed.appid, "openid": openid, "kind": kind, "code": code });
        self.post("/v1/permits", permit).await.expect(201)
    }

    /// The user submits a form, and the gateway gets the form id.
    pub async fn grant_form(&self, openid: &str) -> String {
        let form = self.wechat.form(openid).await;
        self.grant(openid, "form", &form).await;
        form
    }

    /// The user accepts a one-time subscription, and the gateway is told.
    pub async fn grant_subscription(&self, openid: &str) -> Value {
        self.wechat.subscribe(openid, "accept").await;
        let permit = json!({
            "app": self.wechat.seed.appid,
            "openid": openid,
            "kind": "subscribe_once",
            "template": self.wechat.seed.subscribe_template,
        });
        self.post("/v1/permits", permit).await.expect(201)
    }

    /// The six counts of a user, which always balance.
    pub async fn totals(&self, openid: &str) -> Value {
        let path = format!("/v1/permits?app={}&openid={openid}", self.wechat.seed.appid);
        let totals = self.get(&path).await.expect(200)["totals"].clone();
        let count = |name: &str| totals[name].as_u64().unwrap();
        let sum: u64 = ["available", "reserved", "spent", "expired", "revoked"].into_iter().map(count).sum();
        assert_eq!(count("granted"), sum, "{totals}");
        totals
    }

    /// The app, as an operator sees it.
    pub async fn app(&self) -> Value {
        self.get(&format!("/v1/apps/{}", self.wechat.seed.appid)).await.expect(200)
    }

    /// Repeats the request for the app until the app has the expected state.
    pub async fn app_when(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let asking = async {
            loop {
                let app = self.app().await;
                if is_so(&app) {
                    return app;
                }
                // Requests without a pause would take the processors from the gateway.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        // A change of an app takes several commits, and a busy disk may delay each commit by seconds.
        let Ok(app) = tokio::time::timeout(PATIENCE * 3, asking).await else {
            panic!("the app does not become {what}: {}", self.app().await);
        };
        app
    }

    /// Ends an app's pause, as an operator does.
    pub async fn resume(&self) -> Value {
        self.post(&format!("/v1/apps/{}/resume", self.wechat.seed.appid), json!({})).await.expect(200)
    }

    /// Moves the clock of sandbox and gateway.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by.as_millis() as i64);
    }
}

impl World {
    /// A key with only this scope.
    pub async fn new_key(&self, scope: Scope) -> String {
        let store = &*self.gateway.store;
        let (_, key) =
            create_key(store, &self.gateway.ids, &self.clock, NewKey::new("narrow", &[scope])).await.unwrap();
        key.expose_secret().to_owned()
    }
}
