//! The gateway's settings, from the command line, the environment and the file.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hongyan_gateway::config::{self, ConfigError, Settings};
use toml::{Table, Value};

use crate::cli::ConfigArgs;
use crate::output::warn;
use crate::text::say;

/// The default configuration file, read if it exists.
const DEFAULT_FILE: &str = "hongyan.toml";

/// Variables with the prefix HONGYAN_ that other commands read. The gateway would take them for misspelt settings.
const CLIENT_VARIABLES: [&str; 4] =
    ["HONGYAN_CA_FILE", "HONGYAN_INSECURE_HTTP", "HONGYAN_LANG", "HONGYAN_SANDBOX_HOSTS"];

/// Reads the settings. Only some commands have the flag `listen`.
///
/// # Errors
/// When a file cannot be read or a setting is wrong; the error names the setting and its place.
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
    config::load(file, environment().chain(standard_variables()), flags)
}

/// OpenTelemetry's standard variables, and the settings that they stand for.
const STANDARD: [(&str, &str); 2] = [
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "HONGYAN_OTLP_ENDPOINT"),
    ("OTEL_TRACES_SAMPLER_ARG", "HONGYAN_OTLP_SAMPLE"),
];

/// The standard variables as our own, unless our own are set.
fn standard_variables() -> impl Iterator<Item = (String, String)> {
    let is_off = variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    STANDARD
        .into_iter()
        .filter(move |(_, own)| !is_off && variable(own).is_none())
        .filter_map(|(standard, own)| Some((own.to_owned(), variable(standard)?.into_string().ok()?)))
}

/// A variable with a value: scripts unset a variable by setting it to the empty string.
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The environment variables whose names and values are text.
fn environment() -> impl Iterator<Item = (String, String)> {
    for_the_gateway(std::env::vars_os())
}

/// The variables that the gateway reads, out of all variables.
fn for_the_gateway(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> impl Iterator<Item = (String, String)> {
    variables.filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        if CLIENT_VARIABLES.contains(&name.as_str()) {
            return None;
        }
        match value.into_string() {
            Ok(value) => Some((name, value)),
            Err(_) if name.starts_with("HONGYAN_") => {
                warn(say!(
                    "环境变量 {name} 不是 UTF-8，已忽略",
                    "the environment variable {name} is not UTF-8 and is ignored"
                ));
                None
            }
            Err(_) => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory as _;

    use super::*;

    const PREFIX: &str = "HONGYAN_";

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
        assert_eq!(settings.sqlite_path().unwrap(), Path::new("somewhere/hongyan.db"));
        assert_eq!(settings.wechat_base_url.as_str(), "http://127.0.0.1:8790/");
    }

    /// The environment variables that a command and its subcommands define, and those that their help names.
    fn variables_of(command: &clap::Command, found: &mut BTreeSet<String>) {
        found.extend(
            command.get_arguments().filter_map(|arg| Some(arg.get_env()?.to_str().unwrap().to_owned())),
        );
        let help = command.clone().render_long_help().to_string();
        let words = help.split(|c: char| !(c.is_ascii_uppercase() || c == '_'));
        found.extend(
            words.filter(|word| word.len() > PREFIX.len() && word.starts_with(PREFIX)).map(str::to_owned),
        );
        for below in command.get_subcommands() {
            variables_of(below, found);
        }
    }

    #[test]
    fn no_variable_that_the_command_line_knows_is_an_unknown_setting() {
        let mut found = BTreeSet::new();
        variables_of(&crate::cli::Cli::command(), &mut found);
        for known in CLIENT_VARIABLES.into_iter().chain(["HONGYAN_URL", "HONGYAN_API_KEY", "HONGYAN_CONFIG"])
        {
            found.insert(known.to_owned());
        }
        assert!(found.contains("HONGYAN_SANDBOX_HOSTS"), "{found:?}");
        for name in found {
            let set = [(OsString::from(&name), OsString::from("wechat"))].into_iter();
            if let Err(error) = config::load(None, for_the_gateway(set), Table::new()) {
                assert!(!error.to_string().contains("unknown setting"), "{name}: {error}");
            }
        }
        let misspelt = [(OsString::from("HONGYAN_SANDBOX_HOST"), OsString::from("wechat"))].into_iter();
        let error = config::load(None, for_the_gateway(misspelt), Table::new()).unwrap_err();
        assert!(error.to_string().contains("unknown setting"), "{error}");
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
