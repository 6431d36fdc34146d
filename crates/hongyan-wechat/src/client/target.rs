//! The target of requests and their first lines, computed once when the client is made.

use base64::Engine as _;
use http::{HeaderValue, Uri};
use url::Url;

use super::config::ClientConfig;
use super::error::ClientError;

/// What all requests of a client share.
pub(super) struct Target {
    /// Scheme, host and port of the base URL: the target of connections.
    pub(super) origin: Uri,
    /// Whether connections use TLS.
    pub(super) is_https: bool,
    /// The `Host` header.
    pub(super) host: HeaderValue,
    /// The prefix of a call's path in the request line: the base URL's path; for a proxy that gets whole URLs, the origin
    /// before that path.
    prefix: String,
    /// The proxy, if there is one.
    pub(super) proxy: Option<Proxy>,
}

/// A proxy's address and credentials.
pub(super) struct Proxy {
    /// Scheme, host and port.
    pub(super) origin: Uri,
    /// The value of `Proxy-Authorization`.
    pub(super) authorization: Option<HeaderValue>,
}

impl Target {
    pub(super) fn new(config: &ClientConfig) -> Result<Self, ClientError> {
        let base = &config.base_url;
        let is_https = match base.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(ClientError::BaseUrl("must begin with https:// or http://")),
        };
        if !base.username().is_empty() || base.password().is_some() {
            return Err(ClientError::BaseUrl("must not hold a user or a password"));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(ClientError::BaseUrl("must not have a query or a fragment"));
        }
        let authority = authority(base).ok_or(ClientError::BaseUrl("must have a host"))?;
        let origin = format!("{}://{authority}", base.scheme());
        let path = base.path().trim_end_matches('/');
        let proxy = config.proxy.as_ref().map(Proxy::new).transpose()?;
        let prefix = if proxy.is_some() && !is_https { format!("{origin}{path}") } else { path.to_owned() };
        Ok(Self {
            origin: origin.parse().map_err(|_| ClientError::BaseUrl("has a host that HTTP cannot name"))?,
            is_https,
            host: HeaderValue::from_str(&authority)
                .map_err(|_| ClientError::BaseUrl("has a host that HTTP cannot name"))?,
            prefix,
            proxy,
        })
    }

    /// The URL in a request's first line. `None` if the path is invalid: it must begin with a slash and must not contain
    /// spaces or line breaks, which would end the URL or the line.
    pub(super) fn uri(&self, path_and_query: &str) -> Option<Uri> {
        if !path_and_query.starts_with('/') {
            return None;
        }
        if self.prefix.is_empty() {
            return Uri::try_from(path_and_query).ok();
        }
        let mut whole = String::with_capacity(self.prefix.len() + path_and_query.len());
        whole.push_str(&self.prefix);
        whole.push_str(path_and_query);
        Uri::try_from(whole).ok()
    }

    /// The header that each request sends to the proxy. Through a tunnel there is no such header: the CONNECT request had
    /// it.
    pub(super) fn proxy_authorization(&self) -> Option<&HeaderValue> {
        if self.is_https { None } else { self.proxy.as_ref()?.authorization.as_ref() }
    }
}

impl Proxy {
    fn new(url: &Url) -> Result<Self, ClientError> {
        if url.scheme() != "http" {
            return Err(ClientError::Proxy("must begin with http://"));
        }
        let authority = authority(url).ok_or(ClientError::Proxy("must have a host"))?;
        let origin = format!("http://{authority}")
            .parse()
            .map_err(|_| ClientError::Proxy("has a host that HTTP cannot name"))?;
        let authorization = if url.username().is_empty() && url.password().is_none() {
            None
        } else {
            let pair =
                format!("{}:{}", unescaped(url.username()), unescaped(url.password().unwrap_or_default()));
            let value = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
            let mut value =
                HeaderValue::try_from(value).expect("base64 is made of characters that a header takes");
            value.set_sensitive(true);
            Some(value)
        };
        Ok(Self { origin, authorization })
    }
}

/// `host` or `host:port`, in the form of the `Host` header.
fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

/// A user or password without URL escapes.
fn unescaped(text: &str) -> String {
    // The form decoder treats `+` and `&` specially, and a URL's user may contain both.
    let text = text.replace('+', "%2B").replace('&', "%26");
    url::form_urlencoded::parse(format!("={text}").as_bytes()).map(|(_, value)| value.into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(base: &str, proxy: Option<&str>) -> Result<Target, ClientError> {
        let mut config = ClientConfig::new(base.parse().unwrap());
        config.proxy = proxy.map(|p| p.parse().unwrap());
        Target::new(&config)
    }

    fn line(target: &Target) -> String {
        target.uri("/sns/a?b=1").unwrap().to_string()
    }

    #[test]
    fn a_direct_request_names_the_path_only() {
        let it = target("https://api.weixin.qq.com", None).unwrap();
        assert_eq!((line(&it).as_str(), it.host.to_str().unwrap()), ("/sns/a?b=1", "api.weixin.qq.com"));
        let it = target("http://[::1]:8790/wechat/", None).unwrap();
        assert_eq!((line(&it).as_str(), it.host.to_str().unwrap()), ("/wechat/sns/a?b=1", "[::1]:8790"));
    }

    #[test]
    fn a_proxy_is_asked_for_the_whole_address_unless_there_is_a_tunnel() {
        let it = target("http://sandbox:8790", Some("http://u%40x:p+%26@proxy:3128")).unwrap();
        assert_eq!(line(&it), "http://sandbox:8790/sns/a?b=1");
        let words = it.proxy_authorization().unwrap();
        assert_eq!(words, &format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("u@x:p+&")));
        let it = target("https://api.weixin.qq.com", Some("http://u:p@proxy:3128")).unwrap();
        assert_eq!(line(&it), "/sns/a?b=1");
        assert_eq!(it.proxy_authorization(), None);
        assert!(it.proxy.unwrap().authorization.is_some());
    }

    #[test]
    fn what_is_not_a_path_is_none() {
        let it = target("http://a", None).unwrap();
        for bad in ["", "sns/a", "http://b/", "/a b", "/a\r\nX: y"] {
            assert!(it.uri(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn urls_that_cannot_work_are_refused() {
        for bad in ["ftp://a", "https://u:p@a", "https://a/?b", "https://a/#b", "data:x"] {
            assert!(target(bad, None).is_err(), "{bad}");
        }
        for bad in ["https://p", "socks5://p"] {
            assert!(target("https://a", Some(bad)).is_err(), "{bad}");
        }
    }
}
