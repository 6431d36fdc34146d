//! The gateway that is measured: a process of its own, set up over its command line and API.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::Result;
use crate::sink::TEMPLATE;
use crate::usage::Usage;

/// The app that sends.
pub(crate) const APPID: &str = "wxbench0000000000";

/// The most items of one request.
const BATCH: usize = 1_000;

/// The most units of one grant.
const UNITS: u32 = 1_000;

/// A running gateway.
pub(crate) struct Gateway {
    child: Child,
    address: SocketAddr,
    authorization: String,
}

/// The openid of a user.
pub(crate) fn user(number: u32) -> String {
    format!("oBenchUser{number:018}")
}

impl Gateway {
    /// Starts it on an empty database in `dir`, with an app whose WeChat is at `wechat`.
    pub(crate) async fn start(hongyan: &Path, dir: &Path, wechat: &str) -> Result<Self> {
        let key = command(hongyan, dir).args(["key", "create", "--name", "bench"]).output().await;
        let key = key.map_err(|error| format!("{} does not start: {error}", hongyan.display()))?;
        if !key.status.success() {
            return Err(format!("no API key: {}", String::from_utf8_lossy(&key.stderr)));
        }
        let mut child = command(hongyan, dir)
            .args(["serve", "--json", "--listen", "127.0.0.1:0", "--wechat-base-url", wechat])
            .env("HONGYAN_LOG", "error")
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{} does not start: {error}", hongyan.display()))?;
        let stdout = child.stdout.take().expect("it was asked for just above");
        let line = BufReader::new(stdout).lines().next_line().await.ok().flatten();
        let line = line.ok_or("the gateway ended before it was ready")?;
        let ready: Value = serde_json::from_str(&line).map_err(|error| format!("{line}: {error}"))?;
        let url = ready["gateway"].as_str().unwrap_or_default();
        let address = url.trim_start_matches("http://").parse().map_err(|error| format!("{url}: {error}"))?;
        let authorization = format!("Bearer {}", String::from_utf8_lossy(&key.stdout).trim());
        let gateway = Self { child, address, authorization };
        let app = json!({ "appid": APPID, "secret": "0123456789abcdef0123456789abcdef" });
        gateway.connect().await?.post("/v1/apps", app.to_string().into(), StatusCode::CREATED).await?;
        Ok(gateway)
    }

    /// Grants every user so many units.
    pub(crate) async fn grant(&self, users: u32, units: u32) -> Result {
        let mut connection = self.connect().await?;
        let mut permits = Vec::new();
        for number in 0..users {
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

    /// A new connection to it.
    pub(crate) async fn connect(&self) -> Result<Connection> {
        let failed = |error: &dyn std::fmt::Display| format!("cannot connect to the gateway: {error}");
        let stream = TcpStream::connect(self.address).await.map_err(|error| failed(&error))?;
        stream.set_nodelay(true).map_err(|error| failed(&error))?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
        // Ends when the sender is dropped; an error shows in the request that it hits.
        tokio::spawn(connection);
        Ok(Connection { sender, host: self.address.to_string(), authorization: self.authorization.clone() })
    }

    /// What it has used so far.
    pub(crate) fn usage(&self) -> Result<Usage> {
        Usage::of(self.child.id().ok_or("the gateway ended while it was measured")?)
    }

    /// Stops it as an operator would, and requires that it ends well.
    pub(crate) async fn stop(mut self) -> Result {
        let id = self.child.id().ok_or("the gateway ended while it was measured")?;
        let told = Command::new("kill").args(["-TERM", &id.to_string()]).status().await;
        told.map_err(|error| format!("cannot stop the gateway: {error}"))?;
        let status = self.child.wait().await.map_err(|error| format!("the gateway: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("the gateway ended badly: {status}")) }
    }
}

/// The binary, with the database in `dir` and without settings from outside.
fn command(hongyan: &Path, dir: &Path) -> Command {
    let mut command = Command::new(hongyan);
    // `serve` takes a hongyan.toml that lies where it is started.
    command.current_dir(dir).kill_on_drop(true);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HONGYAN_") {
            command.env_remove(name);
        }
    }
    command.env("HONGYAN_DATA_DIR", dir.join("data"));
    command
}

/// A kept connection.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    authorization: String,
}

impl Connection {
    /// One request, which must be answered with this status; the answer's body.
    pub(crate) async fn post(&mut self, path: &str, body: Bytes, expected: StatusCode) -> Result<Bytes> {
        let failed = |error: &dyn std::fmt::Display| format!("{path}: {error}");
        let request = Request::post(path)
            .header("host", &self.host)
            .header("authorization", &self.authorization)
            .header("content-type", "application/json")
            .body(Full::new(body))
            .map_err(|error| failed(&error))?;
        let answer = self.sender.send_request(request).await.map_err(|error| failed(&error))?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(|error| failed(&error))?.to_bytes();
        if status == expected {
            Ok(body)
        } else {
            Err(format!("{path}: {status}: {}", String::from_utf8_lossy(&body)))
        }
    }
}
