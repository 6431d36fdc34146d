//! Logs, on standard error.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use hongyan_gateway::config::{LogFormat, check_log_filter};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::failure::Failure;
use crate::text::{Text, say};

/// Starts logging. `filter` selects what is logged, `format` how. Each line of JSON names the node.
///
/// # Errors
/// When the filter is invalid. Exit code 78: the filter is a setting.
pub(crate) fn start(filter: &str, format: LogFormat, node: Option<&str>) -> Result<(), Failure> {
    let filter = self::filter(filter)?;
    let terminal = io::stderr().is_terminal();
    let logger = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Lines::new(node));
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
    check_log_filter(text).map_err(|why| {
        let why = Text::from(&why);
        Failure::configuration(say!("log：{why}", "log: {why}"; why))
    })?;
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
    start(filter.as_deref().unwrap_or(default), format, None)
}

/// Writes the lines of the log to standard error. A line that is a JSON object gets the member `node_id`.
#[derive(Clone)]
struct Lines {
    /// The beginning of a line of JSON.
    beginning: Option<Arc<str>>,
}

impl Lines {
    /// `node`: a text that JSON need not escape; the setting `node_id` allows no other.
    fn new(node: Option<&str>) -> Self {
        Self { beginning: node.map(|node| format!(r#"{{"node_id":"{node}","#).into()) }
    }

    fn named(&self, line: &[u8]) -> Option<Vec<u8>> {
        let rest = line.strip_prefix(b"{")?;
        Some([self.beginning.as_deref()?.as_bytes(), rest].concat())
    }
}

impl Write for Lines {
    /// The logger passes each line whole.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let named = self.named(line);
        io::stderr().lock().write_all(named.as_deref().unwrap_or(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_json_names_the_node_and_a_line_of_text_does_not() {
        let lines = Lines::new(Some("node-1"));
        assert_eq!(lines.named(br#"{"level":"INFO"}"#).unwrap(), br#"{"node_id":"node-1","level":"INFO"}"#);
        assert_eq!(lines.named(b"2026-05-01 INFO x"), None);
        assert_eq!(Lines::new(None).named(b"{}"), None);
    }
}
