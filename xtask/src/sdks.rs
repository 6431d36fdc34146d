//! Tests SDKs of others against the facade, and against the sandbox alone.

use std::path::Path;
use std::process::Command;

use crate::command::{Result, root, run as run_command};
use crate::demo::{self, Demo};
use crate::prepare;

/// The folder of the tests.
const FOLDER: &str = "sdk-tests";

/// The services' standard error.
const LOG: &str = "test-output/sdk-services.log";

/// Runs all tests.
///
/// # Errors
/// When a test fails, or when an SDK cannot be installed.
pub(crate) fn run() -> Result {
    prepare::npm_packages(FOLDER)?;
    let python = prepare::python_packages(FOLDER)?;
    demo::with(LOG, |demo| against(demo, &python))
}

fn against(demo: &Demo, python: &Path) -> Result {
    let both = [
        ("HONGYAN_SANDBOX", demo.text("/sandbox")?),
        ("APPID", demo.text("/appid")?),
        ("LEGACY_TEMPLATE", demo.text("/templates/legacy")?),
        ("SUBSCRIBE_TEMPLATE", demo.text("/templates/subscribe")?),
    ];
    let gateway = vec![
        ("WECHAT_HOST", demo.text("/gateway")?),
        ("SECRET", demo.text("/gateway_secret")?),
        ("HONGYAN_API_KEY", demo.text("/api_key")?),
    ];
    let sandbox = vec![("WECHAT_HOST", demo.text("/sandbox")?), ("SECRET", demo.text("/app_secret")?)];
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
            // Settings of this machine must not reach the tests.
            command
                .env_remove("HONGYAN_API_KEY")
                .env("NO_PROXY", "127.0.0.1")
                .env("PYTHONDONTWRITEBYTECODE", "1");
            run_command(command.current_dir(root().join(FOLDER)).envs(both.clone()).envs(its.clone()))?;
        }
    }
    Ok(())
}
