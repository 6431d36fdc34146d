//! What a verb asks of a database and writes into it, row by row: the port that each backend implements.
//!
//! A verb's steps and decisions stand once, in [`crate::verbs`], over these traits. They are synchronous, and speak of
//! messages, permits and lanes, not of tables. All questions and writes of a verb belong to one transaction, and a
//! backend may remember whatever it likes between two of them, as long as the answers are those of the database.
//!
//! | module | knows |
//! | --- | --- |
//! | [`user`] | a user of an app, as keys name it |
//! | [`messages`] | a message's row; whose turn it is |
//! | [`permits`] | a user's permits, and reports of acceptances that have no partner yet |
//! | [`events`] | events that WeChat pushed |
//! | [`apps`], [`templates`] | apps, their pauses and their templates |
//! | [`credentials`] | access tokens, gateway tokens, API keys, session keys, sessions |
//! | [`sealed`] | sealed values, wherever they lie |
//! | [`lanes`] | who owns a lane |
//! | [`old`] | what is cleared away |
//! | [`audit`] | the audit trail |
//! | [`outbox`] | events for webhooks: who wants them, and writing them |
//! | [`webhooks`] | webhooks, and what became of what they are told |
//!
//! A question reads and decides nothing. A write writes what it is told; where the row must be there and is not, it is an
//! error.

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
pub(crate) mod permits;
pub(crate) mod sealed;
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
pub(crate) use permits::PermitRows;
pub(crate) use sealed::SealedRows;
pub(crate) use templates::TemplateRows;
pub(crate) use user::User;
pub(crate) use webhooks::WebhookRows;

/// A transaction, as the verbs see it.
pub(crate) trait Rows:
    AppRows
    + AuditRows
    + CredentialRows
    + EventRows
    + LaneRows
    + MessageRows
    + OldRows
    + OutboxRows
    + PermitRows
    + SealedRows
    + TemplateRows
    + WebhookRows
{
    /// What follows from the transaction for others. The backend tells it after the commit.
    fn signals(&self) -> RefMut<'_, Signals>;
}
