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
    LogFormat, address, database, each, flag, header_name, host, log_filter, log_format, network, node_name,
    number, path, secret, some, sqlite_path, url, zero_or,
};

// To add a setting, add a row here. `table.rs` says what the parts of a row mean; `values.rs` has the readers of values.
settings! {
    /// Address and port of the HTTP server.
    /// 127.0.0.1 is reached from this machine only; put a proxy with TLS in front to open it to others.
    listen: SocketAddr = Default("127.0.0.1:8780"), address;

    /// Address and port of an HTTPS server beside it, for SDKs that insist on https.
    tls_listen: Option<SocketAddr> = Unset("0.0.0.0:8743"), some(address);

    /// Its certificate, PEM, with those between it and the root. Read anew when the file changes, and on SIGHUP.
    tls_certificate: Option<PathBuf> = Unset("/etc/hongyan/fullchain.pem"), some(path);

    /// The certificate's private key, PEM, without a password.
    tls_key: Option<PathBuf> = Unset("/etc/hongyan/privkey.pem"), some(path);

    /// Address and port for /livez, /readyz and /metrics alone. When it is set, the other listeners do not serve them.
    admin_listen: Option<SocketAddr> = Unset("127.0.0.1:8781"), some(address);

    /// The names that requests may be for (header Host), beside IP addresses and localhost. Unset: any. With it, a web
    /// page whose name was pointed at this server cannot read from it.
    hosts: Option<Vec<String>> = Unset(vec!["hongyan.example.com"]), some(each(host));

    /// The addresses or networks of proxies in front of this server. Their X-Forwarded-For says from which address a
    /// request comes; limits per address go by it, so let the proxy set it. Name a proxy on another machine or in another
    /// container here, and no network from which strangers may come directly.
    trusted_proxies: Vec<IpNet> = Default(vec!["127.0.0.0/8", "::1/128"]), each(network);

    /// The header in which a reverse proxy names the person whom it has logged in to the console. Together with
    /// console_user_header_from. The proxy must remove the header from what browsers send.
    console_user_header: Option<HeaderName> = Unset("X-Forwarded-User"), some(header_name);

    /// The addresses or networks of the proxies that may name people with that header. Every program at such an address
    /// can act for anybody in the console, so name the proxy alone. X-Forwarded-For does not count here.
    console_user_header_from: Option<Vec<IpNet>> = Unset(vec!["10.0.0.5"]), some(each(network));

    /// How many connections may be open. When there are so many, the one that has been idle for longest is closed for a
    /// new one. Fewer if the process may not have so many descriptors (ulimit -n): some are kept back for WeChat, the
    /// database and webhooks.
    // With what is kept back for the outgoing side, 800 is a little under the usual 1,024 descriptors. Below 8 nobody could
    // be served beside a health check.
    max_connections: u32 = Default(800), number(8..=1_000_000);

    /// How many connections may be open from one address. 0: as many as in all. Behind a proxy all have its address.
    max_connections_per_address: u32 = Default(0), number(0..=1_000_000);

    /// How long the head of a request may take, from its first byte (or the start of the connection).
    header_seconds: u64 = Default(10), number(1..=3_600);

    /// How long the body of a request may take. Uploads to WeChat may take longer.
    body_seconds: u64 = Default(60), number(1..=3_600);

    /// How long a connection is kept without a request. Longer than the proxy in front keeps it (nginx: 60 s).
    // The proxy is to be the side that closes.
    idle_seconds: u64 = Default(75), number(1..=86_400);

    /// Logins by POST /mp/{appid}/login in a minute from one address. WeChat takes 5,000 of an app in a minute.
    // Many users share an address behind a carrier's or a company's router.
    login_rate_per_address: u32 = Default(300), number(1..=1_000_000);

    /// Logins by POST /mp/{appid}/login in a minute of one app.
    // Some fraction of the 5,000 that WeChat takes of an app in a minute.
    login_rate_per_app: u32 = Default(3_000), number(1..=1_000_000);

    /// Logins by POST /mp/{appid}/login in a minute in all.
    login_rate: u32 = Default(6_000), number(1..=1_000_000);

    /// Permits that one user may report to POST /mp/{appid}/permits in an hour.
    permit_rate: u32 = Default(60), number(1..=1_000_000);

    /// Wrong API keys, sessions, gateway secrets, tokens and signatures in a minute from one address. What goes beyond
    /// is answered with a delay.
    wrong_credential_rate: u32 = Default(60), number(1..=1_000_000);

    /// How many calls to WeChat that are no sends (logins, calls that are passed on) may be under way at a time. Mini
    /// programs' own logins have a share of half as many beside it.
    wechat_calls: u32 = Default(32), number(1..=4_096);

    /// Directory of the database and of a generated master key. Made when it is missing.
    data_dir: PathBuf = Default("hongyan-data"), path;

    /// The database: sqlite:PATH. Default: hongyan.db in data_dir.
    database: Option<String> = Secret("sqlite:hongyan-data/hongyan.db"), some(database);

    /// Where WeChat's API is; for tests, the sandbox.
    wechat_base_url: Url = Default("https://api.weixin.qq.com/"), url;

    /// HTTP proxy on the way to WeChat, for an outgoing address that WeChat's IP list knows.
    wechat_proxy: Option<Url> = Secret("http://proxy.example:3128"), some(url);

    /// The key that encrypts AppSecrets, tokens and session keys in the database.
    /// Better kept out of this file: set HONGYAN_MASTER_KEY, or master_key_file.
    /// Default: a key that is generated once, as master.key in data_dir.
    master_key: Option<SecretString> = Secret("64 hexadecimal digits, or base64 of 32 bytes"), some(secret);

    /// A file with the master key.
    master_key_file: Option<PathBuf> = Unset("/run/secrets/hongyan-master-key"), some(path);

    /// The previous master key, while the key is changed (hongyan key rotate-master): it still decrypts, but no longer
    /// encrypts. Default: master.key.previous in data_dir, if master.key there is used.
    master_key_previous: Option<SecretString> = Secret("64 hexadecimal digits, or base64 of 32 bytes"), some(secret);

    /// A file with the previous master key.
    master_key_previous_file: Option<PathBuf> = Unset("/run/secrets/hongyan-master-key-previous"), some(path);

    /// This node's name, under which the database knows it: letters, digits, - _ and dots.
    node_id: String = Default("node-1"), node_name;

    /// For so long a node owns its users before it must renew; nothing is sent once it is over. It renews three times as often.
    lease_seconds: u64 = Default(15), number(1..=3_600);

    /// The largest request body that is read. A batch is up to 1,000 messages.
    // The default is for the largest batch, a thousand messages, of 4 KiB each. The ceiling keeps one request from taking the
    // whole memory.
    max_body_bytes: usize = Default(4 * 1_024 * 1_024), number(1_024..=256 * 1_024 * 1_024);

    /// How many messages may be on their way to WeChat at a time. After a crash, the outcome of so many may be unknown.
    max_in_flight: u32 = Default(128), number(1..=65_536);

    /// How many requests to WeChat may be under way at a time, each on a connection that is kept.
    connections: u32 = Default(64), number(1..=4_096);

    /// How long connecting to WeChat may take.
    connect_timeout_ms: u64 = Default(3_000), number(1..=600_000);

    /// How long WeChat may take to answer. After that the outcome of a message is unknown, so be patient.
    answer_timeout_ms: u64 = Default(10_000), number(1..=600_000);

    /// How long before its end an access token is replaced.
    // A token lasts two hours.
    token_refresh_ahead_seconds: u64 = Default(300), number(0..=3_600);

    /// From one look at each app's templates at WeChat to the next, a tenth more or less. 0: only when a message names
    /// an unknown one, or on demand.
    // Each look costs two calls of a day's quota.
    template_sync_seconds: u64 = Default(3_600), zero_or(60..=604_800);

    /// Whether POST /v1/apps/{appid}/access_token gives WeChat's own access token away, to keys with the scope
    /// access_token. What needs it is outside of the gateway's sight, so leave it off if nothing does.
    reveal_access_token: bool = Default(false), flag;

    /// How far the timestamp of a push of WeChat's may be from this machine's clock, either way. What is further off is
    /// refused, for it may be a copy of an old one.
    // An hour at most: nonces are kept for as long.
    callback_window_seconds: u64 = Default(300), number(10..=3_600);

    /// How long a user's session (of POST /mp/{appid}/login) lasts.
    session_days: u32 = Default(30), number(1..=3_650);

    /// How many form ids and prepay ids of one user the mini program may have open, 1 to 10000. It reports what it
    /// likes, so the oldest gives way to one more.
    mini_program_codes_per_user: u32 = Default(100), number(1..=10_000);

    /// The same for what back ends report with POST /v1/permits, 1 to 100000. One more is refused.
    codes_per_user: u32 = Default(1_000), number(1..=100_000);

    /// How long a message is kept after it was sent, failed, cancelled or expired, with its attempts, its idempotency
    /// key and the permits that only it explains. 0 keeps everything for ever. Messages that are unknown are kept
    /// until they are settled.
    retention_days: u32 = Default(30), number(0..=36_500);

    /// How long the audit trail (GET /v1/audit) is kept. 0 keeps it for ever.
    audit_retention_days: u32 = Default(365), number(0..=36_500);

    /// Whether a webhook's URL may begin with http://. What is told of users then travels in the clear.
    webhook_allow_http: bool = Default(false), flag;

    /// Whether a webhook may be at an address that is not public: loopback, a private network. Whoever may set up
    /// webhooks can then make the gateway ask whatever it reaches there.
    webhook_allow_private: bool = Default(false), flag;

    /// How many requests to one webhook may be under way at a time, 1 to 64. Those about one user go one by one.
    webhook_connections: u32 = Default(16), number(1..=64);

    /// How long before its end the event permit.expiring tells of a permit that has units left, 1 to 144.
    // A day less than the shortest life of a permit: none is granted too late to be told of.
    permit_expiring_hours: u32 = Default(24), number(1..=144);

    /// How long the process goes on serving after it was told to stop, while /readyz says no: as long as whoever sends
    /// requests here takes to notice.
    stop_delay_seconds: u64 = Default(0), number(0..=3_600);

    /// How long a stop waits for what is under way.
    drain_seconds: u64 = Default(25), number(0..=3_600);

    /// What is logged: error, warn, info, debug, trace, also per module (info,hongyan_gateway=debug).
    log: String = Default("info"), log_filter;

    /// auto (text on a terminal, json otherwise), text, json.
    log_format: LogFormat = Default("auto"), log_format;
}

impl Settings {
    /// The file that `database` names; without it, `hongyan.db` in `data_dir`.
    ///
    /// # Errors
    /// When it names another kind of database.
    pub fn sqlite_path(&self) -> Result<PathBuf, ConfigError> {
        match &self.database {
            Some(database) => {
                sqlite_path(database).map(Path::to_owned).map_err(|why| ConfigError::Database { why })
            }
            None => Ok(self.data_dir.join("hongyan.db")),
        }
    }
}
