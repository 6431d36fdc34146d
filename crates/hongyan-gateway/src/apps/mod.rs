//! The registered apps: a snapshot that is read without a lock and replaced as a whole after each change.
//!
//! The store is the truth. Each change goes to the store first, one change at a time. Then the row is read back into the
//! snapshot, so the snapshot is out of date only for that moment.

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

use crate::config::{ConfigError, Settings};
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

/// The prefix of every gateway secret.
pub const GATEWAY_SECRET_PREFIX: &str = "hyg_";

/// One app at one moment.
#[derive(Debug)]
pub struct App {
    /// The stored row.
    pub record: AppRecord,
    /// Its templates of both channels.
    pub templates: HashMap<TemplateId, Arc<Template>>,
    /// Its access token; shared by all snapshots of the app.
    pub token: TokenCell,
    /// Limits the requests to WeChat for unknown templates; shared like the token.
    pub(crate) sync_gate: Arc<SyncGate>,
    /// Counts WeChat's failures; shared like the token.
    pub(crate) breaker: Arc<BreakerCell>,
}

/// The settings of [`Apps`].
#[derive(Debug, Clone)]
pub struct AppsOptions {
    /// How long before its end an access token is replaced.
    pub token_refresh_ahead: Duration,
    /// This node. Only one node at a time fetches an app's token.
    pub node: Arc<str>,
    /// The clock for the turns of nodes: the machine's clock.
    pub machine: Clock,
}

impl AppsOptions {
    /// The options of this node.
    pub fn of(settings: &Settings, node: &Arc<str>, machine: &Clock) -> Self {
        Self {
            token_refresh_ahead: Duration::from_secs(settings.token_refresh_ahead_seconds),
            node: Arc::clone(node),
            machine: machine.clone(),
        }
    }
}

/// An app to register: a change of an app with default settings.
#[derive(Debug)]
pub struct NewApp {
    /// Its appid.
    pub appid: AppId,
    /// Its AppSecret.
    pub secret: SecretString,
    /// All settings that differ from the defaults.
    pub change: AppChange,
}

/// A change of an app's callback settings: how pushes are signed and encrypted.
#[derive(Debug)]
pub enum CallbackChange {
    /// The gateway takes no more pushes.
    Remove,
    /// Members that are `None` stay as they are.
    Set {
        /// The token.
        token: Option<SecretString>,
        /// The EncodingAESKey; `Some(None)`: plain mode.
        aes_key: Option<Option<SecretString>>,
    },
}

/// A requested change of an app: not checked yet, and with secrets that are not encrypted yet. Members that are `None` stay as
/// they are; see [`hongyan_store::types::AppChange`].
#[derive(Debug, Default)]
pub struct AppChange {
    /// Its name.
    pub name: Option<String>,
    /// Its AppSecret. A new AppSecret ends a pause that the old AppSecret caused.
    pub secret: Option<SecretString>,
    /// How tokens are fetched.
    pub stable_token: Option<bool>,
    /// Default for messages that do not set it.
    pub on_unknown: Option<OnUnknown>,
    /// Units that a payment grants.
    pub payment_units: Option<u32>,
    /// Which of a user's waiting messages a permit serves first.
    pub waiting_order: Option<WaitingOrder>,
    /// Cut text that is too long for its field.
    pub truncate: Option<bool>,
    /// How its pushes are signed and encrypted.
    pub callback: Option<CallbackChange>,
    /// A message of unknown outcome is sent again if WeChat reports nothing for this time; `Some(None)`: never.
    pub resend_unknown_after_seconds: Option<Option<u32>>,
    /// The gateway secret that clients know already. The old gateway secret stops working at once.
    pub gateway_secret: Option<SecretString>,
    /// Make a new gateway secret; the old gateway secret stops working at once.
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
    /// Apps that were changed in the store after they were read.
    stale: Mutex<BTreeSet<AppId>>,
    /// Wakes [`Apps::keep_current`] when `stale` gets an app.
    went_stale: Notify,
    /// Wakes [`Apps::keep_fresh`] when the time of a refresh may have changed.
    pub(crate) tokens_changed: Notify,
    /// Wakes [`crate::probe::Prober`] when a breaker may have opened.
    pauses_changed: Notify,
    /// Wakes [`crate::templates::TemplateSyncer`] when an app was added, or its pause may have ended.
    apps_changed: Notify,
    /// The number of added, removed and changed templates, in the order of [`TemplateChangeKind::ALL`].
    template_changes: [AtomicU64; TemplateChangeKind::ALL.len()],
}

impl Apps {
    /// Reads all apps, their templates and their tokens from the store.
    ///
    /// # Errors
    /// When the store fails, or an app's secret was encrypted with another master key.
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
            // A wrong master key is found now, not when the first message is due.
            apps.0
                .vault
                .open_sealed(Purpose::AppSecret, &appid, &record.settings.secret)
                .map_err(|error| ConfigError::Sealed { appid: appid.to_string(), why: error })?;
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

    /// The present snapshot of an app.
    pub fn get(&self, appid: &AppId) -> Option<Arc<App>> {
        self.0.snapshot.load().get(appid).cloned()
    }

    /// All apps, by appid.
    pub fn list(&self) -> Vec<Arc<App>> {
        let mut apps: Vec<_> = self.0.snapshot.load().values().cloned().collect();
        apps.sort_unstable_by(|a, b| a.record.appid.cmp(&b.record.appid));
        apps
    }

    /// The app, if this is its gateway secret. A wrong secret takes as long as the right secret.
    pub fn check_gateway_secret(&self, appid: &AppId, secret: &str) -> Option<Arc<App>> {
        let app = self.get(appid)?;
        let right = sha256(secret).ct_eq(&app.record.settings.gateway_secret_hash);
        bool::from(right).then_some(app)
    }

    /// An app's AppSecret.
    ///
    /// # Errors
    /// When the stored secret cannot be decrypted.
    pub fn secret(&self, app: &App) -> Result<SecretString, VaultError> {
        self.0.vault.open_sealed(Purpose::AppSecret, &app.record.appid, &app.record.settings.secret)
    }

    /// The token and the key of an app's pushes; `None`: the gateway takes no pushes.
    ///
    /// # Errors
    /// When the stored values cannot be decrypted.
    pub fn callback_keys(&self, app: &App) -> Result<Option<CallbackKeys>, VaultError> {
        let Some(callback) = &app.record.settings.callback else { return Ok(None) };
        let open = |purpose, sealed: &[u8]| self.0.vault.open_sealed(purpose, &app.record.appid, sealed);
        let token = open(Purpose::CallbackToken, &callback.token)?;
        let aes_key = callback.aes_key.as_ref().map(|sealed| open(Purpose::CallbackAesKey, sealed));
        let aes_key = aes_key.transpose()?.map(|key| {
            // The key was checked before it was encrypted.
            key.expose_secret().parse::<EncodingAesKey>().map_err(|_| VaultError::Malformed)
        });
        Ok(Some(CallbackKeys { token, aes_key: aes_key.transpose()? }))
    }

    /// The client of WeChat's API.
    pub fn wechat(&self) -> &Client {
        &self.0.wechat
    }

    /// Marks an app that was changed in the store. The changing task or [`Self::keep_current`] reads the row back.
    pub(crate) fn mark_stale(&self, appid: &AppId) {
        self.stale().insert(appid.clone());
        self.0.went_stale.notify_one();
    }

    fn stale(&self) -> MutexGuard<'_, BTreeSet<AppId>> {
        // The set is valid even after a panic of another holder.
        self.0.stale.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads each changed app back, unless the changing task has already done so. A task that needs its own change in the
    /// snapshot reads the row back itself. Runs until it is dropped.
    pub(crate) async fn keep_current(&self) {
        loop {
            self.0.went_stale.notified().await;
            loop {
                // The lock comes first: a task that changes an app holds `changing` until the row is read back.
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

    /// Reads an app's row back into the snapshot; `None`: the app does not exist any more. The caller holds `changing`.
    async fn reload(&self, appid: &AppId) -> Result<Option<Arc<App>>, StoreError> {
        // The mark is removed before the row is read: later changes set it again.
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
            // This comes after the new snapshot is visible: each later fetch uses the new secret.
            app.token.forget();
            app.sync_gate.open();
        }
        Ok(app)
    }

    /// Stores an app's templates, publishes them, and returns the changes. `None`: the app is not registered any more.
    ///
    /// Every change of a template passes through this function, so notifications of changes belong here.
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
            // The first templates of a new app are no changes.
            if !is_first {
                let TemplateChange { kind, template } = change;
                let (kind, id, title) = (kind.name(), &template.template_id, &template.title);
                tracing::info!(app = %appid, template = %id, title, change = kind, "a template is different at WeChat");
            }
        }
    }

    /// The number of added, removed and changed templates since the start.
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
        // After the end of a pause, and for a new app, a token may need a refresh.
        self.0.tokens_changed.notify_one();
        self.0.pauses_changed.notify_one();
        self.0.apps_changed.notify_one();
    }

    /// Waits until an app's pause may have changed. An earlier change is not missed. Only one task may wait.
    pub(crate) async fn pauses_changed(&self) {
        self.0.pauses_changed.notified().await;
    }

    /// Waits until an app may have changed. Only one task may wait.
    pub(crate) async fn apps_changed(&self) {
        self.0.apps_changed.notified().await;
    }
}

#[cfg(test)]
pub(crate) mod test_world;

#[cfg(test)]
mod tests;
