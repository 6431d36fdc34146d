//! What every backend must do.
//!
//! Each check is a sentence about a verb, and has a fresh database. A backend's own tests call [`run`], and add only what is
//! special to the backend.
//!
//! | module | about |
//! | --- | --- |
//! | `accepting` | acceptance: the first state of a message; repeated requests |
//! | `claimed` | codes that users claim: how many, and a message that finds them dead |
//! | `claiming` | what is due, and the order of a user's messages |
//! | `settling` | what WeChat's answers do |
//! | `collapsing` | messages that replace each other |
//! | `resolving` | verdicts on unknown outcomes |
//! | `reserving` | held permits: reserved from the start, brought by the message, in doubt |
//! | `granting` | permits: granting, waking, counting |
//! | `withdrawing` | cancelling, removing an app |
//! | `keeping` | apps, pauses, templates, tokens, logins, keys, the audit trail |
//! | `events` | what WeChat pushes: each once, and what it does |
//! | `sealing` | sealed values: found place by place, replaced only where they are as they were read |
//! | `explaining` | why a message found no permit |
//! | `breaking` | an app whose breaker is open: which messages rest, which one is the probe |
//! | `nodes` | which node has which lane, for how long, and what silence proves |
//! | `listing` | lists for people |
//! | `story` | a message with the events about it, its deliveries, and what it replaced |
//! | `pruning` | removing old rows |
//! | `counting` | figures over time |
//! | `telling` | webhook events: which webhook is told what |
//! | `delivering` | webhook events: their outcome at each webhook |
//! | `signalling` | the signals of a commit: complete, and after the commit |
//! | `racing` | calls at the same time: each has one outcome, and the units balance |
//! | `owning` | a lane that changes hands while somebody works in it |
//! | `sharing` | two stores on one database |
//! | `model` | random verbs on the store and on a model of it, beside each other |

#![allow(clippy::unwrap_used, reason = "these are tests, though other crates can call them")]

use std::sync::Arc;

use tokio::runtime::Handle;

mod accepting;
mod at_once;
mod breaking;
mod check;
mod claimed;
mod claiming;
mod collapsing;
mod counting;
mod database;
mod delivering;
mod events;
mod explaining;
mod granting;
mod heard;
mod keeping;
mod listing;
mod model;
mod nodes;
mod owning;
mod people;
mod pruning;
mod racing;
mod reserving;
mod resolving;
mod sealing;
mod settling;
mod sharing;
mod signalling;
mod story;
mod telling;
mod webhooks;
mod withdrawing;
mod world;

use check::Check;
pub use database::Database;
use database::Make;
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
    nodes::CHECKS,
    listing::CHECKS,
    story::CHECKS,
    people::CHECKS,
    pruning::CHECKS,
    counting::CHECKS,
    telling::CHECKS,
    delivering::CHECKS,
    signalling::CHECKS,
    racing::CHECKS,
    owning::CHECKS,
    sharing::CHECKS,
];

/// Runs every check, each on its own database that `make` makes, and the model test beside them. It needs a runtime with
/// several threads, so that concurrent calls really run at the same time.
///
/// With `CONFORMANCE=WORD` in the environment, only the checks run whose names contain the word: for work on one check.
///
/// # Panics
/// At the end, with the names of the failed checks, if any failed; each has printed the reason on standard error.
pub async fn run<D: Database>(make: impl Fn() -> D + Send + Sync + 'static) {
    let make: Make = Arc::new(move || Arc::new(make()));
    let word = std::env::var("CONFORMANCE").unwrap_or_default();
    let checks: Vec<&Check> =
        ALL.iter().copied().flatten().filter(|check| check.path().contains(&word)).collect();
    let model = model::NAME.contains(&word).then(|| {
        let (runtime, make) = (Handle::current(), Arc::clone(&make));
        tokio::task::spawn_blocking(move || model::try_many(&make, &runtime))
    });
    assert!(model.is_some() || !checks.is_empty(), "no check has {word:?} in its name");
    let mut failed = Vec::new();
    for check in checks {
        let world = World::new(make()).await;
        let opened = world.opened();
        // Each check is a task of its own, so that one failure does not hide the others.
        if tokio::spawn((check.run)(world)).await.is_err() {
            failed.push(check.path());
        }
        opened.close().await;
    }
    if let Some(model) = model
        && model.await.is_err()
    {
        failed.push(model::NAME.to_owned());
    }
    assert!(failed.is_empty(), "not true of this store: {}", failed.join(", "));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    /// The names of the checks in the sources of a directory: a check is an async function that takes a world by value.
    fn written(dir: &Path, module: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for file in std::fs::read_dir(dir).unwrap() {
            let path = file.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap();
            let module = if stem == "mod" { module.to_owned() } else { format!("{module}::{stem}") };
            if path.is_dir() {
                found.append(&mut written(&path, &module));
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for function in text.split("\nasync fn ").skip(1) {
                let (name, rest) = function.split_once('(').unwrap();
                let takes = rest.split_once(')').unwrap().0.trim().trim_end_matches(',');
                if takes.ends_with(": World") && !takes.contains(',') {
                    found.insert(format!("{module}::{name}"));
                }
            }
        }
        found
    }

    #[test]
    fn no_check_was_forgotten() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/conformance");
        let written = written(&dir, "hongyan_store::conformance");
        let listed: Vec<String> = super::ALL.iter().copied().flatten().map(super::Check::path).collect();
        let unique: BTreeSet<String> = listed.iter().cloned().collect();
        assert_eq!(
            listed.len(),
            unique.len(),
            "a module stands twice in ALL, or a check twice in `checks![...]`"
        );
        let forgotten: Vec<_> = written.difference(&unique).collect();
        assert!(
            forgotten.is_empty(),
            "these checks are never run: name each in its module's `checks![...]`, and the module's CHECKS in ALL of \
             conformance/mod.rs: {forgotten:#?}"
        );
        let unseen: Vec<_> = unique.difference(&written).collect();
        assert!(unseen.is_empty(), "not found in the sources as `async fn NAME(world: World)`: {unseen:#?}");
    }
}
