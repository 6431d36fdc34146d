//! The certificate of the TLS listener, for SDKs that insist on https.
//!
//! The certificate is reloaded when its files change and on request: tools that renew certificates replace the files, and
//! some send SIGHUP. If the new files cannot be used, the old certificate stays.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::{ConfigError, Settings, Why};

/// How often the files are checked for changes.
const LOOK: Duration = Duration::from_secs(30);

/// The certificate in use, and its files.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    config: ArcSwap<ServerConfig>,
    /// The state of the files when they were last read with success.
    read: Mutex<Stamp>,
}

/// The data that change when a file changes.
type Stamp = [Option<(SystemTime, u64)>; 2];

impl Tls {
    /// The certificate and the address of the settings; `None` if there is no TLS listener.
    ///
    /// # Errors
    /// When only some of the settings are set, or the files cannot be used.
    pub fn open(settings: &Settings) -> Result<Option<(SocketAddr, Arc<Self>)>, ConfigError> {
        let Settings { tls_listen, tls_certificate, tls_key, .. } = settings;
        let (listen, certificate, key) = match (tls_listen, tls_certificate, tls_key) {
            (None, None, None) => return Ok(None),
            (Some(listen), Some(certificate), Some(key)) => (*listen, certificate.clone(), key.clone()),
            _ => return Err(wrong(Why::TlsInPart)),
        };
        let stamp = stamp(&certificate, &key);
        let config = ArcSwap::from_pointee(load(&certificate, &key)?);
        Ok(Some((listen, Arc::new(Self { certificate, key, config, read: Mutex::new(stamp) }))))
    }

    /// Accepts handshakes with the current certificate.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }

    /// Reloads the files. Open connections keep their certificate.
    ///
    /// # Errors
    /// When the files cannot be used; the old certificate stays in use.
    pub fn reload(&self) -> Result<(), ConfigError> {
        // Read before the files, so that a change in between is found by the next check.
        let stamp = stamp(&self.certificate, &self.key);
        self.config.store(Arc::new(load(&self.certificate, &self.key)?));
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = stamp;
        tracing::info!(certificate = %self.certificate.display(), "the TLS certificate was reloaded");
        Ok(())
    }

    /// Reloads the files whenever they change. Runs until it is dropped.
    pub async fn keep_current(&self) {
        let mut refused = None;
        loop {
            tokio::time::sleep(LOOK).await;
            let now = stamp(&self.certificate, &self.key);
            let known = *self.read.lock().unwrap_or_else(PoisonError::into_inner);
            // Files that were refused are not read again until they change.
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

const fn wrong(why: Why) -> ConfigError {
    ConfigError::Tls { why }
}

fn load(certificate: &Path, key: &Path) -> Result<ServerConfig, ConfigError> {
    let read = |path: &Path| {
        std::fs::read(path)
            .map_err(|error| ConfigError::Unreadable { path: path.to_owned(), why: error.to_string() })
    };
    let (chain, private) = (read(certificate)?, read(key)?);
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&chain)
        .collect::<Result<_, _>>()
        // The parser's error may quote a line of the file, which may be the wrong file.
        .map_err(|_| wrong(Why::NoPem(certificate.to_owned())))?;
    if chain.is_empty() {
        return Err(wrong(Why::NoCertificate(certificate.to_owned())));
    }
    let private =
        PrivateKeyDer::from_pem_slice(&private).map_err(|_| wrong(Why::NoPrivateKey(key.to_owned())))?;
    let mut config = ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(Why::Rustls(error.to_string())))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                Why::OtherCertificate { key: key.to_owned(), certificate: certificate.to_owned() }
            }
            other => Why::BadCertificate { certificate: certificate.to_owned(), why: other.to_string() },
        })
        .map_err(wrong)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
