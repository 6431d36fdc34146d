//! The measured gateway: a separate process, set up over its command line and its API.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::{Value, json};

use crate::Result;
use crate::client::Target;
use crate::message::{APPID, TEMPLATE, user};
use crate::process::{Process, command};
use crate::sink::WEBHOOK_PATH;

/// The path of the API for messages.
pub(crate) const MESSAGES_PATH: &str = "/v1/messages";

/// The most items of one request.
const BATCH: usize = 1_000;

/// The most units of one grant.
const UNITS: u32 = 1_000;

/// A running gateway.
pub(crate) struct Gateway {
    pub(crate) process: Process,
    pub(crate) target: Target,
    /// The app's gateway secret. Empty after [`Gateway::restart`], because the API shows the secret once.
    pub(crate) secret: String,
    /// From the start until the gateway was ready.
    pub(crate) ready_after: Duration,
}

/// The database of a gateway that runs in this directory.
pub(crate) fn database(dir: &Path) -> PathBuf {
    dir.join("data").join("hongyan.db")
}

impl Gateway {
    /// Starts a gateway on an empty database in `dir` and registers an app. `wechat` is the URL of WeChat.
    pub(crate) async fn start(hongyan: &Path, dir: &Path, wechat: &str) -> Result<Self> {
        let key = create_key(hongyan, dir).await?;
        let (process, url, ready_after) = serve(hongyan, dir, wechat, &[]).await?;
        let target = Target::new(&url)?.with_key(&key)?;
        let app = json!({ "appid": APPID, "secret": "0123456789abcdef0123456789abcdef" });
        let app =
            target.connect().await?.post("/v1/apps", app.to_string().into(), StatusCode::CREATED).await?;
        let app: Value = serde_json::from_slice(&app).map_err(|error| format!("/v1/apps: {error}"))?;
        let secret = app["gateway_secret"].as_str().ok_or("the app has no gateway secret")?.to_owned();
        Ok(Self { process, target, secret, ready_after })
    }

    /// Starts a gateway on the database that [`Self::start`] made in `dir`.
    pub(crate) async fn restart(hongyan: &Path, dir: &Path, wechat: &str) -> Result<Self> {
        let key = create_key(hongyan, dir).await?;
        let (process, url, ready_after) = serve(hongyan, dir, wechat, &[]).await?;
        let target = Target::new(&url)?.with_key(&key)?;
        Ok(Self { process, target, secret: String::new(), ready_after })
    }

    /// Grants every user `units` units.
    pub(crate) async fn grant(&self, users: impl Iterator<Item = u32>, units: u32) -> Result {
        let mut connection = self.target.connect().await?;
        let mut permits = Vec::new();
        for number in users {
            let mut left = units;
            while left > 0 {
                let count = left.min(UNITS);
                left -= count;
                permits.push(json!({
                    "app": APPID, "openid": user(number), "kind": "subscribe_once", "template": TEMPLATE,
                    "count": count,
                }));
            }
        }
        for batch in permits.chunks(BATCH) {
            let body = json!({ "permits": batch }).to_string();
            let answer = connection.post("/v1/permits", body.into(), StatusCode::CREATED).await?;
            let answer: Value =
                serde_json::from_slice(&answer).map_err(|error| format!("/v1/permits: {error}"))?;
            let refused =
                answer["permits"].as_array().into_iter().flatten().find(|answer| !answer["error"].is_null());
            if let Some(refused) = refused {
                return Err(format!("a grant was refused: {refused}"));
            }
        }
        Ok(())
    }

    /// Adds a webhook that gets all events of messages at this URL.
    pub(crate) async fn add_webhook(&self, url: &str) -> Result {
        let webhook = json!({
            "url": format!("{url}{WEBHOOK_PATH}"),
            "types": ["message.sent", "message.failed", "message.unknown"],
        });
        let mut connection = self.target.connect().await?;
        connection.post("/v1/webhooks", webhook.to_string().into(), StatusCode::CREATED).await?;
        Ok(())
    }

    /// Stops the gateway. An exit code other than 0 is an error.
    pub(crate) async fn stop(self) -> Result {
        self.process.stop().await
    }
}

/// Makes an API key, and the database if it is missing.
pub(crate) async fn create_key(hongyan: &Path, dir: &Path) -> Result<String> {
    let mut create = command(hongyan, dir);
    create.env("HONGYAN_DATA_DIR", dir.join("data")).args(["key", "create", "--name", "bench"]);
    let key =
        create.output().await.map_err(|error| format!("{} does not start: {error}", hongyan.display()))?;
    if key.status.success() {
        Ok(String::from_utf8_lossy(&key.stdout).trim().to_owned())
    } else {
        Err(format!("no API key: {}", String::from_utf8_lossy(&key.stderr)))
    }
}

/// Starts the service with these additional flags. Returns its URL, and the time until it was ready.
pub(crate) async fn serve(
    hongyan: &Path,
    dir: &Path,
    wechat: &str,
    flags: &[&str],
) -> Result<(Process, String, Duration)> {
    let mut serve = command(hongyan, dir);
    serve
        .args(["serve", "--json", "--listen", "127.0.0.1:0", "--wechat-base-url", wechat])
        .args(flags)
        .env("HONGYAN_DATA_DIR", dir.join("data"))
        .env("HONGYAN_WEBHOOK_ALLOW_HTTP", "true")
        .env("HONGYAN_WEBHOOK_ALLOW_PRIVATE", "true")
        .env("HONGYAN_LOG", "error");
    let begin = Instant::now();
    let (process, line) = Process::start("gateway", &mut serve).await?;
    let ready_after = begin.elapsed();
    let ready: Value = serde_json::from_str(&line).map_err(|error| format!("{line}: {error}"))?;
    let url = ready["gateway"]
        .as_str()
        .ok_or_else(|| format!("the first line of the gateway has no address: {line}"))?;
    Ok((process, url.to_owned(), ready_after))
}
