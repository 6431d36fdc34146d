//! The addresses that requests to webhooks may go to.
//!
//! A person who may set up webhooks could otherwise make the gateway send requests to any host that its network reaches
//! (SSRF). So requests to loopback, private networks and metadata services are refused. A name is resolved once for each
//! connection, every resolved address is checked, and the connection goes to one of the checked addresses. A name that
//! resolves differently a moment later (DNS rebinding) therefore gains nothing.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower::{Service, ServiceExt};
use url::{Host, Url};

use super::invalid_url::{InvalidUrl, MAX_URL_BYTES};
use crate::config::Settings;

/// What is allowed beyond `https` to public addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AddressRules {
    /// Also `http`.
    pub allow_http: bool,
    /// Also addresses that are not public.
    pub allow_private: bool,
}

impl AddressRules {
    /// The rules of these settings.
    pub const fn of(settings: &Settings) -> Self {
        Self { allow_http: settings.webhook_allow_http, allow_private: settings.webhook_allow_private }
    }

    /// Parses the URL of a webhook.
    ///
    /// # Errors
    /// When the URL breaks a rule that can be checked without DNS.
    pub fn check(self, url: &str) -> Result<Url, InvalidUrl> {
        if url.len() > MAX_URL_BYTES {
            return Err(InvalidUrl::TooLong);
        }
        let url: Url = url.parse().map_err(|_| InvalidUrl::Malformed)?;
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http => {}
            _ => return Err(InvalidUrl::NotHttps),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidUrl::UserInfo);
        }
        if url.fragment().is_some() {
            return Err(InvalidUrl::Fragment);
        }
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) => None,
            None => return Err(InvalidUrl::Malformed),
        };
        if address.is_some_and(|address| !self.allows(address)) {
            return Err(InvalidUrl::Private);
        }
        Ok(url)
    }

    fn allows(self, address: IpAddr) -> bool {
        self.allow_private || is_public(address)
    }
}

/// Whether an address belongs to the public internet. Source: the special-purpose registries of RFC 6890.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        // "This network", and multicast, reserved and broadcast.
        || a == 0
        || a >= 224
        // Shared by the customers of a carrier (RFC 6598).
        || (a == 100 && (64..128).contains(&b))
        // Protocol assignments.
        || (a == 192 && b == 0 && c == 0)
        // Relays of 6to4, deprecated by RFC 7526: their routes may lead anywhere.
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19)))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // Only 2000::/3 has been allocated. Loopback, unique local, link local and multicast lie outside, and so do IPv4
    // addresses in IPv6 form (mapped, compatible, translated). 6to4 and Teredo, which also contain an IPv4 address, and
    // documentation lie inside.
    segments[0] & 0xe000 == 0x2000
        && segments[0] != 0x2002
        && !(segments[0] == 0x2001 && (segments[1] < 0x0200 || segments[1] == 0x0db8))
        && segments[0] != 0x3fff
}

/// Resolves names, and refuses names that resolve to an address that is not allowed.
#[derive(Clone, Debug)]
pub(super) struct Resolver {
    rules: AddressRules,
    system: GaiResolver,
}

impl Resolver {
    pub(super) fn new(rules: AddressRules) -> Self {
        Self { rules, system: GaiResolver::new() }
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, io::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let Self { rules, system } = self.clone();
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = system.oneshot(name).await?.collect();
            // A single forbidden address among the resolved addresses makes the name suspicious, so the name is refused.
            if addresses.iter().all(|address| rules.allows(address.ip())) {
                Ok(addresses.into_iter())
            } else {
                Err(io::Error::new(io::ErrorKind::PermissionDenied, InvalidUrl::Private))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: AddressRules = AddressRules { allow_http: false, allow_private: false };

    #[test]
    fn addresses_inside_are_told_from_those_outside() {
        for inside in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::8.8.8.8",
            "64:ff9b::7f00:1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for outside in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.32.0.1",
            "223.255.255.254",
            "2606:4700::1111",
            "2001:4860:4860::8888",
        ] {
            assert!(is_public(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn a_url_is_https_to_a_public_host_and_holds_no_secret() {
        let long = format!("https://example.com/{}", "a".repeat(MAX_URL_BYTES));
        for (url, why) in [
            ("", InvalidUrl::Malformed),
            ("example.com", InvalidUrl::Malformed),
            (&*long, InvalidUrl::TooLong),
            ("http://example.com/", InvalidUrl::NotHttps),
            ("ftp://example.com/", InvalidUrl::NotHttps),
            ("https://user:password@example.com/", InvalidUrl::UserInfo),
            ("https://user@example.com/", InvalidUrl::UserInfo),
            ("https://example.com/#here", InvalidUrl::Fragment),
            ("https://127.0.0.1/", InvalidUrl::Private),
            ("https://2130706433/", InvalidUrl::Private),
            ("https://0x7f.1/", InvalidUrl::Private),
            ("https://[::1]:8443/", InvalidUrl::Private),
            ("https://[::ffff:10.0.0.1]/", InvalidUrl::Private),
            ("https://169.254.169.254/latest/meta-data", InvalidUrl::Private),
        ] {
            assert_eq!(STRICT.check(url), Err(why), "{url}");
        }
        assert!(STRICT.check("https://example.com/hooks?from=hongyan").is_ok());
        let lenient = AddressRules { allow_http: true, allow_private: true };
        assert!(lenient.check("http://127.0.0.1:9000/").is_ok());
        assert!(AddressRules { allow_http: true, ..STRICT }.check("http://127.0.0.1/").is_err());
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_connected_to() {
        let name = || "localhost".parse::<Name>().unwrap();
        let refused = Resolver::new(STRICT).oneshot(name()).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        let allowed =
            Resolver::new(AddressRules { allow_private: true, ..STRICT }).oneshot(name()).await.unwrap();
        assert!(allowed.count() > 0);
    }
}
