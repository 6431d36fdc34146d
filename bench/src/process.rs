//! A measured program in a separate process.

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

/// The longest time until a program is ready. The largest database opens in much less.
const START_TIMEOUT: Duration = Duration::from_secs(600);

/// The longest time until a program has ended.
const STOP_TIMEOUT: Duration = Duration::from_secs(120);

/// A running program. Dropping it without [`Process::stop`] kills it.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
}

/// A command without `HONGYAN_*` variables from outside. Its process is killed when it is dropped.
pub(crate) fn command(program: impl AsRef<OsStr>, dir: &Path) -> Command {
    let mut command = Command::new(program);
    // `hongyan serve` reads a hongyan.toml from its working directory.
    command.current_dir(dir).stdin(Stdio::null()).kill_on_drop(true);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HONGYAN_") {
            command.env_remove(name);
        }
    }
    command
}

impl Process {
    /// Starts a program and waits for its first line on standard output, which is returned.
    pub(crate) async fn start(name: &'static str, command: &mut Command) -> Result<(Self, String)> {
        Self::start_until(name, command, |_| true).await
    }

    /// Starts a program and waits for the line on standard output that says that it is ready.
    pub(crate) async fn start_until(
        name: &'static str,
        command: &mut Command,
        is_ready: impl Fn(&str) -> bool,
    ) -> Result<(Self, String)> {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{name} does not start: {error}"))?;
        let stdout = child.stdout.take().expect("standard output was piped just above");
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
        // The pipe must be read on: a full pipe blocks the program, and a closed pipe may end it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok((Self { name, child }, line))
    }

    fn id(&self) -> Result<u32> {
        self.child.id().ok_or_else(|| format!("{self} ended while it was measured"))
    }

    /// The CPU time and the peak memory so far.
    pub(crate) fn usage(&self) -> Result<Usage> {
        Usage::of(self.id()?)
    }

    /// The resident memory now.
    pub(crate) fn memory_kib(&self) -> Result<u64> {
        memory_kib(self.id()?)
    }

    /// The number of open file descriptors now.
    pub(crate) fn descriptors(&self) -> Result<u64> {
        descriptors(self.id()?)
    }

    /// Resets the peak of the memory.
    pub(crate) fn forget_peak(&self) -> Result {
        forget_peak(self.id()?)
    }

    /// Stops the program by SIGTERM. An exit code other than 0 is an error.
    pub(crate) async fn stop(mut self) -> Result {
        let id = self.id()?;
        let told = Command::new("kill").args(["-TERM", &id.to_string()]).status().await;
        told.map_err(|error| format!("cannot stop {self}: {error}"))?;
        let ended = timeout(STOP_TIMEOUT, self.child.wait()).await;
        let status = ended.map_err(|_| format!("{self} did not end within {STOP_TIMEOUT:?}"))?;
        let status = status.map_err(|error| format!("{self}: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("{self} ended with {status}")) }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
