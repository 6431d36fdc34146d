//! The packages for PyPI and npm, installed as their users install them: each into an environment of its own, without
//! network, without the variables of this machine, and with nothing in `PATH` that the installation does not need. So
//! the tests show that the packages need no Rust.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{Result, output_of, root, run as run_command};
use crate::prepare;

/// The sources of the package for PyPI, with a sample and the tests' requirements.
pub(crate) const PYTHON: &str = "packages/python";

/// The sources of the package for npm, with a sample.
pub(crate) const NPM: &str = "packages/npm";

/// A virtual environment with pytest.
#[derive(Debug)]
pub(crate) struct Python {
    folder: PathBuf,
}

impl Python {
    /// Makes the environment in a folder that does not exist.
    ///
    /// # Errors
    /// When Python or pytest is missing and cannot be installed.
    pub(crate) fn new(folder: PathBuf) -> Result<Self> {
        let tools = prepare::python_packages(PYTHON)?;
        run_command(Command::new(&tools).args(["-m", "venv"]).arg(&folder))?;
        let made = Self { folder };
        // pytest comes from the prepared environment: a file .pth adds its packages, without network.
        let file = packages_of(&made.python())?.join("tools.pth");
        fs::write(&file, format!("{}\n", packages_of(&tools)?.display()))
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        Ok(made)
    }

    /// Installs a wheel.
    ///
    /// # Errors
    /// When pip fails.
    pub(crate) fn install(&self, wheel: &Path) -> Result {
        let mut pip = self.command();
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]);
        run_command(pip.arg(wheel))
    }

    /// Runs pytest in the folder of the package's sources.
    ///
    /// # Errors
    /// When a test fails.
    pub(crate) fn test(&self, arguments: &[&str]) -> Result {
        let mut pytest = self.command();
        pytest.args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]).args(arguments);
        run_command(pytest.current_dir(root().join(PYTHON)))
    }

    /// The Python of the environment.
    pub(crate) fn python(&self) -> PathBuf {
        self.folder.join("bin/python")
    }

    /// The program that an installed wheel brings.
    pub(crate) fn program(&self) -> PathBuf {
        self.folder.join("bin/hongyan")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.python());
        command.env_clear().env("PATH", "").env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}

/// The folder in which a Python finds its packages.
fn packages_of(python: &Path) -> Result<PathBuf> {
    let question = "import sysconfig; print(sysconfig.get_path('purelib'))";
    output_of(Command::new(python).args(["-c", question]))
        .map(PathBuf::from)
        .ok_or_else(|| format!("{} does not say where its packages are", python.display()))
}

/// A project for npm, with the sample and the tests of the package.
#[derive(Debug)]
pub(crate) struct Node {
    project: PathBuf,
    /// A folder with node and npm, and with nothing else.
    programs: PathBuf,
}

impl Node {
    /// Makes the project in a folder that does not exist.
    ///
    /// # Errors
    /// When Node or npm is missing and cannot be installed, or when a file cannot be written.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        prepare::node()?;
        let made = Self { project: folder.join("project"), programs: folder.join("programs") };
        let unwritable = |error| format!("cannot write in {}: {error}", folder.display());
        fs::create_dir_all(&made.project).map_err(unwritable)?;
        fs::create_dir_all(&made.programs).map_err(unwritable)?;
        let node = output_of(Command::new("node").args(["-p", "process.execPath"]));
        let node = node.map(PathBuf::from).ok_or("node does not say where its program is")?;
        let npm = prepare::place_of("npm").ok_or("there is no npm")?;
        for (name, program) in [("node", node), ("npm", npm)] {
            let program =
                program.canonicalize().map_err(|error| format!("{}: {error}", program.display()))?;
            symlink(program, made.programs.join(name)).map_err(unwritable)?;
        }
        fs::write(made.project.join("package.json"), "{\"private\":true}\n").map_err(unwritable)?;
        // The tests lie beside the installed package: Node looks for packages in the folders above a file.
        let mut copy = Command::new("cp");
        copy.arg("-R").args(["example", "tests"].map(|name| root().join(NPM).join(name)));
        run_command(copy.arg(&made.project))?;
        Ok(made)
    }

    /// Installs a package.
    ///
    /// # Errors
    /// When npm fails.
    pub(crate) fn install(&self, package: &Path) -> Result {
        let mut npm = self.command("npm");
        // npm is a script that looks for node in PATH, and npm keeps its cache in the home directory.
        npm.env("PATH", &self.programs).env("HOME", &self.programs);
        run_command(
            npm.args([
                "install",
                "--save-dev",
                "--offline",
                "--no-audit",
                "--no-fund",
                "--no-update-notifier",
            ])
            .arg(package),
        )
    }

    /// Runs test files of the project.
    ///
    /// # Errors
    /// When a test fails.
    pub(crate) fn test(&self, files: &[&str]) -> Result {
        run_command(self.command("node").args(["--test", "--test-reporter=spec"]).args(files))
    }

    /// Runs the sample's tests by a test runner, which the sample's own packages have: a script for node in the folder
    /// `node_modules`, and its arguments.
    ///
    /// # Errors
    /// When a test fails, or when the runner is not installed.
    pub(crate) fn test_sample(&self, runner: &[&str]) -> Result {
        let mut node = self.command("node");
        run_command(node.current_dir(self.project.join("example")).args(runner))
    }

    /// The folder of the project.
    pub(crate) fn project(&self) -> &Path {
        &self.project
    }

    /// The program that an installed package brings.
    pub(crate) fn program(&self) -> PathBuf {
        self.project.join("node_modules/.bin/hongyan")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(&self.project).env_clear().env("PATH", "");
        command
    }
}
