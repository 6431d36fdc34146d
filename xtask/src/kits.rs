//! Tests the packages for PyPI and npm as their users do: the packages are installed into new environments, and the tests
//! of the samples run without Rust and with an empty `PATH`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{Result, cargo, output_of, root, run as run_command, target_dir};
use crate::package::{npm, wheel};
use crate::prepare;

/// The package for PyPI, with the tests' requirements.
const PYTHON: &str = "packages/python";

/// The package for npm.
const NPM: &str = "packages/npm";

/// The folder with the TypeScript compiler.
const TYPESCRIPT: &str = "api-tests";

/// Runs all tests.
///
/// # Errors
/// When a test fails, or when a package cannot be made or installed.
pub(crate) fn run() -> Result {
    prepare::npm_packages(TYPESCRIPT)?;
    let tools = prepare::python_packages(PYTHON)?;
    run_command(&mut cargo(&["build", "--package", "hongyan"]))?;
    let folder = target_dir()?.join("kits");
    let unwritable = |error| format!("cannot make {} again: {error}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(unwritable)?;
    }
    fs::create_dir_all(&folder).map_err(unwritable)?;
    // Without its line tables a debug binary is packed in seconds.
    let binary = folder.join("hongyan");
    run_command(Command::new("strip").arg("-o").arg(&binary).arg(target_dir()?.join("debug/hongyan")))?;
    python(&tools, &binary, &folder)?;
    node(&binary, &folder)
}

fn python(tools: &Path, binary: &Path, folder: &Path) -> Result {
    println!("-- the wheel, with pytest");
    let sources = root().join(PYTHON);
    let wheel = wheel::quick(binary, folder)?;
    let environment = folder.join("venv");
    run_command(Command::new(tools).args(["-m", "venv"]).arg(&environment))?;
    let python = environment.join("bin/python");
    run_command(
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"])
            .arg(&wheel),
    )?;
    // pytest comes from the prepared environment: a file .pth adds its packages, without network.
    let file = packages_of(&python)?.join("tools.pth");
    fs::write(&file, format!("{}\n", packages_of(tools)?.display()))
        .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    run_command(
        Command::new(&python)
            .args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "--numprocesses", "2", "example", "tests"])
            .current_dir(&sources)
            .env_clear()
            .env("PATH", "")
            .env("PYTHONDONTWRITEBYTECODE", "1"),
    )?;
    println!("-- the types of the wheel, with mypy");
    let mypy = |files: &[&str]| {
        let mut command = Command::new(tools);
        command.args(["-m", "mypy", "--strict", "--cache-dir"]).arg(folder.join("mypy"));
        command.arg("--python-executable").arg(&python).args(files).current_dir(&sources);
        run_command(&mut command)
    };
    mypy(&["python/hongyan"])?;
    // These files import the installed package, so its types must be in the wheel.
    mypy(&["tests"])
}

/// The folder in which a Python finds its packages.
fn packages_of(python: &Path) -> Result<PathBuf> {
    let question = "import sysconfig; print(sysconfig.get_path('purelib'))";
    output_of(Command::new(python).args(["-c", question]))
        .map(PathBuf::from)
        .ok_or_else(|| format!("{} does not say where its packages are", python.display()))
}

fn node(binary: &Path, folder: &Path) -> Result {
    println!("-- the package for npm, with node:test");
    let package = npm::make(binary, &[], folder)?;
    let project = folder.join("npm");
    let unwritable = |error| format!("cannot make {}: {error}", project.display());
    fs::create_dir(&project).map_err(unwritable)?;
    fs::write(project.join("package.json"), "{\"private\":true}\n").map_err(unwritable)?;
    run_command(
        Command::new("npm")
            .args(["install", "--offline", "--no-audit", "--no-fund"])
            .arg(&package)
            .current_dir(&project),
    )?;
    // The tests lie beside the installed package: Node looks for packages in the folders above a file.
    run_command(
        Command::new("cp")
            .arg("-R")
            .args(["example", "tests"].map(|name| root().join(NPM).join(name)))
            .arg(&project),
    )?;
    let node = output_of(Command::new("node").args(["-p", "process.execPath"]))
        .ok_or("node does not say where its program is")?;
    run_command(
        Command::new(node)
            .args(["--test", "--test-reporter=spec"])
            .args(["example/node-test/shop.test.mjs", "tests/kit.test.mjs"])
            .current_dir(&project)
            .env_clear()
            .env("PATH", ""),
    )?;
    println!("-- the types of the package for npm, with tsc");
    run_command(
        Command::new(root().join(TYPESCRIPT).join("node_modules/.bin/tsc"))
            .arg("--project")
            .arg(project.join("tests/tsconfig.json")),
    )
}
