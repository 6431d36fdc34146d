//! The door: where connections come in, how many there may be, and how long each may take for what it does.
//!
//! Every stranger has a budget: of connections, of time to send a head or a body, of time to take an answer, of tries
//! with a wrong key. What is beyond it is refused and counted. Descriptors are kept back for the outgoing side, so that
//! messages go out also when strangers hold every connection.
//!
//! | module | knows |
//! | --- | --- |
//! | `listeners` | opens the door on every listener, and closes it |
//! | `accept` | how one listener takes connections, plain and with TLS |
//! | `connections` | which connections are open, and which gives way when there are too many |
//! | `connection` | what one connection is doing, and since when |
//! | `serving` | one connection's requests, its clocks and its end |
//! | `shared` | what all connections share |
//! | `marks` | what passes between the door and what stands behind it, beside the bytes |
//! | `body` | the clock of a request's body; the end of an answer's |
//! | `address` | from which address a request comes |
//! | `headers` | for which host a request is; the headers of every answer |
//! | [`rates`] | how often strangers may ask for what costs |
//! | [`outgoing`] | how many calls to WeChat may be under way that are no sends |
//! | [`limits`] | every limit: its name, its count, its line in the log |
//! | [`descriptors`] | how many descriptors the process has, and how many are kept back |
//! | [`clear`] | what would travel in the clear |

mod accept;
mod address;
mod body;
pub mod clear;
mod connection;
mod connections;
pub mod descriptors;
mod headers;
pub mod limits;
mod listeners;
mod marks;
pub mod outgoing;
pub mod rates;
mod serving;
mod shared;

pub(crate) use address::ClientAddress;
pub(crate) use body::Upload;
pub(crate) use listeners::Door;
pub use listeners::Listeners;
pub(crate) use marks::{BodyTooSlow, Held, WrongCredential};
