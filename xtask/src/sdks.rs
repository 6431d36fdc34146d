//! SDKs that others wrote, against the facade and against the sandbox alone.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::command::{Result, Service, cargo, root, run as run_command, target_dir};
use crate::prepare;

/// Where their tests are.
const FOLDER: &str = "sdk-tests";

/// What the services write to standard error.
const LOG: &str = "test-output/sdk-services.log";

/// Runs all of them.
///
/// # Errors
/// When one fails, or an SDK cannot be installed.
pub(crate) fn run() -> Result {
    prepare::npm_packages(FOLDER)?;
    let python = prepare::python_packages(FOLDER)?;
    run_command(&mut cargo(&["build", "--package", "hongyan"]))?;

    let log = root().join(LOG);
    let unwritable = |error: std::io::Error| format!("cannot write {}: {error}", log.display());
    fs::create_dir_all(log.parent().expect("it was joined to a folder")).map_err(unwritable)?;
    let log_file = File::create(&log).map_err(unwritable)?;
    let demo = Service::start(
        Command::new(target_dir()?.join("debug/hongyan"))
            .args(["demo", "--json", "--listen", "127.0.0.1:0", "--sandbox-listen", "127.0.0.1:0"])
            .stderr(log_file),
    )?;
    let tested = against(&demo, &python);
    tested.and_then(|()| demo.stop()).map_err(|why| format!("{why}; the services' log is {}", log.display()))
}

fn against(demo: &Service, python: &PathBuf) -> Result {
    let ready: Value = serde_json::from_str(&demo.first_line)
        .map_err(|error| format!("the demo's first line is not JSON: {error}: {}", demo.first_line))?;
    let text = |pointer: &str| {
        let text = ready.pointer(pointer).and_then(Value::as_str);
        text.map(str::to_owned).ok_or_else(|| format!("the demo's first line has no {pointer}: {ready}"))
    };
    let both = [
        ("HONGYAN_SANDBOX", text("/sandbox")?),
        ("APPID", text("/appid")?),
        ("LEGACY_TEMPLATE", text("/templates/legacy")?),
        ("SUBSCRIBE_TEMPLATE", text("/templates/subscribe")?),
    ];
    let gateway = vec![
        ("WECHAT_HOST", text("/gateway")?),
        ("SECRET", text("/gateway_secret")?),
        ("HONGYAN_API_KEY", text("/api_key")?),
    ];
    let sandbox = vec![("WECHAT_HOST", text("/sandbox")?), ("SECRET", text("/app_secret")?)];
    for (host, its) in [("the facade", gateway), ("the sandbox", sandbox)] {
        let mut wechatpy = Command::new(python);
        wechatpy.arg("wechatpy_test.py");
        let node_test = |file: &str| {
            let mut command = Command::new("node");
            command.args(["--test", "--test-reporter=spec", file]);
            command
        };
        let sdks = [
            ("wechatpy", wechatpy),
            ("co-wechat-api", node_test("co-wechat-api.test.mjs")),
            ("node-easywechat", node_test("node-easywechat.test.mjs")),
        ];
        for (sdk, mut command) in sdks {
            println!("-- {sdk} with {host}");
            // What is set on this machine must not reach the tests.
            command
                .env_remove("HONGYAN_API_KEY")
                .env("NO_PROXY", "127.0.0.1")
                .env("PYTHONDONTWRITEBYTECODE", "1");
            run_command(command.current_dir(root().join(FOLDER)).envs(both.clone()).envs(its.clone()))?;
        }
    }
    Ok(())
}
