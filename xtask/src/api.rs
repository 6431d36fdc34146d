//! Tests the gateway's API by its OpenAPI description: with clients that other tools generate, and with requests that
//! schemathesis generates.

use std::path::Path;
use std::process::Command;

use crate::command::{Result, root, run as run_command};
use crate::demo::{self, Demo};
use crate::prepare;

/// The folder of the tests.
const FOLDER: &str = "api-tests";

/// The folder of generated files inside [`FOLDER`]; not in the repository.
const GENERATED: &str = "generated";

/// The demo's standard error.
const LOG: &str = "test-output/api-services.log";

/// The seed of the generated requests, so that every run sends the same requests.
const SEED: &str = "20261126";

/// Runs all tests.
///
/// # Errors
/// When a test fails, or when a tool cannot be installed.
pub(crate) fn run() -> Result {
    prepare::npm_packages(FOLDER)?;
    let python = prepare::python_packages(FOLDER)?;
    demo::with(LOG, |demo| against(demo, &python))
}

/// The data of the running demo.
struct Api {
    variables: Vec<(&'static str, String)>,
    description: String,
    key: String,
}

impl Api {
    fn of(demo: &Demo) -> Result<Self> {
        let (gateway, key) = (demo.text("/gateway")?, demo.text("/api_key")?);
        let variables = vec![
            ("HONGYAN_URL", gateway.clone()),
            ("HONGYAN_API_KEY", key.clone()),
            ("HONGYAN_SANDBOX", demo.text("/sandbox")?),
            ("APPID", demo.text("/appid")?),
            ("OPENID", demo.text("/openid")?),
            ("SUBSCRIBE_TEMPLATE", demo.text("/templates/subscribe")?),
        ];
        Ok(Self { variables, description: format!("{gateway}/openapi.json"), key })
    }

    /// Runs a tool of the tests in their folder.
    fn run(&self, command: &mut Command) -> Result {
        command
            .current_dir(root().join(FOLDER))
            .env("NO_PROXY", "127.0.0.1")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONPATH", root().join(FOLDER).join(GENERATED).join("python"))
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        run_command(command)
    }
}

fn against(demo: &Demo, python: &Path) -> Result {
    let api = Api::of(demo)?;
    let tool = |name: &str| Command::new(python.with_file_name(name));
    let node_tool = |name: &str| Command::new(root().join(FOLDER).join("node_modules/.bin").join(name));

    println!("-- openapi-typescript and openapi-fetch");
    let types = format!("{GENERATED}/api.d.ts");
    api.run(node_tool("openapi-typescript").args([&api.description, "--output", &types]))?;
    api.run(node_tool("tsc").args(["--project", "tsconfig.json"]))?;
    api.run(Command::new("node").args(["--test", "--test-reporter=spec", "generated/client.test.js"]))?;

    println!("-- openapi-python-client");
    api.run(tool("openapi-python-client").args([
        "generate",
        "--url",
        &api.description,
        "--config",
        "python-client.yml",
        "--meta",
        "none",
        "--output-path",
        "generated/python/hongyan_client",
        "--overwrite",
        "--fail-on-warning",
    ]))?;
    api.run(Command::new(python).arg("client_test.py"))?;

    // schemathesis runs last, because it changes and removes what it finds.
    println!("-- schemathesis");
    api.run(
        tool("schemathesis")
            .args(["--config-file", "schemathesis.toml", "run", &api.description, "--checks", "all"])
            .args(["--seed", SEED, "--no-color"])
            .arg("--header")
            .arg(format!("Authorization: Bearer {}", api.key)),
    )
}
