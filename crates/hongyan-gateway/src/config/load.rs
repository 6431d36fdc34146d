//! Reads settings from the file, the environment and the command line.

use std::path::{Path, PathBuf};

use toml::{Table, Value};
use url::Url;

use super::closest::closest;
use super::entries::{self, Entry, EntryKind, Given};
use super::error::ConfigError;
use super::injected::is_injected;
use super::place::Place;
use super::row::{Kind, Setting};
use super::settings::{Settings, TABLE};
use super::why::Why;

/// The prefix of all environment variables.
const PREFIX: &str = "HONGYAN_";

/// Variables that are not settings of the gateway: the path of the file, and variables of command line clients.
const NOT_SETTINGS: [&str; 3] = ["HONGYAN_CONFIG", "HONGYAN_URL", "HONGYAN_API_KEY"];

/// Reads all settings: the defaults, then `file`, then the `HONGYAN_…` variables among `env`, then `flags` (by the names of
/// the settings). Later values win.
///
/// # Errors
/// When the file cannot be read, a name is unknown or a value is not allowed. The error names the place.
pub fn load(
    file: Option<&Path>,
    env: impl IntoIterator<Item = (String, String)>,
    flags: Table,
) -> Result<Settings, ConfigError> {
    let (mut given, mut entries) = file.map(from_file).transpose()?.unwrap_or_default();
    let (mut variables, mut of_variables) = from_env(env)?;
    given.append(&mut variables);
    let file_with_secrets = entries::file_with_secrets(&entries);
    entries.append(&mut of_variables);
    given.extend(flags.into_iter().map(|(key, value)| {
        let place = Place::Flag(format!("--{}", key.replace('_', "-")));
        Given { key, value, place }
    }));

    let mut settings = Settings { file_with_secrets, entries, ..Settings::default() };
    for Given { key, value, place } in &given {
        let setting = named(key).ok_or_else(|| unknown(place.clone(), key, str::to_owned))?;
        (setting.set)(&mut settings, value).map_err(|why| ConfigError::Value {
            place: place.clone(),
            key: key.clone(),
            why,
        })?;
        if let Place::File { path, .. } = place
            && setting.kind == Kind::Secret
            && value.as_str().is_some_and(holds_secret)
        {
            settings.file_with_secrets = Some(path.clone());
        }
    }
    let both_set = |one: &str| {
        let why = Why::BothSet { one: one.to_owned(), other: format!("{one}_file") };
        Err(ConfigError::MasterKey { why })
    };
    if settings.master_key.is_some() && settings.master_key_file.is_some() {
        return both_set("master_key");
    }
    if settings.master_key_previous.is_some() && settings.master_key_previous_file.is_some() {
        return both_set("master_key_previous");
    }
    if settings.console_user_header.is_some() != settings.console_user_header_from.is_some() {
        return Err(ConfigError::UserHeader);
    }
    Ok(settings)
}

/// The entries of a file that has nothing else.
///
/// # Errors
/// When the file cannot be read, or has something else.
pub(crate) fn entries_of(path: &Path) -> Result<Vec<Entry>, ConfigError> {
    let (given, entries) = from_file(path)?;
    let Some(Given { key, place, .. }) = given.into_iter().next() else { return Ok(entries) };
    if named(&key).is_some() {
        return Err(ConfigError::Value { place, key, why: Why::SettingInSetup });
    }
    let meant = closest(&key, EntryKind::ALL.map(EntryKind::name));
    Err(ConfigError::Unknown { place, suggestion: meant.map(str::to_owned), key })
}

/// The settings and the entries of a file.
fn from_file(path: &Path) -> Result<(Vec<Given>, Vec<Entry>), ConfigError> {
    let text = read(path)?;
    let at = |offset: usize| Place::File { path: path.to_owned(), line: line_at(&text, offset) };
    let syntax = |error: &toml::de::Error| ConfigError::Syntax {
        place: at(error.span().map_or(0, |span| span.start)),
        why: error.message().to_owned(),
    };
    // The text is parsed twice: for the values, and for their places.
    let mut values: Table = toml::from_str(&text).map_err(|error| syntax(&error))?;
    let spans = toml::de::DeTable::parse(&text).map_err(|error| syntax(&error))?;
    let (mut given, mut entries) = (Vec::new(), Vec::new());
    for (key, span) in spans.get_ref() {
        let name: &str = key.get_ref();
        let Some(value) = values.remove(name) else { continue };
        let place = at(key.span().start);
        match EntryKind::from_name(name) {
            Some(kind) => {
                entries.append(&mut entries::from_tables(kind, value, span.get_ref(), &place, &at)?);
            }
            None => given.push(Given { key: name.to_owned(), value, place }),
        }
    }
    Ok((given, entries))
}

/// The settings and the entries of the variables.
fn from_env(
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<(Vec<Given>, Vec<Entry>), ConfigError> {
    let (mut given, mut members) = (Vec::new(), Vec::new());
    for (variable, text) in env {
        let Some(name) = variable.strip_prefix(PREFIX) else { continue };
        // Tests have switches of their own in the environment.
        if NOT_SETTINGS.contains(&variable.as_str()) || name.starts_with("TEST_") || name.ends_with("_TEST") {
            continue;
        }
        // Scripts set a variable to an empty text to unset it.
        if text.is_empty() {
            continue;
        }
        let lower = name.to_ascii_lowercase();
        let place = Place::Variable(variable.clone());
        if named(&lower).is_some() {
            given.push(Given { key: lower, value: Value::String(text), place });
            continue;
        }
        match lower.strip_suffix("_file").and_then(named).filter(|setting| setting.kind == Kind::Secret) {
            Some(setting) => {
                let value = Value::String(read(&PathBuf::from(text))?.trim().to_owned());
                given.push(Given { key: setting.key.to_owned(), value, place });
            }
            None if is_injected(name, &text) => {}
            None => match entries::from_variable(&lower) {
                Some((kind, key)) => members.push((kind, Given { key, value: Value::String(text), place })),
                None => {
                    return Err(unknown(place, &lower, |name| {
                        format!("{PREFIX}{}", name.to_ascii_uppercase())
                    }));
                }
            },
        }
    }
    Ok((given, entries::from_variables(members)))
}

/// Whether the value of a secret setting holds a secret. A key does; the URL of a proxy or database does if it has a password.
fn holds_secret(value: &str) -> bool {
    Url::parse(value).map_or(true, |url| url.password().is_some())
}

fn named(key: &str) -> Option<&'static Setting<Settings>> {
    TABLE.iter().find(|setting| setting.key == key)
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path)
        .map_err(|error| ConfigError::Unreadable { path: path.to_owned(), why: error.to_string() })
}

fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|&byte| byte == b'\n').count() + 1
}

/// The names that other programs use for these settings.
const ELSEWHERE: [(&str, &str); 8] = [
    ("address", "listen"),
    ("bind", "listen"),
    ("database_path", "database"),
    ("database_url", "database"),
    ("host", "listen"),
    ("log_level", "log"),
    ("port", "listen"),
    ("wechat_url", "wechat_base_url"),
];

fn unknown(place: Place, key: &str, written: impl Fn(&str) -> String) -> ConfigError {
    let elsewhere = ELSEWHERE.iter().find(|(name, _)| *name == key).map(|&(_, ours)| ours);
    let members = || EntryKind::ALL.into_iter().flat_map(|kind| kind.members().map(move |name| (kind, name)));
    let names: Vec<String> = match &place {
        Place::Variable(_) => members().map(|(kind, name)| format!("{}_{name}", kind.name())).collect(),
        Place::File { .. } | Place::Flag(_) => EntryKind::ALL.map(|kind| kind.name().to_owned()).into(),
    };
    let known = TABLE.iter().map(|setting| setting.key).chain(names.iter().map(String::as_str));
    let meant = elsewhere.or_else(|| closest(key, known));
    let suggestion = meant.map(&written);
    ConfigError::Unknown { key: written(key), suggestion, place }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use secrecy::ExposeSecret;

    use super::super::example_toml;
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn from_toml(text: &str) -> Result<Settings, ConfigError> {
        load(Some(file(text).path()), [], Table::new())
    }

    fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_example_file_is_current_and_states_the_defaults() {
        let example = example_toml();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../hongyan.example.toml");
        assert_eq!(
            std::fs::read_to_string(path).unwrap(),
            example,
            "write example_toml() to hongyan.example.toml"
        );
        let settings = from_toml(&example).unwrap();
        assert_eq!(format!("{settings:?}"), format!("{:?}", Settings::default()));
    }

    #[test]
    fn the_example_file_covers_every_setting() {
        let shown = format!("{:#?}", Settings::default());
        let fields: Vec<&str> = shown
            .lines()
            .filter_map(|line| line.strip_prefix("    ").filter(|line| !line.starts_with(' ')))
            .filter_map(|line| line.split_once(": ").map(|(name, _)| name))
            .collect();
        let keys: Vec<&str> = TABLE.iter().map(|setting| setting.key).collect();
        assert_eq!(fields, keys);
        let example = example_toml();
        assert!(keys.iter().all(
            |key| example.contains(&format!("\n{key} = ")) || example.contains(&format!("\n# {key} = "))
        ));
    }

    #[test]
    fn later_places_win() {
        let file = file("listen = \"127.0.0.1:1\"\nconnections = 2\nlog = \"warn\"");
        let variables = env(&[("HONGYAN_CONNECTIONS", "3"), ("HONGYAN_LOG", "debug"), ("PATH", "/bin")]);
        let flags = Table::from_iter([("log".to_owned(), Value::from("trace"))]);
        let settings = load(Some(file.path()), variables, flags).unwrap();
        assert_eq!(settings.listen.port(), 1);
        assert_eq!(settings.connections, 3);
        assert_eq!(settings.log, "trace");
    }

    #[test]
    fn the_database_follows_the_data_directory_unless_it_is_set() {
        let settings = from_toml("data_dir = \"/var/lib/hongyan\"").unwrap();
        assert_eq!(settings.sqlite_path().unwrap(), Path::new("/var/lib/hongyan/hongyan.db"));
        let settings = from_toml("database = \"sqlite:/tmp/x.db\"\ndata_dir = \"/var/lib/hongyan\"").unwrap();
        assert_eq!(settings.sqlite_path().unwrap(), Path::new("/tmp/x.db"));
    }

    #[test]
    fn an_error_names_file_line_and_key_and_suggests_another() {
        let file = file("# mine\nlisten = \"127.0.0.1:1\"\n\nconections = 3\n");
        let error = load(Some(file.path()), [], Table::new()).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "{}, line 4: unknown setting conections; did you mean connections?",
                file.path().display()
            )
        );
        let error = from_toml("[server]\nport = 1").unwrap_err().to_string();
        assert!(error.ends_with("line 1: unknown setting server"), "{error}");
        let error = from_toml("\nconnections = \"many\"").unwrap_err().to_string();
        assert!(error.ends_with("line 2: connections: takes a whole number from 1 to 4096"), "{error}");
        let error = from_toml("log = \"info\"\nlisten = ").unwrap_err().to_string();
        assert!(error.contains("line 2: not TOML"), "{error}");
        let error = load(Some(Path::new("/nowhere/hongyan.toml")), [], Table::new()).unwrap_err().to_string();
        assert!(error.starts_with("cannot read /nowhere/hongyan.toml: "), "{error}");
    }

    #[test]
    fn an_unknown_variable_is_an_error_and_known_client_variables_are_not() {
        let error = load(None, env(&[("HONGYAN_LISTN", "x")]), Table::new()).unwrap_err().to_string();
        assert_eq!(
            error,
            "environment variable HONGYAN_LISTN: unknown setting HONGYAN_LISTN; did you mean HONGYAN_LISTEN?"
        );
        let clients = env(&[("HONGYAN_URL", "x"), ("HONGYAN_API_KEY", "x"), ("HONGYAN_CONFIG", "x")]);
        assert!(load(None, clients, Table::new()).is_ok());
        let error =
            load(None, [], Table::from_iter([("data-dri".to_owned(), Value::from("x"))])).unwrap_err();
        assert!(error.to_string().starts_with("flag --data-dri: "), "{error}");
    }

    #[test]
    fn a_secret_may_be_in_a_separate_file() {
        let secret = file("http://user:sesame@127.0.0.1:3128\n");
        let path = secret.path().to_str().unwrap();
        let settings = load(None, env(&[("HONGYAN_WECHAT_PROXY_FILE", path)]), Table::new()).unwrap();
        assert_eq!(settings.wechat_proxy.as_ref().unwrap().password(), Some("sesame"));
        assert!(!format!("{settings:?}").contains("sesame"));
        let settings = load(None, env(&[("HONGYAN_MASTER_KEY_FILE", path)]), Table::new()).unwrap();
        assert_eq!(settings.master_key_file.unwrap(), secret.path());
        let settings = load(None, env(&[("HONGYAN_MASTER_KEY", "00ff")]), Table::new()).unwrap();
        assert!(!format!("{settings:?}").contains("00ff"));
        assert_eq!(settings.master_key.unwrap().expose_secret(), "00ff");
        let both = env(&[("HONGYAN_MASTER_KEY", "00"), ("HONGYAN_MASTER_KEY_FILE", path)]);
        assert!(load(None, both, Table::new()).unwrap_err().to_string().contains("both set"));
        let previous = env(&[("HONGYAN_MASTER_KEY_PREVIOUS_FILE", path)]);
        assert_eq!(
            load(None, previous, Table::new()).unwrap().master_key_previous_file.unwrap(),
            secret.path()
        );
        let both = env(&[("HONGYAN_MASTER_KEY_PREVIOUS", "00"), ("HONGYAN_MASTER_KEY_PREVIOUS_FILE", path)]);
        assert!(load(None, both, Table::new()).is_err());
        assert!(load(None, env(&[("HONGYAN_LISTEN_FILE", path)]), Table::new()).is_err());
    }

    #[test]
    fn a_file_that_holds_a_secret_is_known() {
        for secret in ["master_key = \"00ff\"", "wechat_proxy = \"http://user:pass@127.0.0.1:3128\""] {
            let file = file(secret);
            let settings = load(Some(file.path()), [], Table::new()).unwrap();
            assert_eq!(settings.file_with_secrets.as_deref(), Some(file.path()), "{secret}");
        }
        for plain in [
            "wechat_proxy = \"http://127.0.0.1:3128\"",
            "database = \"sqlite:/tmp/x.db\"",
            "master_key_file = \"/run/secrets/key\"",
        ] {
            assert_eq!(from_toml(plain).unwrap().file_with_secrets, None, "{plain}");
        }
        let elsewhere = env(&[("HONGYAN_MASTER_KEY", "00ff")]);
        assert_eq!(load(None, elsewhere, Table::new()).unwrap().file_with_secrets, None);
    }

    #[test]
    fn a_users_header_needs_the_addresses_that_may_send_it() {
        let both = "console_user_header = \"X-User\"\nconsole_user_header_from = [\"10.0.0.5\"]";
        let settings = from_toml(both).unwrap();
        assert_eq!(settings.console_user_header.unwrap(), "x-user");
        for one in both.lines() {
            assert_eq!(from_toml(one).unwrap_err(), ConfigError::UserHeader, "{one}");
        }
        assert!(from_toml("console_user_header = \"no header\"").is_err());
    }

    #[test]
    fn postgresql_is_refused_with_a_reason_and_without_the_password() {
        let error = from_toml("database = \"postgres://me:secret@db/x\"").unwrap_err().to_string();
        assert!(error.contains("SQLite only") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn variables_of_kubernetes_and_docker_are_ignored_and_settings_are_not() {
        let injected = env(&[
            ("HONGYAN_SERVICE_HOST", "10.0.0.11"),
            ("HONGYAN_SERVICE_PORT_HTTP", "8780"),
            ("HONGYAN_PORT", "tcp://10.0.0.11:8780"),
            ("HONGYAN_PORT_8780_TCP_ADDR", "10.0.0.11"),
            ("HONGYAN_ENV_LISTEN", "x"),
            ("HONGYAN_LISTEN", "127.0.0.1:1"),
        ]);
        assert_eq!(load(None, injected, Table::new()).unwrap().listen.port(), 1);
        let written = load(None, env(&[("HONGYAN_PORT", "8780")]), Table::new()).unwrap_err().to_string();
        assert!(written.ends_with("did you mean HONGYAN_LISTEN?"), "{written}");
    }

    #[test]
    fn an_unknown_log_level_is_refused_in_every_place() {
        let error = from_toml("\nlog = \"warning\"").unwrap_err().to_string();
        assert!(error.contains("line 2: log: takes") && error.ends_with("did you mean warn?"), "{error}");
        let error = load(None, env(&[("HONGYAN_LOG", "hongyan_gatway=debug")]), Table::new());
        assert!(error.unwrap_err().to_string().contains("hongyan_gateway"));
        let error = load(None, env(&[("HONGYAN_LOG_LEVEL", "info")]), Table::new());
        assert!(error.unwrap_err().to_string().ends_with("did you mean HONGYAN_LOG?"));
    }
}
