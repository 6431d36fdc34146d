//! The processes: a sandbox that stays, a gateway that dies.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use hongyan_failpoints::Point;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::Result;

/// A process that takes longer to start, or to end, hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// `SIGKILL`, by which a process dies at a fail point as well.
const SIGKILL: i32 = 9;

/// Where and how to start processes.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    /// The `hongyan` binary, with fail points.
    pub(crate) hongyan: PathBuf,
    /// Where the database and the log are.
    pub(crate) dir: PathBuf,
}

/// A fail point and how often it is passed before it ends the process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arming {
    pub(crate) point: Point,
    pub(crate) passes: u32,
}

impl Arming {
    /// As the environment variable `FAILPOINTS` says it.
    fn setting(self) -> String {
        let Self { point, passes } = self;
        match passes {
            0 => format!("{}=return", point.name),
            passes => format!("{}={passes}*off->return", point.name),
        }
    }
}

/// What became of a start.
pub(crate) enum Started {
    /// It serves.
    Ready(Box<Process>),
    /// It died before that, by SIGKILL.
    Died,
}

/// A running process.
pub(crate) struct Process {
    child: Child,
    /// Its readiness line.
    pub(crate) ready: Value,
}

impl Programs {
    /// The simulated WeChat.
    pub(crate) async fn sandbox(&self) -> Result<Process> {
        let mut command = self.command();
        command.args(["sandbox", "--json", "--listen", "127.0.0.1:0"]).env("HONGYAN_LOG", "warn");
        match start(&mut command).await? {
            Started::Ready(process) => Ok(*process),
            Started::Died => Err("the sandbox was killed".into()),
        }
    }

    /// A new API key.
    pub(crate) async fn key(&self) -> Result<String> {
        let output = self.command().args(["key", "create", "--name", "crash"]).output().await;
        let output = output.map_err(|error| format!("{} does not start: {error}", self.hongyan.display()))?;
        if !output.status.success() {
            return Err(format!("no API key: {}", String::from_utf8_lossy(&output.stderr)));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// The gateway, which dies at a point if one is given.
    pub(crate) async fn gateway(&self, wechat: &str, arming: Option<Arming>) -> Result<Started> {
        start(&mut self.gateway_command(wechat, arming)?).await
    }

    /// The gateway, killed so long after it was started, ready or not.
    pub(crate) async fn stillborn_gateway(&self, wechat: &str, after: Duration) -> Result {
        let child = self.gateway_command(wechat, None)?.spawn();
        let mut child =
            child.map_err(|error| format!("{} does not start: {error}", self.hongyan.display()))?;
        tokio::time::sleep(after).await;
        child.start_kill().map_err(|error| format!("cannot kill the gateway: {error}"))?;
        ended(&mut child).await.map(drop)
    }

    fn gateway_command(&self, wechat: &str, arming: Option<Arming>) -> Result<Command> {
        let log = std::fs::File::options().create(true).append(true).open(self.dir.join("gateway.log"));
        let mut command = self.command();
        command
            .args(["serve", "--json", "--listen", "127.0.0.1:0", "--wechat-base-url", wechat])
            .env("HONGYAN_LOG", "warn")
            // So that an answer that never comes does not hold up a round.
            .env("HONGYAN_ANSWER_TIMEOUT_MS", "1000")
            // The back end that is told of everything is on this machine.
            .env("HONGYAN_WEBHOOK_ALLOW_HTTP", "true")
            .env("HONGYAN_WEBHOOK_ALLOW_PRIVATE", "true")
            .stderr(log.map_err(|error| format!("cannot write the gateway's log: {error}"))?);
        if let Some(arming) = arming {
            command.env("FAILPOINTS", arming.setting());
        }
        Ok(command)
    }

    /// The binary, with its data in `dir` and without settings from outside.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.hongyan);
        // `serve` takes a hongyan.toml that lies where it is started.
        command.current_dir(&self.dir).kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::piped());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HONGYAN_") || name == "FAILPOINTS" {
                command.env_remove(name);
            }
        }
        command.env("HONGYAN_DATA_DIR", self.dir.join("data"));
        command
    }

    /// The database.
    pub(crate) fn database(&self) -> PathBuf {
        Path::new(&self.dir).join("data").join("hongyan.db")
    }
}

async fn start(command: &mut Command) -> Result<Started> {
    let mut child = command.spawn().map_err(|error| format!("cannot start: {error}"))?;
    let stdout = child.stdout.take().expect("every command is made with a pipe");
    let line = timeout(PATIENCE, BufReader::new(stdout).lines().next_line()).await;
    let line = line.map_err(|_| "a process does not get ready")?;
    let Some(line) = line.map_err(|error| format!("standard output of a process: {error}"))? else {
        let status = ended(&mut child).await?;
        return if died_at_once(status) {
            Ok(Started::Died)
        } else {
            Err(format!("a process ended before it was ready: {status}"))
        };
    };
    let ready = serde_json::from_str(&line).map_err(|error| format!("{line}: {error}"))?;
    Ok(Started::Ready(Box::new(Process { child, ready })))
}

async fn ended(child: &mut Child) -> Result<ExitStatus> {
    let status = timeout(PATIENCE, child.wait()).await.map_err(|_| "a process does not end")?;
    status.map_err(|error| format!("a process: {error}"))
}

fn died_at_once(status: ExitStatus) -> bool {
    status.signal() == Some(SIGKILL)
}

impl Process {
    /// A text of its readiness line.
    pub(crate) fn text(&self, pointer: &str) -> Result<String> {
        let text = self.ready.pointer(pointer).and_then(Value::as_str);
        text.map(str::to_owned).ok_or_else(|| format!("no {pointer} in {}", self.ready))
    }

    /// `kill -9`.
    pub(crate) async fn kill(&mut self) -> Result {
        // Fails only when it has ended already.
        let _ = self.child.start_kill();
        ended(&mut self.child).await.map(drop)
    }

    /// Waits until it dies. It may only do so by SIGKILL.
    pub(crate) async fn death(&mut self) -> Result {
        let status = self.child.wait().await.map_err(|error| format!("a process: {error}"))?;
        if died_at_once(status) { Ok(()) } else { Err(format!("the gateway ended by itself: {status}")) }
    }

    /// Stops it as an operator would, and requires that it ends well.
    pub(crate) async fn stop(mut self) -> Result {
        let id = self.child.id().ok_or("a process ended by itself")?;
        let told = Command::new("kill").args(["-TERM", &id.to_string()]).status().await;
        told.map_err(|error| format!("cannot stop a process: {error}"))?;
        let status = ended(&mut self.child).await?;
        if status.success() { Ok(()) } else { Err(format!("a process ended badly: {status}")) }
    }
}
