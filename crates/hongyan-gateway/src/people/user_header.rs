//! People whom a reverse proxy has logged in: the proxy names them in a header.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::config::Settings;

/// The header that names a person, and who may send it.
#[derive(Debug, Clone)]
pub struct UserHeader {
    name: HeaderName,
    from: Vec<IpNet>,
}

impl UserHeader {
    /// The header of the settings. It is off unless both settings are set.
    pub(crate) fn new(settings: &Settings) -> Option<Self> {
        let name = settings.console_user_header.clone()?;
        let from = settings.console_user_header_from.clone()?;
        Some(Self { name, from })
    }

    /// The name in the header, if `peer`, the other end of the connection itself, may send it. A header that is empty names
    /// nobody. A name that cannot be read, or of several, is `Some("")`: the proxy wants to name somebody, and fails.
    pub fn named<'a>(&self, peer: IpAddr, headers: &'a HeaderMap) -> Option<&'a str> {
        let peer = peer.to_canonical();
        if !self.from.iter().any(|network| network.contains(&peer)) {
            return None;
        }
        let mut values = headers.get_all(&self.name).iter().filter(|value| !value.is_empty());
        let first = values.next()?;
        let name = std::str::from_utf8(first.as_bytes()).unwrap_or_default();
        Some(if values.next().is_none() { name } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn named(peer: &str, values: &[&str]) -> Option<String> {
        let settings = Settings {
            console_user_header: Some(HeaderName::from_static("x-forwarded-user")),
            console_user_header_from: Some(vec!["10.0.0.5/32".parse().unwrap()]),
            ..Settings::default()
        };
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("x-forwarded-user", HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let header = UserHeader::new(&settings).unwrap();
        header.named(peer.parse().unwrap(), &headers).map(str::to_owned)
    }

    #[test]
    fn a_header_names_a_person_only_from_the_proxys_own_address() {
        assert_eq!(named("10.0.0.5", &["lihua"]).as_deref(), Some("lihua"));
        assert_eq!(named("::ffff:10.0.0.5", &["李华"]).as_deref(), Some("李华"));
        assert_eq!(named("10.0.0.6", &["lihua"]), None);
        assert_eq!(named("127.0.0.1", &["lihua"]), None);
        assert_eq!(named("10.0.0.5", &[]), None);
        assert_eq!(named("10.0.0.5", &[""]), None);
        assert_eq!(named("10.0.0.5", &["lihua", "admin"]).as_deref(), Some(""), "two names name nobody");
        assert!(UserHeader::new(&Settings::default()).is_none(), "it is off by default");
    }
}
