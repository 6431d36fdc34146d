//! The demo of the built binary, for the tests in other languages. The demo must start, print its addresses, and end
//! well.

use std::fs::{self, File};
use std::process::Command;

use serde_json::Value;

use crate::command::{Result, Service, cargo, debug_binary, root, run as run_command};

/// A running demo.
pub(crate) struct Demo {
    ready: Value,
    /// The demo's standard error; programs beside the demo may write there too.
    pub(crate) log: File,
}

impl Demo {
    /// The value at this place of the readiness line.
    ///
    /// # Errors
    /// When there is no text at this place.
    pub(crate) fn text(&self, pointer: &str) -> Result<String> {
        let text = self.ready.pointer(pointer).and_then(Value::as_str);
        text.map(str::to_owned)
            .ok_or_else(|| format!("the demo's first line has no {pointer}: {}", self.ready))
    }
}

/// Builds the binary, starts its demo with this file (below the root) as its log, runs the tests against the demo, and
/// stops it.
///
/// # Errors
/// When the tests fail, or when the demo does not start or does not end well.
pub(crate) fn with(log: &str, test: impl FnOnce(&Demo) -> Result) -> Result {
    with_flags(log, &[], test)
}

/// The same, with these flags of the demo.
///
/// # Errors
/// As above.
pub(crate) fn with_flags(log: &str, flags: &[&str], test: impl FnOnce(&Demo) -> Result) -> Result {
    run_command(&mut cargo(&["build", "--package", "hongyan"]))?;
    let path = root().join(log);
    let unwritable = |error: std::io::Error| format!("cannot write {}: {error}", path.display());
    fs::create_dir_all(path.parent().expect("it was joined to a folder")).map_err(unwritable)?;
    let log = File::create(&path).map_err(unwritable)?;
    let service = Service::start(
        Command::new(debug_binary()?)
            .args(["demo", "--json", "--listen", "127.0.0.1:0", "--sandbox-listen", "127.0.0.1:0"])
            .args(flags)
            .stderr(log.try_clone().map_err(unwritable)?),
    )?;
    let line = &service.first_line;
    let read = serde_json::from_str(line)
        .map_err(|error| format!("the demo's first line is not JSON: {error}: {line}"));
    let tested = read.and_then(|ready| test(&Demo { ready, log }));
    tested
        .and_then(|()| service.stop())
        .map_err(|why| format!("{why}; the services' log is {}", path.display()))
}
