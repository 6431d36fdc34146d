//! HTTPS, for SDKs that accept only https URLs: with your certificate, or with a certificate made at the start.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a client may take for the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The line length of PEM.
const PEM_LINE: usize = 64;
/// The names in a made certificate, besides the configured names: this machine, and WeChat's host, which a hosts file may
/// point to this machine.
const NAMES: [&str; 4] = ["localhost", "127.0.0.1", "::1", "api.weixin.qq.com"];

/// Why there is no HTTPS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One of the two texts is not PEM of its kind.
    #[error("{0}")]
    Pem(&'static str),
    /// The key belongs to another certificate, or its kind is not supported.
    #[error("the certificate and its key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
    /// A certificate cannot contain such a name.
    #[error("no certificate can be made for these names: {0}")]
    Making(#[from] rcgen::Error),
}

/// A certificate in use.
#[derive(Debug, Clone)]
pub struct Tls(Arc<ServerConfig>);

impl Tls {
    /// Uses a certificate (and its chain) and a key, both as PEM.
    ///
    /// # Errors
    /// When they are not PEM, or do not belong together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|_| TlsError::Pem("the certificate is not PEM"))?;
        if chain.is_empty() {
            return Err(TlsError::Pem("the certificate's file contains no certificate (BEGIN CERTIFICATE)"));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| {
            TlsError::Pem("the key's file contains no key (BEGIN PRIVATE KEY, without a password)")
        })?;
        Self::of(chain, key)
    }

    /// Makes a certificate for this machine, WeChat's host and these names. Also returns, as PEM, the CA that a client
    /// must trust. The CA's key is dropped when this returns: the CA signs nothing else.
    ///
    /// # Errors
    /// When a certificate cannot contain a name.
    pub fn made(names: &[String]) -> Result<(Self, String), TlsError> {
        let authority_key = KeyPair::generate()?;
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.distinguished_name.push(DnType::CommonName, "Hongyan sandbox, made at its start");
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let pem = pem_of(authority.self_signed(&authority_key)?.der());
        let issuer = Issuer::new(authority, authority_key);

        let key = KeyPair::generate()?;
        let names: Vec<String> =
            NAMES.iter().map(|name| (*name).to_owned()).chain(names.iter().cloned()).collect();
        let mut leaf = CertificateParams::new(names)?;
        leaf.distinguished_name.push(DnType::CommonName, "Hongyan sandbox");
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        let chain = vec![leaf.signed_by(&key, &issuer)?.der().clone()];
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        Ok((Self::of(chain, key)?, pem))
    }

    fn of(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, TlsError> {
        let mut config = ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    /// Does the handshake; `None` if the handshake fails or takes too long, which the log reports.
    pub(crate) async fn accept(&self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.0));
        match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
        None
    }
}

fn pem_of(certificate: &CertificateDer<'_>) -> String {
    let text = STANDARD.encode(certificate);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in text.as_bytes().chunks(PEM_LINE) {
        writeln!(pem, "{}", String::from_utf8_lossy(line)).expect("writing to a string cannot fail");
    }
    pem + "-----END CERTIFICATE-----\n"
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Empty};
    use hyper_rustls::HttpsConnectorBuilder;
    use hyper_util::client::legacy::Client;
    use hyper_util::rt::TokioExecutor;
    use rustls::{ClientConfig, RootCertStore};
    use serde_json::Value;
    use tokio::net::TcpListener;

    use super::*;
    use crate::testing::Platform;
    use crate::{Listening, Sandbox, SandboxConfig};

    /// Gets the seed over HTTPS, and trusts only this CA.
    async fn seed(port: u16, host: &str, authority: &str) -> Result<Value, String> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build::<_, Empty<bytes::Bytes>>(connector);
        let url = format!("https://{host}:{port}/_sandbox/seed").parse().unwrap();
        let answer = client.get(url).await.map_err(|error| format!("{error:?}"))?;
        let body = answer.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        serde_json::from_slice(&body).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn an_sdk_that_insists_on_https_is_answered_beside_one_that_does_not() {
        let (tls, authority) = Tls::made(&["box.example".to_owned()]).unwrap();
        let sandbox = Sandbox::new(SandboxConfig::new(hongyan_clock::Clock::system())).unwrap();
        let platform = Platform::of(sandbox.clone());
        let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let https = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = https.local_addr().unwrap().port();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let listening = Listening { http, https: Some((https, tls)) };
        let serving = tokio::spawn(sandbox.serve_on(listening, async { drop(stopped.await) }));
        for host in ["127.0.0.1", "localhost"] {
            assert_eq!(seed(port, host, &authority).await.unwrap()["appid"], platform.seed.appid, "{host}");
        }
        let (_, stranger) = Tls::made(&[]).unwrap();
        let refused = seed(port, "localhost", &stranger).await.unwrap_err();
        assert!(refused.contains("UnknownIssuer") || refused.contains("BadSignature"), "{refused}");
        stop.send(()).unwrap();
        serving.await.unwrap().unwrap();
    }

    #[test]
    fn a_certificate_that_cannot_be_used_is_explained() {
        let made = || {
            let key = KeyPair::generate().unwrap();
            let certificate =
                CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
            let key = format!(
                "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
                STANDARD.encode(key.serialize_der())
            );
            (pem_of(certificate.der()), key)
        };
        let ((certificate, key), (_, other)) = (made(), made());
        assert!(Tls::from_pem(certificate.as_bytes(), key.as_bytes()).is_ok());
        let why = |certificate: &str, key: &str| {
            Tls::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap_err().to_string()
        };
        assert!(why("", &key).contains("BEGIN CERTIFICATE"));
        assert!(why(&certificate, "").contains("BEGIN PRIVATE KEY"));
        assert!(why(&certificate, &other).contains("cannot be used"));
        assert!(!why(&key, &key).contains(&key[40..60]), "the error must not repeat a file's content");
    }
}
