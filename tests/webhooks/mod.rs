//! Events out: a back end is told what happens.
//!
//! | file | tells |
//! | --- | --- |
//! | `delivering.rs` | how an event gets to its webhook: order, repeats, patience, the end of a webhook |
//! | `events.rs` | what events there are |
//! | `settings.rs` | where a webhook may lead, what it hears of, who may touch it |
//! | `connections.rs` | what happens on the way |
//! | `secrets.rs`, `snippets.rs` | how an event is signed; how the snippets of the documentation check that |
//! | `hooks.rs`, `receiver.rs` | what they work with: a world with webhooks, and a back end that takes them |

mod connections;
mod delivering;
mod events;
mod hooks;
pub mod receiver;
mod secrets;
mod settings;
mod snippets;
