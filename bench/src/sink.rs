//! The sink: answers like WeChat, as fast as possible, and counts the messages.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::Result;
use crate::client::Target;

const TOKEN: &str = r#"{"access_token":"bench-token","expires_in":7200}"#;
const TEMPLATES: &str = r#"{"errcode":0,"errmsg":"ok","data":[{"priTmplId":"BenchTemplate","title":"Bench","content":"thing:{{thing1.DATA}}\ndate:{{date2.DATA}}\namount:{{amount3.DATA}}\n","example":"","type":2}]}"#;
const LEGACY_TEMPLATES: &str = r#"{"errcode":0,"errmsg":"ok","list":[]}"#;
const OK: &str = r#"{"errcode":0,"errmsg":"ok"}"#;

/// The path of a call that sends a message.
pub(crate) const SEND_PATH: &str = "/cgi-bin/message/subscribe/send";

/// The path of the webhook.
pub(crate) const WEBHOOK_PATH: &str = "/webhook";

/// The longest pause between two arrivals while more are expected.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// A running sink.
pub(crate) struct Sink {
    pub(crate) url: String,
    counted: Arc<Counted>,
}

#[derive(Default)]
struct Counted {
    sends: Counter,
    webhooks: Counter,
    records: AtomicBool,
    recorded: Mutex<Vec<Arrival>>,
}

#[derive(Default)]
struct Counter {
    count: AtomicU32,
    /// The count at which `reached` is notified.
    goal: AtomicU32,
    reached: Notify,
}

/// A message that arrived.
pub(crate) struct Arrival {
    pub(crate) at: Instant,
    pub(crate) body: Bytes,
}

impl Sink {
    /// Starts a sink on a free port. It runs until the process ends.
    pub(crate) async fn start() -> Result<Self> {
        let failed = |error: std::io::Error| format!("the sink cannot listen: {error}");
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let url = format!("http://{}", listener.local_addr().map_err(failed)?);
        let counted = Arc::new(Counted::default());
        let shared = Arc::clone(&counted);
        tokio::spawn(async move {
            // An error concerns one connection, which was closed before it was accepted.
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                // Without TCP_NODELAY the socket works, only slower.
                let _ = stream.set_nodelay(true);
                let counted = Arc::clone(&shared);
                tokio::spawn(async move {
                    let serve = service_fn(|request| answer(request, &counted));
                    // An error only means that the caller closed the connection.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), serve).await;
                });
            }
        });
        Ok(Self { url, counted })
    }

    /// The sink as a server, for calls without the gateway.
    pub(crate) fn target(&self) -> Result<Target> {
        Target::new(&self.url)
    }

    /// The number of messages that arrived.
    pub(crate) fn count(&self) -> u32 {
        self.counted.sends.count()
    }

    /// The number of events that arrived at [`WEBHOOK_PATH`].
    pub(crate) fn told(&self) -> u32 {
        self.counted.webhooks.count()
    }

    /// Waits until `count` messages have arrived in all.
    pub(crate) async fn delivered(&self, count: u32) -> Result {
        self.counted.sends.reached(count, "messages").await
    }

    /// Waits until `count` events have arrived in all.
    pub(crate) async fn all_told(&self, count: u32) -> Result {
        self.counted.webhooks.reached(count, "events").await
    }

    /// Records arriving messages until [`Self::recorded`].
    pub(crate) fn record(&self) {
        self.counted.records.store(true, Ordering::Release);
    }

    /// The messages that arrived since [`Self::record`].
    pub(crate) fn recorded(&self) -> Vec<Arrival> {
        self.counted.records.store(false, Ordering::Release);
        std::mem::take(&mut *self.counted.recorded.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn answer(
    request: Request<Incoming>,
    counted: &Counted,
) -> std::result::Result<Response<Full<Bytes>>, Infallible> {
    let body = match request.uri().path() {
        SEND_PATH => {
            // A message counts when the whole request was read.
            match request.into_body().collect().await {
                Ok(body) => counted.arrived(body.to_bytes()),
                // The request broke off; the sender sends the message again.
                Err(_) => return Ok(Response::default()),
            }
            OK
        }
        WEBHOOK_PATH => {
            counted.webhooks.add();
            OK
        }
        "/cgi-bin/token" | "/cgi-bin/stable_token" => TOKEN,
        "/wxaapi/newtmpl/gettemplate" => TEMPLATES,
        "/cgi-bin/wxopen/template/list" => LEGACY_TEMPLATES,
        _ => OK,
    };
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    let kind = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    Ok(response)
}

impl Counted {
    fn arrived(&self, body: Bytes) {
        if self.records.load(Ordering::Acquire) {
            let arrival = Arrival { at: Instant::now(), body };
            self.recorded.lock().unwrap_or_else(PoisonError::into_inner).push(arrival);
        }
        self.sends.add();
    }
}

impl Counter {
    fn count(&self) -> u32 {
        self.count.load(Ordering::Acquire)
    }

    fn add(&self) {
        let count = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        if count >= self.goal.load(Ordering::SeqCst) {
            self.reached.notify_waiters();
        }
    }

    async fn reached(&self, count: u32, what: &str) -> Result {
        self.goal.store(count, Ordering::SeqCst);
        loop {
            let mut reached = pin!(self.reached.notified());
            // From here on, no notification is missed.
            reached.as_mut().enable();
            let before = self.count();
            if before >= count {
                return Ok(());
            }
            if timeout(STALL_TIMEOUT, reached).await.is_err() && self.count() == before {
                return Err(format!("{before} of {count} {what} arrived, then none for {STALL_TIMEOUT:?}"));
            }
        }
    }
}
