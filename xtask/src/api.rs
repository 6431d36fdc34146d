//! The gateway's own API by its description: clients that others' tools generate from it, and requests that schemathesis
//! makes up from it.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::command::{Result, Service, cargo, root, run as run_command, target_dir};
use crate::prepare;

/// Where the tests are.
const FOLDER: &str = "api-tests";

/// What is generated, in there; not kept in the repository.
const GENERATED: &str = "generated";

/// What the demo writes to standard error.
const LOG: &str = "test-output/api-services.log";

/// Requests are made up from this, so that every run makes the same.
const SEED: &str = "20261126";

/// Runs all of them.
///
/// # Errors
/// When one fails, or a tool cannot be installed.
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

/// What the tests know of the demo.
struct Demo {
    variables: Vec<(&'static str, String)>,
    description: String,
    key: String,
}

impl Demo {
    fn read(demo: &Service) -> Result<Self> {
        let ready: Value = serde_json::from_str(&demo.first_line)
            .map_err(|error| format!("the demo's first line is not JSON: {error}: {}", demo.first_line))?;
        let text = |pointer: &str| {
            let text = ready.pointer(pointer).and_then(Value::as_str);
            text.map(str::to_owned).ok_or_else(|| format!("the demo's first line has no {pointer}: {ready}"))
        };
        let (gateway, key) = (text("/gateway")?, text("/api_key")?);
        let variables = vec![
            ("HONGYAN_URL", gateway.clone()),
            ("HONGYAN_API_KEY", key.clone()),
            ("HONGYAN_SANDBOX", text("/sandbox")?),
            ("APPID", text("/appid")?),
            ("OPENID", text("/openid")?),
            ("SUBSCRIBE_TEMPLATE", text("/templates/subscribe")?),
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

fn against(service: &Service, python: &Path) -> Result {
    let demo = Demo::read(service)?;
    let tool = |name: &str| Command::new(python.with_file_name(name));
    let node_tool = |name: &str| Command::new(root().join(FOLDER).join("node_modules/.bin").join(name));

    println!("-- openapi-typescript and openapi-fetch");
    let types = format!("{GENERATED}/api.d.ts");
    demo.run(node_tool("openapi-typescript").args([&demo.description, "--output", &types]))?;
    demo.run(node_tool("tsc").args(["--project", "tsconfig.json"]))?;
    demo.run(Command::new("node").args(["--test", "--test-reporter=spec", "generated/client.test.js"]))?;

    println!("-- openapi-python-client");
    demo.run(tool("openapi-python-client").args([
        "generate",
        "--url",
        &demo.description,
        "--config",
        "python-client.yml",
        "--meta",
        "none",
        "--output-path",
        "generated/python/hongyan_client",
        "--overwrite",
        "--fail-on-warning",
    ]))?;
    demo.run(Command::new(python).arg("client_test.py"))?;

    // Last, for it changes and removes what it finds.
    println!("-- schemathesis");
    demo.run(
        tool("schemathesis")
            .args(["--config-file", "schemathesis.toml", "run", &demo.description, "--checks", "all"])
            .args(["--seed", SEED, "--no-color"])
            .arg("--header")
            .arg(format!("Authorization: Bearer {}", demo.key)),
    )
}
