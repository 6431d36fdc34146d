//! HTTP/1.1 on kept connections, for requests that must not be carried out twice.
//!
//! After a failure a caller must know whether anything of the request was written: if not, the request may be repeated
//! without a thought. The usual clients do not say that. This crate does, on `hyper`'s low level, with no task and no box
//! for a request. Decision 0007 of the project has the reasons.
//!
//! What a request says, where it goes and how long it may take is for those who use the crate: WeChat's client, and the
//! workers of webhooks.
//!
//! | file | has |
//! | --- | --- |
//! | `converse.rs` | [`converse`]: a request on a kept connection, then on a new one; when it is repeated |
//! | `connection.rs` | [`Connection`]: one request on one connection; [`Lost`]: why it has no answer |
//! | `connect.rs` | [`connect`]: new connections; [`tls`], the configuration that all of them share |
//! | `wire.rs` | the stream below: what was written, and whether the other end is still there |
//! | `pool.rs`, `habit.rs` | [`Pool`]: idle connections; [`Habit`]: how long the other end keeps them |
//! | `causes.rs` | [`with_causes`]: an error in one line |

mod causes;
mod connect;
mod connection;
mod converse;
mod habit;
mod pool;
#[cfg(test)]
mod tests;
mod wire;

pub use causes::with_causes;
pub use connect::{Work, connect, tls};
pub use connection::{Connection, Lost, Patience};
pub use converse::{Answering, Repeat, converse};
pub use habit::Habit;
pub use pool::Pool;
pub use wire::{OnWire, Watched, Watching};
