//! The tests in JavaScript: types, the tutorial's mini program with every back end, the phone in a browser. They run
//! against the built binary's demo, which must also start and end well.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::command::{Result, Service, cargo, root, run as run_command, target_dir};

/// Where pictures and logs of test runs go; not kept in the repository.
const OUTPUT: &str = "test-output";

/// What the services write to standard error, in there.
const LOG: &str = "services.log";

/// The picture that the documentation shows.
const SCREENSHOT: &str = "docs/images/phone.png";

/// Runs all of them.
///
/// # Errors
/// When one fails.
pub(crate) fn run(update_screenshot: bool) -> Result {
    let folder = root().join("web-tests");
    run_command(Command::new("npm").args(["run", "--silent", "typecheck"]).current_dir(&folder))?;
    run_command(&mut cargo(&["build", "--package", "hongyan"]))?;

    let output = root().join(OUTPUT);
    let log = output.join(LOG);
    let screenshot = if update_screenshot { root().join(SCREENSHOT) } else { output.join("phone.png") };
    for path in [&log, &screenshot] {
        let folder = path.parent().expect("both were joined to a folder");
        fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    }
    let unwritable = |error: std::io::Error| format!("cannot write {}: {error}", log.display());
    let log_file = File::create(&log).map_err(unwritable)?;
    let demo = Service::start(
        Command::new(target_dir()?.join("debug/hongyan"))
            .args(["demo", "--json", "--listen", "127.0.0.1:0", "--sandbox-listen", "127.0.0.1:0"])
            .stderr(log_file.try_clone().map_err(unwritable)?),
    )?;
    let tested = against(&demo, &folder, &screenshot, &log_file);
    tested.and_then(|()| demo.stop()).map_err(|why| format!("{why}; the services' log is {}", log.display()))
}

fn against(demo: &Service, folder: &Path, screenshot: &Path, log: &File) -> Result {
    let ready: Value = serde_json::from_str(&demo.first_line)
        .map_err(|error| format!("the demo's first line is not JSON: {error}: {}", demo.first_line))?;
    let text = |pointer: &str| {
        let text = ready.pointer(pointer).and_then(Value::as_str);
        text.map(str::to_owned).ok_or_else(|| format!("the demo's first line has no {pointer}: {ready}"))
    };
    let services = [
        ("HONGYAN_SANDBOX", text("/sandbox")?),
        ("HONGYAN_APPID", text("/appid")?),
        ("HONGYAN_OPENID", text("/openid")?),
    ];
    let node_test = |file: &str| {
        let mut command = Command::new("node");
        command.args(["--test", "--test-reporter=spec", file]).current_dir(folder).envs(services.clone());
        command
    };

    // First, while no other message is on the phone: its picture is for the documentation.
    println!("-- the phone in a browser");
    run_command(node_test("browser.test.mjs").env("HONGYAN_SCREENSHOT", screenshot))?;
    println!("-- a picture of the phone: {}", screenshot.display());

    println!("-- the mini program with the demo's own back end");
    run_command(&mut node_test("miniprogram.test.mjs"))?;

    let back_end = [
        ("HONGYAN_URL", text("/gateway")?),
        ("HONGYAN_API_KEY", text("/api_key")?),
        ("APPID", text("/appid")?),
        ("LEGACY_TEMPLATE", text("/templates/legacy")?),
        ("SUBSCRIBE_TEMPLATE", text("/templates/subscribe")?),
        ("PORT", "0".to_owned()),
    ];
    for (program, file) in [("node", "examples/node/backend.mjs"), ("python3", "examples/python/backend.py")]
    {
        println!("-- the mini program with {file}");
        let log = log.try_clone().map_err(|error| format!("the log: {error}"))?;
        let mut command = Command::new(program);
        command.arg(root().join(file)).envs(back_end.clone()).stderr(log);
        let service = Service::start(&mut command)?;
        // It says: listening on http://127.0.0.1:PORT
        let url = service.first_line.split_whitespace().last().unwrap_or_default().to_owned();
        run_command(node_test("miniprogram.test.mjs").env("HONGYAN_BACKEND", url))?;
        service.kill();
    }

    Ok(())
}
