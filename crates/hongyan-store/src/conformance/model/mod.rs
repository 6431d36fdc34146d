//! The store against a model of it: random verbs on a real database. After each verb everything that can be observed is
//! compared with plain lists and the rules of `docs/reliability.md`.
//!
//! The model does not repeat how the store works (timers, indexes, wake-ups). It says which moves of a message are allowed
//! at a moment, how units add up, what must have moved after a lane was looked at, and when the lane must be looked at next,
//! at the latest.
//!
//! | module | about |
//! | --- | --- |
//! | `verbs` | the random verbs |
//! | `rules`, `units` | the model |
//! | `run` | the store and the model beside each other |
//! | `asking`, `settling`, `pushing`, `carry_out` | carrying out a verb on both |
//! | `audit` | the checks after each verb |
//! | `rest` | the checks at the end |

use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Handle;

use super::database::Make;
use super::world::World;
use run::Run;
use verbs::Verb;

mod asking;
mod audit;
mod carry_out;
mod pushing;
mod rest;
mod rules;
mod run;
mod settling;
mod units;
mod verbs;

/// The name of the test.
pub(super) const NAME: &str = "model::whatever_is_asked_of_it_the_store_does_what_the_rules_say";

/// Tries many sequences of verbs, each on its own database. Blocks.
///
/// # Panics
/// With the shortest failing sequence that was found, if the store breaks the rules.
pub(super) fn try_many(make: &Make, runtime: &Handle) {
    let config =
        Config { cases: cases(), failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
    let tried = TestRunner::new(config).run(&verbs::verbs(), |verbs| {
        runtime.block_on(try_one(make, &verbs));
        Ok(())
    });
    if let Err(why) = tried {
        panic!("{why}");
    }
}

async fn try_one(make: &Make, verbs: &[Verb]) {
    let mut run = Run::begin(World::new(make()).await);
    for verb in verbs {
        let cause = run.carry_out(verb).await;
        run.audit(verb, cause).await;
    }
    run.come_to_rest().await;
    run.end().await;
}

/// As many sequences as take some seconds; `PROPTEST_CASES` asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(128)
}
