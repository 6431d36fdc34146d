//! The store against a model of it: random verbs on a real database, and after each of them everything that can be
//! observed is held against plain lists and the rules of `docs/reliability.md`.
//!
//! The model does not repeat how the store works (timers, indexes, who wakes whom). It says which moves of a message
//! are allowed at a moment, how units add up, what must have moved once a lane was looked at, and when the lane must
//! be looked at next at the latest.
//!
//! | module | about |
//! | --- | --- |
//! | `verbs` | what is asked, by chance |
//! | `rules`, `units` | the model |
//! | `run` | the store and the model beside each other |
//! | `asking`, `settling`, `pushing`, `carry_out` | what is done to both |
//! | `audit` | what is looked at after each verb |
//! | `rest` | what is looked at in the end |

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

/// What is tried.
pub(super) const NAME: &str = "model::whatever_is_asked_of_it_the_store_does_what_the_rules_say";

/// Tries many sequences of verbs, each on a database of its own. Blocks.
///
/// # Panics
/// With the shortest sequence that was found, if the store does not do what the rules say.
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

/// So many that it takes seconds; `PROPTEST_CASES` asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(128)
}
