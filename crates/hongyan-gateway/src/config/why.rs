//! Why a value is not allowed.
//!
//! Each reason has its parts, so that it can be said in every language. The English is `Display`: logs, the API and JSON have
//! it. The command line says the reasons in Chinese, too.

use std::path::PathBuf;

use hongyan_ledger::KeyId;
use hongyan_wechat::InvalidId;
use hongyan_wechat::callback::InvalidEncodingAesKey;

use super::place::Place;
use crate::webhooks::InvalidUrl;

/// Why a value is not allowed. What the system or another library says stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the text of each reason says what the reason is")]
pub enum Why {
    // Values of settings.
    #[error("must not be empty")]
    Empty,
    #[error("takes text in quotes, not {}", indefinite(found))]
    NoText { found: &'static str },
    #[error("takes an IP address and a port, like \"127.0.0.1:8780\" or \"[::1]:8780\"")]
    NoAddress,
    #[error("takes a URL: {0}")]
    NoUrl(url::ParseError),
    #[error("takes an http:// or https:// URL")]
    NoHttpUrl,
    #[error("this version keeps its data in SQLite only; use sqlite:PATH")]
    OtherDatabase,
    #[error("takes sqlite:PATH")]
    NoDatabase,
    #[error("takes 1 to 64 letters, digits, - _ and dots")]
    NoNodeName,
    #[error("takes auto, text or json")]
    NoLogFormat,
    #[error("takes a list of texts, like [\"one\", \"two\"]")]
    NoList,
    #[error("takes host names without a port, not {0:?}")]
    NoHost(String),
    #[error("takes the name of a header, like X-Forwarded-User")]
    NoHeader,
    #[error("takes IP addresses or networks like 10.0.0.0/8, not {0:?}")]
    NoNetwork(String),
    #[error("takes a whole number from {from} to {to}")]
    NoNumber { from: u64, to: u64 },
    #[error("takes 0, or at least {0}")]
    TooSmall(u64),
    #[error("takes a number from 0 to 1")]
    NoRatio,
    #[error("takes true or false")]
    NoFlag,
    #[error("takes a whole number, 0 or more")]
    NoWholeNumber,
    #[error("takes {}", .0.join(" or "))]
    NoneOf(Vec<&'static str>),
    #[error("takes a time with its zone, like 2030-01-01T00:00:00Z")]
    NoTime,
    // The log.
    #[error(
        "takes error, warn, info, debug or trace, also per module (info,hongyan_gateway=debug), not {word:?}{}",
        meant(*suggestion)
    )]
    NoLogFilter { word: String, suggestion: Option<&'static str> },
    #[error("{module:?} is not a module that logs{}", meant(Some(suggestion)))]
    MisspeltModule { module: String, suggestion: &'static str },
    #[error("{module:?} is not a module that logs; ours are {}", ours.join(", "))]
    NoModule { module: String, ours: Vec<&'static str> },
    // Several settings together, and files.
    #[error("{one} and {other} are both set; which one is meant?")]
    BothSet { one: String, other: String },
    #[error("cannot read {}: {why}", path.display())]
    Unreadable { path: PathBuf, why: String },
    #[error("cannot write {}: {why}", path.display())]
    Unwritable { path: PathBuf, why: String },
    #[error("the file {} is empty", .0.display())]
    EmptyFile(PathBuf),
    // The set-up.
    #[error("takes a list of tables: write [[{0}]]")]
    NoTables(&'static str),
    #[error("is a setting of hongyan.toml; this file takes only the tables [[app]], [[webhook]] and [[key]]")]
    SettingInSetup,
    #[error("is missing: set {key}")]
    Missing { key: String },
    #[error("is missing: set {key}, or {key}_file")]
    MissingSecret { key: String },
    #[error("is the same as in the entry of {0}")]
    SameAs(Place),
    #[error(transparent)]
    Id(#[from] InvalidId),
    #[error("begins as a key, secret, token or session of this gateway does")]
    LikeCredential,
    #[error("takes a text of at most {most} characters without control characters")]
    NoDescription { most: usize },
    #[error("takes at least one scope")]
    NoScopes,
    #[error("takes at least one app; leave it out for all apps")]
    NoApps,
    #[error("there would be more than {0} webhooks")]
    TooManyWebhooks(usize),
    #[error("has passed already")]
    HasPassed,
    #[error(
        "differs from the stored key {0}, and a key does not change: give the entry a new secret, and revoke the stored key \
         when nobody uses it"
    )]
    OtherThanStored(KeyId),
    // Members of an app, a webhook or a key, also in the API.
    #[error("a token has {least} to {most} letters and digits, as on WeChat's page")]
    NoCallbackToken { least: usize, most: usize },
    #[error(transparent)]
    AesKey(#[from] InvalidEncodingAesKey),
    #[error("{least} to {most} seconds, or null for never")]
    NoResendAfter { least: u32, most: u32 },
    #[error("an AppSecret has 1 to {most} visible ASCII characters")]
    NoAppSecret { most: usize },
    #[error("a name has 1 to {most} characters")]
    NoAppName { most: usize },
    #[error("a payment grants 1 to {most} messages")]
    NoPaymentUnits { most: u32 },
    #[error("1 to {most} characters, no control characters")]
    NoKeyName { most: usize },
    #[error("at most {0}")]
    TooMany(usize),
    #[error("one of {}", .0.join(", "))]
    NoEventType(Vec<&'static str>),
    #[error(
        "there is no scope {0:?}; the scopes are messages, permits, apps, webhooks, audit, facade, access_token, keys, people \
         and all"
    )]
    NoScope(String),
    #[error(transparent)]
    Url(#[from] InvalidUrl),
    #[error(
        "must be {prefix} and 32 random bytes in base64url, which are 43 characters; make one with: {command}"
    )]
    NoToken { prefix: String, command: String },
    #[error("must be {prefix} and 24 to 64 random bytes in base64; make one with: {command}")]
    NoWebhookSecret { prefix: &'static str, command: String },
    #[error("has {bytes} bytes; 24 to 64 are needed; make one with: {command}")]
    SecretLength { bytes: usize, command: String },
    #[error("is not random, so it could be guessed; make one with: {command}")]
    NotRandom { command: String },
    // The master key.
    #[error("{0} must hold 64 hexadecimal digits, or base64 of 32 bytes")]
    NoMasterKey(String),
    #[error("the new key and the previous key happen to have the same id; generate another new key")]
    SameKeyId,
    #[error(
        "the settings name the master key, so no new key is generated here: set master_key (or master_key_file) to a new key, \
         and master_key_previous (or master_key_previous_file) to the current key"
    )]
    KeyIsSet,
    #[error(
        "the file {} exists already: finish that change of keys first (run this command without --generate), then move the \
         file away",
        .0.display()
    )]
    PreviousKeyIsThere(PathBuf),
    // TLS.
    #[error("tls_listen, tls_certificate and tls_key go together: set all three or none")]
    TlsInPart,
    #[error("{} is not PEM", .0.display())]
    NoPem(PathBuf),
    #[error("{} does not contain a certificate (BEGIN CERTIFICATE)", .0.display())]
    NoCertificate(PathBuf),
    #[error("{} does not contain a private key (BEGIN PRIVATE KEY, without a password)", .0.display())]
    NoPrivateKey(PathBuf),
    #[error("the key in {} does not belong to the certificate in {}", key.display(), certificate.display())]
    OtherCertificate { key: PathBuf, certificate: PathBuf },
    #[error("{}: {why}", certificate.display())]
    BadCertificate { certificate: PathBuf, why: String },
    #[error("{0}")]
    Rustls(String),
}

fn meant(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

fn indefinite(type_name: &str) -> String {
    let article = if type_name.starts_with(['a', 'i']) { "an" } else { "a" };
    format!("{article} {type_name}")
}

/// A member whose value is not allowed. The member has its name in the API: `types[0]`.
#[derive(Debug)]
pub(crate) struct Invalid {
    pub(crate) field: String,
    pub(crate) why: Why,
}

impl Invalid {
    pub(crate) fn new(field: impl Into<String>, why: impl Into<Why>) -> Self {
        Self { field: field.into(), why: why.into() }
    }
}
