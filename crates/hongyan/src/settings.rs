//! The gateway's settings, from the command line, the environment and the file.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hongyan_gateway::config::{self, ConfigError, Settings};
use toml::{Table, Value};

use crate::cli::ConfigArgs;
use crate::output::warn;

/// Read when no other file is named, if it is there.
const DEFAULT_FILE: &str = "hongyan.toml";

/// Variables with our prefix that the clients here read. The gateway would take them for misspelt settings.
const CLIENT_VARIABLES: [&str; 3] = ["HONGYAN_APP_SECRET", "HONGYAN_CA_FILE", "HONGYAN_INSECURE_HTTP"];

/// Reads the settings. `listen` is a flag that only some commands have.
///
/// # Errors
/// When a file cannot be read or a setting is wrong; the error says which, and where it stands.
pub(crate) fn load(args: &ConfigArgs, listen: Option<SocketAddr>) -> Result<Settings, ConfigError> {
    let default = Path::new(DEFAULT_FILE);
    let named = args.config.clone().or_else(|| variable("HONGYAN_CONFIG").map(PathBuf::from));
    let file = named.as_deref().or_else(|| default.exists().then_some(default));
    let listen = listen.map(|address| address.to_string());
    let flags = [
        ("listen", listen.as_deref()),
        ("data_dir", args.data_dir.as_deref()),
        ("database", args.database.as_deref()),
        ("wechat_base_url", args.wechat_base_url.as_deref()),
    ];
    let flags: Table = flags
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| (name.to_owned(), Value::from(value))))
        .collect();
    config::load(file, environment(), flags)
}

/// A variable that is set to something: an empty one is how scripts unset one.
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The environment, as far as it is text.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        if CLIENT_VARIABLES.contains(&name.as_str()) {
            return None;
        }
        match value.into_string() {
            Ok(value) => Some((name, value)),
            Err(_) if name.starts_with("HONGYAN_") => {
                warn(&format!("the environment variable {name} is not UTF-8 and is ignored"));
                None
            }
            Err(_) => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_become_settings() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("h.toml");
        std::fs::write(&file, "node_id = \"left\"\nlisten = \"127.0.0.1:1\"").unwrap();
        let args = ConfigArgs {
            config: Some(file),
            data_dir: Some("somewhere".into()),
            database: None,
            wechat_base_url: Some("http://127.0.0.1:8790".into()),
        };
        let settings = load(&args, Some("127.0.0.1:2".parse().unwrap())).unwrap();
        assert_eq!(settings.listen.port(), 2);
        assert_eq!(settings.node_id, "left");
        assert_eq!(settings.database, "sqlite:somewhere/hongyan.db");
        assert_eq!(settings.wechat_base_url.as_str(), "http://127.0.0.1:8790/");
    }

    #[test]
    fn a_file_that_was_named_must_be_there() {
        let args = ConfigArgs {
            config: Some("/nowhere/hongyan.toml".into()),
            data_dir: None,
            database: None,
            wechat_base_url: None,
        };
        assert!(load(&args, None).is_err());
    }
}
