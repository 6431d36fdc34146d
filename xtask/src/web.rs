//! The tests in JavaScript: types, the tutorial's mini program with every back end, the phone, the console, the
//! gateway's own pages and the docs in a browser.
//! The tests run against the demo of the built binary, which must also start and end well.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::command::{Result, Service, root, run as run_command};
use crate::demo::{self, Demo};

/// The services' standard error; not in the repository.
const LOG: &str = "test-output/services.log";

/// The place of the picture if it is not for the documentation; not in the repository.
const PICTURE: &str = "test-output/phone.png";

/// The picture in the documentation.
const SCREENSHOT: &str = "docs/images/phone.png";

/// Runs all tests.
///
/// # Errors
/// When a test fails.
pub(crate) fn run(update_screenshot: bool) -> Result {
    let folder = root().join("web-tests");
    run_command(Command::new("npm").args(["run", "--silent", "typecheck"]).current_dir(&folder))?;
    let screenshot = root().join(if update_screenshot { SCREENSHOT } else { PICTURE });
    let pictures = screenshot.parent().expect("it was joined to a folder");
    fs::create_dir_all(pictures).map_err(|error| format!("cannot make {}: {error}", pictures.display()))?;
    demo::with(LOG, |demo| against(demo, &folder, &screenshot))
}

fn against(demo: &Demo, folder: &Path, screenshot: &Path) -> Result {
    let services = [
        ("HONGYAN_SANDBOX", demo.text("/sandbox")?),
        ("HONGYAN_APPID", demo.text("/appid")?),
        ("HONGYAN_OPENID", demo.text("/openid")?),
    ];
    let node_test = |file: &str| {
        let mut command = Command::new("node");
        command.args(["--test", "--test-reporter=spec", file]).current_dir(folder).envs(services.clone());
        command
    };

    // This test runs first, while the phone shows no other message: its picture is for the documentation.
    println!("-- the phone in a browser");
    run_command(node_test("browser.test.mjs").env("HONGYAN_SCREENSHOT", screenshot))?;
    println!("-- a picture of the phone: {}", screenshot.display());

    println!("-- the console in a browser");
    let console = [
        ("HONGYAN_GATEWAY", demo.text("/gateway")?),
        ("HONGYAN_API_KEY", demo.text("/api_key")?),
        ("HONGYAN_CONSOLE_LOGIN", demo.text("/console_login")?),
        ("HONGYAN_SUBSCRIBE_TEMPLATE", demo.text("/templates/subscribe")?),
    ];
    run_command(node_test("console.test.mjs").envs(console.clone()))?;

    println!("-- the gateway's own pages in a browser");
    run_command(node_test("gateway.test.mjs").envs(console.clone()))?;

    println!("-- the site of the docs in a browser");
    run_command(node_test("docs.test.mjs").envs(console))?;

    println!("-- the inbox and the other pages of the sandbox in a browser");
    run_command(&mut node_test("inbox.test.mjs"))?;

    println!("-- the mini program with the demo's own back end");
    run_command(&mut node_test("miniprogram.test.mjs"))?;

    let back_end = [
        ("HONGYAN_URL", demo.text("/gateway")?),
        ("HONGYAN_API_KEY", demo.text("/api_key")?),
        ("APPID", demo.text("/appid")?),
        ("LEGACY_TEMPLATE", demo.text("/templates/legacy")?),
        ("SUBSCRIBE_TEMPLATE", demo.text("/templates/subscribe")?),
        ("PORT", "0".to_owned()),
    ];
    for (program, file) in [("node", "examples/node/backend.mjs"), ("python3", "examples/python/backend.py")]
    {
        println!("-- the mini program with {file}");
        let log = demo.log.try_clone().map_err(|error| format!("the log: {error}"))?;
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
