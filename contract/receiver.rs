//! A back end that takes pushes. It answers the check of its address, decrypts each push, and answers as the case says.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hongyan_wechat::AppId;
use hongyan_wechat::callback::{CallbackKeys, PushParameters, open_push};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::case::Callback;

/// The token and the key that cases name as `$callback_token` and `$callback_key`.
pub const TOKEN: &str = "contractToken";
pub const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

/// The back end. Dropping it ends it.
pub struct Receiver {
    pub url: String,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    got: Mutex<Vec<Value>>,
    /// The statuses of the answers to come; then always 200.
    statuses: Mutex<VecDeque<u16>>,
    /// The texts of the answers to come; then always `success`.
    answers: Mutex<VecDeque<String>>,
    /// Whether the answer to the check goes in pieces.
    chunked_check: bool,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Receiver {
    /// Starts a back end that answers as the case says.
    pub async fn start(appid: AppId, callback: &Callback) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/callback", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            statuses: Mutex::new(callback.statuses.clone().into()),
            answers: Mutex::new(callback.answers.clone().into()),
            chunked_check: callback.chunked_check,
            ..Shared::default()
        });
        let serving = tokio::spawn(serve(listener, appid, Arc::clone(&shared)));
        Self { url, shared, serving }
    }

    /// The pushes in the order of arrival: `event` is the content, `refused` says why a push could not be opened,
    /// `content_type` is the header.
    pub fn got(&self) -> Value {
        Value::Array(self.shared.got.lock().unwrap().clone())
    }
}

async fn serve(listener: TcpListener, appid: AppId, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (appid, shared) = (appid.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let (appid, shared) = (appid.clone(), Arc::clone(&shared));
                async move { Ok::<_, Infallible>(answer(request, &appid, &shared).await) }
            });
            // An error only means that the sandbox has ended.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, appid: &AppId, shared: &Shared) -> Response<Full<Bytes>> {
    let query = request.uri().query().unwrap_or_default();
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    let map = pairs.map(|(name, value)| (name.into_owned(), Value::String(value.into_owned()))).collect();
    let parameters: PushParameters = serde_json::from_value(Value::Object(map)).unwrap();
    if request.method() == Method::GET {
        let mut response = Response::new(Full::from(parameters.echostr));
        if shared.chunked_check {
            response.headers_mut().insert("transfer-encoding", "chunked".parse().unwrap());
        }
        return response;
    }
    let content_type = request.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
    let body = request.into_body().collect().await.unwrap().to_bytes();
    // The push is opened in the mode that its parameters name.
    let is_sealed = !parameters.msg_signature.is_empty();
    let aes_key = is_sealed.then(|| KEY.parse().unwrap());
    let keys = CallbackKeys { token: TOKEN.to_owned().into(), aes_key };
    let opened = open_push(&keys, appid, &parameters, &body);
    shared.got.lock().unwrap().push(match opened {
        Ok(event) => json!({ "event": event, "is_sealed": is_sealed, "content_type": content_type }),
        Err(why) => json!({ "refused": why.to_string(), "content_type": content_type }),
    });
    let status = shared.statuses.lock().unwrap().pop_front().unwrap_or(200);
    let text = shared.answers.lock().unwrap().pop_front().unwrap_or_else(|| "success".to_owned());
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}
