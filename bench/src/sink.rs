//! Answers like WeChat, as fast as can be, and counts what it was sent.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::Result;

/// The template that every message is of.
pub(crate) const TEMPLATE: &str = "BenchTemplate";

const TOKEN: &str = r#"{"access_token":"bench-token","expires_in":7200}"#;
const TEMPLATES: &str = r#"{"errcode":0,"errmsg":"ok","data":[{"priTmplId":"BenchTemplate","title":"Bench","content":"thing:{{thing1.DATA}}\ndate:{{date2.DATA}}\namount:{{amount3.DATA}}\n","example":"","type":2}]}"#;
const LEGACY_TEMPLATES: &str = r#"{"errcode":0,"errmsg":"ok","list":[]}"#;
const OK: &str = r#"{"errcode":0,"errmsg":"ok"}"#;

/// A running sink.
pub(crate) struct Sink {
    pub(crate) url: String,
    sends: watch::Sender<u32>,
}

impl Sink {
    /// On a free port, until the process ends.
    pub(crate) async fn start() -> Result<Self> {
        let failed = |error: std::io::Error| format!("the sink cannot listen: {error}");
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let url = format!("http://{}", listener.local_addr().map_err(failed)?);
        let sends = watch::Sender::new(0);
        let counter = sends.clone();
        tokio::spawn(async move {
            // An error here is about one connection that went away before it was taken.
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let counter = counter.clone();
                tokio::spawn(async move {
                    let serve = service_fn(|request| answer(request, &counter));
                    // Ends when the gateway hangs up; how is of no interest.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), serve).await;
                });
            }
        });
        Ok(Self { url, sends })
    }

    /// How many messages came.
    pub(crate) fn count(&self) -> u32 {
        *self.sends.borrow()
    }

    /// Waits until so many messages came.
    pub(crate) async fn delivered(&self, count: u32) {
        // The sender lives in `self`, so the channel cannot be closed.
        let _ = self.sends.subscribe().wait_for(|sends| *sends >= count).await;
    }
}

async fn answer(
    request: Request<Incoming>,
    sends: &watch::Sender<u32>,
) -> std::result::Result<Response<Full<Bytes>>, Infallible> {
    let body = match request.uri().path() {
        "/cgi-bin/message/subscribe/send" => {
            // The whole request must have been read before its answer counts.
            let _ = request.into_body().collect().await;
            sends.send_modify(|sends| *sends += 1);
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
