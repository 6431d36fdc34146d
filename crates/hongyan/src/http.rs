//! HTTP calls to a gateway, for the client commands and for the tutorial's back end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ::http::header::{AUTHORIZATION, CONTENT_TYPE};
use ::http::{HeaderValue, Method, Request, StatusCode};
use bytes::Bytes;
use hongyan_http::with_causes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::{Host, Url};

use crate::cli::RemoteArgs;
use crate::explain::explain;
use crate::failure::Failure;
use crate::listen::base;
use crate::settings::variable;
use crate::text::{Text, say};
use crate::version;

/// The address of a gateway with default settings.
const DEFAULT_URL: &str = "http://127.0.0.1:8780";

/// Longer than the longest wait that the gateway grants (30 s).
const PATIENCE: Duration = Duration::from_secs(40);

/// Larger than any answer of the gateway to these calls.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// A gateway and its API key. Clones share connections.
#[derive(Clone)]
pub(crate) struct Api {
    url: Url,
    key: SecretString,
    client: HttpClient,
}

/// A client for http and https.
pub(crate) type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// An answer of the gateway.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// What another version of the gateway has to do with a refusal.
enum OtherVersion {
    /// The call does not exist: nothing else needs to be said.
    HasNot(Text),
    /// The versions differ, which may be the cause.
    Differs(Text),
}

impl OtherVersion {
    fn with(self, refusal: &Text) -> Text {
        match self {
            Self::HasNot(text) => text,
            Self::Differs(text) => say!("{refusal}\n  （{text}）", "{refusal}\n  ({text})"; refusal, text),
        }
    }
}

/// The error of a request without an answer.
#[derive(Debug)]
pub(crate) struct NoAnswer {
    /// The reason, in words.
    pub(crate) why: Text,
    /// Whether the gateway may have read the request: there was a connection.
    pub(crate) was_written: bool,
}

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.why.shown())
    }
}

impl Api {
    /// The gateway at `url`.
    ///
    /// # Errors
    /// When the key contains characters that a header cannot hold.
    pub(crate) fn new(url: Url, key: SecretString) -> Result<Self, Failure> {
        Self::trusting(url, key, None)
    }

    /// A gateway whose public calls are made without a key.
    ///
    /// # Errors
    /// When the file of CA certificates cannot be used.
    pub(crate) fn public(url: Url, ca_file: Option<&Path>) -> Result<Self, Failure> {
        Self::trusting(url, SecretString::default(), ca_file)
    }

    /// A client that trusts only the certificates in a file.
    fn trusting(url: Url, key: SecretString, ca_file: Option<&Path>) -> Result<Self, Failure> {
        if HeaderValue::from_str(key.expose_secret()).is_err() {
            return Err(Failure::usage(say!(
                "API key 里有不该有的字符",
                "the API key has characters that a key cannot have"
            )));
        }
        Ok(Self { url, key, client: client(ca_file)? })
    }

    /// The gateway that the flags name, with the key in `HONGYAN_API_KEY`.
    ///
    /// # Errors
    /// When there is no key, or when the key would go unencrypted to another machine.
    pub(crate) fn remote(args: &RemoteArgs) -> Result<Self, Failure> {
        let url = match (&args.url, variable("HONGYAN_URL")) {
            (Some(url), _) => url.clone(),
            (None, Some(text)) => text.to_str().and_then(|text| text.parse().ok()).ok_or_else(|| {
                Failure::usage(say!(
                    "HONGYAN_URL 不是合法的 URL；例如 http://127.0.0.1:8780",
                    "HONGYAN_URL is not a valid URL; write a URL like http://127.0.0.1:8780"
                ))
            })?,
            (None, None) => DEFAULT_URL.parse().expect("a constant that is a URL"),
        };
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(Failure::usage(say!(
                "{url} 不是网关的 http:// 或 https:// 地址",
                "{url} is not an http:// or https:// URL of a gateway"
            )));
        }
        let is_allowed =
            args.insecure_http || variable("HONGYAN_INSECURE_HTTP").is_some_and(|value| value == "true");
        if is_clear(&url) && !is_allowed {
            return Err(Failure::usage(say!(
                "{url} 在另一台机器上，http 会明文发送 API key 和全部数据；请用 https://，中间的网络可信时才用 --insecure-http",
                "{url} is on another machine, and http sends the API key and all data unencrypted; use https://, or use \
                 --insecure-http if you trust the network between"
            )));
        }
        let key = std::env::var("HONGYAN_API_KEY").ok().map(|key| key.trim().to_owned());
        let key = key.filter(|key| !key.is_empty()).ok_or_else(|| {
            Failure::usage(say!(
                "请把 HONGYAN_API_KEY 设为网关的 API key；可用 `hongyan key create --name NAME` 创建",
                "set HONGYAN_API_KEY to an API key of the gateway; `hongyan key create --name NAME` makes one"
            ))
        })?;
        let ca_file = args.ca_file.clone().map(PathBuf::into_os_string);
        let ca_file = ca_file.or_else(|| variable("HONGYAN_CA_FILE")).or_else(|| variable("SSL_CERT_FILE"));
        Self::trusting(url, key.into(), ca_file.as_deref().map(Path::new))
    }

    /// The gateway's URL.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// Sends one request; any status is a result.
    ///
    /// # Errors
    /// When no answer arrives.
    pub(crate) async fn exchange(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, NoAnswer> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", base(&self.url)));
        if !self.key.expose_secret().is_empty() {
            request = request.header(AUTHORIZATION, format!("Bearer {}", self.key.expose_secret()));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        let request = request
            .body(Full::new(body))
            .map_err(|error| NoAnswer { why: Text::same(error.to_string()), was_written: false })?;
        let exchange = async {
            let answer = self.client.request(request).await.map_err(|error| NoAnswer {
                why: Text::same(with_causes(&error)),
                was_written: !error.is_connect(),
            })?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await;
            let body = body
                .map_err(|error| NoAnswer { why: Text::same(with_causes(&*error)), was_written: true })?
                .to_bytes();
            Ok(Answer { status, body })
        };
        match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(done) => done,
            Err(_) => {
                let why = say!("{} 秒内没有应答", "no answer within {} s", PATIENCE.as_secs());
                Err(NoAnswer { why, was_written: true })
            }
        }
    }

    /// Reads something. As [`Api::call`].
    ///
    /// # Errors
    /// As [`Api::call`].
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.call(Method::GET, path, &[], None).await
    }

    /// The gateway's description of its API, which has the gateway's version.
    pub(crate) async fn description(&self) -> Option<Value> {
        let answer = self.exchange(Method::GET, "/openapi.json", &[], None).await.ok()?;
        serde_json::from_slice(&answer.body).ok()
    }

    /// Whether a refusal may come from another version of the gateway: it does not have the call, or does not know what was
    /// sent with the call.
    async fn other_version(&self, method: &Method, path: &str, status: StatusCode) -> Option<OtherVersion> {
        let suspicious = [
            StatusCode::BAD_REQUEST,
            StatusCode::NOT_FOUND,
            StatusCode::METHOD_NOT_ALLOWED,
            StatusCode::UNPROCESSABLE_ENTITY,
        ];
        if !suspicious.contains(&status) {
            return None;
        }
        let description = self.description().await?;
        let version = version::of(&description)?;
        if version::serves(&description, method, path) {
            return version::difference(version).map(OtherVersion::Differs);
        }
        let path = path.split('?').next().unwrap_or_default();
        Some(OtherVersion::HasNot(say!(
            "网关的版本是 {version}，没有这个命令需要的接口 {method} {path}；本程序的版本是 {}",
            "the gateway is version {version} and has no call {method} {path}, which this command needs; this command line is \
             version {}",
            version::OURS
        )))
    }

    /// Sends one request that must succeed, and returns the body of its answer.
    ///
    /// # Errors
    /// When no answer arrives, or when the gateway refuses; the failure holds the gateway's explanation.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let url = &self.url;
        let answer = self.exchange(method.clone(), path, headers, body).await.map_err(|none| {
            let why = none.why;
            Failure::run(say!(
                "{url} 的网关没有应答：{why}；网关在运行吗？地址用 --url 或 HONGYAN_URL 设置",
                "no answer from the gateway at {url}: {why}; is it running? set --url or HONGYAN_URL";
                why
            ))
        })?;
        let said: Option<Value> = serde_json::from_slice(&answer.body).ok();
        match said {
            // The request succeeded, and its answer has no body.
            None if answer.status == StatusCode::NO_CONTENT => Ok(Value::Null),
            Some(said) if answer.status.is_success() => Ok(said),
            Some(problem) if problem["code"].is_string() => {
                let text = explain(&problem);
                let other = self.other_version(&method, path, answer.status).await;
                Err(Failure::run(match other {
                    Some(other) => other.with(&text),
                    None => text,
                }))
            }
            _ => Err(Failure::run(say!(
                "{url} 的应答是 {}，但它不是鸿雁网关；地址用 --url 或 HONGYAN_URL 设置",
                "{url} answered {}, but it is not a Hongyan gateway; set --url or HONGYAN_URL",
                answer.status
            ))),
        }
    }
}

/// A client that trusts the public CAs, or only the certificates in a file.
///
/// # Errors
/// When the file cannot be used.
pub(crate) fn client(ca_file: Option<&Path>) -> Result<HttpClient, Failure> {
    let provider = rustls::crypto::ring::default_provider();
    let cannot =
        |error: rustls::Error| Failure::run(say!("TLS 不可用：{error}", "cannot set up TLS: {error}"));
    let builder = HttpsConnectorBuilder::new();
    let builder = match ca_file {
        None => builder.with_provider_and_webpki_roots(provider).map_err(cannot)?,
        Some(file) => {
            let config = ClientConfig::builder_with_provider(Arc::new(provider))
                .with_safe_default_protocol_versions()
                .map_err(cannot)?
                .with_root_certificates(certificates(file)?)
                .with_no_client_auth();
            builder.with_tls_config(config)
        }
    };
    let connector = builder.https_or_http().enable_http1().build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

/// Whether others can read a request to this URL on the network: http, and not on this machine.
pub(crate) fn is_clear(url: &Url) -> bool {
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => {
            address.is_loopback() || address.to_ipv4_mapped().is_some_and(|address| address.is_loopback())
        }
        None => false,
    };
    url.scheme() == "http" && !is_here
}

/// The trusted certificates of a PEM file.
fn certificates(file: &Path) -> Result<RootCertStore, Failure> {
    let cannot = |why: Text| {
        let file = file.display();
        Failure::usage(say!(
            "{file} 里的 CA 证书不可用：{why}",
            "the CA's certificates in {file} cannot be used: {why}";
            why
        ))
    };
    let unreadable = |error: &dyn std::fmt::Display| cannot(Text::same(error.to_string()));
    let mut trusted = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| unreadable(&error))? {
        let certificate = certificate.map_err(|error| unreadable(&error))?;
        trusted.add(certificate).map_err(|error| unreadable(&error))?;
    }
    if trusted.is_empty() {
        return Err(cannot(say!(
            "文件里没有证书；应为 PEM 格式（-----BEGIN CERTIFICATE-----）",
            "the file contains no certificate; it must be PEM (-----BEGIN CERTIFICATE-----)"
        )));
    }
    Ok(trusted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_beyond_this_machine_is_in_the_clear() {
        let clear = |url: &str| is_clear(&url.parse().unwrap());
        for here in [
            "http://127.0.0.1:8780",
            "http://127.9.9.9",
            "http://localhost",
            "http://[::1]:1",
            "http://a.localhost",
            "http://[::ffff:127.0.0.1]",
        ] {
            assert!(!clear(here), "{here}");
        }
        for there in [
            "http://10.0.0.1:8780",
            "http://gateway:8780",
            "http://[2001:db8::1]",
            "http://localhost.example",
        ] {
            assert!(clear(there), "{there}");
        }
        assert!(!clear("https://gateway.example"));
    }

    #[tokio::test]
    async fn a_gateway_that_is_not_there_is_named() {
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = crate::listen::url(&free).unwrap();
        drop(free);
        let api = Api::new(url.clone(), "hyk_x".into()).unwrap();
        let error = api.call(Method::GET, "/v1/apps", &[], None).await.unwrap_err().to_string();
        assert!(error.contains(url.as_str()) && error.contains("is it running"), "{error}");
    }
}
