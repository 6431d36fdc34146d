//! The set-up that the configuration names, and what the next start would change.

use hongyan_clock::Clock;
use hongyan_gateway::config::Settings;
use hongyan_gateway::setup::{Plan, Present, Setup};
use hongyan_gateway::vault::Vault;
use hongyan_store::Store;

use crate::findings::Findings;

const WHAT: &str = "set-up";

/// Compares the set-up with the database. Without a set-up there is no finding.
pub(super) async fn setup(
    settings: &Settings,
    store: Option<&dyn Store>,
    vault: Option<&Vault>,
    findings: &mut Findings,
) {
    let setup = match Setup::read(settings) {
        Ok(setup) => setup,
        Err(error) => return findings.wrong_setting(WHAT, error.to_string()),
    };
    if let Some(warning) = setup.warning() {
        findings.good("in the clear", format!("warning: {warning}"));
    }
    let named = setup.in_words();
    let is_new = settings.sqlite_path().is_ok_and(|path| !path.exists());
    let present = match store {
        Some(store) => match Present::read(store).await {
            Ok(present) => present,
            Err(error) => return findings.bad(WHAT, error.to_string()),
        },
        None if is_new => Present::default(),
        None if setup.is_empty() => return,
        None => {
            let detail =
                format!("{named}; not compared with the database, which this version has not opened");
            return findings.good(WHAT, detail);
        }
    };
    if vault.is_none() && present.has_secrets() {
        if !setup.is_empty() {
            findings.skipped(WHAT, "it cannot be compared with the database without the master key");
        }
        return;
    }
    match setup.plan(&present, vault, Clock::system().now()) {
        Ok(Plan { steps, remarks }) => {
            if steps.is_empty() && !setup.is_empty() {
                findings.good(WHAT, format!("{named}; the database has everything"));
            } else if !steps.is_empty() {
                let steps: Vec<_> = steps.iter().map(ToString::to_string).collect();
                findings.good(WHAT, format!("{named}; the next start would {}", steps.join("; ")));
            }
            for remark in remarks {
                findings.good(WHAT, format!("warning: {remark}"));
            }
        }
        Err(error) => findings.wrong_setting(WHAT, error.to_string()),
    }
}
