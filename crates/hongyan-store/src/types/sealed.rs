//! What the gateway has sealed: what it is, whose it is, and its bytes.

use hongyan_ledger::{WebhookId, names};
use hongyan_wechat::{AppId, OpenId};

use super::Sealed;

/// A place where sealed values lie.
///
/// In this order they are walked through: a value moves from a place to the one after it and never back, so none slips past
/// who walks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SealedKind {
    /// An app's AppSecret.
    AppSecret,
    /// What an app's pushes are signed with.
    CallbackToken,
    /// What an app's pushes are enciphered with.
    CallbackAesKey,
    /// An app's access token.
    AccessToken,
    /// A user's session_key.
    SessionKey,
    /// The one before it.
    PreviousSessionKey,
    /// A webhook's secret.
    WebhookSecret,
    /// The one before it.
    PreviousWebhookSecret,
}

names!(SealedKind {
    AppSecret: "app_secret",
    CallbackToken: "callback_token",
    CallbackAesKey: "callback_aes_key",
    AccessToken: "access_token",
    SessionKey: "session_key",
    PreviousSessionKey: "previous_session_key",
    WebhookSecret: "webhook_secret",
    PreviousWebhookSecret: "previous_webhook_secret"
});

/// Whose a sealed value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SealedOwner {
    /// An app's.
    App(AppId),
    /// A user's.
    User(AppId, OpenId),
    /// A webhook's.
    Webhook(WebhookId),
}

/// A sealed value in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedValue {
    /// Where it lies.
    pub kind: SealedKind,
    /// Whose it is.
    pub owner: SealedOwner,
    /// Its bytes.
    pub sealed: Sealed,
}

/// Some sealed values of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedPage {
    /// In the order of their owners.
    pub values: Vec<SealedValue>,
    /// Whom the next page begins behind; `None`: that was all.
    pub next: Option<SealedOwner>,
}

/// Another value for the place of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reseal {
    /// What must still lie there.
    pub was: SealedValue,
    /// What is to lie there.
    pub sealed: Sealed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_sealed_values_keep_their_names() {
        let names = [
            "app_secret",
            "callback_token",
            "callback_aes_key",
            "access_token",
            "session_key",
            "previous_session_key",
            "webhook_secret",
            "previous_webhook_secret",
        ];
        assert_eq!(SealedKind::ALL.map(SealedKind::name), names);
    }
}
