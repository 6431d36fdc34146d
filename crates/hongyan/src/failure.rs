//! How a failed command ends.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use hongyan_gateway::GatewayError;
use hongyan_gateway::config::{ConfigError, Place};
use hongyan_sandbox::SandboxError;
use hongyan_store::StoreError;

use crate::text::{Text, say};

/// Why a command failed, in words for people, and with which exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    message: Text,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The command failed while running.
    Run,
    /// The command line does not make sense.
    Usage,
    /// The configuration, or something that the configuration names, cannot be used. 78 is `EX_CONFIG` of sysexits.h.
    Configuration,
    /// Standard output says everything already; only the exit code is left to give.
    Said(u8),
}

impl Failure {
    /// Exit code 1.
    pub(crate) fn run(message: impl Into<Text>) -> Self {
        Self { kind: Kind::Run, message: message.into() }
    }

    /// Exit code 2.
    pub(crate) fn usage(message: impl Into<Text>) -> Self {
        Self { kind: Kind::Usage, message: message.into() }
    }

    /// Exit code 78.
    pub(crate) fn configuration(message: impl Into<Text>) -> Self {
        Self { kind: Kind::Configuration, message: message.into() }
    }

    /// Exit code 1, after a result that shows the failure.
    pub(crate) fn said() -> Self {
        Self { kind: Kind::Said(1), message: Text::same("") }
    }

    /// Exit code 78, after a result that shows the failure.
    pub(crate) fn said_configuration() -> Self {
        Self { kind: Kind::Said(78), message: Text::same("") }
    }

    /// Exit code 1, because a file cannot be read.
    pub(crate) fn cannot_read(path: &Path, why: &dyn fmt::Display) -> Self {
        Self::run(say!("不能读取 {}：{why}", "cannot read {}: {why}", path.display()))
    }

    /// Exit code 1, because a file cannot be written.
    pub(crate) fn cannot_write(path: &Path, why: &dyn fmt::Display) -> Self {
        Self::run(say!("不能写入 {}：{why}", "cannot write {}: {why}", path.display()))
    }

    /// The text for standard error.
    pub(crate) fn message(&self) -> Option<&Text> {
        (!matches!(self.kind, Kind::Said(_))).then_some(&self.message)
    }

    /// The text, for a finding or another failure that contains it.
    pub(crate) fn into_text(self) -> Text {
        self.message
    }

    /// The exit code of the process.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    pub(crate) const fn code(&self) -> u8 {
        match self.kind {
            Kind::Run => 1,
            Kind::Usage => 2,
            Kind::Configuration => 78,
            Kind::Said(code) => code,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message.shown())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        match error {
            // A flag is part of the command line, whichever setting it sets.
            ConfigError::Value { place: Place::Flag(_), .. } => Self::usage(&error),
            error => Self::configuration(&error),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            // These errors mean that the configured database cannot be used. The other errors happen to a usable
            // database. A damaged database is unusable too: another start does not repair it.
            StoreError::Open { .. } | StoreError::Newer { .. } | StoreError::Corrupt(_) => {
                Self::configuration(&error)
            }
            StoreError::Failed { .. }
            | StoreError::Full { .. }
            | StoreError::TookTooLong { .. }
            | StoreError::Closed => Self::run(&error),
        }
    }
}

impl From<GatewayError> for Failure {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::Config(error) => error.into(),
            GatewayError::Store(error) => error.into(),
            GatewayError::Wechat(_)
            | GatewayError::Webhooks(_)
            | GatewayError::Traces(_)
            | GatewayError::DataDir { .. }
            | GatewayError::Copy { .. } => Self::configuration(&error),
            GatewayError::Listen(_) | GatewayError::Setup { .. } => Self::run(&error),
        }
    }
}

impl From<SandboxError> for Failure {
    fn from(error: SandboxError) -> Self {
        Self::run(&error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_failure_has_its_exit_code() {
        assert_eq!(Failure::run(Text::same("x")).code(), 1);
        assert_eq!(Failure::usage(Text::same("x")).code(), 2);
        assert_eq!(Failure::configuration(Text::same("x")).code(), 78);
        let newer = StoreError::Newer { path: "h.db".into(), found: 9, known: 1 };
        assert_eq!(Failure::from(newer).code(), 78);
        let damaged = StoreError::Corrupt("x".into());
        assert_eq!(Failure::from(damaged).code(), 78);
        let full = StoreError::Full { verb: "accept messages", why: "x".into() };
        assert_eq!(Failure::from(full).code(), 1);
        let data_dir = GatewayError::DataDir { path: "x".into(), why: "y".into() };
        assert_eq!(Failure::from(data_dir).code(), 78);
    }
}
