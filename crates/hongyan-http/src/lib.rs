//! HTTP/1.1 on kept connections, for requests that must not be carried out twice.
//!
//! After a failure a caller must know whether anything of the request was written: if nothing was written, a repeat is
//! safe. The usual clients do not report this. This crate does, on `hyper`'s low-level API, without a task or a box for
//! each request. Decision 0007 of the project has the reasons.
//!
//! The users of this crate decide what a request contains, where it goes and how long it may take: WeChat's client, and
//! the webhook workers.
//!
//! | file | has |
//! | --- | --- |
//! | `converse.rs` | [`converse`]: a request on a kept connection, then on a new one; when it is repeated |
//! | `connection.rs` | [`Connection`]: one request on one connection; [`Lost`]: why there is no answer |
//! | `connect.rs` | [`connect`]: new connections; [`tls`], the configuration that all of them share |
//! | `wire.rs` | the stream below: what was written, and whether the server is still connected |
//! | `pool.rs`, `habit.rs` | [`Pool`]: idle connections; [`Habit`]: how long the server keeps them |
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
