//! What a verb asks of a database and writes into it, row by row: the port that each backend implements.
//!
//! A verb's steps and decisions stand once, in [`crate::verbs`], over these traits. They are synchronous, and speak of
//! messages, permits and lanes, not of tables. All questions and writes of a verb belong to one transaction, and a
//! backend may remember whatever it likes between two of them, as long as the answers are those of the database.
//!
//! | module | knows |
//! | --- | --- |
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

use hongyan_ledger::Lane;
use hongyan_wechat::{AppId, OpenId};

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

/// A user of an app, with the lane that both are in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) lane: Lane,
    /// Stands for appid and openid in keys ([`hongyan_ledger::user_number`]).
    pub(crate) number: u64,
    pub(crate) appid: AppId,
    pub(crate) openid: OpenId,
}

impl User {
    pub(crate) fn of(appid: &AppId, openid: &OpenId) -> Self {
        let number = hongyan_ledger::user_number(appid, openid);
        Self { lane: Lane::of_number(number), number, appid: appid.clone(), openid: openid.clone() }
    }

    /// The number as it is stored: databases' integers are signed.
    pub(crate) const fn key(&self) -> i64 {
        self.number.cast_signed()
    }
}
