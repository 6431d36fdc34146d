//! A back end that receives webhooks and keeps the requests.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

use crate::world::PATIENCE;

#[allow(dead_code, reason = "it is the gateway's own; here only values are held against it")]
#[path = "../../crates/hongyan-gateway/src/api/openapi/validate.rs"]
mod validate;

pub(crate) use validate::Description;

/// The API description of the events.
pub static DESCRIPTION: OnceLock<Description> = OnceLock::new();

/// One request, as received.
#[derive(Debug, Clone)]
pub struct Received {
    pub id: String,
    pub timestamp: String,
    pub signature: String,
    pub content_type: String,
    pub headers: HeaderMap,
    pub text: String,
    pub body: Value,
    /// The status of the answer.
    pub status: u16,
}

impl Received {
    /// Panics unless the event matches the API description of its type.
    fn check(&self) {
        let words = self.kind().split('.').map(|word| word[..1].to_uppercase() + &word[1..]);
        DESCRIPTION
            .get()
            .inspect(|known| known.check(&format!("{}Event", words.collect::<String>()), &self.body));
    }

    pub fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap()
    }

    /// The signature by this secret, computed by hand.
    pub fn signed_by(&self, secret: &str) -> String {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{}.{}.{}", self.id, self.timestamp, self.text).as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }

    pub fn is_signed_by(&self, secret: &str) -> bool {
        self.signature.split(' ').any(|signature| signature == self.signed_by(secret))
    }
}

/// The answer to a request. `None`: never answer.
type Rule = Box<dyn Fn(&Value) -> Option<u16> + Send + Sync>;

struct Inner {
    received: watch::Sender<Vec<Received>>,
    rule: Mutex<Rule>,
    /// Answers for the next requests, used before the rule.
    next: Mutex<VecDeque<u16>>,
    hang: Notify,
}

/// See the module. The server ends when this is dropped.
#[derive(Clone)]
pub struct Receiver {
    pub url: String,
    inner: Arc<Inner>,
    _serving: Arc<Serving>,
}

struct Serving(tokio::task::JoinHandle<()>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Receiver {
    /// A back end that accepts every event.
    pub async fn start() -> Self {
        let inner = Arc::new(Inner {
            received: watch::Sender::default(),
            rule: Mutex::new(Box::new(|_| Some(200))),
            next: Mutex::default(),
            hang: Notify::new(),
        });
        let router = Router::new().fallback(take).with_state(Arc::clone(&inner));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let serving = Serving(tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }));
        Self { url, inner, _serving: Arc::new(serving) }
    }

    /// Answers by this rule from now on; `None`: never answer.
    pub fn answers(&self, rule: impl Fn(&Value) -> Option<u16> + Send + Sync + 'static) {
        *self.inner.rule.lock().unwrap() = Box::new(rule);
    }

    /// Answers the next request with this status, before the rule.
    pub fn answers_next(&self, status: u16) {
        self.inner.next.lock().unwrap().push_back(status);
    }

    pub fn received(&self) -> Vec<Received> {
        self.inner.received.borrow().clone()
    }

    /// Waits until the requests satisfy the condition. Returns all requests.
    pub async fn when(&self, what: &str, is_so: impl Fn(&[Received]) -> bool) -> Vec<Received> {
        let mut watch = self.inner.received.subscribe();
        if let Ok(received) =
            tokio::time::timeout(PATIENCE * 2, watch.wait_for(|received| is_so(received))).await
        {
            let received = received.unwrap().clone();
            received.iter().for_each(Received::check);
            return received;
        }
        panic!("not sent: {what}; sent: {:#?}", self.received())
    }

    /// Waits for this many requests.
    pub async fn count(&self, count: usize) -> Vec<Received> {
        self.when(&format!("{count} requests"), |received| received.len() >= count).await
    }

    /// Waits for the first event of this type.
    pub async fn first(&self, kind: &str) -> Received {
        let received = self.when(kind, |received| received.iter().any(|one| one.kind() == kind)).await;
        received.into_iter().find(|one| one.kind() == kind).unwrap()
    }
}

async fn take(State(inner): State<Arc<Inner>>, headers: HeaderMap, bytes: Bytes) -> impl IntoResponse {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let body: Value = serde_json::from_str(&text).unwrap();
    let next = inner.next.lock().unwrap().pop_front();
    let status = next.or_else(|| (inner.rule.lock().unwrap())(&body));
    inner.received.send_modify(|received| {
        received.push(Received {
            id: header("webhook-id"),
            timestamp: header("webhook-timestamp"),
            signature: header("webhook-signature"),
            content_type: header("content-type"),
            headers: headers.clone(),
            text,
            body,
            status: status.unwrap_or(0),
        });
    });
    match status {
        Some(status @ 300..=399) => {
            (StatusCode::from_u16(status).unwrap(), [("location", "http://127.0.0.1:1/")], "elsewhere")
                .into_response()
        }
        Some(status) => (StatusCode::from_u16(status).unwrap(), "so be it").into_response(),
        None => {
            inner.hang.notified().await;
            StatusCode::OK.into_response()
        }
    }
}
