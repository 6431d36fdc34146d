//! Where a case runs: a new sandbox, or the real WeChat; and the names that requests may use.

use std::collections::BTreeMap;
use std::env;
use std::time::Duration;

use bytes::Bytes;
use hongyan_clock::Clock;
use hongyan_sandbox::{Sandbox, SandboxConfig};
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::receiver::Receiver;

/// The longest wait for an answer. Only a failure takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A real app. The suite spends a little of its quota.
#[derive(Debug, Clone)]
pub struct Account {
    pub appid: String,
    pub secret: String,
    pub openid: String,
}

impl Account {
    /// The account in the environment; `None` if a variable is missing.
    pub fn from_environment() -> Option<Self> {
        let given = |name: &str| env::var(format!("HONGYAN_CONTRACT_{name}")).ok().filter(|v| !v.is_empty());
        Some(Self { appid: given("APPID")?, secret: given("SECRET")?, openid: given("OPENID")? })
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
    pub text: String,
}

/// A server, and the names that requests may use.
pub struct World {
    base: String,
    pub names: BTreeMap<String, String>,
    /// The back end of the case, if it has one.
    pub receiver: Option<Receiver>,
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// Dropping it ends the sandbox.
    stop: Option<oneshot::Sender<()>>,
}

impl World {
    /// Starts a new sandbox on its own port.
    pub async fn sandbox() -> Self {
        let config = SandboxConfig::new(Clock::system());
        let sandbox = Sandbox::new(config).unwrap();
        let seed = sandbox.seed();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(sandbox.serve(listener, async {
            // Dropping the sender ends the sandbox; the error of the receiver says nothing more.
            let _ = stopped.await;
        }));
        let names = [
            ("appid", seed.appid),
            ("secret", seed.app_secret),
            ("openid", seed.openid),
            ("legacy", seed.legacy_template),
            ("once", seed.subscribe_template),
            ("long", seed.long_term_template),
        ];
        Self {
            base,
            names: names.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            receiver: None,
            http: client(),
            stop: Some(stop),
        }
    }

    /// The real WeChat.
    pub fn real(account: &Account) -> Self {
        let Account { appid, secret, openid } = account.clone();
        let names = [("appid", appid), ("secret", secret), ("openid", openid)];
        Self {
            base: "https://api.weixin.qq.com".to_owned(),
            names: names.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            receiver: None,
            http: client(),
            stop: None,
        }
    }

    /// Whether this is the real WeChat, whose answers are not shown.
    pub fn is_real(&self) -> bool {
        self.stop.is_none()
    }

    /// Sends a request. The error of a missing answer does not name the address, which may hold a secret.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: String,
    ) -> Result<Answer, String> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        self.answer_to(request.body(Full::from(body)).map_err(|e| e.to_string())?).await
    }

    /// Sends a request whose body has no length (`Transfer-Encoding: chunked`).
    pub async fn ask_in_pieces(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: String,
    ) -> Result<Answer, String> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::CONTENT_TYPE, content_type)
            .header(header::TRANSFER_ENCODING, "chunked");
        self.answer_to(request.body(Full::from(body)).map_err(|e| e.to_string())?).await
    }

    async fn answer_to(&self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let asked = async {
            let response = self.http.request(request).await.map_err(|e| e.to_string())?;
            let status = response.status().as_u16();
            let bytes = response.into_body().collect().await.map_err(|e| e.to_string())?.to_bytes();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            Ok(Answer { status, body: serde_json::from_slice(&bytes).unwrap_or_default(), text })
        };
        tokio::time::timeout(PATIENCE, asked).await.map_err(|_| "no answer in time".to_owned())?
    }

    /// Sends a request in the background and ignores the answer. The request ends with the case.
    pub fn ask_in_background(&self, method: Method, path: &str, content_type: &str, body: String) {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        let request = request.header(header::CONTENT_TYPE, content_type).body(Full::from(body)).unwrap();
        tokio::spawn(self.http.request(request));
    }

    /// A text with the values of its `$names`.
    pub fn fill(&self, text: &str) -> String {
        let mut names: Vec<_> = self.names.iter().collect();
        // "$once_more" before "$once".
        names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        names
            .into_iter()
            .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${name}"), value))
    }
}

fn client() -> Client<HttpsConnector<HttpConnector>, Full<Bytes>> {
    let connector = HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
    // The client must not repeat a request: a case must see a reset connection.
    Client::builder(TokioExecutor::new()).retry_canceled_requests(false).build(connector)
}
