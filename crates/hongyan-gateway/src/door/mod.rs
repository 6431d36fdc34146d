//! The door: accepts connections, limits their number, and limits the time of everything that a connection does.
//!
//! Every client has limits: of connections, of time to send a head or a body, of time to read an answer, of attempts with a
//! wrong key. The door refuses and counts what exceeds them. Descriptors are reserved for calls to WeChat, so that messages
//! are sent even when strangers hold every connection.
//!
//! | module | knows |
//! | --- | --- |
//! | `listeners` | opening and closing the door on all listeners |
//! | `accept` | how one listener takes connections, plain and with TLS |
//! | `connections` | which connections are open, and which is closed when there are too many |
//! | `connection` | what one connection is doing, and since when |
//! | `serving` | one connection's requests, its clocks and its end |
//! | `shared` | the state and the time limits that all connections share |
//! | `watch` | what the log and a trace tell of a request |
//! | `marks` | what the door and the handlers tell each other beside the bytes |
//! | `body` | the time limit of a request's body; the end of an answer's body |
//! | `address` | the address that a request comes from |
//! | `headers` | the check of a request's host; the headers of every answer |
//! | [`rates`] | the rates of requests that strangers may make |
//! | [`outgoing`] | the number of calls to WeChat that are not sends |
//! | [`limits`] | every limit: its name, its count, its log line |
//! | [`descriptors`] | the number of file descriptors, and how many are reserved |
//! | [`clear`] | warnings about data that is sent unencrypted |

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
mod watch;

pub(crate) use address::ClientAddress;
pub use address::Peer;
pub(crate) use body::Upload;
pub use listeners::Listeners;
pub(crate) use listeners::{Door, Rules};
pub use marks::is_wrong_credential;
pub(crate) use marks::{BodyTooSlow, Held, WrongCredential};
