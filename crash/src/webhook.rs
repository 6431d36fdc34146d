//! A back end that gets the events of every message. Like the sandbox, it runs through all rounds.
//!
//! The back end accepts every event. If the gateway dies between the back end's answer and the commit, the event comes again
//! with the same id. The first copies of a user's events must come in order.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::Result;

/// An event that the back end got.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// The event's id. A later event of the same user has a greater id.
    pub(crate) event: String,
    /// The type, such as `message.sent`.
    pub(crate) kind: String,
    /// The id of the message.
    pub(crate) message: String,
    /// The user of the message.
    pub(crate) user: String,
}

/// The back end.
#[derive(Debug, Clone)]
pub(crate) struct Webhook {
    pub(crate) url: String,
    /// The first copy of each event, in the order of arrival.
    told: Arc<Mutex<(HashSet<String>, Vec<Told>)>>,
}

impl Webhook {
    /// Starts a back end on a free port. It runs until the process ends.
    pub(crate) async fn start() -> Result<Self> {
        let failed = |error: std::io::Error| format!("the back end cannot listen: {error}");
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let url = format!("http://{}/hook", listener.local_addr().map_err(failed)?);
        let webhook = Self { url, told: Arc::default() };
        let shared = webhook.clone();
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let webhook = shared.clone();
                tokio::spawn(async move {
                    let take = service_fn(|request| webhook.take(request));
                    // An error only means that the gateway closed the connection or died.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), take).await;
                });
            }
        });
        Ok(webhook)
    }

    async fn take(
        &self,
        request: Request<Incoming>,
    ) -> std::result::Result<Response<Full<Bytes>>, Infallible> {
        let id = request.headers().get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
        let event = id.to_owned();
        // The gateway died during the request.
        let Ok(body) = request.into_body().collect().await else { return Ok(Response::default()) };
        let body: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
        let text =
            |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let told = Told { event, kind: text("/type"), message: text("/data/id"), user: text("/data/to") };
        let mut all = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if all.0.insert(told.event.clone()) {
            all.1.push(told);
        }
        Ok(Response::default())
    }

    /// The events since the last call.
    pub(crate) fn told(&self) -> Vec<Told> {
        std::mem::take(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner).1)
    }
}

/// The pairs of events of one user that came in the wrong order.
pub(crate) fn out_of_order(told: &[Told]) -> Vec<String> {
    let mut last: HashMap<&str, &Told> = HashMap::new();
    let mut wrong = Vec::new();
    for now in told {
        if let Some(before) = last.insert(&now.user, now)
            && before.event > now.event
        {
            wrong.push(format!("{before:?} was told before {now:?}"));
        }
    }
    wrong
}
