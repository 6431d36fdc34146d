//! WeChat's wire protocol for the notifications of mini programs.
//!
//! What is here are the facts that both ends must agree on: what a request and its answer look like, which
//! errcodes there are and what they mean in words, what a field may hold. And a [`Client`] that asks WeChat and
//! says honestly what became of the question.
//!
//! What is not here: any decision. Nothing in this crate retries a refused message, keeps a token or knows what
//! a permit is; the client repeats a request only when it is certain that not one byte of it was written, or when
//! it may be asked twice.
//! WeChat's server is not here either.
//!
//! | module | holds |
//! | --- | --- |
//! | `ids` | [`AppId`], [`OpenId`], [`TemplateId`]: checked once, where they come in |
//! | [`errcode`] | [`Errcode`] and, for each, what it means, whose fault it is and what helps |
//! | [`fields`] | what a field named `thing1` or `date2` may hold; which fields a template has; mock form ids |
//! | `digest` | the SHA-1 that signatures of pushes and of user data are made with |
//! | [`token`], [`login`], [`messages`], [`templates`] | requests and answers as types |
//! | [`user_data`] | what a mini program gets enciphered of its user |
//! | [`callback`] | what WeChat pushes: signature, cipher, XML and JSON, events |
//! | [`paths`] | which paths WeChat serves, and their one spelling |
//! | [`blot`] | secrets found in what others wrote, and blotted out |
//! | [`query`] | queries as SDKs put them together, and changing them |
//! | [`answer`] | the envelope, `errcode` and `errmsg`, around every answer |
//! | [`client`] | the [`Client`]: few long-lived connections, and an exact account of what was sent |
//!
//! Errors and logs never hold a token, a secret or a session key: they live in [`SecretString`], which does not
//! print, and no error text quotes a request's address.

pub mod answer;
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
pub use client::{
    AnswerBody, Answered, CallError, Client, ClientConfig, ClientError, Failure, Repeat, StreamedAnswer,
    Upload,
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
