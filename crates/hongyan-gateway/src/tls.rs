//! The certificate of the listener with TLS, for SDKs that insist on https.
//!
//! The certificate is read anew when its files change, and when somebody asks for it: those who renew certificates
//! replace files, and some send SIGHUP then. If the new ones are no use, the old one stays.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::{ConfigError, Settings};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(30);

/// The certificate in use, and where it comes from.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    config: ArcSwap<ServerConfig>,
    /// The files as they were when they were last read with success.
    read: Mutex<Stamp>,
}

/// What changes when a file does.
type Stamp = [Option<(SystemTime, u64)>; 2];

impl Tls {
    /// As the settings say; `None` if there is to be no TLS. With it comes where to listen.
    ///
    /// # Errors
    /// When only a part is set, or the files cannot be used.
    pub fn open(settings: &Settings) -> Result<Option<(SocketAddr, Arc<Self>)>, ConfigError> {
        let Settings { tls_listen, tls_certificate, tls_key, .. } = settings;
        let (listen, certificate, key) = match (tls_listen, tls_certificate, tls_key) {
            (None, None, None) => return Ok(None),
            (Some(listen), Some(certificate), Some(key)) => (*listen, certificate.clone(), key.clone()),
            _ => {
                return Err(wrong(
                    "tls_listen, tls_certificate and tls_key go together: set all three or none",
                ));
            }
        };
        let stamp = stamp(&certificate, &key);
        let config = ArcSwap::from_pointee(load(&certificate, &key)?);
        Ok(Some((listen, Arc::new(Self { certificate, key, config, read: Mutex::new(stamp) }))))
    }

    /// Shakes hands with the certificate that is in use now.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }

    /// Reads the files anew. Connections that are open keep the certificate that they began with.
    ///
    /// # Errors
    /// When they cannot be used; the certificate before stays in use.
    pub fn reload(&self) -> Result<(), ConfigError> {
        // Before they are read: a change in between is found by the next look.
        let stamp = stamp(&self.certificate, &self.key);
        self.config.store(Arc::new(load(&self.certificate, &self.key)?));
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = stamp;
        tracing::info!(certificate = %self.certificate.display(), "the TLS certificate was reloaded");
        Ok(())
    }

    /// Reads the files anew whenever they have changed. Runs until it is dropped.
    pub async fn keep_current(&self) {
        let mut refused = None;
        loop {
            tokio::time::sleep(LOOK).await;
            let now = stamp(&self.certificate, &self.key);
            let known = *self.read.lock().unwrap_or_else(PoisonError::into_inner);
            // What was refused is refused again until it changes.
            if now == known || refused == Some(now) {
                continue;
            }
            refused = None;
            if let Err(error) = self.reload() {
                tracing::error!(%error, "the TLS certificate cannot be reloaded; the old certificate stays in use");
                refused = Some(now);
            }
        }
    }
}

fn stamp(certificate: &Path, key: &Path) -> Stamp {
    [certificate, key].map(|path| {
        let file = std::fs::metadata(path).ok()?;
        Some((file.modified().ok()?, file.len()))
    })
}

fn wrong(why: impl Into<String>) -> ConfigError {
    ConfigError::Tls { why: why.into() }
}

fn load(certificate: &Path, key: &Path) -> Result<ServerConfig, ConfigError> {
    let read = |path: &Path| {
        std::fs::read(path)
            .map_err(|error| ConfigError::Unreadable { path: path.to_owned(), why: error.to_string() })
    };
    let (chain, private) = (read(certificate)?, read(key)?);
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&chain)
        .collect::<Result<_, _>>()
        // The parser's words may repeat a line of the file, which may be of another than was meant.
        .map_err(|_| wrong(format!("{} is not PEM", certificate.display())))?;
    if chain.is_empty() {
        return Err(wrong(format!(
            "{} does not contain a certificate (BEGIN CERTIFICATE)",
            certificate.display()
        )));
    }
    let private = PrivateKeyDer::from_pem_slice(&private).map_err(|_| {
        wrong(format!(
            "{} does not contain a private key (BEGIN PRIVATE KEY, without a password)",
            key.display()
        ))
    })?;
    let mut config = ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => wrong(format!(
                "the key in {} does not belong to the certificate in {}",
                key.display(),
                certificate.display()
            )),
            other => wrong(format!("{}: {other}", certificate.display())),
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
