//! The settings that the gateway runs with, and their defaults.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use secrecy::SecretString;
use url::Url;

use super::error::ConfigError;

/// Every setting of the gateway.
#[derive(Clone)]
pub struct Settings {
    /// Where HTTP is served.
    pub listen: SocketAddr,
    /// Where HTTPS is served, if anywhere.
    pub tls_listen: Option<SocketAddr>,
    /// A PEM file with the certificate and those between it and the root.
    pub tls_certificate: Option<PathBuf>,
    /// A PEM file with the certificate's key.
    pub tls_key: Option<PathBuf>,
    /// Where health and metrics are served, and then only there. Unset: on the other listeners.
    pub admin_listen: Option<SocketAddr>,
    /// The names that requests may be for, beside IP addresses and `localhost`. Unset: any.
    pub hosts: Option<Vec<String>>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How many connections may be open.
    pub max_connections: u32,
    /// How many connections may be open from one address; 0: no limit of its own.
    pub max_connections_per_address: u32,
    /// How long a request's head may take.
    pub header_seconds: u64,
    /// How long a request's body may take.
    pub body_seconds: u64,
    /// How long a connection is kept without a request.
    pub idle_seconds: u64,
    /// Logins of mini programs in a minute, from one address.
    pub login_rate_per_address: u32,
    /// Logins of mini programs in a minute, of one app.
    pub login_rate_per_app: u32,
    /// Logins of mini programs in a minute, in all.
    pub login_rate: u32,
    /// Permits that one user may report in an hour, in however many sessions and requests.
    pub permit_rate: u32,
    /// Wrong keys, secrets and signatures in a minute, from one address.
    pub wrong_credential_rate: u32,
    /// How many calls to WeChat that are no sends may be under way at a time.
    pub wechat_calls: u32,
    /// Where the database and a generated master key are kept.
    pub data_dir: PathBuf,
    /// `sqlite:PATH`.
    pub database: String,
    /// Where WeChat's API is.
    pub wechat_base_url: Url,
    /// An HTTP proxy on the way to WeChat.
    pub wechat_proxy: Option<Url>,
    /// The key that seals secrets at rest: 64 hexadecimal digits, or base64 of 32 bytes.
    pub master_key: Option<SecretString>,
    /// A file with that key.
    pub master_key_file: Option<PathBuf>,
    /// The master key before it: what it sealed still opens.
    pub master_key_previous: Option<SecretString>,
    /// A file with that key.
    pub master_key_previous_file: Option<PathBuf>,
    /// This node's name, under which the store knows it.
    pub node_id: String,
    /// For how long a node owns a lane before it must renew.
    pub lease_seconds: u64,
    /// The largest request body.
    pub max_body_bytes: usize,
    /// How many messages may be `sending` at a time.
    pub max_in_flight: u32,
    /// How many requests to WeChat may be under way at a time, each on its own kept connection.
    pub connections: u32,
    /// How long connecting to WeChat may take.
    pub connect_timeout_ms: u64,
    /// How long WeChat may take to answer.
    pub answer_timeout_ms: u64,
    /// How long before its end an access token is replaced.
    pub token_refresh_ahead_seconds: u64,
    /// From one synchronisation of an app's templates to the next, in seconds; 0: only on demand.
    pub template_sync_seconds: u64,
    /// Whether `POST /v1/apps/{appid}/access_token` gives WeChat's own token away.
    pub reveal_access_token: bool,
    /// How far the timestamp of a push may be from this clock.
    pub callback_window_seconds: u64,
    /// How long a user's session lasts.
    pub session_days: u32,
    /// How many form ids and prepay ids of one user that the mini program reported may be open.
    pub mini_program_codes_per_user: u32,
    /// The same for those that a back end reported.
    pub codes_per_user: u32,
    /// How long messages that are over are kept; 0: for ever.
    pub retention_days: u32,
    /// How long the audit trail is kept; 0: for ever.
    pub audit_retention_days: u32,
    /// Whether a webhook may be `http`.
    pub webhook_allow_http: bool,
    /// Whether a webhook may be at an address that is not public.
    pub webhook_allow_private: bool,
    /// How many requests to one webhook may be under way at a time.
    pub webhook_connections: u32,
    /// How long before its end `permit.expiring` tells of a permit.
    pub permit_expiring_hours: u32,
    /// How long the process goes on serving after it was told to stop, while it says that it is not ready.
    pub stop_delay_seconds: u64,
    /// How long a stop waits for what is under way.
    pub drain_seconds: u64,
    /// What is logged, as a `tracing` filter.
    pub log: String,
    /// How it is logged.
    pub log_format: LogFormat,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Text,
    /// For programs, one object per line.
    Json,
}

impl LogFormat {
    /// As it is written in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8780)),
            tls_listen: None,
            tls_certificate: None,
            tls_key: None,
            admin_listen: None,
            hosts: None,
            trusted_proxies: loopback(),
            // With what is kept back for the outgoing side, a little under the usual 1,024 descriptors.
            max_connections: 800,
            max_connections_per_address: 0,
            header_seconds: 10,
            body_seconds: 60,
            // Longer than proxies keep theirs (nginx: 60 s), so that it is the proxy that closes.
            idle_seconds: 75,
            // Many users share an address behind a carrier's or a company's router.
            login_rate_per_address: 300,
            // Some fraction of the 5,000 that WeChat takes of an app in a minute.
            login_rate_per_app: 3_000,
            login_rate: 6_000,
            permit_rate: 60,
            wrong_credential_rate: 60,
            wechat_calls: 32,
            data_dir: "hongyan-data".into(),
            database: database_in(Path::new("hongyan-data")),
            wechat_base_url: Url::parse("https://api.weixin.qq.com").expect("a constant that is a URL"),
            wechat_proxy: None,
            master_key: None,
            master_key_file: None,
            master_key_previous: None,
            master_key_previous_file: None,
            node_id: "node-1".into(),
            lease_seconds: 15,
            // A thousand messages, the largest batch, of 4 KiB each.
            max_body_bytes: 4 * 1024 * 1024,
            max_in_flight: 128,
            connections: 64,
            connect_timeout_ms: 3_000,
            answer_timeout_ms: 10_000,
            token_refresh_ahead_seconds: 300,
            template_sync_seconds: 3_600,
            reveal_access_token: false,
            callback_window_seconds: 300,
            session_days: 30,
            mini_program_codes_per_user: 100,
            codes_per_user: 1_000,
            retention_days: 30,
            audit_retention_days: 365,
            webhook_allow_http: false,
            webhook_allow_private: false,
            webhook_connections: 16,
            permit_expiring_hours: 24,
            stop_delay_seconds: 0,
            drain_seconds: 25,
            log: "info".into(),
            log_format: LogFormat::Auto,
        }
    }
}

impl Settings {
    /// The file that `database` names.
    ///
    /// # Errors
    /// When it names another kind of database.
    pub fn sqlite_path(&self) -> Result<PathBuf, ConfigError> {
        sqlite_path(&self.database).map_err(|why| ConfigError::Database { why })
    }
}

/// The file in `sqlite:PATH`.
pub(super) fn sqlite_path(database: &str) -> Result<PathBuf, String> {
    match database.split_once(':') {
        Some(("sqlite", path)) if !path.is_empty() => Ok(path.into()),
        Some(("postgres" | "postgresql", _)) => {
            Err("this version keeps its data in SQLite only; use sqlite:PATH".into())
        }
        // The text is not repeated: it may hold a password.
        _ => Err("takes sqlite:PATH".into()),
    }
}

/// A proxy on the same machine. Behind a container's bridge or a cluster's router strangers come from private addresses,
/// too, so those are trusted only if somebody says so.
fn loopback() -> Vec<IpNet> {
    ["127.0.0.0/8", "::1/128"].map(|net| net.parse().expect("a constant that is a network")).into()
}

/// Where the database is if only the data directory is set.
pub(super) fn database_in(data_dir: &Path) -> String {
    format!("sqlite:{}", data_dir.join("hongyan.db").display())
}

impl fmt::Debug for Settings {
    /// Without what may be secret. Names every field, so that a new one cannot be forgotten.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            listen,
            tls_listen,
            tls_certificate,
            tls_key,
            admin_listen,
            hosts,
            trusted_proxies,
            max_connections,
            max_connections_per_address,
            header_seconds,
            body_seconds,
            idle_seconds,
            login_rate_per_address,
            login_rate_per_app,
            login_rate,
            permit_rate,
            wrong_credential_rate,
            wechat_calls,
            data_dir,
            database,
            wechat_base_url,
            wechat_proxy,
            master_key,
            master_key_file,
            master_key_previous,
            master_key_previous_file,
            node_id,
            lease_seconds,
            max_body_bytes,
            max_in_flight,
            connections,
            connect_timeout_ms,
            answer_timeout_ms,
            token_refresh_ahead_seconds,
            callback_window_seconds,
            reveal_access_token,
            template_sync_seconds,
            session_days,
            mini_program_codes_per_user,
            codes_per_user,
            retention_days,
            audit_retention_days,
            webhook_allow_http,
            webhook_allow_private,
            webhook_connections,
            permit_expiring_hours,
            stop_delay_seconds,
            drain_seconds,
            log,
            log_format,
        } = self;
        f.debug_struct("Settings")
            .field("listen", listen)
            .field("tls_listen", tls_listen)
            .field("tls_certificate", tls_certificate)
            .field("tls_key", tls_key)
            .field("admin_listen", admin_listen)
            .field("hosts", hosts)
            .field("trusted_proxies", trusted_proxies)
            .field("max_connections", max_connections)
            .field("max_connections_per_address", max_connections_per_address)
            .field("header_seconds", header_seconds)
            .field("body_seconds", body_seconds)
            .field("idle_seconds", idle_seconds)
            .field("login_rate_per_address", login_rate_per_address)
            .field("login_rate_per_app", login_rate_per_app)
            .field("login_rate", login_rate)
            .field("permit_rate", permit_rate)
            .field("wrong_credential_rate", wrong_credential_rate)
            .field("wechat_calls", wechat_calls)
            .field("data_dir", data_dir)
            .field("database", database)
            .field("wechat_base_url", &wechat_base_url.as_str())
            // Its user and password stay out of logs.
            .field("wechat_proxy", &wechat_proxy.as_ref().and_then(Url::host_str))
            .field("master_key", master_key)
            .field("master_key_file", master_key_file)
            .field("master_key_previous", master_key_previous)
            .field("master_key_previous_file", master_key_previous_file)
            .field("node_id", node_id)
            .field("lease_seconds", lease_seconds)
            .field("max_body_bytes", max_body_bytes)
            .field("max_in_flight", max_in_flight)
            .field("connections", connections)
            .field("connect_timeout_ms", connect_timeout_ms)
            .field("answer_timeout_ms", answer_timeout_ms)
            .field("token_refresh_ahead_seconds", token_refresh_ahead_seconds)
            .field("template_sync_seconds", template_sync_seconds)
            .field("reveal_access_token", reveal_access_token)
            .field("callback_window_seconds", callback_window_seconds)
            .field("session_days", session_days)
            .field("mini_program_codes_per_user", mini_program_codes_per_user)
            .field("codes_per_user", codes_per_user)
            .field("retention_days", retention_days)
            .field("audit_retention_days", audit_retention_days)
            .field("webhook_allow_http", webhook_allow_http)
            .field("webhook_allow_private", webhook_allow_private)
            .field("webhook_connections", webhook_connections)
            .field("permit_expiring_hours", permit_expiring_hours)
            .field("stop_delay_seconds", stop_delay_seconds)
            .field("drain_seconds", drain_seconds)
            .field("log", log)
            .field("log_format", log_format)
            .finish()
    }
}
