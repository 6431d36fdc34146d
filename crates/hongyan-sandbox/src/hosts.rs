//! The host names that the sandbox accepts.

use std::net::IpAddr;

use http::uri::Authority;

/// WeChat's own hosts. A machine's hosts file may point them here, for an SDK with a fixed URL. Outside of this machine
/// only WeChat controls these names.
const WECHATS: &str = ".weixin.qq.com";

/// The host names that the sandbox accepts, besides IP addresses and `localhost`.
#[derive(Debug, Default)]
pub(crate) struct Hosts(Vec<String>);

impl Hosts {
    pub(crate) fn new(names: Vec<String>) -> Self {
        Self(names.into_iter().map(|name| name.trim().trim_end_matches('.').to_ascii_lowercase()).collect())
    }

    /// Whether this `Host`, with or without a port, means this sandbox.
    pub(crate) fn has(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else { return false };
        let name = authority.host().trim_end_matches('.').to_ascii_lowercase();
        let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&name);
        address.parse::<IpAddr>().is_ok()
            || name == "localhost"
            || name.ends_with(".localhost")
            || name.ends_with(WECHATS)
            || self.0.contains(&name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_an_address_localhost_or_a_name_that_was_given() {
        let hosts = Hosts::new(vec!["WeChat".into(), "box.example.".into()]);
        for good in [
            "127.0.0.1:8790",
            "127.0.0.1",
            "192.168.1.7:80",
            "[::1]:8790",
            "[::1]",
            "localhost:8790",
            "LocalHost",
            "localhost.",
            "app.localhost:1",
            "wechat:8790",
            "box.example",
            "BOX.example:443",
            "api.weixin.qq.com",
        ] {
            assert!(hosts.has(good), "{good}");
        }
        for bad in [
            "evil.example",
            "evil.example:8790",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "api.weixin.qq.com.evil.example",
            "evilweixin.qq.com",
            "",
            "?",
            "a b",
            "127.0.0.1@evil.example",
        ] {
            assert!(!hosts.has(bad), "{bad}");
        }
    }
}
