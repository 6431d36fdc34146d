//! The world of the tests of apps, tokens, templates and logins: a real store, and a server on loopback that answers like
//! WeChat, or as a test says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use hongyan_clock::Clock;
use hongyan_store::Store;
use hongyan_store::sqlite::{SqliteConfig, SqliteStore};
use hongyan_wechat::{AppId, Client, ClientConfig};
use http_body_util::BodyExt;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{App, AppChange, Apps, AppsOptions, NewApp};
use crate::vault::Vault;

pub(crate) const STABLE: &str = "/cgi-bin/stable_token";
pub(crate) const PLAIN: &str = "/cgi-bin/token";
pub(crate) const SUBSCRIBE_LIST: &str = "/wxaapi/newtmpl/gettemplate";
pub(crate) const LEGACY_LIST: &str = "/cgi-bin/wxopen/template/list";
pub(crate) const LOGIN: &str = "/sns/jscode2session";

/// One request that the server got.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) body: Value,
}

/// The server that plays WeChat.
#[derive(Clone)]
pub(crate) struct WeChat(Arc<Script>);

struct Script {
    asked: Mutex<Vec<Asked>>,
    /// Answers that replace the usual answers, by path.
    answers: Mutex<HashMap<&'static str, Value>>,
    /// Each answer needs a permit of this semaphore.
    gate: Semaphore,
    tokens: Mutex<u32>,
}

impl WeChat {
    async fn start() -> (Self, url::Url) {
        let script = Script {
            asked: Mutex::default(),
            answers: Mutex::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            tokens: Mutex::new(1),
        };
        let wechat = Self(Arc::new(script));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let router = Router::new().fallback(answer).with_state(wechat.clone());
        // The task ends with the test's runtime.
        tokio::spawn(async move { axum::serve(listener, router).await });
        (wechat, url)
    }

    /// Sets the answer for this path.
    pub(crate) fn answer(&self, path: &'static str, answer: Value) {
        self.0.answers.lock().unwrap().insert(path, answer);
    }

    pub(crate) fn refuse(&self, path: &'static str, errcode: i32) {
        self.answer(path, json!({ "errcode": errcode, "errmsg": "refused" }));
    }

    /// Restores the usual answer for this path.
    pub(crate) fn heal(&self, path: &'static str) {
        self.0.answers.lock().unwrap().remove(path);
    }

    /// Reads requests and leaves them unanswered until [`WeChat::release`].
    pub(crate) fn hold(&self) {
        self.0.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn release(&self) {
        self.0.gate.add_permits(Semaphore::MAX_PERMITS - self.0.gate.available_permits());
    }

    /// The requests to this path, oldest first.
    pub(crate) fn asked(&self, path: &str) -> Vec<Asked> {
        self.0.asked.lock().unwrap().iter().filter(|asked| asked.path == path).cloned().collect()
    }

    pub(crate) fn count(&self, path: &str) -> usize {
        self.asked(path).len()
    }

    pub(crate) fn forget_requests(&self) {
        self.0.asked.lock().unwrap().clear();
    }

    /// The valid token: `T1` at first; each new token counts up.
    fn token(&self, new: bool) -> Value {
        let mut tokens = self.0.tokens.lock().unwrap();
        *tokens += u32::from(new);
        json!({ "access_token": format!("T{tokens}"), "expires_in": 7200 })
    }

    fn usual(&self, asked: &Asked) -> Value {
        match asked.path.as_str() {
            PLAIN => self.token(true),
            STABLE => self.token(asked.body["force_refresh"] == json!(true)),
            SUBSCRIBE_LIST => json!({ "errcode": 0, "errmsg": "ok", "data": [
                {"priTmplId": "S1", "title": "取餐提醒", "content": "商品:{{thing1.DATA}}\n状态:{{enum2.DATA}}\n",
                 "example": "", "type": 2,
                 "keywordEnumValueList": [{"enumValueList": ["好", "坏"], "keywordCode": "enum2.DATA"}]},
                {"priTmplId": "S2", "title": "长期", "content": "商品:{{thing1.DATA}}\n", "example": "", "type": 3},
            ]}),
            LEGACY_LIST => json!({ "errcode": 0, "errmsg": "ok", "list": [
                {"template_id": "L1", "title": "购买成功", "content": "物品{{keyword1.DATA}}\n", "example": ""},
            ]}),
            LOGIN => json!({ "openid": "oUser1", "session_key": "c2Vzc2lvbi1rZXk=", "unionid": "u1" }),
            _ => json!({ "errcode": 40066, "errmsg": "invalid url" }),
        }
    }
}

async fn answer(State(wechat): State<WeChat>, request: Request) -> axum::Json<Value> {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let asked = Asked { path, query, body: serde_json::from_slice(&body).unwrap_or_default() };
    wechat.0.asked.lock().unwrap().push(asked.clone());
    wechat.0.gate.acquire().await.unwrap().forget();
    let told = wechat.0.answers.lock().unwrap().get(asked.path.as_str()).cloned();
    axum::Json(told.unwrap_or_else(|| wechat.usual(&asked)))
}

/// A store, WeChat, and the apps.
pub(crate) struct World {
    pub(crate) wechat: WeChat,
    pub(crate) clock: Clock,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) apps: Apps,
    client: Client,
    _directory: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = SqliteConfig::new(directory.path().join("hongyan.db"));
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(config).unwrap());
        let (wechat, url) = WeChat::start().await;
        let client = Client::new(ClientConfig::new(url)).unwrap();
        let (vault, clock) = (Arc::new(Vault::from_key([7; 32])), Clock::system());
        let apps = load(&store, &vault, &client, &clock).await.unwrap();
        Self { wechat, clock, store, vault, apps, client, _directory: directory }
    }

    /// The apps as the next process would load them, with this master key.
    pub(crate) async fn restarted_with(&self, vault: Vault) -> Result<Apps, crate::error::GatewayError> {
        load(&self.store, &Arc::new(vault), &self.client, &self.clock).await
    }

    pub(crate) async fn restarted(&self) -> Apps {
        self.restarted_with(Vault::from_key([7; 32])).await.unwrap()
    }

    /// Registers `wx1` and forgets the requests that this sent to WeChat.
    pub(crate) async fn app(&self) -> Arc<App> {
        self.app_with(true).await
    }

    pub(crate) async fn app_with(&self, stable_token: bool) -> Arc<App> {
        let change = AppChange { stable_token: Some(stable_token), ..AppChange::default() };
        let new = NewApp { change, ..new_app() };
        let appid = self.apps.register(new).await.unwrap().0.record.appid.clone();
        self.wechat.forget_requests();
        self.apps.get(&appid).unwrap()
    }
}

async fn load(
    store: &Arc<dyn Store>,
    vault: &Arc<Vault>,
    client: &Client,
    clock: &Clock,
) -> Result<Apps, crate::error::GatewayError> {
    let options = AppsOptions {
        token_refresh_ahead: std::time::Duration::from_secs(300),
        node: "node-1".into(),
        machine: Clock::system(),
    };
    Apps::load(Arc::clone(store), Arc::clone(vault), client.clone(), clock.clone(), options).await
}

pub(crate) fn appid() -> AppId {
    "wx1".parse().unwrap()
}

pub(crate) fn new_app() -> NewApp {
    NewApp {
        appid: appid(),
        secret: SecretString::from("0123456789abcdef0123456789abcdef"),
        change: AppChange::default(),
    }
}
