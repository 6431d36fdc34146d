//! What the configuration names, checked.

use std::path::PathBuf;

use hongyan_clock::UnixMillis;
use hongyan_ledger::WebhookId;
use hongyan_ledger::webhook::EventType;
use hongyan_wechat::AppId;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use crate::apps::AppChange;
use crate::config::Entry;
use crate::keys::Scope;

/// Everything that the configuration names.
#[derive(Default)]
pub struct Setup {
    /// The apps.
    pub(super) apps: Vec<DeclaredApp>,
    /// The webhooks.
    pub(super) webhooks: Vec<DeclaredWebhook>,
    /// The API keys.
    pub(super) keys: Vec<DeclaredKey>,
    /// The file of the setting `setup_file`, if it holds a secret itself.
    pub(super) file_with_secrets: Option<PathBuf>,
}

impl Setup {
    /// Whether the configuration names nothing.
    pub const fn is_empty(&self) -> bool {
        self.apps.is_empty() && self.webhooks.is_empty() && self.keys.is_empty()
    }

    /// The numbers of apps, webhooks and keys.
    pub const fn counts(&self) -> [usize; 3] {
        [self.apps.len(), self.webhooks.len(), self.keys.len()]
    }

    /// The numbers of apps, webhooks and keys, in words.
    pub fn in_words(&self) -> String {
        let count = |many: usize, what: &str| format!("{many} {what}{}", if many == 1 { "" } else { "s" });
        let [apps, webhooks, keys] = self.counts();
        format!("{}, {}, {}", count(apps, "app"), count(webhooks, "webhook"), count(keys, "API key"))
    }
}

/// An app.
pub(super) struct DeclaredApp {
    pub(super) entry: Entry,
    pub(super) appid: AppId,
    pub(super) secret: SecretString,
    /// The members that are set, without the AppSecret.
    pub(super) change: AppChange,
}

/// A webhook.
pub(super) struct DeclaredWebhook {
    pub(super) entry: Entry,
    pub(super) name: String,
    pub(super) id: WebhookId,
    pub(super) url: String,
    pub(super) description: Option<String>,
    /// `Some(None)`: all types.
    #[allow(clippy::option_option, reason = "not set, all types and some types are three things")]
    pub(super) types: Option<Option<Vec<EventType>>>,
    /// `Some(None)`: all apps.
    #[allow(clippy::option_option, reason = "not set, all apps and some apps are three things")]
    pub(super) apps: Option<Option<Vec<AppId>>>,
    pub(super) secret: SecretString,
}

/// An API key.
pub(super) struct DeclaredKey {
    pub(super) entry: Entry,
    pub(super) name: String,
    pub(super) scopes: Vec<Scope>,
    pub(super) apps: Option<Vec<AppId>>,
    pub(super) expires_at: Option<UnixMillis>,
    /// SHA-256 of the key.
    pub(super) hash: [u8; 32],
}

/// The number of bytes of an id that hold the time. The id of a webhook of the set-up has no time.
const TIME_BYTES: usize = 6;

/// The id of the webhook of this name. Each node computes the same id, so a restart finds the webhook again, and of two nodes
/// that start at once only one adds it.
pub(super) fn webhook_id(name: &str) -> WebhookId {
    let mut id = [0; 16];
    let digest = Sha256::digest(name.as_bytes());
    let rest = id.len() - TIME_BYTES;
    id[TIME_BYTES..].copy_from_slice(&digest[..rest]);
    WebhookId::from_bytes(id)
}

/// Whether [`webhook_id`] made this id.
pub(super) fn is_of_setup(id: WebhookId) -> bool {
    id.as_bytes()[..TIME_BYTES] == [0; TIME_BYTES]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhooks_id_follows_from_its_name_for_ever() {
        assert_eq!(webhook_id("orders").to_string(), "whk_0000000000001c168adb00d208e42f93");
        assert_ne!(webhook_id("orders"), webhook_id("billing"));
        assert!(is_of_setup(webhook_id("orders")));
        let made = hongyan_ledger::ids::IdMaker::new().webhook(UnixMillis(1_790_000_000_000));
        assert!(!is_of_setup(made));
    }
}
