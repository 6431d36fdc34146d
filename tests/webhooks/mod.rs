//! Events out: a back end is told about events.
//!
//! | file | tells |
//! | --- | --- |
//! | `delivering.rs` | delivery of events: order, attempts, time limits, the end of a webhook |
//! | `events.rs` | the types of events |
//! | `settings.rs` | the URL of a webhook, the events that it gets, who may change it |
//! | `connections.rs` | the connections to a webhook |
//! | `secrets.rs`, `snippets.rs` | the signature of an event, and the snippets of the documentation that check it |
//! | `hooks.rs`, `receiver.rs` | helpers: a world with webhooks, and a back end that receives events |

mod connections;
mod delivering;
mod events;
mod hooks;
pub mod receiver;
mod secrets;
mod settings;
mod snippets;
