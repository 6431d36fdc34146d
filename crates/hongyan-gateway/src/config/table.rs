//! The table of settings: name, meaning, what it takes.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use secrecy::SecretString;
use toml::Value;
use url::Url;

use super::log_filter::check_log_filter;
use super::settings::{LogFormat, Settings, sqlite_path};

/// One setting.
pub(super) struct Setting {
    /// Its name in files; in the environment it is `HONGYAN_` and the same in capitals.
    pub(super) key: &'static str,
    /// What it is, for people: the comment in the example file.
    about: &'static str,
    /// What the example file says after `key = `. Commented out there if [`Setting::optional`].
    example: &'static str,
    /// There is no default, or it follows from another setting.
    optional: bool,
    /// May hold a password: `HONGYAN_…_FILE` names a file to read it from.
    pub(super) secret: bool,
}

const fn given(key: &'static str, example: &'static str, about: &'static str) -> Setting {
    Setting { key, about, example, optional: false, secret: false }
}

const fn optional(key: &'static str, example: &'static str, about: &'static str) -> Setting {
    Setting { key, about, example, optional: true, secret: false }
}

/// The table, in the order of the example file.
pub(super) const TABLE: &[Setting] = &[
    given(
        "listen",
        r#""127.0.0.1:8780""#,
        "Address and port of the HTTP server.\n\
         127.0.0.1 is reached from this machine only; put a proxy with TLS in front to open it to others.",
    ),
    optional(
        "tls_listen",
        r#""0.0.0.0:8743""#,
        "Address and port of an HTTPS server beside it, for SDKs that insist on https.",
    ),
    optional(
        "tls_certificate",
        r#""/etc/hongyan/fullchain.pem""#,
        "Its certificate, PEM, with those between it and the root. Read anew when the file changes, and on SIGHUP.",
    ),
    optional(
        "tls_key",
        r#""/etc/hongyan/privkey.pem""#,
        "The certificate's private key, PEM, without a password.",
    ),
    optional(
        "admin_listen",
        r#""127.0.0.1:8781""#,
        "Address and port for /livez, /readyz and /metrics alone. When it is set, the other listeners do not serve them.",
    ),
    optional(
        "hosts",
        r#"["hongyan.example.com"]"#,
        "The names that requests may be for (header Host), beside IP addresses and localhost. Unset: any. With it, a web\n\
         page whose name was pointed at this server cannot read from it.",
    ),
    given(
        "trusted_proxies",
        r#"["127.0.0.0/8", "::1/128"]"#,
        "The addresses or networks of proxies in front of this server. Their X-Forwarded-For says from which address a\n\
         request comes; limits per address go by it, so let the proxy set it. Name a proxy on another machine or in another\n\
         container here, and no network from which strangers may come directly.",
    ),
    given(
        "max_connections",
        "800",
        "How many connections may be open. When there are so many, the one that has been idle for longest is closed for a\n\
         new one. Fewer if the process may not have so many descriptors (ulimit -n): some are kept back for WeChat, the\n\
         database and webhooks.",
    ),
    given(
        "max_connections_per_address",
        "0",
        "How many connections may be open from one address. 0: as many as in all. Behind a proxy all have its address.",
    ),
    given(
        "header_seconds",
        "10",
        "How long the head of a request may take, from its first byte (or the start of the connection).",
    ),
    given(
        "body_seconds",
        "60",
        "How long the body of a request may take. Uploads to WeChat may take longer.",
    ),
    given(
        "idle_seconds",
        "75",
        "How long a connection is kept without a request. Longer than the proxy in front keeps it (nginx: 60 s).",
    ),
    given(
        "login_rate_per_address",
        "300",
        "Logins by POST /mp/{appid}/login in a minute from one address. WeChat takes 5,000 of an app in a minute.",
    ),
    given("login_rate_per_app", "3000", "Logins by POST /mp/{appid}/login in a minute of one app."),
    given("login_rate", "6000", "Logins by POST /mp/{appid}/login in a minute in all."),
    given("permit_rate", "60", "Permits that one user may report to POST /mp/{appid}/permits in an hour."),
    given(
        "wrong_credential_rate",
        "60",
        "Wrong API keys, sessions, gateway secrets, tokens and signatures in a minute from one address. What goes beyond\n\
         is answered with a delay.",
    ),
    given(
        "wechat_calls",
        "32",
        "How many calls to WeChat that are no sends (logins, calls that are passed on) may be under way at a time. Mini\n\
         programs' own logins have a share of half as many beside it.",
    ),
    given(
        "data_dir",
        r#""hongyan-data""#,
        "Directory of the database and of a generated master key. Made when it is missing.",
    ),
    Setting {
        secret: true,
        ..optional(
            "database",
            r#""sqlite:hongyan-data/hongyan.db""#,
            "The database: sqlite:PATH. Default: hongyan.db in data_dir.",
        )
    },
    given(
        "wechat_base_url",
        r#""https://api.weixin.qq.com/""#,
        "Where WeChat's API is; for tests, the sandbox.",
    ),
    Setting {
        secret: true,
        ..optional(
            "wechat_proxy",
            r#""http://proxy.example:3128""#,
            "HTTP proxy on the way to WeChat, for an outgoing address that WeChat's IP list knows.",
        )
    },
    Setting {
        secret: true,
        ..optional(
            "master_key",
            r#""64 hexadecimal digits, or base64 of 32 bytes""#,
            "The key that seals AppSecrets, tokens and session keys in the database.\n\
             Better kept out of this file: set HONGYAN_MASTER_KEY, or master_key_file.\n\
             Default: one is generated once, as master.key in data_dir.",
        )
    },
    optional("master_key_file", r#""/run/secrets/hongyan-master-key""#, "A file with the master key."),
    Setting {
        secret: true,
        ..optional(
            "master_key_previous",
            r#""64 hexadecimal digits, or base64 of 32 bytes""#,
            "The master key before it, while it is changed (hongyan key rotate-master): what it sealed still opens,\n\
             nothing is sealed with it. Default: master.key.previous in data_dir, if master.key there is used.",
        )
    },
    optional(
        "master_key_previous_file",
        r#""/run/secrets/hongyan-master-key-previous""#,
        "A file with the master key before it.",
    ),
    given(
        "node_id",
        r#""node-1""#,
        "This node's name, under which the database knows it: letters, digits, - _ and dots.",
    ),
    given(
        "lease_seconds",
        "15",
        "For so long a node owns its users before it must renew; nothing is sent once it is over. It renews three times as often.",
    ),
    given(
        "max_body_bytes",
        "4194304",
        "The largest request body that is read. A batch is up to 1,000 messages.",
    ),
    given(
        "max_in_flight",
        "128",
        "How many messages may be on their way to WeChat at a time. After a crash, the outcome of so many may be unknown.",
    ),
    given(
        "connections",
        "64",
        "How many requests to WeChat may be under way at a time, each on a connection that is kept.",
    ),
    given("connect_timeout_ms", "3000", "How long connecting to WeChat may take."),
    given(
        "answer_timeout_ms",
        "10000",
        "How long WeChat may take to answer. After that the outcome of a message is unknown, so be patient.",
    ),
    given("token_refresh_ahead_seconds", "300", "How long before its end an access token is replaced."),
    given(
        "template_sync_seconds",
        "3600",
        "From one look at each app's templates at WeChat to the next, a tenth more or less. 0: only when a message names\n\
         an unknown one, or on demand.",
    ),
    given(
        "reveal_access_token",
        "false",
        "Whether POST /v1/apps/{appid}/access_token gives WeChat's own access token away, to keys with the scope\n\
         access_token. What needs it is outside of the gateway's sight, so leave it off if nothing does.",
    ),
    given(
        "callback_window_seconds",
        "300",
        "How far the timestamp of a push of WeChat's may be from this machine's clock, either way. What is further off is\n\
         refused, for it may be a copy of an old one.",
    ),
    given("session_days", "30", "How long a user's session (of POST /mp/{appid}/login) lasts."),
    given(
        "mini_program_codes_per_user",
        "100",
        "How many form ids and prepay ids of one user the mini program may have open, 1 to 10000. It reports what it\n\
         likes, so the oldest gives way to one more.",
    ),
    given(
        "codes_per_user",
        "1000",
        "The same for what back ends report with POST /v1/permits, 1 to 100000. One more is refused.",
    ),
    given(
        "retention_days",
        "30",
        "How long a message is kept after it was sent, failed, cancelled or expired, with its attempts, its idempotency\n\
         key and the permits that only it explains. 0 keeps everything for ever. Messages that are unknown are kept\n\
         until they are settled.",
    ),
    given(
        "audit_retention_days",
        "365",
        "How long the audit trail (GET /v1/audit) is kept. 0 keeps it for ever.",
    ),
    given(
        "webhook_allow_http",
        "false",
        "Whether a webhook's URL may begin with http://. What is told of users then travels in the clear.",
    ),
    given(
        "webhook_allow_private",
        "false",
        "Whether a webhook may be at an address that is not public: loopback, a private network. Whoever may set up\n\
         webhooks can then make the gateway ask whatever it reaches there.",
    ),
    given(
        "webhook_connections",
        "16",
        "How many requests to one webhook may be under way at a time, 1 to 64. Those about one user go one by one.",
    ),
    given(
        "permit_expiring_hours",
        "24",
        "How long before its end the event permit.expiring tells of a permit that has units left, 1 to 144.",
    ),
    given(
        "stop_delay_seconds",
        "0",
        "How long the process goes on serving after it was told to stop, while /readyz says no: as long as whoever sends\n\
         requests here takes to notice.",
    ),
    given("drain_seconds", "25", "How long a stop waits for what is under way."),
    given(
        "log",
        r#""info""#,
        "What is logged: error, warn, info, debug, trace, also per module (info,hongyan_gateway=debug).",
    ),
    given("log_format", r#""auto""#, "auto (text on a terminal, json otherwise), text, json."),
];

/// The example file: every setting with its default and a comment.
pub fn example_toml() -> String {
    let mut text = String::from(
        "# Settings of Hongyan. What is given here is the default; what is commented out has none, or one that\n\
         # follows from another setting. Each can also be set as an environment variable, HONGYAN_ and its name in\n\
         # capitals (HONGYAN_LISTEN), which wins over this file; a command line flag wins over both.\n\
         # HONGYAN_MASTER_KEY_FILE, HONGYAN_MASTER_KEY_PREVIOUS_FILE, HONGYAN_DATABASE_FILE and\n\
         # HONGYAN_WECHAT_PROXY_FILE name files to read from.\n",
    );
    for setting in TABLE {
        text.push('\n');
        for line in setting.about.lines() {
            writeln!(text, "# {line}").expect("a String takes everything");
        }
        let mark = if setting.optional { "# " } else { "" };
        writeln!(text, "{mark}{} = {}", setting.key, setting.example).expect("a String takes everything");
    }
    text
}

/// Puts a value where it belongs. The error says what the setting takes.
///
/// Numbers may come as text: that is how the environment has them.
pub(super) fn set(settings: &mut Settings, key: &str, value: &Value) -> Result<(), String> {
    match key {
        "listen" => {
            settings.listen = address(value)?;
        }
        "tls_listen" => settings.tls_listen = Some(address(value)?),
        "tls_certificate" => settings.tls_certificate = Some(path(value)?),
        "tls_key" => settings.tls_key = Some(path(value)?),
        "admin_listen" => settings.admin_listen = Some(address(value)?),
        "hosts" => settings.hosts = Some(list(value)?.into_iter().map(host).collect::<Result<_, _>>()?),
        "trusted_proxies" => {
            settings.trusted_proxies = list(value)?.into_iter().map(network).collect::<Result<_, _>>()?;
        }
        // Below this nobody could be served beside a health check.
        "max_connections" => settings.max_connections = number(value, 8, 1_000_000)? as u32,
        "max_connections_per_address" => {
            settings.max_connections_per_address = number(value, 0, 1_000_000)? as u32;
        }
        "header_seconds" => settings.header_seconds = number(value, 1, 3_600)?,
        "body_seconds" => settings.body_seconds = number(value, 1, 3_600)?,
        "idle_seconds" => settings.idle_seconds = number(value, 1, 86_400)?,
        "login_rate_per_address" => settings.login_rate_per_address = number(value, 1, 1_000_000)? as u32,
        "login_rate_per_app" => settings.login_rate_per_app = number(value, 1, 1_000_000)? as u32,
        "login_rate" => settings.login_rate = number(value, 1, 1_000_000)? as u32,
        "permit_rate" => settings.permit_rate = number(value, 1, 1_000_000)? as u32,
        "wrong_credential_rate" => settings.wrong_credential_rate = number(value, 1, 1_000_000)? as u32,
        "wechat_calls" => settings.wechat_calls = number(value, 1, 4_096)? as u32,
        "data_dir" => settings.data_dir = path(value)?,
        "database" => {
            let database = text(value)?;
            sqlite_path(database)?;
            database.clone_into(&mut settings.database);
        }
        "wechat_base_url" => settings.wechat_base_url = url(value)?,
        "wechat_proxy" => settings.wechat_proxy = Some(url(value)?),
        "master_key" => settings.master_key = Some(SecretString::from(text(value)?)),
        "master_key_file" => settings.master_key_file = Some(path(value)?),
        "master_key_previous" => settings.master_key_previous = Some(SecretString::from(text(value)?)),
        "master_key_previous_file" => settings.master_key_previous_file = Some(path(value)?),
        "node_id" => {
            let name = text(value)?;
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
                return Err("takes 1 to 64 letters, digits, - _ and dots".into());
            }
            name.clone_into(&mut settings.node_id);
        }
        "lease_seconds" => settings.lease_seconds = number(value, 1, 3_600)?,
        // The ceiling keeps one request from taking the whole memory.
        "max_body_bytes" => settings.max_body_bytes = number(value, 1_024, 256 * 1_024 * 1_024)? as usize,
        "max_in_flight" => settings.max_in_flight = number(value, 1, 65_536)? as u32,
        "connections" => settings.connections = number(value, 1, 4_096)? as u32,
        "connect_timeout_ms" => settings.connect_timeout_ms = number(value, 1, 600_000)?,
        "answer_timeout_ms" => settings.answer_timeout_ms = number(value, 1, 600_000)?,
        // A token lasts two hours.
        "token_refresh_ahead_seconds" => settings.token_refresh_ahead_seconds = number(value, 0, 3_600)?,
        // Each look costs two calls of a day's quota.
        "template_sync_seconds" => settings.template_sync_seconds = zero_or(number(value, 0, 604_800)?, 60)?,
        "reveal_access_token" => settings.reveal_access_token = flag(value)?,
        // An hour at most: nonces are kept for as long.
        "callback_window_seconds" => settings.callback_window_seconds = number(value, 10, 3_600)?,
        "session_days" => settings.session_days = number(value, 1, 3_650)? as u32,
        "mini_program_codes_per_user" => {
            settings.mini_program_codes_per_user = number(value, 1, 10_000)? as u32;
        }
        "codes_per_user" => settings.codes_per_user = number(value, 1, 100_000)? as u32,
        "retention_days" => settings.retention_days = number(value, 0, 36_500)? as u32,
        "audit_retention_days" => settings.audit_retention_days = number(value, 0, 36_500)? as u32,
        "webhook_allow_http" => settings.webhook_allow_http = flag(value)?,
        "webhook_allow_private" => settings.webhook_allow_private = flag(value)?,
        "webhook_connections" => settings.webhook_connections = number(value, 1, 64)? as u32,
        // A day less than the shortest life of a permit: none is granted too late to be told of.
        "permit_expiring_hours" => settings.permit_expiring_hours = number(value, 1, 144)? as u32,
        "stop_delay_seconds" => settings.stop_delay_seconds = number(value, 0, 3_600)?,
        "drain_seconds" => settings.drain_seconds = number(value, 0, 3_600)?,
        "log" => {
            let filter = text(value)?;
            check_log_filter(filter)?;
            filter.clone_into(&mut settings.log);
        }
        "log_format" => {
            let name = text(value)?;
            settings.log_format = [LogFormat::Auto, LogFormat::Text, LogFormat::Json]
                .into_iter()
                .find(|format| format.name() == name)
                .ok_or("takes auto, text or json")?;
        }
        _ => return Err("is not a setting".into()),
    }
    Ok(())
}

fn text(value: &Value) -> Result<&str, String> {
    match value.as_str() {
        Some("") => Err("must not be empty".into()),
        Some(text) => Ok(text),
        None => Err(format!("takes text in quotes, not {}", indefinite(value.type_str()))),
    }
}

fn path(value: &Value) -> Result<PathBuf, String> {
    text(value).map(PathBuf::from)
}

fn address(value: &Value) -> Result<SocketAddr, String> {
    text(value)?
        .parse()
        .map_err(|_| "takes an IP address and a port, like \"127.0.0.1:8780\" or \"[::1]:8780\"".into())
}

fn url(value: &Value) -> Result<Url, String> {
    let url = text(value)?.parse::<Url>().map_err(|error| format!("takes a URL: {error}"))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        _ => Err("takes an http:// or https:// URL".into()),
    }
}

/// A list in the file; in the environment, text with commas.
fn list(value: &Value) -> Result<Vec<&str>, String> {
    let wrong = || "takes a list of texts, like [\"one\", \"two\"]".to_owned();
    match value {
        Value::Array(values) => values.iter().map(|value| value.as_str().ok_or_else(wrong)).collect(),
        Value::String(text) => Ok(text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect()),
        _ => Err(wrong()),
    }
}

/// A name as browsers write it into the header `Host`, without the port.
fn host(name: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if name.is_empty() || name.len() > 253 || !name.bytes().all(plain) {
        return Err(format!("takes names of hosts without a port, and {name:?} is not one"));
    }
    Ok(name.trim_end_matches('.').to_ascii_lowercase())
}

/// One address is a network, too.
fn network(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| format!("takes IP addresses or networks like 10.0.0.0/8, and {text:?} is not one"))
}

fn number(value: &Value, least: u64, most: u64) -> Result<u64, String> {
    let number = match value {
        Value::Integer(number) => u64::try_from(*number).ok(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("takes a whole number from {least} to {most}"))
}

/// Zero, or at least this.
fn zero_or(number: u64, least: u64) -> Result<u64, String> {
    if number == 0 || number >= least { Ok(number) } else { Err(format!("takes 0, or at least {least}")) }
}

/// In the environment it is text.
fn flag(value: &Value) -> Result<bool, String> {
    match value {
        Value::Boolean(flag) => Ok(*flag),
        Value::String(text) => text.trim().parse().map_err(|_| "takes true or false".into()),
        _ => Err("takes true or false".into()),
    }
}

fn indefinite(type_name: &str) -> String {
    let article = if type_name.starts_with(['a', 'i']) { "an" } else { "a" };
    format!("{article} {type_name}")
}
