//! A message, as the pages about messages read it.

use serde::Deserialize;

use crate::format::At;

/// A message, as the API's list shows it.
#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) app: String,
    pub(super) to: String,
    pub(super) template: String,
    pub(super) channel: String,
    pub(super) state: String,
    pub(super) reason: Option<Reason>,
    pub(super) permit: Option<String>,
    pub(super) permit_policy: String,
    pub(super) on_unknown: String,
    pub(super) reference: Option<String>,
    pub(super) collapse_key: Option<String>,
    pub(super) replaced_by: Option<String>,
    pub(super) accepted_at: At,
    pub(super) send_at: At,
    pub(super) deadline: Option<At>,
    pub(super) next_look_at: Option<At>,
}

/// Why a message is where it is.
#[derive(Debug, Deserialize)]
pub(super) struct Reason {
    pub(super) code: String,
    pub(super) errcode: Option<i64>,
    pub(super) explanation: String,
    pub(super) explanation_zh: String,
    pub(super) help: Option<String>,
}
