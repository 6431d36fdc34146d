//! Readers of the values of settings.
//!
//! Every reader takes text, too: all values from the environment are text.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use axum::http::HeaderName;
use ipnet::IpNet;
use secrecy::SecretString;
use toml::Value;
use url::Url;

use super::log_filter::check_log_filter;
use super::why::Why;

/// The format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// Text for people.
    Text,
    /// JSON for programs, one object per line.
    Json,
}

impl LogFormat {
    /// The name in the settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// Of whom the console requires a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequireTotp {
    /// Of nobody.
    None,
    /// Of admins.
    Admin,
    /// Of all people.
    All,
}

/// A value, or what the setting takes.
type Taken<T> = Result<T, Why>;

pub(super) fn text(value: &Value) -> Taken<&str> {
    match value.as_str() {
        Some("") => Err(Why::Empty),
        Some(text) => Ok(text),
        None => Err(Why::NoText { found: value.type_str() }),
    }
}

pub(super) fn path(value: &Value) -> Taken<PathBuf> {
    text(value).map(PathBuf::from)
}

pub(super) fn secret(value: &Value) -> Taken<SecretString> {
    text(value).map(SecretString::from)
}

pub(super) fn address(value: &Value) -> Taken<SocketAddr> {
    text(value)?.parse().map_err(|_| Why::NoAddress)
}

pub(super) fn url(value: &Value) -> Taken<Url> {
    let url = text(value)?.parse::<Url>().map_err(Why::NoUrl)?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        _ => Err(Why::NoHttpUrl),
    }
}

pub(super) fn database(value: &Value) -> Taken<String> {
    let database = text(value)?;
    sqlite_path(database)?;
    Ok(database.to_owned())
}

/// The file in `sqlite:PATH`.
pub(super) fn sqlite_path(database: &str) -> Taken<&Path> {
    match database.split_once(':') {
        Some(("sqlite", path)) if !path.is_empty() => Ok(Path::new(path)),
        Some(("postgres" | "postgresql", _)) => Err(Why::OtherDatabase),
        // The error does not repeat the text, which may hold a password.
        _ => Err(Why::NoDatabase),
    }
}

pub(super) fn node_name(value: &Value) -> Taken<String> {
    let name = text(value)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        return Err(Why::NoNodeName);
    }
    Ok(name.to_owned())
}

pub(super) fn log_filter(value: &Value) -> Taken<String> {
    let filter = text(value)?;
    check_log_filter(filter)?;
    Ok(filter.to_owned())
}

pub(super) fn require_totp(value: &Value) -> Taken<RequireTotp> {
    match text(value)? {
        "none" => Ok(RequireTotp::None),
        "admin" => Ok(RequireTotp::Admin),
        "all" => Ok(RequireTotp::All),
        _ => Err(Why::NoneOf(vec!["none", "admin", "all"])),
    }
}

pub(super) fn log_format(value: &Value) -> Taken<LogFormat> {
    let name = text(value)?;
    [LogFormat::Auto, LogFormat::Text, LogFormat::Json]
        .into_iter()
        .find(|format| format.name() == name)
        .ok_or(Why::NoLogFormat)
}

/// The value of a setting that may be unset.
pub(super) fn some<T>(read: impl Fn(&Value) -> Taken<T>) -> impl Fn(&Value) -> Taken<Option<T>> {
    move |value| read(value).map(Some)
}

/// A list of values. `read` reads each value.
pub(super) fn each<T>(read: impl Fn(&str) -> Taken<T>) -> impl Fn(&Value) -> Taken<Vec<T>> {
    move |value| list(value)?.into_iter().map(&read).collect()
}

/// A list in the file; in the environment, text with commas.
pub(super) fn list(value: &Value) -> Taken<Vec<&str>> {
    match value {
        Value::Array(values) => values.iter().map(|value| value.as_str().ok_or(Why::NoList)).collect(),
        Value::String(text) => Ok(text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect()),
        _ => Err(Why::NoList),
    }
}

/// A host name as browsers write it into the header `Host`, without the port.
pub(super) fn host(name: &str) -> Taken<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if name.is_empty() || name.len() > 253 || !name.bytes().all(plain) {
        return Err(Why::NoHost(name.to_owned()));
    }
    Ok(name.trim_end_matches('.').to_ascii_lowercase())
}

/// The name of a header.
pub(super) fn header_name(value: &Value) -> Taken<HeaderName> {
    text(value)?.parse().map_err(|_| Why::NoHeader)
}

/// A network. A single address counts as a network.
pub(super) fn network(text: &str) -> Taken<IpNet> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| Why::NoNetwork(text.to_owned()))
}

/// A number in this range. The range must fit into the type.
pub(super) fn number<N: TryFrom<u64>>(range: RangeInclusive<u64>) -> impl Fn(&Value) -> Taken<N> {
    move |value| {
        let number = match value {
            Value::Integer(number) => u64::try_from(*number).ok(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number
            .filter(|number| range.contains(number))
            .and_then(|number| N::try_from(number).ok())
            .ok_or(Why::NoNumber { from: *range.start(), to: *range.end() })
    }
}

/// Zero, or a number in this range.
pub(super) fn zero_or(range: RangeInclusive<u64>) -> impl Fn(&Value) -> Taken<u64> {
    let read = number(0..=*range.end());
    move |value| match read(value)? {
        number if number == 0 || range.contains(&number) => Ok(number),
        _ => Err(Why::TooSmall(*range.start())),
    }
}

/// A number from 0 to 1; text in the environment.
pub(super) fn ratio(value: &Value) -> Taken<f64> {
    let number = match value {
        Value::Float(number) => Some(*number),
        Value::Integer(number @ 0..=1) => Some(*number as f64),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number.filter(|number| (0.0..=1.0).contains(number)).ok_or(Why::NoRatio)
}

/// True or false; text in the environment.
pub(crate) fn flag(value: &Value) -> Taken<bool> {
    match value {
        Value::Boolean(flag) => Ok(*flag),
        Value::String(text) => text.trim().parse().map_err(|_| Why::NoFlag),
        _ => Err(Why::NoFlag),
    }
}
