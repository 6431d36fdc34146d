//! A program that is measured: a process of its own.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::Result;
use crate::usage::{Usage, descriptors, forget_peak, memory_kib};

/// How long a program may take until it is ready; the largest database is opened well within it.
const START_TIMEOUT: Duration = Duration::from_secs(600);

/// How long it may take to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(120);

/// A running program. It is killed if it is dropped without having been stopped.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
}

/// A command without this project's settings from outside, which is killed with us.
pub(crate) fn command(program: impl AsRef<OsStr>, dir: &Path) -> Command {
    let mut command = Command::new(program);
    // `hongyan serve` takes a hongyan.toml that lies where it is started.
    command.current_dir(dir).stdin(Stdio::null()).kill_on_drop(true);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HONGYAN_") {
            command.env_remove(name);
        }
    }
    command
}

impl Process {
    /// Starts it and waits for its first line on standard output: it is ready. The line is returned too.
    pub(crate) async fn start(name: &'static str, command: &mut Command) -> Result<(Self, String)> {
        Self::start_until(name, command, |_| true).await
    }

    /// Starts it and waits for the line on standard output by which it is ready.
    pub(crate) async fn start_until(
        name: &'static str,
        command: &mut Command,
        is_ready: impl Fn(&str) -> bool,
    ) -> Result<(Self, String)> {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{name} does not start: {error}"))?;
        let stdout = child.stdout.take().expect("it was asked for just above");
        let mut lines = BufReader::new(stdout).lines();
        let reading = async {
            while let Some(line) = lines.next_line().await.ok().flatten() {
                if is_ready(&line) {
                    return Some(line);
                }
            }
            None
        };
        let line = match timeout(START_TIMEOUT, reading).await {
            Ok(Some(line)) => line,
            Ok(None) => return Err(format!("{name} ended before it was ready")),
            Err(_) => return Err(format!("{name} was not ready within {START_TIMEOUT:?}")),
        };
        // A program whose pipe is full stands still, and one whose pipe is closed may end.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok((Self { name, child }, line))
    }

    fn id(&self) -> Result<u32> {
        self.child.id().ok_or_else(|| format!("{self} ended while it was measured"))
    }

    /// What it has used so far.
    pub(crate) fn usage(&self) -> Result<Usage> {
        Usage::of(self.id()?)
    }

    /// How much memory it holds now.
    pub(crate) fn memory_kib(&self) -> Result<u64> {
        memory_kib(self.id()?)
    }

    /// How many descriptors it has open now.
    pub(crate) fn descriptors(&self) -> Result<u64> {
        descriptors(self.id()?)
    }

    /// Lets the peak of its memory begin anew.
    pub(crate) fn forget_peak(&self) -> Result {
        forget_peak(self.id()?)
    }

    /// Stops it as an operator would, and requires that it ends well.
    pub(crate) async fn stop(mut self) -> Result {
        let id = self.id()?;
        let told = Command::new("kill").args(["-TERM", &id.to_string()]).status().await;
        told.map_err(|error| format!("cannot stop {self}: {error}"))?;
        let ended = timeout(STOP_TIMEOUT, self.child.wait()).await;
        let status = ended.map_err(|_| format!("{self} did not end within {STOP_TIMEOUT:?}"))?;
        let status = status.map_err(|error| format!("{self}: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("{self} ended badly: {status}")) }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
