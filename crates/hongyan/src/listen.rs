//! Listening on ports.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpListener;
use url::Url;

use crate::failure::Failure;
use crate::text::say;

/// Listens on an address. `flag` is the flag that sets the address; the error names it.
///
/// # Errors
/// When the port is in use, or when the address does not belong to this machine.
pub(crate) async fn bind(address: SocketAddr, flag: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let port = address.port();
        Failure::run(match error.kind() {
            ErrorKind::AddrInUse => say!(
                "端口 {port} 已被其他程序占用（{address}）；请停止那个程序，或用 {flag} 换一个端口，例如 {flag} {}",
                "port {port} is in use by another program ({address}); stop it, or choose another port with {flag}, \
                 for example {flag} {}",
                SocketAddr::new(address.ip(), 0),
            ),
            ErrorKind::AddrNotAvailable => say!(
                "{address} 不是本机的地址；请用 {flag} 换一个",
                "{address} is not an address of this machine; choose another with {flag}"
            ),
            ErrorKind::PermissionDenied => say!(
                "当前用户不能监听端口 {port}（{address}）；请用 {flag} 换一个 1023 以上的端口",
                "this user may not listen on port {port} ({address}); choose one above 1023 with {flag}"
            ),
            _ => say!(
                "不能监听 {address}：{error}；请用 {flag} 换一个地址",
                "cannot listen on {address}: {error}; choose another address with {flag}"
            ),
        })
    })
}

/// The URL of a listener for clients on this machine.
///
/// # Errors
/// When the system does not tell the listener's address.
pub(crate) fn url(listener: &TcpListener) -> Result<Url, Failure> {
    let address = listener
        .local_addr()
        .map_err(|error| Failure::run(say!("监听没有地址：{error}", "a listener has no address: {error}")))?;
    Ok(url_of(address))
}

/// The URL of an address for clients on this machine.
pub(crate) fn url_of(address: SocketAddr) -> Url {
    // 0.0.0.0 and [::] mean every address of the machine, so the loopback address works too.
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let text = format!("http://{}", SocketAddr::new(ip, address.port()));
    text.parse().expect("an address and a port make a URL")
}

/// A URL without its trailing slash, to append paths.
pub(crate) fn base(url: &Url) -> &str {
    url.as_str().trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_named_with_the_flag_that_changes_it() {
        let first = bind("127.0.0.1:0".parse().unwrap(), "--listen").await.unwrap();
        let address = first.local_addr().unwrap();
        let error = bind(address, "--sandbox-listen").await.unwrap_err().to_string();
        assert!(error.contains(&format!("port {} is in use", address.port())), "{error}");
        assert!(error.contains("--sandbox-listen 127.0.0.1:0"), "{error}");
    }

    #[test]
    fn every_address_is_reached_by_loopback() {
        assert_eq!(base(&url_of("0.0.0.0:8780".parse().unwrap())), "http://127.0.0.1:8780");
        assert_eq!(base(&url_of("[::]:8780".parse().unwrap())), "http://[::1]:8780");
        assert_eq!(base(&url_of("192.0.2.1:80".parse().unwrap())), "http://192.0.2.1");
    }
}
