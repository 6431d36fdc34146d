//! Stories over real HTTP: a sandbox that plays WeChat, a gateway on a real database, and their callers.
//!
//! Each story has a file. Stories assert on what a user, a caller or an operator could see. They wait for signals, not for
//! time: the stories move the clock that sandbox and gateway share.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on ends")]
#![expect(unreachable_pub, reason = "one crate, and nothing of it is used elsewhere")]

mod client;
mod process;
mod pusher;
mod world;

mod api_description;
mod audit;
mod backup;
mod bad_input;
mod breaker;
mod callbacks;
mod callbacks_refused;
mod checks;
mod chinese;
mod collapsing;
mod command_line;
mod console;
mod console_login;
mod console_sessions;
mod daily;
mod dead_permit;
mod disk_faults;
mod docs;
mod documents;
mod door;
mod errcodes;
mod explaining;
mod facade;
mod facade_pass;
mod facade_secrets;
mod facade_sends;
mod faults_clock;
mod faults_process;
mod faults_wechat;
mod gateway_pages;
mod gateway_tokens;
mod healthcheck;
mod idempotency;
mod import;
mod import_again;
mod invented;
mod kept_connections;
mod keys;
mod lanes;
mod logs;
mod lost_answer;
mod master_key;
mod metrics;
mod nodes;
mod operator;
mod order;
mod overview;
mod pages;
mod pauses;
mod permit_kinds;
mod request_ids;
mod resolving;
mod restart;
mod retention;
mod schedule;
mod sessions;
mod setup;
mod some_apps;
mod stats;
mod stopping;
mod strangers;
mod templates;
mod timeline;
mod tls;
mod token;
mod traces;
mod tutorial;
mod upgrading;
mod user_data;
mod waiting;
mod webhooks;
mod well_formed;
