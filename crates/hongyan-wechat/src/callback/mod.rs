//! WeChat's pushes: verifying and reading them.
//!
//! WeChat posts events to the app's callback URL, signed with a shared token, and encrypted if the app wants encryption.
//! This module reads and writes pushes: the gateway opens pushes that the sandbox seals.
//!
//! | module | knows |
//! | --- | --- |
//! | [`signature`](sign) | SHA-1 over sorted texts, and comparing signatures in constant time |
//! | `envelope` | the cipher of compatible and safe mode: [`EncodingAesKey`] |
//! | `document` | XML and JSON as one tree, with bounds on everything |
//! | `push` | a request to a callback URL, from its parameters to the event |
//! | `event` | the events that the gateway acts on, read from the tree |
//!
//! This module stores nothing: its caller detects repeated events.
//!
//! Source: <https://developers.weixin.qq.com/miniprogram/dev/framework/server-ability/message-push.html>.

mod document;
mod envelope;
mod event;
mod push;
mod signature;

pub use document::{MAX_DEPTH, MAX_NODES, Unreadable, parse_document, to_xml};
pub use envelope::{EncodingAesKey, InvalidEncodingAesKey, OpenError};
pub use event::{Event, Notice, SENT_OK, SentEntry, SubscribeEntry, SubscribeResult, notice_of};
pub use push::{CallbackKeys, PushParameters, PushRefused, address_check, open_push};
pub use signature::{is_signed, sign};
