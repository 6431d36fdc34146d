//! What a verb asks of a database and writes into it, row by row: the port that each backend implements.
//!
//! The steps and decisions of a verb are written once, in [`crate::verbs`], over these traits. The traits are synchronous,
//! and speak of messages, permits and lanes, not of tables. All questions and writes of a verb belong to one transaction. A
//! backend may keep anything in memory between two of them, as long as its answers are those of the database.
//!
//! | module | knows |
//! | --- | --- |
//! | [`user`] | a user of an app, as keys name it |
//! | [`messages`] | a message's row; whose turn it is |
//! | [`permits`] | a user's permits, and reports of acceptances that have no partner yet |
//! | [`events`] | events that WeChat pushed |
//! | [`apps`], [`templates`] | apps, their pauses and their templates |
//! | [`credentials`] | access tokens, gateway tokens, API keys, session keys, sessions |
//! | [`people`] | people who may use the console, and their sessions |
//! | [`sealed`] | sealed values, in whichever table |
//! | [`lanes`] | who owns a lane |
//! | [`old`] | removing old rows |
//! | [`tallies`] | counts over time |
//! | [`audit`] | the audit trail |
//! | [`outbox`] | events for webhooks: who wants them, and writing them |
//! | [`webhooks`] | webhooks, and their deliveries |
//!
//! A question reads and decides nothing. A write writes what it is given. A write of a row that does not exist is an error.

use std::cell::RefMut;

use crate::signals::Signals;

pub(crate) mod apps;
pub(crate) mod audit;
pub(crate) mod credentials;
pub(crate) mod events;
pub(crate) mod lanes;
pub(crate) mod messages;
pub(crate) mod old;
pub(crate) mod outbox;
pub(crate) mod people;
pub(crate) mod permits;
pub(crate) mod sealed;
pub(crate) mod tallies;
pub(crate) mod templates;
pub(crate) mod user;
pub(crate) mod webhooks;

pub(crate) use apps::AppRows;
pub(crate) use audit::AuditRows;
pub(crate) use credentials::CredentialRows;
pub(crate) use events::EventRows;
pub(crate) use lanes::LaneRows;
pub(crate) use messages::{MessageRow, MessageRows};
pub(crate) use old::OldRows;
pub(crate) use outbox::{About, OutboxRows};
pub(crate) use people::PeopleRows;
pub(crate) use permits::PermitRows;
pub(crate) use sealed::SealedRows;
pub(crate) use tallies::TallyRows;
pub(crate) use templates::TemplateRows;
pub(crate) use user::User;
pub(crate) use webhooks::WebhookRows;

/// A transaction, as the verbs use it.
pub(crate) trait Rows:
    AppRows
    + AuditRows
    + CredentialRows
    + EventRows
    + LaneRows
    + MessageRows
    + OldRows
    + OutboxRows
    + PeopleRows
    + PermitRows
    + SealedRows
    + TallyRows
    + TemplateRows
    + WebhookRows
{
    /// The signals of the transaction. The backend publishes them after the commit.
    fn signals(&self) -> RefMut<'_, Signals>;
}
