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
//! | `explaining` | why a message found no permit |
//! | `breaking` | an app whose breaker is open: who rests, who is the probe |
//! | `listing` | what people ask |
//! | `pruning` | clearing away what is old |
//! | `telling` | events: who is told what, and what became of it |
//! | `driving` | random sequences of verbs, with the invariants looked at after each |

#![allow(clippy::unwrap_used, reason = "these are tests, though other crates can call them")]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::Store;

mod accepting;
mod breaking;
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
mod settling;
mod telling;
mod withdrawing;
mod world;

use world::World;

/// One sentence about the store, and the code that finds out whether it is true.
struct Check {
    name: &'static str,
    run: fn(World) -> Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Makes a module's list of checks from the names of its functions.
macro_rules! checks {
    ($($name:ident),* $(,)?) => {
        pub(super) const CHECKS: &[super::Check] =
            &[$(super::Check { name: stringify!($name), run: |world| Box::pin($name(world)) }),*];
    };
}
use checks;

/// Runs every check on a store of its own, which `open` opens, and closes it afterwards.
///
/// # Panics
/// In the end, with the names of the checks that failed, if there are any; each has said why on standard error.
pub async fn run<F, Opening>(open: F)
where
    F: Fn() -> Opening,
    Opening: Future<Output = Arc<dyn Store>>,
{
    let all = [
        accepting::CHECKS,
        claiming::CHECKS,
        settling::CHECKS,
        collapsing::CHECKS,
        resolving::CHECKS,
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
        driving::CHECKS,
    ];
    let mut failed = Vec::new();
    for check in all.into_iter().flatten() {
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
