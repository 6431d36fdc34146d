//! Logs, on standard error.

use std::io::IsTerminal;

use hongyan_gateway::config::{LogFormat, check_log_filter};
use tracing_subscriber::EnvFilter;

use crate::failure::Failure;

/// Starts logging. `filter` is what to log, `format` how.
///
/// # Errors
/// When the filter is not one. Exit code 78: it is a setting.
pub(crate) fn start(filter: &str, format: LogFormat) -> Result<(), Failure> {
    let filter = self::filter(filter)?;
    let terminal = std::io::stderr().is_terminal();
    let logger = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let as_json = match format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let started = if as_json {
        logger.json().flatten_event(true).try_init()
    } else {
        // https://no-color.org: set to anything, no colours.
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        logger.with_ansi(terminal && !plain).try_init()
    };
    started.map_err(|error| Failure::run(format!("cannot start logging: {error}")))
}

/// What to log.
///
/// # Errors
/// When it is not a filter, or would silence the log by a slip. Exit code 78: it is a setting.
pub(crate) fn filter(text: &str) -> Result<EnvFilter, Failure> {
    check_log_filter(text).map_err(|why| Failure::configuration(format!("log: {why}")))?;
    // Quieter by default than it is; whoever names it in the filter still gets it.
    EnvFilter::try_new(format!("refinery_core=warn,{text}")).map_err(|error| {
        Failure::configuration(format!(
            "log: {text:?} is not a filter: {error}; write error, warn, info, debug or trace, \
             also per module (info,hongyan_gateway=debug)"
        ))
    })
}

/// Starts logging for the commands without a configuration file: `HONGYAN_LOG`, or `default`.
///
/// # Errors
/// As [`start`].
pub(crate) fn start_from_environment(default: &str, format: LogFormat) -> Result<(), Failure> {
    let filter = std::env::var("HONGYAN_LOG").ok().filter(|text| !text.is_empty());
    start(filter.as_deref().unwrap_or(default), format)
}
