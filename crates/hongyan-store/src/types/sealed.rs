//! What the gateway has sealed: what it is, whose it is, and its bytes.

use hongyan_ledger::WebhookId;
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

impl SealedKind {
    /// All of them, in the order of a walk.
    pub const ALL: [Self; 8] = [
        Self::AppSecret,
        Self::CallbackToken,
        Self::CallbackAesKey,
        Self::AccessToken,
        Self::SessionKey,
        Self::PreviousSessionKey,
        Self::WebhookSecret,
        Self::PreviousWebhookSecret,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AppSecret => "app_secret",
            Self::CallbackToken => "callback_token",
            Self::CallbackAesKey => "callback_aes_key",
            Self::AccessToken => "access_token",
            Self::SessionKey => "session_key",
            Self::PreviousSessionKey => "previous_session_key",
            Self::WebhookSecret => "webhook_secret",
            Self::PreviousWebhookSecret => "previous_webhook_secret",
        }
    }
}

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
