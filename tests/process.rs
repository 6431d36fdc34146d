//! The `hongyan` program in its own process.

use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::world::PATIENCE;

/// The program, without the settings of the machine.
pub fn hongyan(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hongyan"));
    command.args(args).kill_on_drop(true).stdin(Stdio::null());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HONGYAN_")) {
        command.env_remove(name);
    }
    // The language of the machine.
    command.env("LC_ALL", "C");
    command
}

/// Runs the program to its end.
pub async fn run(command: &mut Command) -> Output {
    tokio::time::timeout(PATIENCE, command.output()).await.expect("the program ends by itself").unwrap()
}

/// A program that serves and has reported that it is ready.
pub struct Server {
    child: Child,
    /// The line that reports readiness.
    pub ready: Value,
}

impl Server {
    pub async fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line())
            .await
            .expect("the program reports that it is ready");
        let line = line.unwrap().expect("the program ended before it was ready");
        let ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        Self { child, ready }
    }

    pub fn url(&self, what: &str) -> String {
        self.ready[what].as_str().unwrap_or_else(|| panic!("no {what} in {}", self.ready)).to_owned()
    }

    /// The id of the process.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the process runs")
    }

    /// `kill -9`.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Closes the program's standard input.
    pub fn close_stdin(&mut self) {
        self.child.stdin.take().expect("standard input is a pipe");
    }

    /// The exit status after the program ended by itself or by a signal sent elsewhere.
    pub async fn ended(mut self) -> ExitStatus {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("the program ends").unwrap()
    }

    /// Sends a signal, and returns the exit status.
    pub async fn signal(mut self, name: &str) -> ExitStatus {
        let pid = self.child.id().expect("the process runs").to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().await.unwrap().success());
        let patience = PATIENCE + Duration::from_secs(20);
        tokio::time::timeout(patience, self.child.wait()).await.expect("the program ends by itself").unwrap()
    }
}

/// A gateway on one data directory.
pub struct Gateway {
    pub url: String,
    server: Server,
}

impl Gateway {
    pub async fn start(dir: &Path, wechat: &str) -> Self {
        let server = Server::start(&mut serve(dir, wechat)).await;
        Self { url: server.url("gateway"), server }
    }

    /// The id of its process.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    pub async fn kill(self) {
        self.server.kill().await;
    }

    pub async fn signal(self, name: &str) -> ExitStatus {
        self.server.signal(name).await
    }
}

/// `hongyan serve` on a data directory and any free port.
pub fn serve(dir: &Path, wechat: &str) -> Command {
    let mut command = hongyan(&["serve", "--json", "--listen", "127.0.0.1:0"]);
    command
        .env("HONGYAN_DATA_DIR", dir)
        .env("HONGYAN_WECHAT_BASE_URL", wechat)
        .env("HONGYAN_LOG", "error")
        .current_dir(dir);
    command
}

/// The same command with a limit of file descriptors.
pub fn with_descriptors(command: &Command, count: u32) -> Command {
    let inner = command.as_std();
    let mut outer = Command::new("sh");
    outer
        .args(["-c", "ulimit -n $0 && exec \"$@\"", &count.to_string()])
        .arg(inner.get_program())
        .args(inner.get_args())
        .kill_on_drop(true)
        .stdin(Stdio::null());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    if let Some(dir) = inner.get_current_dir() {
        outer.current_dir(dir);
    }
    outer
}

/// A new API key with all scopes.
pub async fn create_key(dir: &Path) -> String {
    let output =
        run(hongyan(&["key", "create", "--name", "story"]).env("HONGYAN_DATA_DIR", dir).current_dir(dir))
            .await;
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
