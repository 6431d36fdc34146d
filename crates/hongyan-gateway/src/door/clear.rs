//! Warnings at the start about data that is sent or stored unencrypted.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::config::Settings;
use crate::vault::{is_readable_by_group_or_others, is_readable_by_others};

/// What others on the network, or on this machine, could read. The English is `Display`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// Requests to WeChat, at this host, are not encrypted.
    #[error(
        "wechat_base_url is http and leads to {host}: AppSecrets, access tokens and messages are sent unencrypted; use https"
    )]
    Wechat {
        /// The host.
        host: String,
    },
    /// Other machines reach the gateway without TLS.
    #[error(
        "listen is {0}, which other machines can reach, without TLS: API keys and secrets are sent unencrypted; put a TLS proxy \
         on this machine and listen on 127.0.0.1, or set tls_listen"
    )]
    Listen(SocketAddr),
    /// Other machines reach the metrics.
    #[error("admin_listen is {0}, which other machines can reach: metrics and health need no key")]
    AdminListen(SocketAddr),
    /// Other users may read the TLS key.
    #[error("the file of the TLS key, {}, can be read by other users of this machine: chmod o-rwx it", .0.display())]
    TlsKey(PathBuf),
    /// Users who do not own a configuration file with a secret may read it.
    #[error(
        "the configuration file {} holds a secret and can be read by users who do not own it: chmod 600 {}",
        .0.display(), .0.display()
    )]
    ConfigurationFile(PathBuf),
}

/// Logs every warning.
pub fn warn(settings: &Settings) {
    for warning in warnings(settings) {
        tracing::warn!("{warning}");
    }
}

/// The warnings: what others on the network, or on this machine, could read.
pub fn warnings(settings: &Settings) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let Settings { wechat_base_url, listen, tls_listen, admin_listen, .. } = settings;
    let host = wechat_base_url.host_str().unwrap_or_default();
    if wechat_base_url.scheme() == "http" && !is_this_machine(host) {
        warnings.push(Warning::Wechat { host: host.to_owned() });
    }
    if !listen.ip().is_loopback() && tls_listen.is_none() {
        warnings.push(Warning::Listen(*listen));
    }
    if let Some(admin) = admin_listen.filter(|address| !address.ip().is_loopback()) {
        warnings.push(Warning::AdminListen(admin));
    }
    if let Some(key) = settings.tls_key.as_deref().filter(|key| is_readable_by_others(key)) {
        warnings.push(Warning::TlsKey(key.to_owned()));
    }
    warnings.extend(settings.file_with_secrets.as_deref().and_then(open_to_others));
    warnings
}

/// The warning about a configuration file that holds a secret, if users who do not own the file may read it.
pub(crate) fn open_to_others(file: &Path) -> Option<Warning> {
    is_readable_by_group_or_others(file).then(|| Warning::ConfigurationFile(file.to_owned()))
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(adjust: impl FnOnce(&mut Settings)) -> Vec<String> {
        let mut settings = Settings::default();
        adjust(&mut settings);
        warnings(&settings).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_stays_on_this_machine_or_is_enciphered_is_not_worth_a_word() {
        assert!(with(|_| {}).is_empty());
        for here in ["http://127.0.0.1:8790", "http://localhost", "http://[::1]:1", "https://wechat.example"]
        {
            assert!(with(|settings| settings.wechat_base_url = here.parse().unwrap()).is_empty(), "{here}");
        }
        let both = with(|settings| {
            settings.listen = "0.0.0.0:8780".parse().unwrap();
            settings.tls_listen = Some("0.0.0.0:8743".parse().unwrap());
        });
        assert!(both.is_empty());
    }

    #[test]
    fn what_others_could_read_is_said() {
        let wechat =
            with(|settings| settings.wechat_base_url = "http://user:pw@wechat.example/".parse().unwrap());
        assert!(
            wechat.len() == 1 && wechat[0].contains("wechat.example") && !wechat[0].contains("pw"),
            "{wechat:?}"
        );
        assert_eq!(with(|settings| settings.listen = "0.0.0.0:8780".parse().unwrap()).len(), 1);
        assert_eq!(with(|settings| settings.listen = "[::]:8780".parse().unwrap()).len(), 1);
        assert_eq!(with(|settings| settings.admin_listen = Some("192.0.2.1:1".parse().unwrap())).len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_with_secrets_that_others_may_read_is_said() {
        use std::os::unix::fs::PermissionsExt;
        let file = tempfile::NamedTempFile::new().unwrap();
        let said = |mode| {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            with(|settings| settings.file_with_secrets = Some(file.path().to_owned()))
        };
        assert!(said(0o600).is_empty());
        for mode in [0o640, 0o644] {
            let open = said(mode);
            let what_to_do = format!("chmod 600 {}", file.path().display());
            assert!(open.len() == 1 && open[0].ends_with(&what_to_do), "{open:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_tls_key_that_every_user_may_read_is_said() {
        use std::os::unix::fs::PermissionsExt;
        let key = tempfile::NamedTempFile::new().unwrap();
        let said = |mode| {
            std::fs::set_permissions(key.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            with(|settings| settings.tls_key = Some(key.path().to_owned()))
        };
        assert!(said(0o600).is_empty());
        assert!(said(0o640).is_empty(), "the group may read the file: secrets are handed over that way");
        let open = said(0o644);
        assert!(open.len() == 1 && open[0].contains(&key.path().display().to_string()), "{open:?}");
    }
}
