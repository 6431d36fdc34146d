//! The contract suite: cases in files that describe what WeChat's API answers and does.
//!
//! The suite is the sandbox's specification and always runs against the sandbox, over HTTP. It also runs against the real
//! WeChat if `HONGYAN_CONTRACT_APPID`, `HONGYAN_CONTRACT_SECRET` and `HONGYAN_CONTRACT_OPENID` are set; `README.md` says
//! more.
//!
//! | module | knows |
//! | --- | --- |
//! | [`case`] | the format of a case |
//! | [`files`] | the files in `cases/`, and the cases of their tables |
//! | [`world`] | where a case runs: a new sandbox, or the real WeChat |
//! | [`receiver`] | a back end that takes pushes |
//! | [`run`] | how a case runs, and what must hold afterwards |
//! | [`coverage`] | what the files must have at least |

#![allow(clippy::unwrap_used, reason = "a failure ends the case")]
#![expect(unreachable_pub, reason = "one crate, and nothing of it is used elsewhere")]

mod case;
mod coverage;
mod files;
mod receiver;
mod run;
mod world;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::case::Named;
use crate::world::Account;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let cases = files::read();
    let account = Account::from_environment();
    let mut trials = coverage::trials(&cases);
    trials.extend(cases.iter().map(|named| {
        let named = named.clone();
        Trial::test(format!("sandbox::{}", named.title()), move || in_runtime(run::in_sandbox(&named)))
    }));
    if let Some(account) = account {
        trials.extend(cases.into_iter().map(|named| real(named, account.clone())));
    } else {
        println!(
            "contract: no HONGYAN_CONTRACT_APPID, …_SECRET and …_OPENID, so the real WeChat is not asked"
        );
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The case against the real WeChat, or a line that says why the case is skipped.
fn real(named: Named, account: Account) -> Trial {
    let title = format!("real::{}", named.title());
    match named.case.not_for_the_real_one() {
        Some(why) => {
            println!("contract: {title} is skipped, {why}");
            Trial::test(title, || Ok(())).with_ignored_flag(true)
        }
        None => Trial::test(title, move || in_runtime(run::against_the_real_one(&named, &account))),
    }
}

fn in_runtime(playing: impl Future<Output = Result<(), String>>) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(playing).map_err(Failed::from)
}
