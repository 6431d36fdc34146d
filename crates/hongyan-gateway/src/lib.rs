//! The gateway: keeps the access token, exchanges login codes for openids, collects permits, sends each message once,
//! and explains every failure.
//!
//! A message's way through the modules:
//!
//! ```text
//! back end ─▶ api | facade ─▶ intake ─▶ schedule ─▶ dispatch ─▶ WeChat
//!                               │          │           │  ▲
//!                               ▼          ▼           ▼  │ apps: token, gate
//!                            ┌──────────── store ────────────┐
//!                            └───────────────▲───────────────┘
//!                                            settle ─▶ report
//! ```
//!
//! | module | knows |
//! | --- | --- |
//! | [`config`] | every setting |
//! | [`api`] | the gateway's own HTTP API, and the mini program's |
//! | [`facade`] | WeChat's own paths |
//! | [`callbacks`] | what WeChat pushes |
//! | [`intake`] | the rules of a request for a message; commits the message |
//! | [`lanes`] | which users this node works for |
//! | [`schedule`] | when to look at which lane |
//! | [`probe`] | which message to try while WeChat does not answer an app |
//! | [`slots`] | how many messages may be `sending` at a time |
//! | [`dispatch`] | the workers that write requests to WeChat |
//! | [`job`] | the types that dispatch and settle hand to each other |
//! | [`settle`] | turns outcomes into commits |
//! | [`signals`] | what follows from each commit, and which part it concerns |
//! | [`health`] | the gateway's health, cached for frequent probes |
//! | [`report`] | who waits for a message; metrics |
//! | [`webhooks`] | delivers events |
//! | [`retention`] | deletes old data |
//! | [`audit`] | who changed what |
//! | [`apps`], [`token`], [`templates`] | registered apps, their access tokens, their templates |
//! | [`login`], [`user_data`] | codes, sessions; decrypting user data |
//! | [`keys`], [`people`], [`vault`] | API keys; people at the console and what they may do; secrets at rest |
//! | `task` | the background tasks; work that runs to its end even if nobody waits for it |
//! | [`traces`] | spans of requests, messages, attempts and deliveries, for a collector |
//! | `request_id`, `request_note` | the id of a request; what the door and the handlers tell each other about a request |
//! | `pace` | the pace of background work, and of retries after a store error |
//! | `members` | the members of a JSON object, not parsed |
//! | `secret_cache` | a cache of keys and tokens that were looked up recently |
//! | [`gateway_tokens`] | the tokens that the facade hands out instead of access tokens |
//! | [`problem`] | refusals |
//! | [`reference`](mod@reference) | the pages that explain errcodes and problems, generated from the rules |
//! | `schemas` | the domain's types in the OpenAPI description |
//! | `pages` | the front page, and the pages that explain refusals, as HTML |
//! | [`door`] | incoming connections; every limit |
//! | [`tls`] | the certificate of the listener with TLS |
//! | [`state`] | state that several tasks read and one task writes |
//! | `context`, `error` | the handlers' dependencies; why the gateway did not start |
//! | `opening` | what is looked at before a gateway starts |
//! | [`setup`] | the apps, webhooks and keys that the configuration names |
//! | [`service`] | starts and stops all parts |
//!
//! The gateway reaches WeChat and the sandbox only through HTTP.

pub mod api;
pub mod apps;
pub mod audit;
pub mod callbacks;
mod callers;
pub mod config;
mod context;
pub mod dispatch;
pub mod door;
mod error;
pub mod facade;
pub mod gateway_tokens;
pub mod health;
pub mod intake;
pub mod job;
pub mod keys;
pub mod lanes;
pub mod login;
mod members;
mod opening;
mod pages;
pub mod people;
pub mod probe;
pub mod problem;
pub mod reference;
pub mod report;
mod request_id;
mod request_note;
pub mod retention;
pub mod schedule;
pub mod service;
pub mod settle;
pub mod setup;
pub mod signals;
pub mod slots;
pub mod state;
pub mod stop;
pub mod templates;
pub mod tls;
pub mod token;
pub mod traces;
pub mod user_data;
pub mod vault;
pub mod webhooks;

mod pace;
mod quotas;
mod random;
mod schemas;
mod secret_cache;
mod task;

pub use api::description;
pub use context::Context;
pub use error::GatewayError;
pub use pages::calls_in_chinese;
pub use request_note::RequestNote;
pub use service::Gateway;
