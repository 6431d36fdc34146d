//! The gateway: keeps the access token, turns login codes into openids, collects permits, sends messages once,
//! and explains every failure.
//!
//! A message goes one way through the modules, and none reaches back:
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
//! | [`intake`] | the rules of a request for a message; commits it |
//! | [`lanes`] | which users this node works for |
//! | [`schedule`] | when to look at which lane |
//! | [`probe`] | whom to wake while WeChat does not answer an app |
//! | [`slots`] | how many messages may be `sending` at a time |
//! | [`dispatch`] | the workers that write requests to WeChat |
//! | [`job`] | what dispatch and settle hand to each other |
//! | [`settle`] | turns outcomes into commits |
//! | [`signals`] | what follows from each commit, and whom it concerns |
//! | [`health`] | how the gateway is, for machines that ask often |
//! | [`report`] | who waits for a message; metrics |
//! | [`webhooks`] | takes events to those who want them |
//! | [`retention`] | clears away what is old |
//! | [`audit`] | who changed what |
//! | [`apps`], [`token`], [`templates`] | registered apps, their access tokens, their templates |
//! | [`login`], [`user_data`] | codes, sessions; what a user's session key opens |
//! | [`keys`], [`people`], [`vault`] | API keys; people at the console and what they may do; secrets at rest |
//! | `task` | the running parts; work that runs to its end even if nobody waits for it |
//! | `pace` | how fast work in the background goes on, and when a failing store is asked again |
//! | `members` | the members of a JSON object, unread |
//! | `secret_cache` | keys and tokens that were looked up a moment ago |
//! | [`gateway_tokens`] | what the facade hands out in the place of access tokens |
//! | [`problem`] | how refusals look |
//! | [`reference`](mod@reference) | the pages that explain errcodes and problems, made from the rules |
//! | `schemas` | how the domain's types look in the OpenAPI description |
//! | [`door`] | where connections come in; every limit |
//! | [`tls`] | the certificate of the listener with TLS |
//! | [`state`] | what several tasks read and one writes |
//! | `context`, `error` | what the handlers work with; why the gateway did not start |
//! | [`service`] | starts and stops all of it |
//!
//! It knows WeChat, and the sandbox, only through HTTP.

pub mod api;
pub mod apps;
pub mod audit;
pub mod callbacks;
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
pub mod people;
pub mod probe;
pub mod problem;
pub mod reference;
pub mod report;
mod request_id;
pub mod retention;
pub mod schedule;
pub mod service;
pub mod settle;
pub mod signals;
pub mod slots;
pub mod state;
pub mod stop;
pub mod templates;
pub mod tls;
pub mod token;
pub mod user_data;
pub mod vault;
pub mod webhooks;

mod pace;
mod random;
mod schemas;
mod secret_cache;
mod task;

pub use context::Context;
pub use error::GatewayError;
pub use service::Gateway;
