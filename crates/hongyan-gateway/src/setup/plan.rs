//! Compares the set-up with the database.

use hongyan_clock::UnixMillis;
use hongyan_ledger::WebhookId;
use hongyan_ledger::webhook::Filter;
use hongyan_store::types::{
    Actor, ActorKind, AppRecord, KeyRecord, MAX_WEBHOOKS, WebhookChange, WebhookRecord,
};
use hongyan_store::{Store, StoreError};
use hongyan_wechat::AppId;
use secrecy::{ExposeSecret, SecretString};

use super::declared::{DeclaredApp, DeclaredKey, DeclaredWebhook, Setup, is_of_setup};
use super::words::{Remark, StepName};
use crate::apps::{AppChange, CallbackChange, NewApp};
use crate::config::{ConfigError, Why};
use crate::keys::NewKey;
use crate::vault::{Purpose, Vault, sha256};

/// What the database has.
#[derive(Debug, Default)]
pub struct Present {
    apps: Vec<AppRecord>,
    webhooks: Vec<WebhookRecord>,
    keys: Vec<KeyRecord>,
}

impl Present {
    /// Reads the database.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn read(store: &dyn Store) -> Result<Self, StoreError> {
        let webhooks = store.webhooks().await?.into_iter().map(|start| start.record);
        Ok(Self { apps: store.apps().await?, webhooks: webhooks.collect(), keys: store.keys().await? })
    }

    /// Whether only a vault can tell whether the stored secrets are those of the set-up.
    pub const fn has_secrets(&self) -> bool {
        !self.apps.is_empty() || !self.webhooks.is_empty()
    }
}

/// What a start does about the set-up.
#[derive(Debug, Default)]
pub struct Plan {
    /// The changes.
    pub steps: Vec<Step>,
    /// What stays as it is although the set-up does not name it, or says otherwise.
    pub remarks: Vec<Remark>,
}

/// One change.
#[derive(Debug)]
pub enum Step {
    /// Register an app.
    AddApp(Box<NewApp>),
    /// Change these settings of an app.
    ChangeApp(AppId, Box<AppChange>, Vec<&'static str>),
    /// Set up a webhook of this name.
    AddWebhook(String, Box<WebhookRecord>),
    /// Change these settings of a webhook of this name.
    ChangeWebhook(String, WebhookId, WebhookChange, Vec<&'static str>),
    /// Make a key whose hash this is.
    AddKey(NewKey, [u8; 32]),
}

impl Step {
    /// The step for people.
    pub fn name(&self) -> StepName {
        match self {
            Self::AddApp(new) => StepName::AddApp(new.appid.clone()),
            Self::ChangeApp(appid, _, what) => StepName::ChangeApp(appid.clone(), what.clone()),
            Self::AddWebhook(name, record) => StepName::AddWebhook(name.clone(), record.id),
            Self::ChangeWebhook(name, id, _, what) => {
                StepName::ChangeWebhook(name.clone(), *id, what.clone())
            }
            Self::AddKey(new, _) => StepName::AddKey(new.name.clone()),
        }
    }
}

impl Setup {
    /// What is to be done so that the database has everything that the set-up names. `vault` opens the stored secrets, to
    /// compare them; an empty database needs no vault.
    ///
    /// # Errors
    /// When an entry contradicts the database. Then nothing must be done.
    pub fn plan(
        &self,
        present: &Present,
        vault: Option<&Vault>,
        now: UnixMillis,
    ) -> Result<Plan, ConfigError> {
        let mut plan = Plan::default();
        if self.is_empty() {
            // Also an empty set-up may have named keys and webhooks before.
            plan.remark_on_others(self, present, now);
            return Ok(plan);
        }
        for declared in &self.apps {
            match present.apps.iter().find(|record| record.appid == declared.appid) {
                Some(record) => plan.change_app(declared, record, vault),
                None => plan.add_app(declared),
            }
        }
        for declared in &self.webhooks {
            match present.webhooks.iter().find(|record| record.id == declared.id) {
                Some(record) => plan.change_webhook(declared, record, vault, now),
                None => plan.add_webhook(declared, vault, now),
            }
        }
        let added = plan.steps.iter().filter(|step| matches!(step, Step::AddWebhook(..))).count();
        if let Some(declared) = self.webhooks.last().filter(|_| present.webhooks.len() + added > MAX_WEBHOOKS)
        {
            return Err(declared.entry.wrong("name", Why::TooManyWebhooks(MAX_WEBHOOKS)));
        }
        for declared in &self.keys {
            match present.keys.iter().find(|record| record.hash == declared.hash) {
                Some(record) => plan.compare_key(declared, record, now)?,
                None => plan.add_key(declared, now)?,
            }
        }
        plan.remark_on_others(self, present, now);
        Ok(plan)
    }
}

impl Plan {
    fn add_app(&mut self, declared: &DeclaredApp) {
        let DeclaredApp { appid, secret, change, .. } = declared;
        let change = AppChange {
            name: change.name.clone(),
            secret: None,
            stable_token: change.stable_token,
            on_unknown: change.on_unknown,
            payment_units: change.payment_units,
            waiting_order: change.waiting_order,
            truncate: change.truncate,
            callback: change.callback.as_ref().map(copied),
            resend_unknown_after_seconds: change.resend_unknown_after_seconds,
            gateway_secret: change.gateway_secret.clone(),
            rotate_gateway_secret: false,
        };
        let new = NewApp { appid: appid.clone(), secret: secret.clone(), change };
        self.steps.push(Step::AddApp(Box::new(new)));
    }

    fn change_app(&mut self, declared: &DeclaredApp, record: &AppRecord, vault: Option<&Vault>) {
        let (wanted, settings) = (&declared.change, &record.settings);
        let mut what = Vec::new();
        let is_stored = |purpose, secret: &SecretString, sealed: &[u8]| {
            vault
                .and_then(|vault| vault.open_sealed(purpose, &record.appid, sealed).ok())
                .is_some_and(|stored| stored.expose_secret() == secret.expose_secret())
        };
        let callback = settings.callback.as_ref();
        let callback = wanted.callback.as_ref().and_then(|change| {
            let CallbackChange::Set { token, aes_key } = change else { return None };
            let token = token.as_ref().filter(|token| {
                !callback.is_some_and(|callback| is_stored(Purpose::CallbackToken, token, &callback.token))
            });
            let aes_key = aes_key.iter().flatten().find(|key| {
                let sealed = callback.and_then(|callback| callback.aes_key.as_deref());
                !sealed.is_some_and(|sealed| is_stored(Purpose::CallbackAesKey, key, sealed))
            });
            (token.is_some() || aes_key.is_some())
                .then(|| CallbackChange::Set { token: token.cloned(), aes_key: aes_key.cloned().map(Some) })
        });
        let change = AppChange {
            name: differing("name", wanted.name.as_ref(), &settings.name, &mut what),
            secret: Some(&declared.secret)
                .filter(|secret| !is_stored(Purpose::AppSecret, secret, &settings.secret))
                .inspect(|_| what.push("secret"))
                .cloned(),
            stable_token: differing("token", wanted.stable_token.as_ref(), &settings.stable_token, &mut what),
            on_unknown: differing("on_unknown", wanted.on_unknown.as_ref(), &settings.on_unknown, &mut what),
            payment_units: differing(
                "payment_units",
                wanted.payment_units.as_ref(),
                &settings.payment_units,
                &mut what,
            ),
            waiting_order: differing(
                "waiting_order",
                wanted.waiting_order.as_ref(),
                &settings.waiting_order,
                &mut what,
            ),
            truncate: differing("truncate", wanted.truncate.as_ref(), &settings.truncate, &mut what),
            callback: callback.inspect(|_| what.push("callback")),
            resend_unknown_after_seconds: differing(
                "resend_unknown_after_seconds",
                wanted.resend_unknown_after_seconds.as_ref(),
                &settings.resend_unknown_after_seconds,
                &mut what,
            ),
            gateway_secret: wanted
                .gateway_secret
                .as_ref()
                .filter(|secret| sha256(secret.expose_secret()) != settings.gateway_secret_hash)
                .inspect(|_| what.push("gateway_secret"))
                .cloned(),
            rotate_gateway_secret: false,
        };
        if !what.is_empty() {
            self.steps.push(Step::ChangeApp(record.appid.clone(), Box::new(change), what));
        }
    }

    fn add_webhook(&mut self, declared: &DeclaredWebhook, vault: Option<&Vault>, now: UnixMillis) {
        let DeclaredWebhook { id, name, url, description, types, apps, secret, .. } = declared;
        let owner = id.to_string();
        let filter = Filter { types: types.clone().flatten(), apps: apps.clone().flatten() };
        // Without a vault the plan is only shown.
        let sealed =
            vault.map(|vault| vault.seal_of(Purpose::WebhookSecret, &owner, secret)).unwrap_or_default();
        let record = WebhookRecord {
            description: description.clone().unwrap_or_else(|| name.clone()),
            ..WebhookRecord::new(*id, url.clone(), filter, sealed, now)
        };
        self.steps.push(Step::AddWebhook(name.clone(), Box::new(record)));
    }

    fn change_webhook(
        &mut self,
        declared: &DeclaredWebhook,
        record: &WebhookRecord,
        vault: Option<&Vault>,
        now: UnixMillis,
    ) {
        let (name, id) = (&declared.name, record.id);
        let mut what = Vec::new();
        let url = differing("url", Some(&declared.url), &record.url, &mut what);
        let description =
            differing("description", declared.description.as_ref(), &record.description, &mut what);
        let types = differing("types", declared.types.as_ref(), &record.filter.types, &mut what);
        let apps = differing("apps", declared.apps.as_ref(), &record.filter.apps, &mut what);
        if !what.is_empty() {
            let settings = WebhookChange::Settings {
                url: url.unwrap_or_else(|| record.url.clone()),
                description: description.unwrap_or_else(|| record.description.clone()),
                filter: Filter {
                    types: types.unwrap_or_else(|| record.filter.types.clone()),
                    apps: apps.unwrap_or_else(|| record.filter.apps.clone()),
                },
            };
            self.steps.push(Step::ChangeWebhook(name.clone(), id, settings, what));
        }
        let owner = id.to_string();
        let Some(vault) = vault else { return };
        let stored = vault.open_of(Purpose::WebhookSecret, &owner, &record.secret);
        if !stored.is_ok_and(|stored| stored.expose_secret() == declared.secret.expose_secret()) {
            let change = WebhookChange::Secret {
                secret: vault.seal_of(Purpose::WebhookSecret, &owner, &declared.secret),
                instead_of: Some(record.secret.clone()),
                previous_until: now.plus(hongyan_ledger::webhook::ROTATION_OVERLAP),
            };
            self.steps.push(Step::ChangeWebhook(name.clone(), id, change, vec!["secret"]));
        }
    }

    fn add_key(&mut self, declared: &DeclaredKey, now: UnixMillis) -> Result<(), ConfigError> {
        if declared.expires_at.is_some_and(|end| end <= now) {
            return Err(declared.entry.wrong("expires_at", Why::HasPassed));
        }
        let new = NewKey {
            name: declared.name.clone(),
            scopes: declared.scopes.clone(),
            apps: declared.apps.clone(),
            expires_at: declared.expires_at,
            created_by: Actor::CONFIGURATION,
        };
        self.steps.push(Step::AddKey(new, declared.hash));
        Ok(())
    }

    /// A key does not change: its holder could not know. So a differing entry is wrong.
    fn compare_key(
        &mut self,
        declared: &DeclaredKey,
        record: &KeyRecord,
        now: UnixMillis,
    ) -> Result<(), ConfigError> {
        let scopes: Vec<_> = declared.scopes.iter().map(ToString::to_string).collect();
        let differs = [
            ("name", declared.name != record.name),
            ("scopes", !same(&scopes, &record.scopes)),
            ("apps", !same_or_all(declared.apps.as_deref(), record.apps.as_deref())),
            ("expires_at", declared.expires_at != record.expires_at),
        ];
        if let Some((key, _)) = differs.iter().find(|(_, differs)| *differs) {
            return Err(declared.entry.wrong(key, Why::OtherThanStored(record.id)));
        }
        let (name, id) = (declared.name.clone(), record.id);
        if record.revoked_at.is_some() {
            self.remarks.push(Remark::KeyIsRevoked { name, id });
        } else if !record.is_good(now) {
            self.remarks.push(Remark::KeyHasExpired { name, id });
        }
        Ok(())
    }

    /// Says what the set-up does not name. Apps are reported only beside a set-up: an operator who uses no set-up named no app.
    /// Keys and webhooks are reported if the set-up made them.
    fn remark_on_others(&mut self, setup: &Setup, present: &Present, now: UnixMillis) {
        let apps = present.apps.iter().map(|record| &record.appid);
        let apps =
            apps.filter(|&appid| !setup.is_empty() && setup.apps.iter().all(|app| app.appid != *appid));
        self.remarks.extend(apps.cloned().map(Remark::AppStays));
        let webhooks = present.webhooks.iter().filter(|record| is_of_setup(record.id));
        let webhooks = webhooks.filter(|record| setup.webhooks.iter().all(|webhook| webhook.id != record.id));
        self.remarks.extend(
            webhooks.map(|record| Remark::WebhookStays {
                id: record.id,
                description: record.description.clone(),
            }),
        );
        let is_made = |record: &&KeyRecord| {
            record.created_by.as_ref().is_some_and(|by| by.kind == ActorKind::Configuration)
                && record.is_good(now)
        };
        let keys = present.keys.iter().filter(is_made);
        let keys = keys.filter(|record| setup.keys.iter().all(|key| key.hash != record.hash));
        self.remarks.extend(keys.map(|record| Remark::KeyStays { name: record.name.clone(), id: record.id }));
    }
}

/// The wanted value, if it is set and is not the present value.
fn differing<T: Clone + PartialEq>(
    name: &'static str,
    wanted: Option<&T>,
    present: &T,
    what: &mut Vec<&'static str>,
) -> Option<T> {
    wanted.filter(|wanted| *wanted != present).inspect(|_| what.push(name)).cloned()
}

/// The callback of an entry. An entry removes no callback.
fn copied(change: &CallbackChange) -> CallbackChange {
    match change {
        CallbackChange::Remove => CallbackChange::Remove,
        CallbackChange::Set { token, aes_key } => {
            CallbackChange::Set { token: token.clone(), aes_key: aes_key.clone() }
        }
    }
}

/// Whether two lists have the same members, in any order.
fn same<T: PartialEq>(one: &[T], other: &[T]) -> bool {
    one.len() == other.len() && one.iter().all(|member| other.contains(member))
}

fn same_or_all(one: Option<&[AppId]>, other: Option<&[AppId]>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => same(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}
