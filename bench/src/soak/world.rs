//! The two processes, and their connection.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hongyan_clock::{Clock, Pace, UnixMillis};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Result;
use crate::client::{Connection, Target};
use crate::gateway::{self, database};
use crate::process::{Process, command};
use crate::sink::{Sink, WEBHOOK_PATH};
use crate::soak::counts::Counts;
use crate::soak::samples::Sample;

/// The sandbox remembers this number of finished pushes, and at most this number of pushes wait.
const LOGGED_PUSHES: u32 = 10_000;

/// The token that signs the pushes.
const CALLBACK_TOKEN: &str = "soakCallback1";

/// The most checks of the callback's address before the run fails.
const MOST_CHECKS: u32 = 100;

/// The shortest retention. Pushes may be an hour late, because an hour of the fast clock is short.
const SETTINGS: &str = "retention_days = 1\ncallback_window_seconds = 3600\n";

/// A mini program that the gateway serves.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct App {
    pub(super) appid: String,
    #[serde(rename = "app_secret")]
    secret: String,
    #[serde(rename = "subscribe_template")]
    pub(super) once: String,
    /// The `secret` of clients of the facade.
    #[serde(skip)]
    pub(super) gateway_secret: String,
}

/// The running processes, and how to reach them.
pub(super) struct World {
    sandbox: Process,
    gateway: Process,
    database: PathBuf,
    /// The gateway, with an API key.
    pub(super) api: Target,
    /// The gateway, without an API key.
    pub(super) public: Target,
    pub(super) wechat: Target,
    /// The app of most messages.
    pub(super) bulk: App,
    /// The app of all other work. It has a callback and a webhook.
    pub(super) mixed: App,
    sink: Sink,
    pub(super) clock: Clock,
}

impl World {
    /// Starts both processes with a clock on which a day lasts this long.
    pub(super) async fn start(hongyan: &Path, dir: &Path, day: Duration) -> Result<Self> {
        let times = (86_400.0 / day.as_secs_f64()) as u32;
        let pace =
            Pace { times: times.try_into().map_err(|_| "a day is too long")?, since: Clock::system().now() };
        let flag = pace.to_string();
        let mut sandbox = command(hongyan, dir);
        sandbox.args(["sandbox", "--json", "--listen", "127.0.0.1:0", "--test-pace", &flag]);
        let (sandbox, line) = Process::start("sandbox", sandbox.env("HONGYAN_LOG", "error")).await?;
        let wechat_url = text(&read(line.as_bytes())?, "/sandbox")?;
        let wechat = Target::new(&wechat_url)?;
        let mut control = wechat.connect().await?;

        // The gateway reads hongyan.toml from its working directory.
        std::fs::write(dir.join("hongyan.toml"), SETTINGS)
            .map_err(|error| format!("hongyan.toml: {error}"))?;
        let key = gateway::create_key(hongyan, dir).await?;
        let flags = ["--test-pace", &flag];
        let (gateway, url, _) = gateway::serve(hongyan, dir, &wechat_url, &flags).await?;
        let api = Target::new(&url)?.with_key(&key)?;
        let mut connection = api.connect().await?;
        let sink = Sink::start().await?;
        let bulk = app(&mut control, &mut connection, json!({})).await?;
        let mixed =
            app(&mut control, &mut connection, json!({ "callback": { "token": CALLBACK_TOKEN } })).await?;
        let callback = json!({
            "appid": mixed.appid, "url": format!("{url}/callback/{}", mixed.appid), "token": CALLBACK_TOKEN,
        });
        set_callback(&mut control, &callback).await?;
        fill_log_of_pushes(&mut control, &mixed).await?;
        set_callback(&mut control, &callback).await?;
        let webhook = json!({ "url": format!("{}{WEBHOOK_PATH}", sink.url), "apps": [mixed.appid] });
        connection.post("/v1/webhooks", webhook.to_string().into(), StatusCode::CREATED).await?;
        Ok(Self {
            sandbox,
            gateway,
            database: database(dir),
            public: Target::new(&url)?,
            api,
            wechat,
            bulk,
            mixed,
            sink,
            clock: Clock::fast(pace),
        })
    }

    /// Takes a sample of both processes.
    pub(super) fn look(&self, at: Duration, counts: &Counts) -> Result<Sample> {
        let size = |suffix: &str| {
            let mut path = self.database.clone().into_os_string();
            path.push(suffix);
            // SQLite may have deleted an empty log.
            std::fs::metadata(path).map_or(0, |file| file.len() / 1024)
        };
        Ok(Sample {
            at,
            accepted: counts.accepted(),
            told: u64::from(self.sink.told()),
            gateway_kib: self.gateway.memory_kib()?,
            sandbox_kib: self.sandbox.memory_kib()?,
            gateway_descriptors: self.gateway.descriptors()?,
            sandbox_descriptors: self.sandbox.descriptors()?,
            database_kib: size(""),
            log_kib: size("-wal"),
        })
    }

    /// A time from now on the fast clock.
    pub(super) fn after(&self, hours: f64) -> UnixMillis {
        self.clock.now().plus(Duration::from_secs_f64(hours * 3_600.0))
    }

    /// Stops both processes. An exit code other than 0 is an error.
    pub(super) async fn stop(self) -> Result {
        self.gateway.stop().await?;
        self.sandbox.stop().await
    }
}

/// Makes an app in the sandbox and registers it with these settings.
async fn app(wechat: &mut Connection, gateway: &mut Connection, mut settings: Value) -> Result<App> {
    let made = wechat.post("/_sandbox/apps", "{}".into(), StatusCode::OK).await?;
    let mut app: App = serde_json::from_slice(&made).map_err(|error| format!("an app: {error}"))?;
    settings["appid"] = json!(app.appid);
    settings["secret"] = json!(app.secret);
    let body = settings.to_string().into();
    let registered = gateway.post("/v1/apps", body, StatusCode::CREATED).await?;
    app.gateway_secret = text(&read(&registered)?, "/gateway_secret")?;
    Ok(app)
}

/// Lets the sandbox push to the gateway. On the fast clock, the hour of a check is less than half a second, so a check that
/// came too late is repeated.
async fn set_callback(wechat: &mut Connection, callback: &Value) -> Result {
    let mut tries = 0;
    loop {
        match ask(wechat, "/_sandbox/callback", callback).await {
            Err(_) if tries < MOST_CHECKS => tries += 1,
            done => return done.map(drop),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Fills the sandbox's log of the last ten thousand pushes. Otherwise the log would fill during the run and look like
/// growth. Removes the app's callback, which drops the waiting pushes.
async fn fill_log_of_pushes(wechat: &mut Connection, app: &App) -> Result {
    let users = ask(wechat, "/_sandbox/users", &json!({ "appid": app.appid })).await?;
    let accepts = json!({
        "appid": app.appid, "openid": users["openid"], "template_id": app.once, "count": 2 * LOGGED_PUSHES,
    });
    ask(wechat, "/_sandbox/pushes/hold", &json!({})).await?;
    ask(wechat, "/_sandbox/subscriptions", &accepts).await?;
    let path = format!("/_sandbox/callback?appid={}", app.appid);
    let (status, answer) = wechat.ask(Method::DELETE, &path, None, "".into()).await?;
    if !status.is_success() {
        return Err(format!("{path}: {status}: {}", String::from_utf8_lossy(&answer)));
    }
    ask(wechat, "/_sandbox/pushes/release", &json!({})).await.map(drop)
}

/// Sends a request to the sandbox. A refusal is an error.
pub(super) async fn ask(wechat: &mut Connection, path: &str, body: &Value) -> Result<Value> {
    let (status, answer) = wechat.ask(Method::POST, path, None, body.to_string().into()).await?;
    if status.is_success() {
        read(&answer)
    } else {
        Err(format!("{path}: {status}: {}", String::from_utf8_lossy(&answer)))
    }
}

/// Parses JSON.
pub(super) fn read(bytes: &[u8]) -> Result<Value> {
    serde_json::from_slice(bytes).map_err(|error| format!("{error}: {}", String::from_utf8_lossy(bytes)))
}

/// The text at this JSON pointer.
pub(super) fn text(value: &Value, pointer: &str) -> Result<String> {
    let text = value.pointer(pointer).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| format!("there is no text at {pointer} of {value}"))
}
