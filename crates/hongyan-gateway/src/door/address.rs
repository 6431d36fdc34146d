//! The address that a request comes from, also behind a proxy.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address, in the extensions of each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

/// The other end of the connection itself, in the extensions of each request. No header has a say in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// The last address in `X-Forwarded-For` that is not a trusted proxy. Earlier addresses come from the sender and are not
/// trusted.
pub(super) fn of(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> ClientAddress {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    let mut client = peer.to_canonical();
    if is_trusted(&client) {
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        let texts = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        for text in texts {
            let Some(address) = parse(text.trim()) else { break };
            client = address;
            if !is_trusted(&client) {
                break;
            }
        }
    }
    ClientAddress(client)
}

/// Some proxies add a port.
fn parse(text: &str) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>().ok();
    let address = address.or_else(|| Some(text.parse::<std::net::SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
}

impl<S: Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // The door inserts an address into every request.
        Ok(parts.extensions.get().copied().unwrap_or(Self(Ipv4Addr::UNSPECIFIED.into())))
    }
}

impl ClientAddress {
    /// The unit that rates count: an address, or a 64-bit network of IPv6, which belongs to one customer.
    pub(crate) fn sender(self) -> IpAddr {
        match self.0 {
            IpAddr::V4(_) => self.0,
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::config::Settings;

    fn client(peer: &str, forwarded: &[&'static str]) -> String {
        client_behind(&Settings::default().trusted_proxies, peer, forwarded)
    }

    fn client_behind(trusted: &[IpNet], peer: &str, forwarded: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(line));
        }
        of(peer.parse().unwrap(), &headers, trusted).0.to_string()
    }

    #[test]
    fn a_trusted_proxy_says_who_it_is_and_a_stranger_does_not() {
        assert_eq!(client("127.0.0.1", &[]), "127.0.0.1");
        assert_eq!(client("127.0.0.1", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(client("::ffff:127.0.0.1", &["203.0.113.9:4711"]), "203.0.113.9");
        assert_eq!(client("198.51.100.7", &["203.0.113.9"]), "198.51.100.7");
    }

    #[test]
    fn a_private_address_is_a_strangers_unless_it_is_named() {
        // The bridge of a container network, the router of a cluster, a neighbour in the same network.
        for peer in ["172.17.0.1", "10.0.0.3", "192.168.1.1", "fd00::1", "169.254.0.1", "::ffff:10.0.0.3"] {
            let own: IpAddr = peer.parse().unwrap();
            assert_eq!(client(peer, &["203.0.113.9"]), own.to_canonical().to_string());
        }
        let bridge = ["172.17.0.1/32".parse().unwrap()];
        assert_eq!(client_behind(&bridge, "172.17.0.1", &["203.0.113.9"]), "203.0.113.9");
    }

    #[test]
    fn what_stands_before_the_first_stranger_is_made_up() {
        assert_eq!(client("127.0.0.1", &["192.0.2.1, 203.0.113.9, 127.0.0.3"]), "203.0.113.9");
        assert_eq!(client("127.0.0.1", &["192.0.2.1", "203.0.113.9"]), "203.0.113.9");
        assert_eq!(client("127.0.0.1", &["192.0.2.1, unknown, 10.0.0.3"]), "10.0.0.3");
    }

    #[test]
    fn an_ipv6_network_is_one_sender() {
        let sender = |text: &str| ClientAddress(text.parse().unwrap()).sender();
        assert_eq!(sender("2001:db8:1:2:3:4:5:6"), sender("2001:db8:1:2::9"));
        assert_ne!(sender("2001:db8:1:2::9"), sender("2001:db8:1:3::9"));
    }
}
