//! Logs, on standard error.

use std::io::IsTerminal;

use hongyan_gateway::config::{LogFormat, check_log_filter};
use tracing_subscriber::EnvFilter;

use crate::failure::Failure;
use crate::text::{Text, say};

/// Starts logging. `filter` selects what is logged, `format` how.
///
/// # Errors
/// When the filter is invalid. Exit code 78: the filter is a setting.
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
        // https://no-color.org: any value turns colours off.
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        logger.with_ansi(terminal && !plain).try_init()
    };
    started.map_err(|error| Failure::run(say!("无法启动日志：{error}", "cannot start logging: {error}")))
}

/// Reads a log filter.
///
/// # Errors
/// When the filter is invalid, or would turn the log off by mistake. Exit code 78: the filter is a setting.
pub(crate) fn filter(text: &str) -> Result<EnvFilter, Failure> {
    check_log_filter(text).map_err(|why| Failure::configuration(Text::same(format!("log: {why}"))))?;
    // refinery logs more than people need; a filter that names refinery_core overrides this.
    EnvFilter::try_new(format!("refinery_core=warn,{text}")).map_err(|error| {
        Failure::configuration(say!(
            "log：{text:?} 不可用：{error}；可以写 error、warn、info、debug、trace，也可按模块设置（info,hongyan_gateway=debug）",
            "log: {text:?} is not a valid filter: {error}; write error, warn, info, debug or trace, \
             also per module (info,hongyan_gateway=debug)"
        ))
    })
}

/// Starts logging for commands without a configuration file, with the filter in `HONGYAN_LOG`, or `default`.
///
/// # Errors
/// As [`start`].
pub(crate) fn start_from_environment(default: &str, format: LogFormat) -> Result<(), Failure> {
    let filter = std::env::var("HONGYAN_LOG").ok().filter(|text| !text.is_empty());
    start(filter.as_deref().unwrap_or(default), format)
}
