//! The command line of daily life, as an operator uses it at a running gateway.

use std::process::Output;

use serde_json::Value;
use tokio::process::Command;

use crate::process::{hongyan, run};
use crate::world::World;

mod doctor;
mod lists;
mod versions;
mod webhooks;

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A command at a gateway.
pub fn at(url: &str, key: &str, args: &[&str]) -> Command {
    let mut command = hongyan(args);
    command.env("HONGYAN_URL", url).env("HONGYAN_API_KEY", key);
    command
}

impl World {
    /// Runs a command that must succeed. Returns what it printed on standard output and on standard error.
    pub async fn command(&self, args: &[&str]) -> (String, String) {
        let output = run(&mut at(&self.url, &self.key, args)).await;
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
        (stdout(&output), stderr(&output))
    }

    /// The JSON that a command prints.
    pub async fn command_json(&self, args: &[&str]) -> Value {
        let (text, _) = self.command(&[args, &["--json"]].concat()).await;
        assert_eq!(text.lines().count(), 1, "one document: {text}");
        serde_json::from_str(&text).unwrap()
    }
}
