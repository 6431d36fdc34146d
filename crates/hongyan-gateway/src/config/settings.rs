//! The settings that the gateway runs with.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use axum::http::HeaderName;
use ipnet::IpNet;
use secrecy::SecretString;
use url::Url;

use super::error::ConfigError;
use super::row::settings;
use super::values::{
    LogFormat, RequireTotp, address, database, each, flag, header_name, host, log_filter, log_format,
    network, node_name, number, path, ratio, require_totp, secret, some, sqlite_path, url, zero_or,
};

// To add a setting, add a row here. `row.rs` says what the parts of a row mean; `values.rs` has the readers of values.
settings! {
    /// Address and port of the HTTP server.
    /// 127.0.0.1 accepts connections from this machine only. For other machines, put a proxy with TLS in front.
    listen: SocketAddr = Default("127.0.0.1:8780"), address;

    /// Address and port of an additional HTTPS server, for SDKs that insist on https.
    tls_listen: Option<SocketAddr> = Unset("0.0.0.0:8743"), some(address);

    /// The certificate of the HTTPS server in PEM, followed by the intermediate certificates. The file is read again when
    /// it changes, and on SIGHUP.
    tls_certificate: Option<PathBuf> = Unset("/etc/hongyan/fullchain.pem"), some(path);

    /// The certificate's private key, PEM, without a password.
    tls_key: Option<PathBuf> = Unset("/etc/hongyan/privkey.pem"), some(path);

    /// Address and port for /livez, /readyz and /metrics alone. When it is set, the other listeners do not serve them.
    admin_listen: Option<SocketAddr> = Unset("127.0.0.1:8781"), some(address);

    /// The host names that requests may name (header Host), besides IP addresses and localhost. Unset: any name. The list
    /// protects against DNS rebinding: a web page whose name was pointed at this server cannot read from the server.
    hosts: Option<Vec<String>> = Unset(vec!["hongyan.example.com"]), some(each(host));

    /// The addresses or networks of proxies in front of this server. Their X-Forwarded-For has the address of the client.
    /// Limits per address use that address, so the proxy must set the header. List a proxy on another machine or in another
    /// container here. Do not list a network from which strangers may connect directly.
    trusted_proxies: Vec<IpNet> = Default(vec!["127.0.0.0/8", "::1/128"]), each(network);

    /// The header in which a reverse proxy names the person who has logged in to the console. Needs
    /// console_user_header_from. The proxy must remove this header from requests of browsers.
    console_user_header: Option<HeaderName> = Unset("X-Forwarded-User"), some(header_name);

    /// The addresses or networks of the proxies that may send that header. Every program at such an address can act for
    /// anybody in the console, so list only the proxy. X-Forwarded-For does not count here.
    console_user_header_from: Option<Vec<IpNet>> = Unset(vec!["10.0.0.5"]), some(each(network));

    /// Of whom the console requires a second factor (TOTP): none, admin, all. A person without a second factor is led to set it
    /// up after the login, before any other page opens. People whom a proxy logs in are exempt.
    console_require_totp: RequireTotp = Default("none"), require_totp;

    /// How many connections may be open. At the limit, a new connection closes the connection that has been idle for
    /// longest. The limit is lower if the process may open fewer descriptors (ulimit -n): some descriptors are reserved for
    /// WeChat, the database and webhooks.
    // With the descriptors for outgoing connections, 800 is a little under the usual 1,024 descriptors. Fewer than 8
    // connections would leave no room beside a health check.
    max_connections: u32 = Default(800), number(8..=1_000_000);

    /// How many connections may be open from one address. 0: as many as in all. Behind a proxy, all connections have the
    /// proxy's address.
    max_connections_per_address: u32 = Default(0), number(0..=1_000_000);

    /// How long the head of a request may take, from its first byte (or the start of the connection).
    header_seconds: u64 = Default(10), number(1..=3_600);

    /// How long the body of a request may take. Uploads to WeChat may take longer.
    body_seconds: u64 = Default(60), number(1..=3_600);

    /// How long an idle connection is kept. The time should be longer than in the proxy in front (nginx: 60 s).
    // The proxy should be the side that closes the connection.
    idle_seconds: u64 = Default(75), number(1..=86_400);

    /// Logins by POST /mp/{appid}/login per minute from one address. WeChat accepts 5,000 logins of an app per minute.
    // Many users share the address of a carrier's or a company's router.
    login_rate_per_address: u32 = Default(300), number(1..=1_000_000);

    /// Logins by POST /mp/{appid}/login per minute of one app.
    // Less than the 5,000 logins of an app that WeChat accepts per minute.
    login_rate_per_app: u32 = Default(3_000), number(1..=1_000_000);

    /// Logins by POST /mp/{appid}/login per minute in all.
    login_rate: u32 = Default(6_000), number(1..=1_000_000);

    /// Permits that one user may report by POST /mp/{appid}/permits per hour.
    permit_rate: u32 = Default(60), number(1..=1_000_000);

    /// Wrong API keys, sessions, gateway secrets, tokens and signatures per minute from one address. Above this rate, the
    /// answer is delayed.
    wrong_credential_rate: u32 = Default(60), number(1..=1_000_000);

    /// How many calls to WeChat besides sends (logins, calls that are passed on) may be under way at a time. Logins of mini
    /// programs have an additional limit of half this number.
    wechat_calls: u32 = Default(32), number(1..=4_096);

    /// Directory of the database and of a generated master key. The directory is made if it is missing.
    data_dir: PathBuf = Default("hongyan-data"), path;

    /// The database: sqlite:PATH. Default: hongyan.db in data_dir.
    database: Option<String> = Secret("sqlite:hongyan-data/hongyan.db"), some(database);

    /// Whether the database is copied beside itself (hongyan.db.before-schema-N) before a new version upgrades its schema. An
    /// upgrade cannot be undone, and an older version cannot open an upgraded database.
    copy_before_upgrade: bool = Default(true), flag;

    /// The URL of WeChat's API; in tests, the URL of the sandbox.
    wechat_base_url: Url = Default("https://api.weixin.qq.com/"), url;

    /// HTTP proxy for calls to WeChat, for an outgoing address that is on the IP list at WeChat.
    wechat_proxy: Option<Url> = Secret("http://proxy.example:3128"), some(url);

    /// The key that encrypts AppSecrets, tokens and session keys in the database.
    /// Keep the key out of this file: set HONGYAN_MASTER_KEY or master_key_file instead.
    /// Default: a generated key, stored as master.key in data_dir.
    master_key: Option<SecretString> = Secret("64 hexadecimal digits, or base64 of 32 bytes"), some(secret);

    /// A file with the master key.
    master_key_file: Option<PathBuf> = Unset("/run/secrets/hongyan-master-key"), some(path);

    /// The previous master key, while the key is being changed (hongyan key rotate-master). This key still decrypts, but no
    /// longer encrypts. Default: master.key.previous in data_dir, if master.key there is used.
    master_key_previous: Option<SecretString> = Secret("64 hexadecimal digits, or base64 of 32 bytes"), some(secret);

    /// A file with the previous master key.
    master_key_previous_file: Option<PathBuf> = Unset("/run/secrets/hongyan-master-key-previous"), some(path);

    /// A file with the apps, webhooks and API keys that must exist: tables `[[app]]`, `[[webhook]]` and `[[key]]`, as at the end of
    /// this file. The same tables may be in this file. They are applied at each start.
    setup_file: Option<PathBuf> = Unset("/etc/hongyan/setup.toml"), some(path);

    /// The name of this node in the database and in the log: letters, digits, - _ and dots.
    node_id: String = Default("node-1"), node_name;

    /// How long a node owns its users after each renewal. A node renews three times in this time, and sends nothing after it.
    lease_seconds: u64 = Default(15), number(1..=3_600);

    /// The largest request body that is read. A batch is up to 1,000 messages.
    // The default fits the largest batch: a thousand messages of 4 KiB each. The maximum keeps one request from taking all
    // memory.
    max_body_bytes: usize = Default(4 * 1_024 * 1_024), number(1_024..=256 * 1_024 * 1_024);

    /// How many messages may be on their way to WeChat at a time. After a crash, the outcome of this many messages may be
    /// unknown.
    max_in_flight: u32 = Default(128), number(1..=65_536);

    /// How many requests to WeChat may be under way at a time, each on a kept connection.
    connections: u32 = Default(64), number(1..=4_096);

    /// How long connecting to WeChat may take.
    connect_timeout_ms: u64 = Default(3_000), number(1..=600_000);

    /// How long WeChat may take to answer. After this time the outcome of a message is unknown, so choose a long time.
    answer_timeout_ms: u64 = Default(10_000), number(1..=600_000);

    /// How long before its end an access token is replaced.
    // A token lasts two hours.
    token_refresh_ahead_seconds: u64 = Default(300), number(0..=3_600);

    /// How often each app's templates are read from WeChat, give or take a tenth. 0: only when a message names an unknown
    /// template, or on demand.
    // Each reading costs two calls of the day's quota.
    template_sync_seconds: u64 = Default(3_600), zero_or(60..=604_800);

    /// Whether POST /v1/apps/{appid}/access_token returns WeChat's own access token to keys with the scope access_token. The
    /// gateway does not see what a holder of the token does, so leave this off if no program needs the token.
    reveal_access_token: bool = Default(false), flag;

    /// How far the timestamp of a push from WeChat may differ from this machine's clock. Other pushes are refused, because
    /// they may be replays.
    // An hour at most, because nonces are kept for as long.
    callback_window_seconds: u64 = Default(300), number(10..=3_600);

    /// How long a user's session (of POST /mp/{appid}/login) lasts.
    session_days: u32 = Default(30), number(1..=3_650);

    /// How many open form ids and prepay ids of one user the mini program may have reported, 1 to 10000. One more code
    /// replaces the oldest code, because a mini program may report anything.
    mini_program_codes_per_user: u32 = Default(100), number(1..=10_000);

    /// The same limit for codes that back ends report by POST /v1/permits, 1 to 100000. One more code is refused.
    codes_per_user: u32 = Default(1_000), number(1..=100_000);

    /// How long a message is kept after it was sent, failed, cancelled or expired, with its attempts, its idempotency key and
    /// the permits that only this message explains. 0 keeps everything for ever. Messages of unknown outcome are kept until
    /// their outcome is known.
    retention_days: u32 = Default(30), number(0..=36_500);

    /// How long the audit trail (GET /v1/audit) is kept. 0 keeps it for ever.
    audit_retention_days: u32 = Default(365), number(0..=36_500);

    /// Whether a webhook's URL may begin with http://. Events about users are then not encrypted on the way.
    webhook_allow_http: bool = Default(false), flag;

    /// Whether a webhook may have an address that is not public: loopback, a private network. Everybody who may set up
    /// webhooks can then make the gateway send requests to such addresses.
    webhook_allow_private: bool = Default(false), flag;

    /// How many requests to one webhook may be under way at a time, 1 to 64. Requests about one user are sent one by one.
    webhook_connections: u32 = Default(16), number(1..=64);

    /// How many hours before the end of a permit with units left the event permit.expiring is sent, 1 to 144.
    // The maximum is a day less than the shortest life of a permit, so every permit is granted before its event is due.
    permit_expiring_hours: u32 = Default(24), number(1..=144);

    /// How long the process serves on after it was told to stop, while /readyz says no: as long as a load balancer takes to
    /// notice.
    stop_delay_seconds: u64 = Default(0), number(0..=3_600);

    /// How long a stop waits for work that is under way.
    drain_seconds: u64 = Default(25), number(0..=3_600);

    /// What is logged: error, warn, info, debug, trace, also per module (info,hongyan_gateway=debug).
    log: String = Default("info"), log_filter;

    /// The format of the log: auto (text on a terminal, json otherwise), text, json.
    log_format: LogFormat = Default("auto"), log_format;

    /// The URL of an OpenTelemetry collector that takes traces by OTLP over HTTP (protobuf); the gateway adds /v1/traces. Unset:
    /// no traces. The standard variables OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME and
    /// OTEL_RESOURCE_ATTRIBUTES work, too.
    otlp_endpoint: Option<Url> = Unset("http://127.0.0.1:4318"), some(url);

    /// The share of traces that are exported, from 0 to 1. A caller that sends traceparent has decided already. Unset:
    /// OTEL_TRACES_SAMPLER_ARG, or all.
    otlp_sample: Option<f64> = Unset(0.1), some(ratio);
}

impl Settings {
    /// The path of the database: the file in `database`, by default `hongyan.db` in `data_dir`.
    ///
    /// # Errors
    /// When `database` names another kind of database.
    pub fn sqlite_path(&self) -> Result<PathBuf, ConfigError> {
        match &self.database {
            Some(database) => {
                sqlite_path(database).map(Path::to_owned).map_err(|why| ConfigError::Database { why })
            }
            None => Ok(self.data_dir.join("hongyan.db")),
        }
    }

    /// The database as logs name it: without a user, a password and parameters.
    pub fn shown_database(&self) -> String {
        let Some(database) = &self.database else {
            return format!("sqlite:{}", self.data_dir.join("hongyan.db").display());
        };
        match database.parse::<Url>() {
            Ok(url) if url.has_host() => {
                let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
                format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
            }
            _ if database.starts_with("sqlite:") => database.clone(),
            _ => database.split(':').next().unwrap_or_default().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_shown_without_its_credentials() {
        let shown = |database: &str| {
            Settings { database: Some(database.to_owned()), ..Settings::default() }.shown_database()
        };
        assert_eq!(shown("sqlite:data/hongyan.db"), "sqlite:data/hongyan.db");
        assert_eq!(
            shown("postgres://hongyan:secret@db.example:6432/hongyan?password=secret"),
            "postgres://db.example:6432/hongyan"
        );
        assert_eq!(shown("postgres:user=x password=secret"), "postgres");
        assert_eq!(Settings::default().shown_database(), "sqlite:hongyan-data/hongyan.db");
    }
}
