//! What every backend must do.
//!
//! Each check is a sentence about a verb, with a fresh store to itself. A backend's own tests call [`run`] and add
//! only what is special to it.
//!
//! | module | about |
//! | --- | --- |
//! | `accepting` | where a message's life begins; repeated requests |
//! | `claimed` | codes that users claim: how many, and what becomes of a message that finds them dead |
//! | `claiming` | what is due, and the order of a user's messages |
//! | `settling` | what answers do |
//! | `collapsing` | messages that replace each other |
//! | `resolving` | what operators say about unknown outcomes |
//! | `reserving` | permits that are held: reserved from the start, brought along, in doubt |
//! | `granting` | permits: granting, waking, counting |
//! | `withdrawing` | cancelling, removing an app |
//! | `keeping` | apps, pauses, templates, tokens, logins, keys |
//! | `events` | what WeChat pushes: each once, and what it does |
//! | `sealing` | sealed values: found place by place, replaced only where they are as they were read |
//! | `explaining` | why a message found no permit |
//! | `breaking` | an app whose breaker is open: who rests, who is the probe |
//! | `listing` | what people ask |
//! | `pruning` | clearing away what is old |
//! | `telling` | events: who is told what, and what became of it |
//! | `signalling` | what a commit means for others: all of it is told, after it |
//! | `driving` | random sequences of verbs, with the invariants looked at after each |

#![allow(clippy::unwrap_used, reason = "these are tests, though other crates can call them")]

use std::future::Future;
use std::sync::Arc;

use crate::Store;

mod accepting;
mod breaking;
mod check;
mod claimed;
mod claiming;
mod collapsing;
mod driving;
mod events;
mod explaining;
mod granting;
mod keeping;
mod listing;
mod pruning;
mod reserving;
mod resolving;
mod sealing;
mod settling;
mod signalling;
mod telling;
mod withdrawing;
mod world;

use check::Check;
use world::World;

/// Every module's checks.
const ALL: &[&[Check]] = &[
    accepting::CHECKS,
    claiming::CHECKS,
    settling::CHECKS,
    collapsing::CHECKS,
    resolving::CHECKS,
    sealing::CHECKS,
    reserving::CHECKS,
    granting::CHECKS,
    claimed::CHECKS,
    withdrawing::CHECKS,
    keeping::CHECKS,
    events::CHECKS,
    explaining::CHECKS,
    breaking::CHECKS,
    listing::CHECKS,
    pruning::CHECKS,
    telling::CHECKS,
    signalling::CHECKS,
    driving::CHECKS,
];

/// Runs every check on a store of its own, which `open` opens, and closes it afterwards.
///
/// # Panics
/// In the end, with the names of the checks that failed, if there are any; each has said why on standard error.
pub async fn run<F, Opening>(open: F)
where
    F: Fn() -> Opening,
    Opening: Future<Output = Arc<dyn Store>>,
{
    let mut failed = Vec::new();
    for check in ALL.iter().copied().flatten() {
        let store = open().await;
        // A task of its own, so that one failure does not hide the others.
        let outcome = tokio::spawn((check.run)(World::new(Arc::clone(&store)).await)).await;
        if outcome.is_err() {
            failed.push(check.name);
        }
        store.close().await;
    }
    assert!(failed.is_empty(), "not true of this store: {}", failed.join(", "));
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// A check is an async function of a world. One that stands in no list is never run.
    #[test]
    fn no_check_was_forgotten() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/conformance");
        let mut checks = 0;
        for file in std::fs::read_dir(dir).unwrap() {
            let path = file.unwrap().path();
            let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            let list = text.split("checks![").nth(1).and_then(|rest| rest.split(']').next());
            let listed: Vec<&str> = list.unwrap_or_default().split(',').map(str::trim).collect();
            for line in text.lines().filter(|line| line.ends_with("(world: World) {")) {
                let name = line.trim_start_matches("async fn ").trim_end_matches("(world: World) {");
                assert!(listed.contains(&name), "{module}::{name} is in no list of checks");
                checks += 1;
            }
        }
        assert_eq!(checks, super::ALL.iter().map(|module| module.len()).sum::<usize>(), "of all modules");
    }
}
