//! Reads the set-up from the entries of the configuration.

use std::collections::HashMap;
use std::hash::Hash;

use hongyan_clock::UnixMillis;
use hongyan_ledger::{OnUnknown, WaitingOrder};
use hongyan_wechat::AppId;
use secrecy::ExposeSecret;
use toml::Value;

use super::declared::{DeclaredApp, DeclaredKey, DeclaredWebhook, Setup, webhook_id};
use crate::api::guard::looks_like_credential;
use crate::api::webhooks::request;
use crate::apps::checks::checked;
use crate::apps::{AppChange, CallbackChange};
use crate::config::{ConfigError, Entry, EntryKind, Invalid, Settings, Why, entries_of};
use crate::door::clear::{Warning, open_to_others};
use crate::keys::{KEY_PREFIX, Scope, checked_name};
use crate::vault::{check_token, sha256};
use crate::webhooks::{AddressRules, check_secret};

impl Setup {
    /// Reads everything that the settings and `setup_file` name, and the files with the secrets. Looks at no database.
    ///
    /// # Errors
    /// When an entry is wrong, or a file cannot be read. The error names the entry, its member and its place.
    pub fn read(settings: &Settings) -> Result<Self, ConfigError> {
        let mut entries = settings.entries.clone();
        let mut setup = Self::default();
        if let Some(file) = &settings.setup_file {
            let mut more = entries_of(file)?;
            setup.file_with_secrets = more.iter().any(Entry::holds_secret).then(|| file.clone());
            entries.append(&mut more);
        }
        let rules = AddressRules::of(settings);
        for entry in entries {
            match entry.kind() {
                EntryKind::App => setup.apps.push(app(entry)?),
                EntryKind::Webhook => setup.webhooks.push(webhook(entry, rules)?),
                EntryKind::Key => setup.keys.push(key(entry)?),
            }
        }
        only_once(setup.apps.iter().map(|app| (&app.entry, "appid", &app.appid)))?;
        only_once(setup.webhooks.iter().map(|webhook| (&webhook.entry, "name", &webhook.name)))?;
        only_once(setup.keys.iter().map(|key| (&key.entry, "secret", &key.hash)))?;
        Ok(setup)
    }

    /// The warning if other users of this machine may read a file that holds a secret.
    pub fn warning(&self) -> Option<Warning> {
        self.file_with_secrets.as_deref().and_then(open_to_others)
    }
}

/// Checks that no two entries mean the same thing.
fn only_once<'a, T: Hash + Eq + 'a>(
    entries: impl Iterator<Item = (&'a Entry, &'static str, T)>,
) -> Result<(), ConfigError> {
    let mut seen: HashMap<T, &Entry> = HashMap::new();
    for (entry, key, value) in entries {
        if let Some(first) = seen.get(&value) {
            return Err(entry.wrong(key, Why::SameAs(first.place().clone())));
        }
        seen.insert(value, entry);
    }
    Ok(())
}

/// The error of a member that the checks of the API refuse: `callback.token` is the member `callback_token`, and `types[0]` is
/// in the member `types`.
fn refused(entry: &Entry) -> impl Fn(Invalid) -> ConfigError + '_ {
    move |Invalid { field, why }| {
        let key = field.replace('.', "_");
        entry.wrong(key.split('[').next().unwrap_or_default(), why)
    }
}

fn app(entry: Entry) -> Result<DeclaredApp, ConfigError> {
    let appid = entry.needed("appid", entry.text("appid")?)?;
    let appid = appid.parse::<AppId>().map_err(|error| entry.wrong("appid", error))?;
    if looks_like_credential(appid.as_str()) {
        return Err(entry.wrong("appid", Why::LikeCredential));
    }
    let secret = entry.needed("secret", entry.secret("secret")?)?;
    let (token, aes_key) = (entry.secret("callback_token")?, entry.secret("callback_encoding_aes_key")?);
    if aes_key.is_some() {
        entry.needed("callback_token", token.as_ref())?;
    }
    let never_or_after = entry.read("resend_unknown_after_seconds", whole)?;
    let change = AppChange {
        name: entry.text("name")?,
        secret: Some(secret),
        stable_token: entry.read("token", |value| word(value, &[("stable", true), ("plain", false)]))?,
        on_unknown: entry.read("on_unknown", |value| {
            word(value, &[("hold", OnUnknown::Hold), ("resend", OnUnknown::Resend)])
        })?,
        payment_units: entry.read("payment_units", whole)?,
        waiting_order: entry.read("waiting_order", |value| {
            let orders =
                [("oldest_first", WaitingOrder::OldestFirst), ("newest_first", WaitingOrder::NewestFirst)];
            word(value, &orders)
        })?,
        truncate: entry.read("truncate", crate::config::flag)?,
        callback: token.map(|token| CallbackChange::Set { token: Some(token), aes_key: aes_key.map(Some) }),
        resend_unknown_after_seconds: never_or_after.map(|seconds| (seconds > 0).then_some(seconds)),
        gateway_secret: entry.secret("gateway_secret")?,
        rotate_gateway_secret: false,
    };
    let mut change = checked(change).map_err(refused(&entry))?;
    let secret = change.secret.take();
    let secret = entry.needed("secret", secret)?;
    Ok(DeclaredApp { entry, appid, secret, change })
}

/// A whole number; a variable has it as text.
fn whole(value: &Value) -> Result<u32, Why> {
    let number = match value {
        Value::Integer(number) => u32::try_from(*number).ok(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.ok_or(Why::NoWholeNumber)
}

/// One of these words.
fn word<T: Copy>(value: &Value, words: &[(&'static str, T)]) -> Result<T, Why> {
    let found = words.iter().find(|(name, _)| value.as_str() == Some(name));
    found.map(|&(_, meant)| meant).ok_or_else(|| Why::NoneOf(words.iter().map(|&(name, _)| name).collect()))
}

fn webhook(entry: Entry, rules: AddressRules) -> Result<DeclaredWebhook, ConfigError> {
    let name = entry.needed("name", entry.text("name")?)?;
    let name = checked_name(&name).map_err(refused(&entry))?;
    let url = entry.needed("url", entry.text("url")?)?;
    let url = rules.check(&url).map_err(|why| entry.wrong("url", why))?;
    let description = entry.read("description", |value| match value.as_str() {
        Some(text) if request::is_description(text) => Ok(text.to_owned()),
        _ => Err(Why::NoDescription { most: request::MAX_DESCRIPTION_CHARS }),
    })?;
    let types = entry.list("types")?.map(|names| request::types(&names)).transpose();
    let apps = entry.list("apps")?.map(|appids| request::apps(&appids)).transpose();
    let secret = entry.needed("secret", entry.secret("secret")?)?;
    check_secret(&secret).map_err(|why| entry.wrong("secret", why))?;
    Ok(DeclaredWebhook {
        id: webhook_id(&name),
        url: url.into(),
        description,
        types: types.map_err(refused(&entry))?,
        apps: apps.map_err(refused(&entry))?,
        secret,
        name,
        entry,
    })
}

fn key(entry: Entry) -> Result<DeclaredKey, ConfigError> {
    let name = entry.needed("name", entry.text("name")?)?;
    let name = checked_name(&name).map_err(refused(&entry))?;
    let mut scopes: Vec<Scope> = Vec::new();
    for scope in entry.needed("scopes", entry.list("scopes")?)? {
        let scope = scope.parse().map_err(|why: Why| entry.wrong("scopes", why))?;
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    if scopes.is_empty() {
        return Err(entry.wrong("scopes", Why::NoScopes));
    }
    let apps = entry.list("apps")?.map(|appids| request::apps(&appids)).transpose();
    let apps = match apps.map_err(refused(&entry))? {
        Some(None) => return Err(entry.wrong("apps", Why::NoApps)),
        apps => apps.flatten(),
    };
    let expires_at = entry.read("expires_at", |value| {
        let text = match value {
            Value::Datetime(moment) => moment.to_string(),
            value => value.as_str().unwrap_or_default().to_owned(),
        };
        UnixMillis::parse_rfc3339(&text).map_err(|_| Why::NoTime)
    })?;
    let secret = entry.needed("secret", entry.secret("secret")?)?;
    check_token(KEY_PREFIX, secret.expose_secret()).map_err(|why| entry.wrong("secret", why))?;
    Ok(DeclaredKey { name, scopes, apps, expires_at, hash: sha256(secret.expose_secret()), entry })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use toml::Table;

    use super::*;
    use crate::config::load;
    use crate::vault::random_token;

    const APPID: &str = "wx0123456789abcdef";

    fn read(text: &str) -> Result<Setup, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hongyan.toml");
        std::fs::write(&path, text).unwrap();
        Setup::read(&load(Some(&path), [], Table::new())?)
    }

    fn refusal(text: &str) -> String {
        let error = read(text).err().unwrap_or_else(|| panic!("it was taken: {text}")).to_string();
        error.split_once("hongyan.toml, ").unwrap_or_else(|| panic!("{error}")).1.to_owned()
    }

    #[test]
    fn a_whole_set_up_is_read() {
        let (key, gateway) = (random_token("hyk_"), random_token("hyg_"));
        let webhook = crate::webhooks::new_secret();
        let setup = read(&format!(
            "[[app]]\nappid = \"{APPID}\"\nsecret = \" s3cr3t \"\nname = \"Tea house\"\ntoken = \"plain\"\n\
             on_unknown = \"resend\"\npayment_units = 2\nwaiting_order = \"newest_first\"\ntruncate = true\n\
             resend_unknown_after_seconds = 0\ngateway_secret = \"{}\"\ncallback_token = \"abc123\"\n\
             [[webhook]]\nname = \"orders\"\nurl = \"https://shop.example/h\"\ntypes = [\"message.sent\"]\napps = []\n\
             secret = \"{}\"\n[[key]]\nname = \"orders\"\nscopes = [\"messages\", \"permits\", \"messages\"]\n\
             expires_at = 2030-01-01T00:00:00Z\nsecret = \"{}\"\n",
            gateway.expose_secret(),
            webhook.expose_secret(),
            key.expose_secret()
        ))
        .unwrap();
        assert_eq!(setup.in_words(), "1 app, 1 webhook, 1 API key");
        let app = &setup.apps[0];
        assert_eq!(app.secret.expose_secret(), "s3cr3t");
        assert_eq!((app.change.stable_token, app.change.truncate), (Some(false), Some(true)));
        assert_eq!(app.change.resend_unknown_after_seconds, Some(None), "0 is never");
        let webhook = &setup.webhooks[0];
        assert_eq!(
            (webhook.types.as_ref().unwrap().as_ref().unwrap().len(), &webhook.apps),
            (1, &Some(None))
        );
        let key = &setup.keys[0];
        assert_eq!((key.scopes.len(), key.apps.as_ref()), (2, None));
        assert_eq!(key.expires_at, UnixMillis::parse_rfc3339("2030-01-01T00:00:00Z").ok());
    }

    #[test]
    fn a_wrong_entry_is_named_with_its_line_and_member() {
        let app = |rest: &str| format!("[[app]]\nappid = \"{APPID}\"\n{rest}");
        let key = |rest: &str| format!("[[key]]\nname = \"orders\"\nscopes = [\"all\"]\n{rest}");
        let good = random_token("hyk_");
        let good = format!("secret = \"{}\"\n", good.expose_secret());
        for (text, words) in [
            (app("paymnt_units = 1"), "line 3: unknown setting app.paymnt_units; did you mean app.payment_units?"),
            (app(""), "line 1: app wx0123456789abcdef: secret: is missing: set secret, or secret_file"),
            ("[[app]]\nsecret = \"x\"".into(), "line 1: app: appid: is missing: set appid"),
            ("[[app]]\nappid = \"hyk_x\"".into(), "line 2: app hyk_x: appid: begins as a key"),
            (app("secret = \"x\"\npayment_units = 0"), "line 4: app wx0123456789abcdef: payment_units: a payment grants"),
            (app("secret = \"x\"\ntruncate = 3"), "line 4: app wx0123456789abcdef: truncate: takes true or false"),
            (app("secret = \"x\"\non_unknown = \"keep\""), "on_unknown: takes hold or resend"),
            (app("secret = \"x\"\nsecret_file = \"/x\""), "line 3: app wx0123456789abcdef: secret: secret and secret_file"),
            (app("secret_file = \"/nowhere/secret\""), "line 3: app wx0123456789abcdef: secret_file: cannot read /nowhere/secret"),
            (app("secret = \"x\"\ncallback_token = \"a\""), "line 4: app wx0123456789abcdef: callback_token: a token has"),
            (app("secret = \"x\"\ncallback_encoding_aes_key = \"a\""), "callback_token: is missing"),
            (app("secret = \"x\"\ngateway_secret = \"hyg_x\""), "line 4: app wx0123456789abcdef: gateway_secret: must be hyg_"),
            (format!("{}{}", app("secret = \"x\"\n"), app("secret = \"y\"")), "line 5: app wx0123456789abcdef: appid: is the same as"),
            (key("secret = \"sesame\""), "line 4: key orders: secret: must be hyk_"),
            (key(&format!("{good}expires_at = \"soon\"")), "line 5: key orders: expires_at: takes a time"),
            (key(&format!("{good}apps = []")), "line 5: key orders: apps: takes at least one app"),
            ("[[key]]\nname = \"orders\"\nscopes = [\"everything\"]".into(), "line 3: key orders: scopes: there is no scope"),
            (format!("{}{}", key(&good), key(&good)), "line 8: key orders: secret: is the same as"),
            ("[[webhook]]\nname = \"w\"\nurl = \"http://shop.example\"".into(), "line 3: webhook w: url: must begin with https"),
            ("[[webhook]]\nname = \"w\"\nurl = \"https://shop.example\"\ntypes = [\"sent\"]\nsecret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"".into(),
                "line 4: webhook w: types: one of"),
            ("[app]\nappid = \"x\"".into(), "line 1: app: takes a list of tables: write [[app]]"),
            ("[[apps]]\nappid = \"x\"".into(), "line 1: unknown setting apps; did you mean app?"),
        ] {
            let refused = refusal(&text);
            assert!(refused.contains(words), "{text}\n{refused}");
            assert!(!refused.contains("sesame"), "{refused}");
        }
    }

    #[test]
    fn a_file_of_its_own_has_entries_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("setup.toml");
        let settings = Settings { setup_file: Some(path.clone()), ..Settings::default() };
        let said = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Setup::read(&settings).map(|setup| setup.in_words()).map_err(|error| error.to_string())
        };
        let entry = format!("[[app]]\nappid = \"{APPID}\"\nsecret = \"x\"\n");
        assert_eq!(said(&entry).unwrap(), "1 app, 0 webhooks, 0 API keys");
        assert_eq!(said("").unwrap(), "0 apps, 0 webhooks, 0 API keys");
        let error = said("listen = \"127.0.0.1:1\"").unwrap_err();
        assert!(error.contains("line 1: listen: is a setting of hongyan.toml"), "{error}");
        let error = said("[[webhok]]").unwrap_err();
        assert!(error.ends_with("unknown setting webhok; did you mean webhook?"), "{error}");
        std::fs::remove_file(&path).unwrap();
        assert!(Setup::read(&settings).err().unwrap().to_string().starts_with("cannot read "));
    }

    #[test]
    fn one_app_and_one_key_may_be_in_the_environment() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, "s3cr3t\n").unwrap();
        let key = random_token("hyk_");
        let env = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
            Setup::read(&load(None::<&Path>, pairs.collect::<Vec<_>>(), Table::new())?)
        };
        let path = path.to_str().unwrap();
        let setup = env(&[
            ("HONGYAN_APP_APPID", APPID),
            ("HONGYAN_APP_SECRET_FILE", path),
            ("HONGYAN_APP_PAYMENT_UNITS", "3"),
            ("HONGYAN_APP_TRUNCATE", "true"),
            ("HONGYAN_KEY_NAME", "orders"),
            ("HONGYAN_KEY_SCOPES", "messages, permits"),
            ("HONGYAN_KEY_SECRET", key.expose_secret()),
        ])
        .unwrap();
        assert_eq!(setup.apps[0].secret.expose_secret(), "s3cr3t");
        assert_eq!(setup.apps[0].change.payment_units, Some(3));
        assert_eq!(setup.keys[0].scopes, [Scope::Messages, Scope::Permits]);
        // `hongyan app add` reads this variable, too.
        assert!(env(&[("HONGYAN_APP_SECRET", "x")]).unwrap().is_empty());
        for (pairs, words) in [
            (
                vec![("HONGYAN_APP_SECRET_FILE", path)],
                "environment variable HONGYAN_APP_SECRET_FILE: app: appid: is missing",
            ),
            (
                vec![
                    ("HONGYAN_APP_APPID", APPID),
                    ("HONGYAN_APP_SECRET", "x"),
                    ("HONGYAN_APP_PAYMENT_UNITS", "many"),
                ],
                "environment variable HONGYAN_APP_PAYMENT_UNITS: app wx0123456789abcdef: payment_units: takes a whole",
            ),
            (
                vec![("HONGYAN_APP_APID", APPID)],
                "unknown setting HONGYAN_APP_APID; did you mean HONGYAN_APP_APPID?",
            ),
        ] {
            let error = env(&pairs).err().unwrap().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
