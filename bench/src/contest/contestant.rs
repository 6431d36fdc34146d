//! Who is compared, and how each is started.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::Result;
use crate::bench::{Bench, Part};
use crate::client::Target;
use crate::gateway::Gateway;
use crate::process::{Process, command};
use crate::rival;

/// Messages of one request, where several are sent at once.
const BATCH: u32 = 100;

/// A contestant that is running.
pub(super) struct Running {
    pub(super) target: Target,
    /// Messages of one request.
    pub(super) batch: u32,
    /// Everything that works for it, each with the CPU and the memory that it uses.
    pub(super) processes: Vec<Process>,
    /// What its rows must say when it has ended.
    journal: Option<PathBuf>,
}

impl Running {
    /// Starts a contestant on nothing, with what it needs to send so many messages to so many users.
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
            Part::Gateway | Part::GatewayBatch => {
                let gateway = Gateway::start(&bench.hongyan, dir, &bench.sink.url).await?;
                gateway.grant(users, messages.div_ceil(users)).await?;
                let batch = if part == Part::GatewayBatch { BATCH } else { 1 };
                let Gateway { process, target } = gateway;
                Ok(Self { target, batch, processes: vec![process], journal: None })
            }
        }
    }

    /// A service that says on its first line: listening on http://…
    async fn listening(name: &'static str, command: &mut Command) -> Result<Self> {
        let (process, line) = Process::start(name, command).await?;
        let url = line.split_whitespace().last().unwrap_or_default();
        Ok(Self { target: Target::new(url)?, batch: 1, processes: vec![process], journal: None })
    }

    /// Stops it, and looks whether it has kept its promise for that many messages.
    pub(super) async fn stop(self, messages: u32) -> Result {
        for process in self.processes {
            process.stop().await?;
        }
        if let Some(journal) = &self.journal {
            let states = rival::states(journal)?;
            if states != [(rival::SENT, messages)] {
                return Err(format!("of {messages} rows not all are sent: {states:?}"));
            }
        }
        Ok(())
    }
}

/// This binary as one of the programs that are written here.
fn own(bench: &Bench, dir: &Path, name: &str) -> Result<Command> {
    let own = std::env::current_exe().map_err(|error| format!("where am I? {error}"))?;
    let mut command = command(own, dir);
    command.args(["rival", name, "--wechat", &bench.sink.url]);
    Ok(command)
}
