//! `hongyan webhook listen`: receives events on this machine, verifies them and prints them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::http::{HeaderMap, HeaderName, Method, Request, StatusCode, header};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use hongyan_clock::Clock;
use hongyan_gateway::webhooks::is_signed_by;
use hongyan_http::with_causes;
use http_body_util::{BodyExt, Full, Limited};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::Notify;
use url::Url;

use super::change;
use super::event_line::line;
use crate::cli::WebhookListenArgs;
use crate::failure::Failure;
use crate::http::{Api, HttpClient, client};
use crate::listen::{bind, url};
use crate::text::{Text, both, say};
use crate::{output, secret_file, signals};

/// The headers of a delivery, by Standard Webhooks.
const SIGNED: [HeaderName; 3] = [
    HeaderName::from_static("webhook-id"),
    HeaderName::from_static("webhook-timestamp"),
    HeaderName::from_static("webhook-signature"),
];

/// A receiver must refuse a delivery whose time is further off than this.
const MAX_SECONDS_OFF: u64 = 300;

/// The largest answer of the address that events are forwarded to.
const MAX_FORWARDED_ANSWER: usize = 64 * 1024;

/// What the receiver knows.
struct Receiver {
    secret: SecretString,
    json: bool,
    forward: Option<(HttpClient, Url)>,
    /// How many verified events are still wanted; `None`: any number.
    wanted: Option<AtomicU64>,
    /// Rung after the last wanted event.
    enough: Arc<Notify>,
}

/// Runs the command until it is stopped, and then removes the webhook that it made.
pub(super) async fn run(args: WebhookListenArgs) -> Result<(), Failure> {
    let stop = signals::stop()?;
    let listener = bind(args.listen, "--listen").await?;
    let here = url(&listener)?;
    let taken = args.secret_file.as_deref().map(secret_of).transpose()?;
    let forward = match &args.forward {
        Some(url) => Some((client(args.remote.ca_file.as_deref())?, url.clone())),
        None => None,
    };
    let (made, secret) = match taken {
        Some(secret) => {
            let remark = say!("正在 {here} 接收；按 Ctrl-C 结束", "receiving at {here}; Ctrl-C ends");
            announce(&args, &json!({ "url": here.as_str() }), remark)?;
            (None, secret)
        }
        None => {
            let (api, webhook) = make(&args, &here).await?;
            let id = webhook["id"].as_str().unwrap_or_default().to_owned();
            let secret = SecretString::from(webhook["secret"].as_str().unwrap_or_default());
            let address = &webhook["url"];
            let remark = say!(
                "{id} 发到这里（{here}）；按 Ctrl-C 结束并删除它",
                "{id} leads here ({here}); Ctrl-C ends and removes it"
            );
            announce(&args, &json!({ "webhook": id, "url": address }), remark)?;
            (Some((api, id)), secret)
        }
    };
    let enough = Arc::new(Notify::new());
    let receiver = Receiver {
        secret,
        json: args.remote.json,
        forward,
        wanted: args.count.map(AtomicU64::new),
        enough: Arc::clone(&enough),
    };
    let router = Router::new().fallback(take).with_state(Arc::new(receiver));
    let end = async move {
        tokio::select! {
            () = stop => {}
            () = enough.notified() => {}
        }
    };
    let served = axum::serve(listener, router).with_graceful_shutdown(end).await;
    if let Some((api, id)) = made {
        api.call(Method::DELETE, &format!("/v1/webhooks/{id}"), &[], None).await?;
        output::remark(say!("{id} 已删除", "{id} is removed"));
    }
    served.map_err(|error| Failure::run(say!("不能接收：{error}", "cannot receive: {error}")))
}

/// Says where events are received.
fn announce(args: &WebhookListenArgs, document: &Value, remark: Text) -> Result<(), Failure> {
    if args.remote.json {
        return output::json(document);
    }
    output::remark(remark);
    Ok(())
}

/// Makes a webhook that leads here.
async fn make(args: &WebhookListenArgs, here: &Url) -> Result<(Api, Value), Failure> {
    let api = Api::remote(&args.remote)?;
    let address = args.public_url.as_ref().unwrap_or(here);
    let body = change::new(address.as_str(), &args.filter, Some("hongyan webhook listen"));
    let made = api.call(Method::POST, "/v1/webhooks", &[], Some(&body)).await;
    let webhook = made.map_err(|failure| match &args.public_url {
        Some(_) => failure,
        None => {
            let refusal = failure.into_text();
            Failure::run(say!(
                "{refusal}\n  网关的配置允许时才会发到本机（webhook_allow_http、webhook_allow_private），`hongyan demo` 就是这样。\
                 也可以让一个公网地址通到 --listen，并用 --public-url 给出",
                "{refusal}\n  A gateway posts to this machine only if its settings allow it (webhook_allow_http, \
             webhook_allow_private), as `hongyan demo` does. Or let a public address lead to --listen, and name it with \
                 --public-url";
                refusal
            ))
        }
    })?;
    Ok((api, webhook))
}

/// The secret in a file.
fn secret_of(file: &Path) -> Result<SecretString, Failure> {
    secret_file::read(file, both("webhook 的密钥", "the webhook's secret"))
}

/// Takes one delivery.
async fn take(
    State(receiver): State<Arc<Receiver>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let [id, timestamp, signature] = SIGNED
        .map(|name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned());
    if !is_signed_by(&receiver.secret, (&id, &timestamp), &body, &signature) {
        output::warn(say!(
            "拒绝了一个请求：签名不是用这个 webhook 的密钥生成的",
            "a request was refused: its signature was not made with the secret of this webhook"
        ));
        return (StatusCode::UNAUTHORIZED, "the signature is wrong".into());
    }
    let off =
        timestamp.parse().map_or(u64::MAX, |time: i64| Clock::system().now().as_seconds().abs_diff(time));
    if off > MAX_SECONDS_OFF {
        output::warn(say!(
            "{id} 的时间与本机时钟相差 {off} 秒：接收方必须拒绝这样的事件",
            "the time of {id} is {off} s off this machine's clock: a receiver must refuse such an event"
        ));
    }
    let Ok(event) = serde_json::from_slice::<Value>(&body) else {
        output::warn(say!("{id} 不是 JSON", "{id} is not JSON"));
        return (StatusCode::BAD_REQUEST, "not JSON".into());
    };
    let forwarded = match &receiver.forward {
        Some((client, url)) => Some(forward(client, url, &headers, body).await),
        None => None,
    };
    let printed = print(&receiver, &id, event, forwarded.as_ref());
    if let Some(wanted) = &receiver.wanted
        && wanted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) == Ok(1)
    {
        receiver.enough.notify_one();
    }
    if printed.is_err() {
        // Nobody reads the events any more.
        receiver.enough.notify_one();
        return (StatusCode::SERVICE_UNAVAILABLE, String::new());
    }
    match forwarded {
        None => (StatusCode::NO_CONTENT, String::new()),
        Some(Ok(status)) => (status, String::new()),
        Some(Err(why)) => (StatusCode::BAD_GATEWAY, why),
    }
}

fn print(
    receiver: &Receiver,
    id: &str,
    mut event: Value,
    forwarded: Option<&Result<StatusCode, String>>,
) -> Result<(), Failure> {
    if receiver.json {
        event["event"] = id.into();
        match forwarded {
            None => {}
            Some(Ok(status)) => event["forwarded"] = status.as_u16().into(),
            Some(Err(why)) => event["forward_error"] = why.as_str().into(),
        }
        return output::json(&event);
    }
    let line = line(id, &event);
    match forwarded {
        None => output::line(&line),
        Some(Ok(status)) => output::line(&format!("{line}  → {}", status.as_u16())),
        Some(Err(why)) => output::line(&format!("{line}  → {why}")),
    }
}

/// Posts a delivery as it came to another address, and returns the status of the answer.
async fn forward(
    client: &HttpClient,
    url: &Url,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<StatusCode, String> {
    let mut request = Request::post(url.as_str());
    for name in SIGNED.iter().chain([&header::CONTENT_TYPE]) {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value);
        }
    }
    let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
    let answer = client.request(request).await.map_err(|error| with_causes(&error))?;
    let status = answer.status();
    // The connection can serve the next event only after the body was read.
    let _ = Limited::new(answer.into_body(), MAX_FORWARDED_ANSWER).collect().await;
    Ok(status)
}
