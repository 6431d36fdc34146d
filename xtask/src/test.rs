//! `cargo xtask test`: runs the steps in order, until a step fails.

use std::process::Command;
use std::time::Instant;

use clap::{Args, ValueEnum};

use crate::command::{Result, cargo, run as run_command, target_dir};
use crate::fuzz::FuzzArgs;
use crate::{
    api, circles, crash, dependencies, deploy, fuzz, kits, package, prepare, sdks, sizes, soak, web,
};

/// How often the gateway is killed. Each run draws new points, so over time all points are hit.
const ROUNDS: u32 = 20;

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Run only this step; may be repeated
    #[arg(long, value_enum, value_name = "STEP")]
    only: Vec<Step>,
    /// List the steps and their commands
    #[arg(long)]
    list: bool,
    /// Let the browser test replace the picture in docs/images/
    #[arg(long)]
    update_screenshot: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    Prepare,
    Format,
    Lint,
    Test,
    Loom,
    Docs,
    Fuzz,
    Crash,
    Soak,
    Web,
    Sdks,
    Api,
    Deploy,
    Kits,
}

impl Step {
    const fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Format => "format",
            Self::Lint => "lint",
            Self::Test => "test",
            Self::Loom => "loom",
            Self::Docs => "docs",
            Self::Fuzz => "fuzz",
            Self::Crash => "crash",
            Self::Soak => "soak",
            Self::Web => "web",
            Self::Sdks => "sdks",
            Self::Api => "api",
            Self::Deploy => "deploy",
            Self::Kits => "kits",
        }
    }

    const fn about(self) -> &'static str {
        match self {
            Self::Prepare => {
                "install what is missing: Chromium and a Chinese font, Prometheus, nginx, packages of web-tests/, sdk-tests/, \
                 api-tests/, deploy/tests/ and packages/python/"
            }
            Self::Format => "cargo fmt --all --check",
            Self::Lint => {
                "cargo clippy --workspace --all-targets -- -D warnings, and the same for the gateway without the feature otlp; no \
                 circle of files in a crate, no file over 500 lines, no unneeded dependency; the service and the images are \
                 described well"
            }
            Self::Test => "cargo test --workspace: units, stories, examples in the documentation",
            Self::Loom => "every interleaving of the hand-made synchronisation (crates/hongyan-sync)",
            Self::Docs => "cargo doc --workspace --no-deps, without warnings",
            Self::Fuzz => "200,000 random inputs to each fuzz target, and the kept corpora",
            Self::Crash => "the gateway is killed in 20 rounds, and no message is lost, doubled or stuck",
            Self::Soak => "a minute of load on a fast clock, and nothing grows",
            Self::Web => "types, the mini program and the phone in a browser, against a running demo",
            Self::Sdks => "SDKs of others (wechatpy and two for Node), against the facade and the sandbox",
            Self::Api => {
                "generated clients of the OpenAPI description, and generated requests by schemathesis"
            }
            Self::Deploy => {
                "the files of deploy/: alert rules, manifests, nginx and the dashboard's queries beside a running demo"
            }
            Self::Kits => {
                "the packages for PyPI and npm: installed into new environments, the tests of their samples, their types"
            }
        }
    }

    fn run(self, args: &TestArgs) -> Result {
        match self {
            Self::Prepare => prepare::run(),
            Self::Format => run_command(&mut cargo(&["fmt", "--all", "--check"])),
            Self::Lint => {
                run_command(&mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
                // Without `hongyan` nobody turns on the gateway's only feature, `otlp`. The other crates do not know the feature.
                run_command(&mut cargo(&["clippy", "--package", "hongyan-gateway", "--", "-D", "warnings"]))?;
                circles::check()?;
                sizes::check()?;
                dependencies::check()?;
                package::lint()
            }
            Self::Test => run_command(&mut cargo(&["test", "--workspace"])),
            Self::Loom => {
                // A separate directory: the flag would rebuild everything else too.
                let mut command = cargo(&["test", "-p", "hongyan-sync", "--test", "loom", "--release"]);
                let dir = target_dir()?.join("loom");
                run_command(command.arg("--target-dir").arg(dir).env("RUSTFLAGS", "--cfg loom"))
            }
            Self::Docs => {
                let mut command: Command = cargo(&["doc", "--workspace", "--no-deps"]);
                run_command(command.env("RUSTDOCFLAGS", "-D warnings"))
            }
            Self::Fuzz => fuzz::run(&FuzzArgs::short()),
            Self::Crash => crash::run(&["--rounds".to_owned(), ROUNDS.to_string()]),
            Self::Soak => soak::run(&soak::short()),
            Self::Web => web::run(args.update_screenshot),
            Self::Sdks => sdks::run(),
            Self::Api => api::run(),
            Self::Deploy => deploy::run(),
            Self::Kits => kits::run(),
        }
    }
}

/// Runs the steps.
///
/// # Errors
/// When a step fails; the error has the command that repeats the step alone.
pub(crate) fn run(args: &TestArgs) -> Result {
    let steps = Step::value_variants();
    if args.list {
        for step in steps {
            println!("{:<8} {}", step.name(), step.about());
        }
        return Ok(());
    }
    let begin = Instant::now();
    for step in steps.iter().filter(|step| args.only.is_empty() || args.only.contains(step)) {
        println!("\n== {}: {}", step.name(), step.about());
        let begin = Instant::now();
        let done = step.run(args);
        let seconds = begin.elapsed().as_secs_f64();
        if let Err(why) = done {
            let name = step.name();
            return Err(format!(
                "step {name} failed after {seconds:.1} s: {why}\nrepeat it with: cargo xtask test --only {name}"
            ));
        }
        println!("== {}: ok, {seconds:.1} s", step.name());
    }
    println!("\nall passed, {:.1} s", begin.elapsed().as_secs_f64());
    Ok(())
}
