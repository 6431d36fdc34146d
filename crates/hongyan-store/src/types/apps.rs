//! Apps and what belongs to them: templates, tokens, logins, keys.

use std::collections::BTreeMap;

use hongyan_clock::UnixMillis;
use hongyan_ledger::gate::AppGate;
use hongyan_ledger::settle::{AppPause, PauseCode};
use hongyan_ledger::{Channel, KeyId, OnUnknown, TokenId, WaitingOrder, names};
use hongyan_wechat::{AppId, Errcode, OpenId, TemplateId};

use super::audit::Actor;

/// A secret as it is stored: sealed by the gateway; the store cannot read it.
pub type Sealed = Vec<u8>;

/// One registered mini program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppRecord {
    /// Its appid.
    pub appid: AppId,
    /// Its settings.
    pub settings: AppSettings,
    /// Counts the changes of the settings.
    pub version: u64,
    /// Its pause, if it is paused.
    pub paused: Option<AppPaused>,
    /// When its templates were last synchronised.
    pub templates_synced_at: Option<UnixMillis>,
    /// When it was registered.
    pub created_at: UnixMillis,
    /// When it was last changed.
    pub updated_at: UnixMillis,
}

/// The settings of an app. A new setting needs a field here, a field in [`AppChange`], and a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppSettings {
    /// A name for people.
    pub name: String,
    /// Its AppSecret, sealed.
    pub secret: Sealed,
    /// SHA-256 of what clients of the facade use as `secret`.
    pub gateway_secret_hash: [u8; 32],
    /// Fetch tokens by `stable_token` (true) or by the old call.
    pub stable_token: bool,
    /// Default for messages that do not set it.
    pub on_unknown: OnUnknown,
    /// Units that a payment grants.
    pub payment_units: u32,
    /// Which of a user's waiting messages a permit serves first.
    pub waiting_order: WaitingOrder,
    /// Default for messages that do not set it: cut text that is too long for its field instead of refusing it.
    pub truncate: bool,
    /// The token and key for WeChat's pushes; `None`: pushes are not taken.
    pub callback: Option<CallbackRecord>,
    /// If WeChat has reported nothing about a message of unknown outcome for so many seconds, the message counts as not sent
    /// and goes out again; `None`: never.
    pub resend_unknown_after_seconds: Option<u32>,
}

/// Changes to an app's settings. `None`: the setting stays as it is, even if another caller changes it at the same time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(clippy::option_option, reason = "to leave it, to take it away and to set it are three things")]
pub struct AppChange {
    /// A name for people.
    pub name: Option<String>,
    /// Its AppSecret, sealed.
    pub secret: Option<Sealed>,
    /// SHA-256 of what clients of the facade use as `secret`.
    pub gateway_secret_hash: Option<[u8; 32]>,
    /// How tokens are fetched.
    pub stable_token: Option<bool>,
    /// Default for messages that do not set it.
    pub on_unknown: Option<OnUnknown>,
    /// Units that a payment grants.
    pub payment_units: Option<u32>,
    /// Which waiting message a permit serves first.
    pub waiting_order: Option<WaitingOrder>,
    /// Default for messages that do not set it.
    pub truncate: Option<bool>,
    /// `Some(None)`: pushes are not taken any more.
    pub callback: Option<Option<CallbackRecord>>,
    /// `Some(None)`: such messages are never resent.
    pub resend_unknown_after_seconds: Option<Option<u32>>,
}

impl AppChange {
    /// Makes the changes.
    pub fn apply(self, settings: &mut AppSettings) {
        fn set<T>(setting: &mut T, wanted: Option<T>) {
            if let Some(wanted) = wanted {
                *setting = wanted;
            }
        }
        let Self {
            name,
            secret,
            gateway_secret_hash,
            stable_token,
            on_unknown,
            payment_units,
            waiting_order,
            truncate,
            callback,
            resend_unknown_after_seconds,
        } = self;
        set(&mut settings.name, name);
        set(&mut settings.secret, secret);
        set(&mut settings.gateway_secret_hash, gateway_secret_hash);
        set(&mut settings.stable_token, stable_token);
        set(&mut settings.on_unknown, on_unknown);
        set(&mut settings.payment_units, payment_units);
        set(&mut settings.waiting_order, waiting_order);
        set(&mut settings.truncate, truncate);
        set(&mut settings.callback, callback);
        set(&mut settings.resend_unknown_after_seconds, resend_unknown_after_seconds);
    }
}

/// The result of a change of an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppChanged {
    /// The change is stored, and the app has this version now.
    Done(u64),
    /// The app has this version, and not the version that the change was made from. Nothing was changed.
    Stale(u64),
    /// There is no such app.
    NotFound,
}

impl AppSettings {
    /// The settings of a new app: defaults for all other fields. The name is the appid.
    pub fn new(appid: &AppId, secret: Sealed, gateway_secret_hash: [u8; 32]) -> Self {
        Self {
            name: appid.to_string(),
            secret,
            gateway_secret_hash,
            stable_token: true,
            on_unknown: OnUnknown::default(),
            payment_units: 1,
            waiting_order: WaitingOrder::default(),
            truncate: false,
            callback: None,
            resend_unknown_after_seconds: None,
        }
    }
}

impl AppRecord {
    /// A new app with default settings.
    pub fn new(appid: AppId, secret: Sealed, gateway_secret_hash: [u8; 32], now: UnixMillis) -> Self {
        Self {
            settings: AppSettings::new(&appid, secret, gateway_secret_hash),
            appid,
            version: 0,
            paused: None,
            templates_synced_at: None,
            created_at: now,
            updated_at: now,
        }
    }
}

/// How an app's pushes are signed and enciphered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackRecord {
    /// The token that requests are signed with, sealed.
    pub token: Sealed,
    /// The EncodingAESKey, sealed; `None` in plain mode.
    pub aes_key: Option<Sealed>,
}

/// When an app's callback was last used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CallbackStatus {
    /// When WeChat last checked the address.
    pub verified_at: Option<UnixMillis>,
    /// When an event last came.
    pub last_event_at: Option<UnixMillis>,
    /// When an event about the result of a message last came.
    pub last_sent_event_at: Option<UnixMillis>,
}

/// A pause, with the words that explain it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppPaused {
    /// Why.
    pub code: PauseCode,
    /// WeChat's errcode, if that was the cause.
    pub errcode: Option<Errcode>,
    /// WeChat's words, or the operator's.
    pub detail: String,
    /// Since when.
    pub since: UnixMillis,
    /// Until when; `None`: until an operator resumes it.
    pub until: Option<UnixMillis>,
}

impl AppPaused {
    /// What the pause does to the app's messages.
    pub fn gate(&self) -> AppGate {
        gate(self.code, self.until)
    }
}

/// What a pause does to the app's messages.
pub(crate) fn gate(code: PauseCode, until: Option<UnixMillis>) -> AppGate {
    match (code, until) {
        (PauseCode::WechatUnavailable, Some(probe_at)) => AppGate::Broken { probe_at },
        (_, until) => AppGate::Paused { until },
    }
}

/// The place of a search for a probe, which goes from user to user. A caller passes each search the answer of the search before.
/// Only the store knows the order of users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeWalk {
    /// The last user whose message was woken.
    pub(crate) user: OpenId,
}

/// What a search for a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probing {
    /// The first messages of some users got a timer, now. The first of them that can go out is the probe.
    Woken {
        /// The users, at least one.
        users: Vec<OpenId>,
        /// Where the next search begins.
        walk: ProbeWalk,
    },
    /// No message of the app is ready. The next message that becomes ready is the probe, without being woken.
    NoneReady,
    /// The breaker's pause is not over before this moment, or a probe is under way.
    NotBefore(UnixMillis),
    /// The breaker is not open.
    Closed,
}

/// One message layout of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateRecord {
    /// The app.
    pub appid: AppId,
    /// WeChat's id.
    pub template_id: TemplateId,
    /// The channel.
    pub channel: Channel,
    /// For subscribe templates: whether the subscription is long-term.
    pub long_term: bool,
    /// Its title.
    pub title: String,
    /// Its content, `label:{{thing1.DATA}}` per line.
    pub content: String,
    /// WeChat's example.
    pub example: String,
    /// Allowed values of `enum` fields, by field name.
    pub enums: BTreeMap<String, Vec<String>>,
}

/// What a synchronisation changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateChange {
    /// The kind of change.
    pub kind: TemplateChangeKind,
    /// The template as it is now; if it was removed, as it was.
    pub template: TemplateRecord,
}

/// How a template changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TemplateChangeKind {
    /// The template is new.
    Added,
    /// The template is gone.
    Removed,
    /// The template has another content.
    Changed,
}

names!(TemplateChangeKind { Added: "added", Removed: "removed", Changed: "changed" });

/// One API key. The key itself is not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its id.
    pub id: KeyId,
    /// A name for people.
    pub name: String,
    /// SHA-256 of the key.
    pub hash: [u8; 32],
    /// The scopes of the key.
    pub scopes: Vec<String>,
    /// The apps that the key may be used for; `None`: all apps, including apps that are registered later.
    pub apps: Option<Vec<AppId>>,
    /// When the key was made.
    pub created_at: UnixMillis,
    /// Who made the key; `None`: the key is older than this field.
    pub created_by: Option<Actor>,
    /// When the key expires; `None`: never.
    pub expires_at: Option<UnixMillis>,
    /// When the key was last used, roughly.
    pub last_used_at: Option<UnixMillis>,
    /// When the key was revoked, if it was.
    pub revoked_at: Option<UnixMillis>,
}

impl KeyRecord {
    /// Whether the key may be used for this app.
    pub fn is_for(&self, appid: &AppId) -> bool {
        self.apps.as_ref().is_none_or(|apps| apps.contains(appid))
    }

    /// Whether the key is valid at this moment.
    pub fn is_good(&self, now: UnixMillis) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// The access token of an app, as fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// The app.
    pub appid: AppId,
    /// The token, sealed.
    pub value: Sealed,
    /// Counts fetches; a later one replaces an earlier one, never the other way round.
    pub generation: u64,
    /// When it was fetched.
    pub fetched_at: UnixMillis,
    /// When WeChat will stop taking it.
    pub expires_at: UnixMillis,
}

/// A token that the facade handed out in place of the real one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayTokenRecord {
    /// The token's id, which is no secret.
    pub id: TokenId,
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// The app it stands for.
    pub appid: AppId,
    /// The service that asked for the token, if it gave its name.
    pub service: Option<String>,
    /// When it was handed out.
    pub created_at: UnixMillis,
    /// When it stops working.
    pub expires_at: UnixMillis,
    /// When the token was last used, roughly.
    pub last_used_at: Option<UnixMillis>,
    /// The API key that the token was asked for with; `None`: the app's gateway secret. Revoking the key revokes the token.
    pub key: Option<KeyId>,
}

/// A user's login, as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginRecord {
    /// The app.
    pub appid: AppId,
    /// The user.
    pub openid: OpenId,
    /// The user's id across the company's apps, if WeChat gave one.
    pub unionid: Option<String>,
    /// The session_key of this login, sealed. The store keeps the last two per user.
    pub session_key: Sealed,
    /// SHA-256 of the session token that the mini program got.
    pub session_hash: [u8; 32],
    /// When the user logged in.
    pub at: UnixMillis,
    /// When the session token stops working.
    pub expires_at: UnixMillis,
}

/// The user to whom a session token belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// The app.
    pub appid: AppId,
    /// The user.
    pub openid: OpenId,
    /// When it stops working.
    pub expires_at: UnixMillis,
}

/// A pause to store.
#[derive(Debug, Clone)]
pub struct PauseOrder {
    /// Which app.
    pub appid: AppId,
    /// Why and until when.
    pub pause: AppPause,
    /// WeChat's errcode, if that was the cause.
    pub errcode: Option<Errcode>,
    /// The explanation, in words.
    pub detail: String,
    /// Now.
    pub now: UnixMillis,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_template_changes_keep_their_names() {
        assert_eq!(TemplateChangeKind::ALL.map(TemplateChangeKind::name), ["added", "removed", "changed"]);
    }
}
