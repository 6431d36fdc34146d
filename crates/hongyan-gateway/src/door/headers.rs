//! The headers of every request and answer: a request names its host; an answer tells browsers what they must not do.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, Version};

use crate::problem::Problem;

/// For every answer that is not a page of the gateway: no content of the answer may run, and no page may frame it.
const NO_PAGE: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";

/// A year, the recommended value.
const ALWAYS_HTTPS: &str = "max-age=31536000";

/// Checks the host of a request.
///
/// 1. There is exactly one header `Host` (RFC 9112, section 3.2). HTTP/1.0 requests may omit it, unless names are set.
/// 2. The value is a host, with or without a port.
/// 3. If names are set, the host is one of these names, an IP address, or `localhost`.
pub(super) fn check_host<B>(request: &Request<B>, names: Option<&[String]>) -> Result<(), Problem> {
    let mut given = request.headers().get_all(HOST).iter();
    let bad = |detail: &str| Problem::new(StatusCode::BAD_REQUEST, "invalid_host", detail);
    let host = match (given.next(), given.next()) {
        (Some(host), None) => host,
        (None, _) if request.version() < Version::HTTP_11 && names.is_none() => return Ok(()),
        (None, _) => return Err(bad("the header Host is missing")),
        (Some(_), Some(_)) => return Err(bad("there is more than one header Host")),
    };
    let host = name_of(host).ok_or_else(|| bad("the header Host does not hold a valid host"))?;
    // A host in the request line takes precedence over the header.
    let host = request.uri().host().unwrap_or(host);
    if names.is_none_or(|names| answers_to(host, names)) {
        return Ok(());
    }
    let detail = "this server does not serve the host of this request; the setting `hosts` lists the names that it \
                  serves";
    Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "wrong_host", detail))
}

/// The host without its port. Only the characters of DNS names and container names are accepted.
fn name_of(host: &HeaderValue) -> Option<&str> {
    let text = host.to_str().ok()?;
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let end = rest.find(']')?;
            rest[..end].parse::<Ipv6Addr>().ok()?;
            text.split_at(end + 2)
        }
        None => {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            if name.is_empty() || !name.bytes().all(plain) {
                return None;
            }
            (name, port)
        }
    };
    // A colon without a port is allowed.
    let is_port = match port.strip_prefix(':') {
        None => port.is_empty(),
        Some(number) => {
            number.is_empty()
                || (number.bytes().all(|byte| byte.is_ascii_digit()) && number.parse::<u16>().is_ok())
        }
    };
    is_port.then_some(name)
}

fn answers_to(host: &str, names: &[String]) -> bool {
    let host = host.trim_end_matches('.');
    let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || inside.parse::<IpAddr>().is_ok()
        || names.iter().any(|name| name.eq_ignore_ascii_case(host))
}

/// Adds the headers that are missing.
pub(super) fn secure(headers: &mut HeaderMap, over_tls: bool) {
    // Grow the map once: for these headers and the request id.
    headers.reserve(5);
    let mut add = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    add(X_CONTENT_TYPE_OPTIONS, "nosniff");
    add(REFERRER_POLICY, "no-referrer");
    add(CACHE_CONTROL, "no-store");
    add(CONTENT_SECURITY_POLICY, NO_PAGE);
    if over_tls {
        add(STRICT_TRANSPORT_SECURITY, ALWAYS_HTTPS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hosts: &[&'static str], names: Option<&[&str]>) -> Result<(), (u16, &'static str)> {
        let mut request = Request::get("/").body(()).unwrap();
        for host in hosts {
            request.headers_mut().append(HOST, HeaderValue::from_static(host));
        }
        let names = names.map(|names| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        check_host(&request, names.as_deref()).map_err(|problem| (problem.status.as_u16(), problem.code))
    }

    #[test]
    fn a_request_is_for_one_host() {
        for host in ["example.com", "example.com:8780", "[::1]:8780", "127.0.0.1", "my_service:80"] {
            assert_eq!(check(&[host], None), Ok(()), "{host}");
        }
        for hosts in [
            &[][..],
            &["a", "b"],
            &["a", "a"],
            &[""],
            &["a b"],
            &["u@a"],
            &["a/b"],
            &["a:b"],
            &["a:65536"],
            &["a:+1"],
            &["[::1"],
            &["[a]"],
            &["[::1]x"],
            &["a,b"],
        ] {
            assert_eq!(check(hosts, None), Err((400, "invalid_host")), "{hosts:?}");
        }
        let mut old = Request::get("/").version(Version::HTTP_10).body(()).unwrap();
        assert!(check_host(&old, None).is_ok());
        assert!(check_host(&old, Some(&[])).is_err());
        old.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
        assert!(check_host(&old, Some(&[])).is_ok());
    }

    #[test]
    fn names_can_be_set_and_addresses_and_localhost_are_always_among_them() {
        let names = Some(&["gateway.example.com"][..]);
        for host in
            ["gateway.example.com", "GATEWAY.example.com:80", "gateway.example.com.", "127.0.0.1:1", "[::1]"]
        {
            assert_eq!(check(&[host], names), Ok(()), "{host}");
        }
        assert_eq!(check(&["localhost:8780"], Some(&[])), Ok(()));
        for host in [
            "evil.example",
            "localhost.evil.example",
            "gateway.example.com.evil.example",
            "127.0.0.1.evil.example",
        ] {
            assert_eq!(check(&[host], names), Err((421, "wrong_host")), "{host}");
        }
    }

    #[test]
    fn the_first_lines_own_host_counts_for_more() {
        let mut request = Request::get("http://evil.example/").body(()).unwrap();
        request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
        assert_eq!(check_host(&request, Some(&[])).unwrap_err().code, "wrong_host");
    }

    #[test]
    fn what_an_answer_says_itself_is_kept() {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        secure(&mut headers, false);
        assert_eq!(headers[CACHE_CONTROL], "no-cache");
        assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert!(!headers.contains_key(STRICT_TRANSPORT_SECURITY));
        secure(&mut headers, true);
        assert_eq!(headers[STRICT_TRANSPORT_SECURITY], ALWAYS_HTTPS);
    }
}
