//! Entries of the set-up: tables `[[app]]`, `[[webhook]]` and `[[key]]` in a file, or variables like `HONGYAN_APP_APPID`.
//!
//! This file knows which members an entry may have, and where each member was given. `setup` knows what they mean.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use toml::Value;
use toml::de::DeValue;

use super::closest::closest;
use super::error::ConfigError;
use super::place::Place;
use super::values;
use super::why::Why;

/// What an entry sets up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A mini program.
    App,
    /// A webhook.
    Webhook,
    /// An API key.
    Key,
}

impl EntryKind {
    pub(super) const ALL: [Self; 3] = [Self::App, Self::Webhook, Self::Key];

    /// The name of the table.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Webhook => "webhook",
            Self::Key => "key",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The members that hold no secret. The first member identifies the entry.
    const fn plain(self) -> &'static [&'static str] {
        match self {
            Self::App => &[
                "appid",
                "name",
                "token",
                "on_unknown",
                "payment_units",
                "waiting_order",
                "truncate",
                "resend_unknown_after_seconds",
            ],
            Self::Webhook => &["name", "url", "types", "apps", "description"],
            Self::Key => &["name", "scopes", "apps", "expires_at"],
        }
    }

    /// The members that hold a secret. Each may also be in a file, which the member with the ending `_file` names.
    const fn secret(self) -> &'static [&'static str] {
        match self {
            Self::App => &["secret", "gateway_secret", "callback_token", "callback_encoding_aes_key"],
            Self::Webhook | Self::Key => &["secret"],
        }
    }

    /// Every member.
    pub(super) fn members(self) -> impl Iterator<Item = String> {
        let plain = self.plain().iter().map(|&name| name.to_owned());
        let secret = self.secret().iter().flat_map(|&name| [name.to_owned(), format!("{name}{FILE}")]);
        plain.chain(secret)
    }
}

/// The ending of a member that names the file of a secret.
const FILE: &str = "_file";

/// A name, its value and its place.
#[derive(Clone)]
pub(super) struct Given {
    pub(super) key: String,
    pub(super) value: Value,
    pub(super) place: Place,
}

/// One app, webhook or key, as it was written down.
#[derive(Clone)]
pub struct Entry {
    pub(super) kind: EntryKind,
    /// The place of the entry as a whole.
    pub(super) place: Place,
    pub(super) members: Vec<Given>,
}

/// The entries of a list of tables. `at` says where a byte of the file stands.
///
/// # Errors
/// When the value is no list of tables, or a table has an unknown member.
pub(super) fn from_tables(
    kind: EntryKind,
    value: Value,
    spans: &DeValue<'_>,
    place: &Place,
    at: &dyn Fn(usize) -> Place,
) -> Result<Vec<Entry>, ConfigError> {
    let no_list = || ConfigError::Value {
        place: place.clone(),
        key: kind.name().into(),
        why: Why::NoTables(kind.name()),
    };
    let (Value::Array(values), DeValue::Array(spans)) = (value, spans) else { return Err(no_list()) };
    let mut entries = Vec::with_capacity(values.len());
    for (value, span) in values.into_iter().zip(spans.iter()) {
        let (Value::Table(mut value), DeValue::Table(table)) = (value, span.get_ref()) else {
            return Err(no_list());
        };
        let mut members = Vec::new();
        for key in table.keys() {
            let name: &str = key.get_ref();
            let place = at(key.span().start);
            if !kind.members().any(|known| known == name) {
                return Err(unknown(kind, name, place));
            }
            if let Some(value) = value.remove(name) {
                members.push(Given { key: name.to_owned(), value, place });
            }
        }
        members.sort_by_key(|member| line(&member.place));
        entries.push(Entry { kind, place: at(span.span().start), members });
    }
    Ok(entries)
}

fn line(place: &Place) -> usize {
    match place {
        Place::File { line, .. } => *line,
        Place::Variable(_) | Place::Flag(_) => 0,
    }
}

fn unknown(kind: EntryKind, name: &str, place: Place) -> ConfigError {
    let members: Vec<String> = kind.members().collect();
    let meant = closest(name, members.iter().map(String::as_str));
    let full = |name: &str| format!("{}.{name}", kind.name());
    ConfigError::Unknown { place, key: full(name), suggestion: meant.map(full) }
}

/// The kind and the member in the rest of a variable's name: `app_payment_units`.
pub(super) fn from_variable(lower: &str) -> Option<(EntryKind, String)> {
    EntryKind::ALL.into_iter().find_map(|kind| {
        let member = lower.strip_prefix(kind.name())?.strip_prefix('_')?;
        kind.members().any(|known| known == member).then(|| (kind, member.to_owned()))
    })
}

/// The entries of variables. The AppSecret alone makes no entry: `hongyan app add` reads this variable, too.
pub(super) fn from_variables(given: Vec<(EntryKind, Given)>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for (kind, member) in given {
        match entries.iter_mut().find(|entry| entry.kind == kind) {
            Some(entry) => entry.members.push(member),
            None => entries.push(Entry { kind, place: member.place.clone(), members: vec![member] }),
        }
    }
    entries.retain(|entry| {
        !(entry.kind == EntryKind::App && entry.members.iter().all(|member| member.key == "secret"))
    });
    entries
}

impl Entry {
    /// What the entry sets up.
    pub(crate) const fn kind(&self) -> EntryKind {
        self.kind
    }

    /// The place of the entry.
    pub(crate) const fn place(&self) -> &Place {
        &self.place
    }

    /// Whether a secret itself is in the entry, and not the name of its file.
    pub(crate) fn holds_secret(&self) -> bool {
        self.members.iter().any(|member| self.kind.secret().contains(&member.key.as_str()))
    }

    fn member(&self, key: &str) -> Option<&Given> {
        self.members.iter().find(|member| member.key == key)
    }

    /// The entry for people: its kind, and the member that identifies it.
    fn label(&self) -> String {
        let kind = self.kind.name();
        let id = self.kind.plain().first().and_then(|key| self.member(key)).and_then(|id| id.value.as_str());
        id.map_or_else(|| kind.to_owned(), |id| format!("{kind} {}", id.escape_debug()))
    }

    /// The error of a member, at the place of the member, or of the entry if the member was not given.
    pub(crate) fn wrong(&self, key: &str, why: impl Into<Why>) -> ConfigError {
        let given = self.member(key).or_else(|| self.member(&format!("{key}{FILE}")));
        ConfigError::Value {
            place: given.map_or(&self.place, |member| &member.place).clone(),
            key: format!("{}: {}", self.label(), given.map_or(key, |member| &member.key)),
            why: why.into(),
        }
    }

    /// Reads a member.
    ///
    /// # Errors
    /// When the value is not allowed.
    pub(crate) fn read<T>(
        &self,
        key: &str,
        read: impl FnOnce(&Value) -> Result<T, Why>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(member) = self.member(key) else { return Ok(None) };
        read(&member.value).map(Some).map_err(|why| self.wrong(key, why))
    }

    /// A text.
    ///
    /// # Errors
    /// When the value is no text.
    pub(crate) fn text(&self, key: &str) -> Result<Option<String>, ConfigError> {
        self.read(key, |value| values::text(value).map(str::to_owned))
    }

    /// A list of texts.
    ///
    /// # Errors
    /// When the value is no list of texts.
    pub(crate) fn list(&self, key: &str) -> Result<Option<Vec<String>>, ConfigError> {
        self.read(key, |value| values::list(value).map(|list| list.into_iter().map(str::to_owned).collect()))
    }

    /// A member that must be there.
    ///
    /// # Errors
    /// When it is not.
    pub(crate) fn needed<T>(&self, key: &str, value: Option<T>) -> Result<T, ConfigError> {
        value.ok_or_else(|| {
            let name = key.to_owned();
            let is_secret = self.kind.secret().contains(&key);
            self.wrong(
                key,
                if is_secret { Why::MissingSecret { key: name } } else { Why::Missing { key: name } },
            )
        })
    }

    /// A secret: given here, or in the file that `KEY_file` names. White space around it is left out.
    ///
    /// # Errors
    /// When both are given, or the file cannot be read.
    pub(crate) fn secret(&self, key: &str) -> Result<Option<SecretString>, ConfigError> {
        let in_file = format!("{key}{FILE}");
        let here = self.read(key, values::secret)?;
        let Some(path) = self.read(&in_file, values::path)? else { return Ok(here) };
        if here.is_some() {
            return Err(self.wrong(key, Why::BothSet { one: key.to_owned(), other: in_file }));
        }
        let text = read_secret(&path).map_err(|why| self.wrong(&in_file, why))?;
        Ok(Some(text))
    }
}

fn read_secret(path: &Path) -> Result<SecretString, Why> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Why::Unreadable { path: path.to_owned(), why: error.to_string() })?;
    match text.trim() {
        "" => Err(Why::EmptyFile(path.to_owned())),
        text => Ok(SecretString::from(text)),
    }
}

/// The file among these places that holds a secret of an entry, if there is such a file.
pub(super) fn file_with_secrets(entries: &[Entry]) -> Option<PathBuf> {
    entries.iter().filter(|entry| entry.holds_secret()).find_map(|entry| match &entry.place {
        Place::File { path, .. } => Some(path.clone()),
        Place::Variable(_) | Place::Flag(_) => None,
    })
}
