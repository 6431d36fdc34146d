//! What WeChat pushes: whether it is WeChat's, and what it says.
//!
//! WeChat posts events to an address that an app has named, signed with a token that both know, and enciphered if the
//! app wants that. This module reads them and makes them: the gateway opens what the sandbox seals.
//!
//! | module | knows |
//! | --- | --- |
//! | [`signature`](sign) | SHA-1 over sorted texts, and comparing it without telling how far it agreed |
//! | `envelope` | the cipher of compatible and safe mode: [`EncodingAesKey`] |
//! | `document` | XML and JSON as one tree, with bounds on everything |
//! | `push` | a request to a callback address, from its parameters to the event in it |
//! | `event` | the events that the gateway acts on, read from the tree |
//!
//! Nothing here keeps anything: whether an event came before is for who has a memory.
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
