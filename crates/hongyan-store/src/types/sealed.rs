//! Sealed values: their place, their owner and their bytes.

use hongyan_ledger::{PersonId, WebhookId, names};
use hongyan_wechat::{AppId, OpenId};

use super::Sealed;

/// A column with sealed values.
///
/// A change of the master key walks through them in this order. A value only ever moves from a column to a later column of
/// this list (the present secret becomes the previous one), so the walk misses no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SealedKind {
    /// An app's AppSecret.
    AppSecret,
    /// The token that an app's pushes are signed with.
    CallbackToken,
    /// The key that an app's pushes are encrypted with.
    CallbackAesKey,
    /// An app's access token.
    AccessToken,
    /// A user's session_key.
    SessionKey,
    /// A user's previous session_key.
    PreviousSessionKey,
    /// A webhook's secret.
    WebhookSecret,
    /// A webhook's previous secret.
    PreviousWebhookSecret,
    /// The secret of a person's second factor.
    Totp,
}

names!(SealedKind {
    AppSecret: "app_secret",
    CallbackToken: "callback_token",
    CallbackAesKey: "callback_aes_key",
    AccessToken: "access_token",
    SessionKey: "session_key",
    PreviousSessionKey: "previous_session_key",
    WebhookSecret: "webhook_secret",
    PreviousWebhookSecret: "previous_webhook_secret",
    Totp: "totp"
});

/// The owner of a sealed value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SealedOwner {
    /// An app.
    App(AppId),
    /// A user.
    User(AppId, OpenId),
    /// A webhook.
    Webhook(WebhookId),
    /// A person.
    Person(PersonId),
}

/// A sealed value with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedValue {
    /// The column.
    pub kind: SealedKind,
    /// The owner.
    pub owner: SealedOwner,
    /// The bytes.
    pub sealed: Sealed,
}

/// Some sealed values of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedPage {
    /// The values, in the order of their owners.
    pub values: Vec<SealedValue>,
    /// The owner behind which the next page begins; `None`: this was the last page.
    pub next: Option<SealedOwner>,
}

/// The replacement of a sealed value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reseal {
    /// The value that must still be stored.
    pub was: SealedValue,
    /// The new value.
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
            "totp",
        ];
        assert_eq!(SealedKind::ALL.map(SealedKind::name), names);
    }
}
