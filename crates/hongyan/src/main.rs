//! The command line of Hongyan.
//!
//! Two kinds of commands live here. Some *are* the service ([`serve`], [`sandbox`], [`demo`]) or work on its files
//! ([`key`], [`check`], [`backup`], [`restore`]); the others are
//! clients that talk to a running gateway over HTTP: one module for each noun ([`app`], [`message`], [`permit`], [`reach`],
//! [`webhook`], [`event`], [`stats`], [`node`], [`quota`], [`audit`]), and [`send`], [`resolve`], [`import`], [`healthcheck`].
//! [`doctor`] is of both kinds.
//! What they do is in the library crates: a file here reads arguments, calls, and prints.
//!
//! Results go to standard output, everything else to standard error, so that `KEY=$(hongyan key create --name x)`
//! gives the key and nothing but the key.
//!
//! | module | knows |
//! | --- | --- |
//! | [`cli`] | every command and flag |
//! | [`language`], [`usage`] | the reader's language; help and errors in the command line |
//! | [`settings`] | how flags, environment and file become the gateway's settings |
//! | [`text`], [`errors`] | a text in both languages; the errors of the library crates |
//! | [`failure`] | exit codes |
//! | [`listen`], [`lock`], [`signals`], [`logging`] | what every service needs: a port, its database for itself, an end, a log |
//! | [`http`], [`query`], [`version`] | calling a gateway, which may be of another version |
//! | [`explain`] | what a gateway answers, in words |
//! | [`database`], [`files`], [`beside`] | opening the database, whose its files are, and what lies beside them |
//! | [`stoppable`] | work on a database that shows how far it is, and ends when it is told to |
//! | [`output`], [`progress`], [`printable`], [`listing`], [`findings`] | printing |
//! | [`confirm`], [`secret_file`] | asking before something is deleted; secrets in files |
//! | [`man`] | the manual pages |
//! | [`tutorial`], [`credentials`] | the demo's own back end, and what it keeps between runs |

mod app;
mod audit;
mod backup;
mod beside;
mod check;
mod cli;
mod confirm;
mod credentials;
mod database;
mod demo;
mod doctor;
mod errors;
mod event;
mod explain;
mod failure;
mod files;
mod findings;
mod healthcheck;
mod http;
mod import;
mod key;
mod language;
mod listen;
mod listing;
mod lock;
mod logging;
mod man;
mod message;
mod node;
mod output;
mod permit;
mod printable;
mod progress;
mod query;
mod quota;
mod reach;
mod resolve;
mod restore;
mod sandbox;
mod secret_file;
mod send;
mod serve;
mod settings;
mod signals;
mod stats;
mod stoppable;
mod strict_json;
mod text;
mod tutorial;
mod usage;
mod user;
mod version;
mod webhook;

use std::process::ExitCode;

use crate::cli::Command;
use crate::failure::Failure;
use crate::text::say;

fn main() -> ExitCode {
    // Files that a command writes (databases, logs, backups, keys) are readable only by their user, without any option.
    #[cfg(unix)]
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let _armed = hongyan_failpoints::arm();
    let language = language::wanted(std::env::args_os().skip(1), |name| std::env::var_os(name));
    language::set(language);
    // Wrong usage ends here, with exit code 2.
    let cli = usage::parse(language);
    if let Some(named) = cli.lang {
        language::set(named.into());
    }
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(message) = failure.message() {
                output::warn(message);
            }
            failure.exit_code()
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::run(say!("无法启动：{error}", "cannot start: {error}")))?;
    runtime.block_on(async {
        match command {
            Command::Demo(args) => demo::run(&args).await,
            Command::Serve(args) => serve::run(&args).await,
            Command::Sandbox(args) => sandbox::run(&args).await,
            Command::Key(args) => key::run(args).await,
            Command::User(args) => user::run(args).await,
            Command::App(args) => app::run(args).await,
            Command::Send(args) => send::run(args).await,
            Command::Message(args) => message::run(args).await,
            Command::Permit(args) => permit::run(args).await,
            Command::Reach(args) => reach::run(args).await,
            Command::Resolve(args) => resolve::run(args).await,
            Command::Import(args) => import::run(args).await,
            Command::Webhook(args) => webhook::run(args).await,
            Command::Event(args) => event::run(args).await,
            Command::Stats(args) => stats::run(args).await,
            Command::Node(args) => node::run(args).await,
            Command::Quota(args) => quota::run(args).await,
            Command::Audit(args) => audit::run(args).await,
            Command::Doctor(args) => doctor::run(args).await,
            Command::Check(args) => check::run(&args).await,
            Command::Healthcheck(args) => healthcheck::run(args).await,
            Command::Backup(args) => backup::run(&args).await,
            Command::Restore(args) => restore::run(&args).await,
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(
                    shell,
                    &mut usage::command(language::current()),
                    "hongyan",
                    &mut script,
                );
                output::bytes(&script)
            }
            Command::Man { directory } => man::run(&directory),
        }
    })
}
