//! The processes: a sandbox that runs through, and a gateway that dies.

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

/// A longer start or stop of a process counts as a hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// `SIGKILL`, which ends a process at a fail point, too.
const SIGKILL: i32 = 9;

/// The binary and the directory of the processes.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    /// The `hongyan` binary, with fail points.
    pub(crate) hongyan: PathBuf,
    /// The directory of the database and the log.
    pub(crate) dir: PathBuf,
}

/// A fail point and how often it is passed before it ends the process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arming {
    pub(crate) point: Point,
    pub(crate) passes: u32,
}

impl Arming {
    /// The value of the environment variable `FAILPOINTS`.
    fn setting(self) -> String {
        let Self { point, passes } = self;
        match passes {
            0 => format!("{}=return", point.name),
            passes => format!("{}={passes}*off->return", point.name),
        }
    }
}

/// The result of a start.
pub(crate) enum Started {
    /// The process is ready.
    Ready(Box<Process>),
    /// The process died by SIGKILL before it was ready.
    Died,
}

/// A running process.
pub(crate) struct Process {
    child: Child,
    /// The readiness line.
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

    /// The gateway, with an armed fail point if `arming` has a value.
    pub(crate) async fn gateway(&self, wechat: &str, arming: Option<Arming>) -> Result<Started> {
        start(&mut self.gateway_command(wechat, arming)?).await
    }

    /// Starts the gateway and kills it after this time, ready or not.
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
            // An answer that never comes must not hold up a round.
            .env("HONGYAN_ANSWER_TIMEOUT_MS", "1000")
            // The back end for webhooks is on this machine.
            .env("HONGYAN_WEBHOOK_ALLOW_HTTP", "true")
            .env("HONGYAN_WEBHOOK_ALLOW_PRIVATE", "true")
            .stderr(log.map_err(|error| format!("cannot write the gateway's log: {error}"))?);
        if let Some(arming) = arming {
            command.env("FAILPOINTS", arming.setting());
        }
        Ok(command)
    }

    /// A command of the binary, with its data in `dir` and without `HONGYAN_*` variables from outside.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.hongyan);
        // `serve` reads a hongyan.toml from its working directory.
        command.current_dir(&self.dir).kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::piped());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HONGYAN_") || name == "FAILPOINTS" {
                command.env_remove(name);
            }
        }
        command.env("HONGYAN_DATA_DIR", self.dir.join("data"));
        command
    }

    pub(crate) fn database(&self) -> PathBuf {
        Path::new(&self.dir).join("data").join("hongyan.db")
    }
}

async fn start(command: &mut Command) -> Result<Started> {
    let mut child = command.spawn().map_err(|error| format!("cannot start: {error}"))?;
    let stdout = child.stdout.take().expect("every command is made with a pipe");
    let line = timeout(PATIENCE, BufReader::new(stdout).lines().next_line()).await;
    let line = line.map_err(|_| "a process does not become ready")?;
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
    /// A text in the readiness line.
    pub(crate) fn text(&self, pointer: &str) -> Result<String> {
        let text = self.ready.pointer(pointer).and_then(Value::as_str);
        text.map(str::to_owned).ok_or_else(|| format!("no {pointer} in {}", self.ready))
    }

    /// `kill -9`.
    pub(crate) async fn kill(&mut self) -> Result {
        // This fails only if the process has already ended.
        let _ = self.child.start_kill();
        ended(&mut self.child).await.map(drop)
    }

    /// Waits until the process dies. Any end but SIGKILL is an error.
    pub(crate) async fn death(&mut self) -> Result {
        let status = self.child.wait().await.map_err(|error| format!("a process: {error}"))?;
        if died_at_once(status) { Ok(()) } else { Err(format!("the gateway ended by itself: {status}")) }
    }

    /// Stops the process by SIGTERM. An exit code other than 0 is an error.
    pub(crate) async fn stop(mut self) -> Result {
        let id = self.child.id().ok_or("a process ended by itself")?;
        let told = Command::new("kill").args(["-TERM", &id.to_string()]).status().await;
        told.map_err(|error| format!("cannot stop a process: {error}"))?;
        let status = ended(&mut self.child).await?;
        if status.success() { Ok(()) } else { Err(format!("a process ended with {status}")) }
    }
}
