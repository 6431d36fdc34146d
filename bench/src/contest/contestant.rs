//! The contestants: the programs that are compared, and how each program is started.

use std::path::{Path, PathBuf};

use http::StatusCode;
use tokio::process::Command;

use crate::Result;
use crate::bench::{Bench, Part};
use crate::client::Target;
use crate::gateway::Gateway;
use crate::process::{Process, command};
use crate::rival;

/// Messages of one request of [`Part::GatewayBatch`].
const BATCH: u32 = 100;

/// A contestant that is running.
pub(super) struct Running {
    pub(super) target: Target,
    /// Messages of one request.
    pub(super) batch: u32,
    /// The status of a request that was accepted.
    pub(super) accepted: StatusCode,
    /// All processes of the contestant, in the order in which to stop them. Their CPU and memory count.
    pub(super) processes: Vec<Process>,
    /// The forwarder's database, which is checked at the end.
    journal: Option<PathBuf>,
}

impl Running {
    /// Starts a contestant in an empty directory, with the permits for `messages` messages to `users` users.
    pub(super) async fn start(
        bench: &Bench,
        part: Part,
        dir: &Path,
        users: u32,
        messages: u32,
    ) -> Result<Self> {
        match part {
            Part::Bare => Self::listening("bare", &mut own(bench, dir, "bare")?).await,
            Part::Forwarder => {
                let journal = dir.join("forwarder.db");
                let mut command = own(bench, dir, "forwarder")?;
                command.arg("--database").arg(&journal);
                let running = Self::listening("forwarder", &mut command).await?;
                Ok(Self { journal: Some(journal), ..running })
            }
            Part::ForwarderLedger => {
                let mut command = own(bench, dir, "forwarder-ledger")?;
                command.arg("--database").arg(dir.join("ledger.db"));
                command.args(["--users", &users.to_string()]);
                command.args(["--units", &messages.div_ceil(users).to_string()]);
                Self::listening("forwarder-ledger", &mut command).await
            }
            Part::Tutorial => {
                let mut node = node(bench, dir, "tutorial/server.mjs");
                let running = Self::listening("node", &mut node).await?;
                // This program answers 200 after WeChat has answered, as tutorials do.
                Ok(Self { accepted: StatusCode::OK, ..running })
            }
            Part::Bullmq => bullmq(bench, dir).await,
            Part::Gateway | Part::GatewayBatch | Part::GatewayWebhook => {
                let gateway = Gateway::start(&bench.hongyan, dir, &bench.sink.url).await?;
                gateway.grant(0..users, messages.div_ceil(users)).await?;
                if part == Part::GatewayWebhook {
                    gateway.add_webhook(&bench.sink.url).await?;
                }
                let Gateway { process, target, .. } = gateway;
                let batch = if part == Part::GatewayBatch { BATCH } else { 1 };
                Ok(Self { batch, ..Self::new(target, process) })
            }
            Part::HalfLoad
            | Part::Facade
            | Part::Callbacks
            | Part::History
            | Part::Scheduled
            | Part::Console
            | Part::Sandbox => Err(format!("{} is not a contestant", part.name())),
        }
    }

    fn new(target: Target, process: Process) -> Self {
        Self { target, batch: 1, accepted: StatusCode::ACCEPTED, processes: vec![process], journal: None }
    }

    /// Starts a service whose first line is: listening on http://…
    async fn listening(name: &'static str, command: &mut Command) -> Result<Self> {
        let (process, line) = Process::start(name, command).await?;
        let url = line.split_whitespace().last().unwrap_or_default();
        Ok(Self::new(Target::new(url)?, process))
    }

    /// Stops the contestant. The forwarder must have committed an outcome for each of `messages` messages.
    pub(super) async fn stop(self, messages: u32) -> Result {
        for process in self.processes {
            process.stop().await?;
        }
        if let Some(journal) = &self.journal {
            let states = rival::states(journal)?;
            if states != [(rival::SENT, messages)] {
                return Err(format!("not all of {messages} rows are sent: {states:?}"));
            }
        }
        Ok(())
    }
}

/// This binary as one of the programs in Rust.
fn own(bench: &Bench, dir: &Path, name: &str) -> Result<Command> {
    let own =
        std::env::current_exe().map_err(|error| format!("cannot find the path of this program: {error}"))?;
    let mut command = command(own, dir);
    command.args(["rival", name, "--wechat", &bench.sink.url]);
    Ok(command)
}

/// One of the programs in `bench/rivals/`.
fn node(bench: &Bench, dir: &Path, script: &str) -> Command {
    let mut command = command("node", dir);
    command
        .arg(bench.rivals().join(script))
        .env("WECHAT_HOST", &bench.sink.url)
        .env("NODE_ENV", "production");
    command
}

/// Redis, a producer and a worker. Redis answers a write after the write is on disk.
async fn bullmq(bench: &Bench, dir: &Path) -> Result<Running> {
    /// Relative to the directory in which all three run: an absolute path may be too long for a socket.
    const SOCKET: &str = "redis.sock";
    let mut redis = command("redis-server", dir);
    redis.args(["--port", "0", "--unixsocket", SOCKET, "--save", ""]);
    redis.args(["--appendonly", "yes", "--appendfsync", "always"]);
    let (redis, _) =
        Process::start_until("redis", &mut redis, |line| line.contains("ready to accept connections"))
            .await?;
    let mut worker = node(bench, dir, "bullmq/worker.mjs");
    let (worker, _) = Process::start("node, worker", worker.env("REDIS_SOCKET", SOCKET)).await?;
    let mut server = node(bench, dir, "bullmq/server.mjs");
    let mut running = Running::listening("node, producer", server.env("REDIS_SOCKET", SOCKET)).await?;
    running.processes.extend([worker, redis]);
    Ok(running)
}
