//! The callback settings of an app in requests and answers.

use hongyan_clock::UnixMillis;
use hongyan_store::types::{AppRecord, CallbackStatus};
use hongyan_wechat::SecretString;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::apps::{App, CallbackChange};
use crate::context::Context;
use crate::problem::Problem;
use crate::schemas;

/// What is entered on WeChat's page for pushes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewCallback {
    /// The token with which WeChat signs pushes: 3 to 32 letters and digits. Encrypted in the database, never shown again.
    #[schema(value_type = String, format = Password, write_only, pattern = r"^\s*[A-Za-z0-9]{3,32}\s*$")]
    token: SecretString,
    /// The key with which WeChat encrypts pushes: 43 letters and digits; absent or `null` in plain mode. Encrypted in the
    /// database, never shown again.
    #[schema(value_type = Option<String>, format = Password, write_only, pattern = r"^\s*[A-Za-z0-9+/]{43}\s*$")]
    encoding_aes_key: Option<SecretString>,
}

impl NewCallback {
    pub(super) fn into_change(self) -> CallbackChange {
        CallbackChange::Set { token: Some(self.token), aes_key: Some(self.encoding_aes_key) }
    }
}

/// A change of the callback. Absent members stay as they are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangedCallback {
    /// The token with which WeChat signs pushes: 3 to 32 letters and digits.
    #[schema(value_type = Option<String>, format = Password, write_only, pattern = r"^\s*[A-Za-z0-9]{3,32}\s*$")]
    token: Option<SecretString>,
    /// The key with which WeChat encrypts pushes; `null`: plain mode.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, format = Password, write_only, pattern = r"^\s*[A-Za-z0-9+/]{43}\s*$")]
    #[allow(clippy::option_option, reason = "absent, null and a value are three things")]
    encoding_aes_key: Option<Option<SecretString>>,
}

/// A present member, even `null`, is `Some`. With `default`, an absent member is `None`.
#[allow(clippy::option_option, reason = "absent, null and a value are three things")]
pub(super) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// The change that a request asks for.
pub(super) fn change(callback: Option<ChangedCallback>) -> CallbackChange {
    match callback {
        None => CallbackChange::Remove,
        Some(set) => CallbackChange::Set { token: set.token, aes_key: set.encoding_aes_key },
    }
}

/// How WeChat pushes events.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Callback)]
pub(super) struct CallbackJson {
    /// The path to enter on WeChat's page, after the gateway's public address.
    #[schema(example = "/callback/wx0123456789abcdef")]
    path: String,
    mode: CallbackMode,
    /// When WeChat last checked the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    verified_at: Option<UnixMillis>,
    /// When the last event came.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    last_event_at: Option<UnixMillis>,
}

/// How pushes are sent.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum CallbackMode {
    /// Not encrypted: WeChat's plain mode, and its compatible mode if no key is set here.
    Plain,
    /// Encrypted: WeChat's safe mode, and its compatible mode if a key is set here.
    Sealed,
}

impl CallbackJson {
    pub(super) fn of(app: &AppRecord, heard: CallbackStatus) -> Option<Self> {
        let callback = app.settings.callback.as_ref()?;
        Some(Self {
            path: crate::callbacks::path_of(&app.appid),
            mode: if callback.aes_key.is_some() { CallbackMode::Sealed } else { CallbackMode::Plain },
            verified_at: heard.verified_at,
            last_event_at: heard.last_event_at,
        })
    }

    /// An example with every member.
    #[cfg(test)]
    pub(super) fn example(moment: UnixMillis) -> Self {
        Self {
            path: "/callback/wx0123456789abcdef".into(),
            mode: CallbackMode::Sealed,
            verified_at: Some(moment),
            last_event_at: Some(moment),
        }
    }
}

/// The times of WeChat's last uses of an app's callback.
pub(super) async fn heard(context: &Context, app: &App) -> Result<CallbackStatus, Problem> {
    if app.record.settings.callback.is_none() {
        return Ok(CallbackStatus::default());
    }
    Ok(context.store.callback_status(app.record.appid.clone()).await?)
}
