//! WeChat's wire protocol for the notifications of mini programs.
//!
//! This crate contains the facts on which both ends must agree: the forms of requests and answers, the errcodes with
//! their explanations, and the rules of fields. It also contains a [`Client`] that calls WeChat and reports exactly what
//! happened to each request.
//!
//! This crate makes no decisions: it does not retry a refused message, store a token or know permits. The client repeats
//! a request only when no byte of it was written, or when the request may be sent twice. WeChat's server is simulated in
//! another crate.
//!
//! | module | holds |
//! | --- | --- |
//! | `ids` | [`AppId`], [`OpenId`], [`TemplateId`]: checked once, where they come in |
//! | [`errcode`] | [`Errcode`], and for each code its meaning, who can fix it and how |
//! | [`fields`] | what a field named `thing1` or `date2` may contain; which fields a template has; mock form ids |
//! | `digest` | the SHA-1 in signatures of pushes and of user data |
//! | [`token`], [`login`], [`messages`], [`templates`] | requests and answers as types |
//! | [`user_data`] | the encrypted user data of a mini program |
//! | [`callback`] | WeChat's pushes: signature, cipher, XML and JSON, events |
//! | [`paths`] | the paths that WeChat serves, and their only valid spelling |
//! | [`blot`] | finding and overwriting secrets in texts of others |
//! | [`beginning()`] | long texts of others, cut |
//! | [`query`] | query strings in the forms that SDKs send, and changing them |
//! | [`answer`] | the envelope, `errcode` and `errmsg`, around every answer |
//! | [`client`] | the [`Client`]: few long-lived connections, and an exact account of what was sent |
//!
//! Errors and logs never contain a token, a secret or a session key: these live in [`SecretString`], which does not
//! print, and no error text contains a request's URL.

pub mod answer;
mod beginning;
pub mod blot;
pub mod callback;
pub mod client;
mod digest;
pub mod errcode;
pub mod fields;
mod ids;
pub mod login;
pub mod messages;
pub mod paths;
pub mod query;
mod secret;
pub mod templates;
pub mod token;
pub mod user_data;

pub use secrecy::{ExposeSecret, SecretString};

pub use answer::{Answer, Empty, NotWeChats, SendAnswer};
pub use beginning::beginning;
pub use client::{
    AnswerBody, Answered, CallError, Client, ClientConfig, ClientError, Failure, Quota, Repeat,
    StreamedAnswer, Upload,
};
pub use errcode::{Errcode, ErrcodeInfo, Fault, all_errcodes};
pub use fields::{
    FieldKind, FieldProblem, TemplateField, check_field, examples_of, fields_of, is_mock_form_id,
    is_undocumented, may_be_too_long, shortened_to_fit,
};
pub use ids::{AppId, InvalidId, MAX_ID_CHARS, OpenId, TemplateId};
pub use login::LoginAnswer;
pub use messages::{FieldValue, Fields, Lang, MiniprogramState, SubscribeMessage, TemplateMessage};
pub use templates::{KeywordEnum, LegacyTemplate, SubscribeTemplate};
pub use token::{StableTokenRequest, TokenAnswer};
