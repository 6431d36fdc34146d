//! What a start does about the set-up, and what it leaves, for people. The English is `Display`.

use std::fmt;

use hongyan_ledger::{KeyId, WebhookId};
use hongyan_wechat::AppId;

/// A step of a start, without the values that the step writes: some are secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepName {
    /// Compare the database with the configuration.
    Compare,
    /// Register an app.
    AddApp(AppId),
    /// Change these settings of an app.
    ChangeApp(AppId, Vec<&'static str>),
    /// Set up a webhook of this name.
    AddWebhook(String, WebhookId),
    /// Change these settings of a webhook of this name.
    ChangeWebhook(String, WebhookId, Vec<&'static str>),
    /// Make an API key of this name.
    AddKey(String),
}

impl fmt::Display for StepName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compare => f.write_str("compare the database with the configuration"),
            Self::AddApp(appid) => write!(f, "register the app {appid}"),
            Self::ChangeApp(appid, what) => write!(f, "change {} of the app {appid}", what.join(", ")),
            Self::AddWebhook(name, id) => write!(f, "set up the webhook {name} ({id})"),
            Self::ChangeWebhook(name, id, what) => {
                write!(f, "change {} of the webhook {name} ({id})", what.join(", "))
            }
            Self::AddKey(name) => write!(f, "make the API key {name}"),
        }
    }
}

/// What stays as it is although the set-up does not name it, or says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Remark {
    /// The set-up names a key that was revoked.
    #[error(
        "the API key {name} ({id}) was revoked and stays revoked: remove its entry, or give the entry a new secret"
    )]
    KeyIsRevoked {
        /// The name in the set-up.
        name: String,
        /// The key.
        id: KeyId,
    },
    /// The set-up names a key that has expired.
    #[error("the API key {name} ({id}) has expired: remove its entry, or give the entry a new secret")]
    KeyHasExpired {
        /// The name in the set-up.
        name: String,
        /// The key.
        id: KeyId,
    },
    /// The set-up does not name this app.
    #[error(
        "the app {0} is registered, and the configuration does not name it. It stays as it is; remove it with: hongyan app \
         remove {0}"
    )]
    AppStays(AppId),
    /// The set-up does not name this webhook any more.
    #[error(
        "the webhook {id} ({description}) was set up by the configuration, and the configuration does not name it. It stays as \
         it is; remove it with DELETE /v1/webhooks/{id}"
    )]
    WebhookStays {
        /// The webhook.
        id: WebhookId,
        /// What the webhook is for.
        description: String,
    },
    /// The set-up does not name this key any more.
    #[error(
        "the API key {id} ({name}) was made by the configuration, and the configuration does not name it. It stays as it is \
         and works; revoke it with: hongyan key revoke {id}"
    )]
    KeyStays {
        /// The stored name.
        name: String,
        /// The key.
        id: KeyId,
    },
}
