//! Tests the packages for PyPI and npm, made of the debug binary: the tests of the samples, the tests of the packages
//! themselves, and the types.

use std::path::Path;
use std::process::Command;

use crate::command::{Result, cargo, debug_binary, root, run as run_command, target_dir};
use crate::installed::{Node, PYTHON, Python};
use crate::package::files::clear_folder;
use crate::package::{npm, wheel};
use crate::prepare;

/// The folder with the TypeScript compiler.
const TYPESCRIPT: &str = "api-tests";

/// The sample of the package for npm, with its test runners.
const NPM_SAMPLE: &str = "packages/npm/example";

/// Runs all tests.
///
/// # Errors
/// When a test fails, or when a package cannot be made or installed.
pub(crate) fn run() -> Result {
    prepare::npm_packages(TYPESCRIPT)?;
    run_command(&mut cargo(&["build", "--package", "hongyan"]))?;
    let folder = target_dir()?.join("kits");
    clear_folder(&folder)?;
    // Without its line tables a debug binary is packed in seconds.
    let binary = folder.join("hongyan");
    run_command(Command::new("strip").arg("-o").arg(&binary).arg(debug_binary()?))?;
    python(&binary, &folder)?;
    node(&binary, &folder)
}

fn python(binary: &Path, folder: &Path) -> Result {
    println!("-- the wheel, with pytest");
    let environment = Python::new(folder.join("venv"))?;
    environment.install(&wheel::quick(binary, folder)?)?;
    environment.test(&["--numprocesses", "2", "example", "tests"])?;
    println!("-- the types of the wheel, with mypy");
    let tools = prepare::python_packages(PYTHON)?;
    let mypy = |files: &[&str]| {
        let mut command = Command::new(&tools);
        command.args(["-m", "mypy", "--strict", "--cache-dir"]).arg(folder.join("mypy"));
        command.arg("--python-executable").arg(environment.python()).args(files);
        run_command(command.current_dir(root().join(PYTHON)))
    };
    mypy(&["python/hongyan"])?;
    // These files import the installed package, so its types must be in the wheel.
    mypy(&["tests"])
}

fn node(binary: &Path, folder: &Path) -> Result {
    // The project gets a copy of the sample, with its packages.
    prepare::npm_packages(NPM_SAMPLE)?;
    println!("-- the package for npm, with node:test");
    let node = Node::new(&folder.join("npm"))?;
    node.install(&npm::make(binary, &[], folder)?)?;
    node.test(&["example/node-test/shop.test.mjs", "tests/kit.test.mjs"])?;
    println!("-- the package for npm, with vitest and jest");
    node.test_sample(&["node_modules/vitest/vitest.mjs", "run", "vitest"])?;
    node.test_sample(&["--experimental-vm-modules", "node_modules/jest/bin/jest.js", "/jest/"])?;
    println!("-- the types of the package for npm, with tsc");
    run_command(
        Command::new(root().join(TYPESCRIPT).join("node_modules/.bin/tsc"))
            .arg("--project")
            .arg(node.project().join("tests/tsconfig.json")),
    )
}
