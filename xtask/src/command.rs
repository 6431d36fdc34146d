//! Running programs.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;

/// The error is a text for the terminal.
pub(crate) type Result<T = ()> = std::result::Result<T, String>;

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository's root")
}

/// The target directory, even if cargo was told to build elsewhere: this program is in its `debug` directory.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let own =
        std::env::current_exe().map_err(|error| format!("cannot find the path of this program: {error}"))?;
    own.ancestors()
        .nth(2)
        .map(Path::to_owned)
        .ok_or_else(|| format!("{} is not in a target directory", own.display()))
}

/// The program `hongyan` of a debug build.
pub(crate) fn debug_binary() -> Result<PathBuf> {
    Ok(target_dir()?.join("debug/hongyan"))
}

/// The cargo that runs this program.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root());
    command
}

/// Runs a command; its output goes to our output.
///
/// # Errors
/// When the program cannot start, or ends with an exit code other than 0.
pub(crate) fn run(command: &mut Command) -> Result {
    let shown = show(command);
    let status = command.status().map_err(|error| format!("{shown}: cannot start: {error}"))?;
    check(&shown, status)
}

/// Runs a command and returns its output, if the command succeeds.
pub(crate) fn output_of(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What cargo knows of packages: the answer of `cargo metadata` to these arguments.
pub(crate) fn metadata(arguments: &[&str]) -> Result<Value> {
    let text = output_of(cargo(&["metadata", "--format-version=1"]).args(arguments))
        .ok_or("cargo metadata failed")?;
    serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))
}

fn check(shown: &str, status: ExitStatus) -> Result {
    if status.success() { Ok(()) } else { Err(format!("{shown}: {status}")) }
}

/// The command as a user would type it.
fn show(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// A service that runs beside this program. Dropping the service kills it.
pub(crate) struct Service {
    shown: String,
    child: Child,
    /// The service's first line on standard output, which says that the service is ready.
    pub(crate) first_line: String,
}

impl Service {
    /// Starts a service and waits for its first line.
    ///
    /// # Errors
    /// When the service does not start, or ends without a line.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let shown = show(command);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{shown}: cannot start: {error}"))?;
        let stdout = child.stdout.take().expect("standard output was piped just above");
        let mut service = Self { shown, child, first_line: String::new() };
        let read = BufReader::new(stdout).read_line(&mut service.first_line);
        match read {
            Ok(count) if count > 0 => Ok(service),
            _ => Err(format!("{}: the service ended before it was ready", service.shown)),
        }
    }

    /// Stops the service (SIGTERM) and requires exit code 0.
    ///
    /// # Errors
    /// When the service ends with an exit code other than 0.
    pub(crate) fn stop(mut self) -> Result {
        run(Command::new("kill").args(["-TERM", &self.child.id().to_string()]))?;
        let status = self.child.wait().map_err(|error| format!("{}: {error}", self.shown))?;
        check(&format!("{} (stopped)", self.shown), status)
    }

    /// Kills the service, for programs without a stop.
    pub(crate) fn kill(self) {
        drop(self);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Both calls fail only if the service has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
