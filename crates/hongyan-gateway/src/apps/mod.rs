//! Registered apps, as every part of the gateway sees them: a snapshot that is read without a lock and replaced
//! as a whole when something changes.
//!
//! The store is the truth. Whatever changes an app does so in the store first, one change at a time, and then
//! reads the row back into the snapshot; so the two cannot disagree for longer than that takes.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use hongyan_clock::{Clock, UnixMillis};
use hongyan_ledger::{OnUnknown, WaitingOrder};
use hongyan_store::types::{AppRecord, TemplateChange, TemplateChangeKind};
use hongyan_store::{Store, StoreError};
use hongyan_wechat::callback::{CallbackKeys, EncodingAesKey};
use hongyan_wechat::{AppId, Client, TemplateId};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tokio::sync::Notify;

use crate::config::ConfigError;
use crate::error::GatewayError;
use crate::pace;
use crate::task::uncancelled;
use crate::templates::SyncGate;
pub use crate::templates::{LibraryReport, LibraryState, SyncReport, SyncTrouble, Template};
use crate::token::TokenCell;
use crate::vault::{Purpose, Vault, VaultError, sha256};
use breaker_cell::BreakerCell;

mod breaker;
mod breaker_cell;
mod changes;
pub(crate) mod checks;

/// What every gateway secret begins with.
pub const GATEWAY_SECRET_PREFIX: &str = "hyg_";

/// One app at one moment.
#[derive(Debug)]
pub struct App {
    /// As stored.
    pub record: AppRecord,
    /// Its templates of both channels.
    pub templates: HashMap<TemplateId, Arc<Template>>,
    /// Its access token; shared by all snapshots of the app.
    pub token: TokenCell,
    /// Keeps unknown templates from becoming a flood of requests; shared like the token.
    pub(crate) sync_gate: Arc<SyncGate>,
    /// Counts what WeChat leaves unanswered; shared like the token.
    pub(crate) breaker: Arc<BreakerCell>,
}

/// How [`Apps`] behaves.
#[derive(Debug, Clone)]
pub struct AppsOptions {
    /// How long before its end an access token is replaced.
    pub token_refresh_ahead: Duration,
    /// This node: one at a time asks WeChat for an app's token.
    pub node: Arc<str>,
    /// The clock of turns: the machine's.
    pub machine: Clock,
}

/// An app to register: the change that makes it out of an app of which nothing was said.
#[derive(Debug)]
pub struct NewApp {
    /// Its appid.
    pub appid: AppId,
    /// Its AppSecret.
    pub secret: SecretString,
    /// Everything else that is not as usual.
    pub change: AppChange,
}

/// A change to how an app's pushes are signed and encrypted.
#[derive(Debug)]
pub enum CallbackChange {
    /// None are taken any more.
    Remove,
    /// What is `None` stays.
    Set {
        /// The token.
        token: Option<SecretString>,
        /// The EncodingAESKey; `Some(None)`: plain mode.
        aes_key: Option<Option<SecretString>>,
    },
}

/// Changes to an app, as they are asked for: not checked, and with secrets that are not sealed. What is `None` stays; see
/// [`hongyan_store::types::AppChange`].
#[derive(Debug, Default)]
pub struct AppChange {
    /// Its name.
    pub name: Option<String>,
    /// Its AppSecret. Ends a pause that the old one caused.
    pub secret: Option<SecretString>,
    /// How tokens are fetched.
    pub stable_token: Option<bool>,
    /// Default for messages that do not say.
    pub on_unknown: Option<OnUnknown>,
    /// Units that a payment grants.
    pub payment_units: Option<u32>,
    /// Which of a user's waiting messages a permit serves first.
    pub waiting_order: Option<WaitingOrder>,
    /// Cut text that is too long for its field.
    pub truncate: Option<bool>,
    /// How its pushes are signed and encrypted.
    pub callback: Option<CallbackChange>,
    /// After how much silence of WeChat's a message of unknown outcome goes out again; `Some(None)`: never.
    pub resend_unknown_after_seconds: Option<Option<u32>>,
    /// Make a new gateway secret; the old one is void at once.
    pub rotate_gateway_secret: bool,
}

/// All registered apps. Clones share everything.
#[derive(Clone)]
pub struct Apps(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) wechat: Client,
    pub(crate) clock: Clock,
    pub(crate) options: AppsOptions,
    snapshot: ArcSwap<HashMap<AppId, Arc<App>>>,
    /// Held from the change in the store until the snapshot shows it.
    changing: tokio::sync::Mutex<()>,
    /// Apps that were changed in the store since they were read.
    stale: Mutex<BTreeSet<AppId>>,
    /// Wakes [`Apps::keep_current`] when there is one.
    went_stale: Notify,
    /// Wakes [`Apps::keep_fresh`] when a moment to refresh may have moved.
    pub(crate) tokens_changed: Notify,
    /// Wakes [`crate::probe::Prober`] when a breaker may have opened.
    pauses_changed: Notify,
    /// Wakes [`crate::templates::TemplateSyncer`] when an app came, or its pause may have ended.
    apps_changed: Notify,
    /// How many templates came, went and changed; in the order of [`TemplateChangeKind::ALL`].
    template_changes: [AtomicU64; TemplateChangeKind::ALL.len()],
}

impl Apps {
    /// Reads all apps, their templates and their tokens from the store.
    ///
    /// # Errors
    /// When the store fails, or an app's secret was sealed with another master key.
    pub async fn load(
        store: Arc<dyn Store>,
        vault: Arc<Vault>,
        wechat: Client,
        clock: Clock,
        options: AppsOptions,
    ) -> Result<Self, GatewayError> {
        let apps = Self(Arc::new(Inner {
            store,
            vault,
            wechat,
            clock,
            options,
            snapshot: ArcSwap::default(),
            changing: tokio::sync::Mutex::default(),
            stale: Mutex::default(),
            went_stale: Notify::new(),
            tokens_changed: Notify::new(),
            pauses_changed: Notify::new(),
            apps_changed: Notify::new(),
            template_changes: Default::default(),
        }));
        let mut snapshot = HashMap::new();
        let mut templates = Template::by_app(apps.0.store.all_templates().await?);
        let mut tokens: HashMap<_, _> =
            apps.0.store.tokens().await?.into_iter().map(|token| (token.appid.clone(), token)).collect();
        for record in apps.0.store.apps().await? {
            let appid = record.appid.clone();
            // Found out now, not when the first message is due.
            apps.0
                .vault
                .open_sealed(Purpose::AppSecret, &appid, &record.settings.secret)
                .map_err(|error| ConfigError::Sealed { appid: appid.to_string(), why: error.to_string() })?;
            let app = App {
                templates: templates.remove(&appid).unwrap_or_default(),
                token: apps.restored_token(tokens.remove(&appid)),
                sync_gate: Arc::default(),
                breaker: Arc::default(),
                record,
            };
            snapshot.insert(appid, Arc::new(app));
        }
        apps.0.snapshot.store(Arc::new(snapshot));
        Ok(apps)
    }

    /// An app, as it is now.
    pub fn get(&self, appid: &AppId) -> Option<Arc<App>> {
        self.0.snapshot.load().get(appid).cloned()
    }

    /// All apps, by appid.
    pub fn list(&self) -> Vec<Arc<App>> {
        let mut apps: Vec<_> = self.0.snapshot.load().values().cloned().collect();
        apps.sort_unstable_by(|a, b| a.record.appid.cmp(&b.record.appid));
        apps
    }

    /// The app, if this is its gateway secret. Takes as long for a wrong one as for the right one.
    pub fn check_gateway_secret(&self, appid: &AppId, secret: &str) -> Option<Arc<App>> {
        let app = self.get(appid)?;
        let right = sha256(secret).ct_eq(&app.record.settings.gateway_secret_hash);
        bool::from(right).then_some(app)
    }

    /// An app's AppSecret.
    ///
    /// # Errors
    /// When the stored one does not open.
    pub fn secret(&self, app: &App) -> Result<SecretString, VaultError> {
        self.0.vault.open_sealed(Purpose::AppSecret, &app.record.appid, &app.record.settings.secret)
    }

    /// How an app's pushes are signed and encrypted; `None`: none are taken.
    ///
    /// # Errors
    /// When what is stored does not open.
    pub fn callback_keys(&self, app: &App) -> Result<Option<CallbackKeys>, VaultError> {
        let Some(callback) = &app.record.settings.callback else { return Ok(None) };
        let open = |purpose, sealed: &[u8]| self.0.vault.open_sealed(purpose, &app.record.appid, sealed);
        let token = open(Purpose::CallbackToken, &callback.token)?;
        let aes_key = callback.aes_key.as_ref().map(|sealed| open(Purpose::CallbackAesKey, sealed));
        let aes_key = aes_key.transpose()?.map(|key| {
            // It was one when it was sealed.
            key.expose_secret().parse::<EncodingAesKey>().map_err(|_| VaultError::Malformed)
        });
        Ok(Some(CallbackKeys { token, aes_key: aes_key.transpose()? }))
    }

    /// The client to WeChat that everything about apps goes by.
    pub fn wechat(&self) -> &Client {
        &self.0.wechat
    }

    /// An app was changed in the store: it is read back, by who has changed it or by [`Self::keep_current`].
    pub(crate) fn mark_stale(&self, appid: &AppId) {
        self.stale().insert(appid.clone());
        self.0.went_stale.notify_one();
    }

    fn stale(&self) -> MutexGuard<'_, BTreeSet<AppId>> {
        // Whole after any panic; held for one look.
        self.0.stale.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads back each app that was changed, unless who has changed it has done so: whoever wants to see its own change
    /// in the snapshot, reads it back itself. Runs until it is dropped.
    pub(crate) async fn keep_current(&self) {
        loop {
            self.0.went_stale.notified().await;
            loop {
                // In this order: who changes an app holds `changing` until it has read it back.
                let turn = self.0.changing.lock().await;
                let Some(appid) = self.stale().first().cloned() else { break };
                if let Err(error) = self.reload(&appid).await {
                    tracing::error!(%error, app = %appid, "a changed app cannot be read; trying again");
                    drop(turn);
                    pace::store_failed().await;
                }
            }
        }
    }

    /// Reads an app's row back into the snapshot; `None`: there is none any more. Who calls it holds `changing`.
    async fn reload(&self, appid: &AppId) -> Result<Option<Arc<App>>, StoreError> {
        // Before it is read: what is changed from here on makes it stale again.
        self.stale().remove(appid);
        let record = self.0.store.app(appid.clone()).await.inspect_err(|_| self.mark_stale(appid))?;
        let before = self.get(appid);
        let synced_at = |app: &AppRecord| app.templates_synced_at;
        let read = match &record {
            Some(record)
                if before.as_ref().and_then(|before| synced_at(&before.record)) != synced_at(record) =>
            {
                Some(self.stored_templates(appid).await.inspect_err(|_| self.mark_stale(appid))?)
            }
            _ => None,
        };
        let app = record.map(|record| {
            Arc::new(match &before {
                Some(before) => App {
                    record,
                    templates: read.unwrap_or_else(|| before.templates.clone()),
                    token: before.token.clone(),
                    sync_gate: Arc::clone(&before.sync_gate),
                    breaker: Arc::clone(&before.breaker),
                },
                None => App {
                    record,
                    templates: read.unwrap_or_default(),
                    token: TokenCell::default(),
                    sync_gate: Arc::default(),
                    breaker: Arc::default(),
                },
            })
        });
        self.publish(appid, app.clone());
        if let (Some(before), Some(app)) = (&before, &app)
            && before.record.settings.secret != app.record.settings.secret
        {
            // Only now that everybody sees the new one: a fetch that begins from here on uses it.
            app.token.forget();
            app.sync_gate.open();
        }
        Ok(app)
    }

    /// Stores an app's templates, shows them, and says what that changed. `None`: the app is not registered any more.
    ///
    /// Every change of a template passes here, whoever found it; who wants to tell others of it does so here.
    pub(crate) async fn replace_templates(
        &self,
        appid: &AppId,
        templates: Vec<hongyan_store::types::TemplateRecord>,
        asked_at: UnixMillis,
    ) -> Result<Option<Vec<TemplateChange>>, StoreError> {
        let (apps, appid) = (self.clone(), appid.clone());
        uncancelled(async move {
            let _turn = apps.0.changing.lock().await;
            let Some(before) = apps.get(&appid) else { return Ok(None) };
            let changes = apps.0.store.put_templates(appid.clone(), templates, asked_at).await?;
            if apps.reload(&appid).await?.is_none() {
                return Ok(None);
            }
            let is_first = before.record.templates_synced_at.is_none();
            apps.count_changes(&appid, &changes, is_first);
            Ok(Some(changes))
        })
        .await
    }

    fn count_changes(&self, appid: &AppId, changes: &[TemplateChange], is_first: bool) {
        for change in changes {
            let at = TemplateChangeKind::ALL.iter().position(|kind| *kind == change.kind);
            let counter = &self.0.template_changes[at.expect("ALL has every kind")];
            counter.fetch_add(1, Ordering::Relaxed);
            // What a new app brings along has not changed.
            if !is_first {
                let TemplateChange { kind, template } = change;
                let (kind, id, title) = (kind.name(), &template.template_id, &template.title);
                tracing::info!(app = %appid, template = %id, title, change = kind, "a template is different at WeChat");
            }
        }
    }

    /// How many templates came, went and changed since the start.
    pub fn template_changes(&self) -> [(TemplateChangeKind, u64); TemplateChangeKind::ALL.len()] {
        std::array::from_fn(|at| {
            (TemplateChangeKind::ALL[at], self.0.template_changes[at].load(Ordering::Relaxed))
        })
    }

    fn publish(&self, appid: &AppId, app: Option<Arc<App>>) {
        let mut snapshot = HashMap::clone(&self.0.snapshot.load());
        match app {
            Some(app) => snapshot.insert(appid.clone(), app),
            None => snapshot.remove(appid),
        };
        self.0.snapshot.store(Arc::new(snapshot));
        // A pause that ended, or an app that came, may have a token to refresh.
        self.0.tokens_changed.notify_one();
        self.0.pauses_changed.notify_one();
        self.0.apps_changed.notify_one();
    }

    /// Waits until an app's pause may have changed. For one task: a change that came before is not missed.
    pub(crate) async fn pauses_changed(&self) {
        self.0.pauses_changed.notified().await;
    }

    /// Waits until any app may have changed. For one task, too.
    pub(crate) async fn apps_changed(&self) {
        self.0.apps_changed.notified().await;
    }
}

#[cfg(test)]
pub(crate) mod test_world;

#[cfg(test)]
mod tests;
