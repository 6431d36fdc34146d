//! Tests the files of `deploy/`: alert rules by their unit tests, manifests by the schemas of Kubernetes, Compose and CI services,
//! nginx in front of a demo, and each query of the dashboard in a Prometheus that scrapes the demo.

use std::path::Path;
use std::process::Command;

use crate::command::{Result, debug_binary, root, run as run_command, target_dir};
use crate::demo::{self, Demo};
use crate::package::files::clear_folder;
use crate::prepare;

/// The folder of the tests.
const FOLDER: &str = "deploy/tests";

/// The demo's standard error.
const LOG: &str = "test-output/deploy-services.log";

/// Runs all tests.
///
/// # Errors
/// When a test fails, or when a tool cannot be installed.
pub(crate) fn run() -> Result {
    prepare::deploy()?;
    let python = prepare::python_packages(FOLDER)?;
    println!("-- the alert rules");
    let rules = root().join("deploy/prometheus");
    run_command(Command::new("promtool").args(["check", "config", "prometheus.yml"]).current_dir(&rules))?;
    run_command(Command::new("promtool").args(["test", "rules", "alerts_test.yml"]).current_dir(&rules))?;
    println!("-- the files");
    run_command(&mut unittest(&python, "files_test"))?;
    println!("-- nginx and Prometheus beside a demo");
    let data = target_dir()?.join("deploy-demo");
    clear_folder(&data)?;
    let flags = ["--events", "--data-dir", data.to_str().ok_or("the target directory is not UTF-8")?];
    demo::with_flags(LOG, &flags, |demo| {
        // The dashboard shows when the last backup was made.
        run_command(
            Command::new(debug_binary()?)
                .arg("backup")
                .arg(data.join("backup.db"))
                .env("HONGYAN_DATA_DIR", &data),
        )?;
        beside(demo, &python)
    })
}

fn beside(demo: &Demo, python: &Path) -> Result {
    let mut command = unittest(python, "running_test");
    for (name, place) in [
        ("HONGYAN_URL", "/gateway"),
        ("HONGYAN_API_KEY", "/api_key"),
        ("HONGYAN_SANDBOX", "/sandbox"),
        ("HONGYAN_CONSOLE_LOGIN", "/console_login"),
        ("APPID", "/appid"),
        ("OPENID", "/openid"),
        ("SUBSCRIBE_TEMPLATE", "/templates/subscribe"),
    ] {
        command.env(name, demo.text(place)?);
    }
    run_command(&mut command)
}

fn unittest(python: &Path, module: &str) -> Command {
    let mut command = Command::new(python);
    command
        .args(["-m", "unittest", "-v", module])
        .current_dir(root().join(FOLDER))
        .env("NO_PROXY", "127.0.0.1")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}
