//! HTTPS for SDKs that insist on it: served beside HTTP, with a certificate that can be replaced while the gateway runs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio_rustls::TlsConnector;

use crate::process::{Server, create_key, hongyan, run, serve};
use crate::world::{PATIENCE, eventually};

/// The longest time of a handshake.
const HANDSHAKE: std::time::Duration = std::time::Duration::from_secs(3);

/// No server answers at this address.
const NOWHERE: &str = "http://127.0.0.1:9";

struct Pair {
    certificate: CertificateDer<'static>,
    pem: String,
    key: String,
}

fn pem(label: &str, der: &[u8]) -> String {
    let mut lines = format!("-----BEGIN {label}-----\n");
    for line in STANDARD.encode(der).as_bytes().chunks(64) {
        lines.push_str(std::str::from_utf8(line).unwrap());
        lines.push('\n');
    }
    lines + &format!("-----END {label}-----\n")
}

fn new_pair() -> Pair {
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let certificate = CertificateDer::from(certificate);
    Pair { pem: pem("CERTIFICATE", &certificate), certificate, key: pem("PRIVATE KEY", &key.serialize_der()) }
}

/// Writes a certificate and its key to these paths.
pub fn write_new_pair(certificate: &Path, key: &Path) {
    Files { certificate: certificate.to_owned(), key: key.to_owned() }.write(&new_pair());
}

struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn in_dir(dir: &Path) -> Self {
        Self { certificate: dir.join("certificate.pem"), key: dir.join("key.pem") }
    }

    fn write(&self, pair: &Pair) {
        std::fs::write(&self.certificate, &pair.pem).unwrap();
        std::fs::write(&self.key, &pair.key).unwrap();
    }

    /// A gateway that serves HTTPS with these files.
    fn serve(&self, dir: &Path) -> Command {
        let mut command = serve(dir, NOWHERE);
        command
            .env("HONGYAN_TLS_LISTEN", "127.0.0.1:0")
            .env("HONGYAN_TLS_CERTIFICATE", &self.certificate)
            .env("HONGYAN_TLS_KEY", &self.key);
        command
    }
}

/// Requests `/livez` as a client that trusts this certificate. Returns the answer, or the error.
async fn ask(address: SocketAddr, trusted: &CertificateDer<'static>) -> Result<String, String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|error| error.to_string())?;
    let request = "GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.map_err(|error| error.to_string())?;
    Ok(answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn https_is_served_and_its_certificate_is_replaced_on_a_hangup() {
    let dir = tempfile::tempdir().unwrap();
    let files = Files::in_dir(dir.path());
    let (first, second) = (new_pair(), new_pair());
    files.write(&first);
    let server = Server::start(&mut files.serve(dir.path())).await;
    let url = server.url("gateway_tls");
    let address: SocketAddr = url.strip_prefix("https://").unwrap().parse().unwrap();
    assert!(ask(address, &first.certificate).await.unwrap().starts_with("HTTP/1.1 200 OK"));
    assert!(ask(address, &second.certificate).await.is_err());

    // A client that connects and sends nothing does not delay others.
    let _silent = TcpStream::connect(address).await.unwrap();
    let hang_up = async || {
        let pid = server.pid().to_string();
        assert!(Command::new("kill").args(["-s", "HUP", &pid]).status().await.unwrap().success());
    };
    // Files that do not belong together do not replace the files in use.
    std::fs::write(&files.certificate, &second.pem).unwrap();
    hang_up().await;
    assert!(ask(address, &first.certificate).await.unwrap().starts_with("HTTP/1.1 200 OK"));
    files.write(&second);
    hang_up().await;
    let trusted = async || json!(ask(address, &second.certificate).await.is_ok());
    eventually(trusted, |is_trusted| *is_trusted == Value::Bool(true)).await;
    assert!(server.signal("TERM").await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_handshakes_keep_nobody_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let files = Files::in_dir(dir.path());
    let pair = new_pair();
    files.write(&pair);
    // Places for eight handshakes.
    let server = Server::start(files.serve(dir.path()).env("HONGYAN_MAX_CONNECTIONS", "16")).await;
    let url = server.url("gateway_tls");
    let address: SocketAddr = url.strip_prefix("https://").unwrap().parse().unwrap();
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let began = tokio::time::Instant::now();
    let answer = ask(address, &pair.certificate).await.unwrap();
    let took = began.elapsed();
    assert!(took < HANDSHAKE, "{took:?}: the request did not wait for the end of other handshakes");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains("strict-transport-security: max-age="), "{answer}");
    // Each of the silent connections is closed in time.
    for stream in &mut silent {
        let _ = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 16]))
            .await
            .expect("the connection is closed");
    }
    assert!(server.signal("TERM").await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_trusts_a_private_ca_that_it_is_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let files = Files::in_dir(dir.path());
    files.write(&new_pair());
    let gateway = Server::start(&mut files.serve(dir.path())).await;
    let key = create_key(dir.path()).await;
    let url = gateway.url("gateway_tls").replace("127.0.0.1", "localhost");
    let list = || {
        let mut command = hongyan(&["app", "list", "--json"]);
        command.env("HONGYAN_URL", &url).env("HONGYAN_API_KEY", &key);
        command
    };
    assert_eq!(
        run(&mut list()).await.status.code(),
        Some(1),
        "the certificate is not from a public authority"
    );
    let flag = run(list().arg("--ca-file").arg(&files.certificate)).await;
    assert!(flag.status.success(), "{flag:?}");
    for variable in ["HONGYAN_CA_FILE", "SSL_CERT_FILE"] {
        assert!(run(list().env(variable, &files.certificate)).await.status.success(), "{variable}");
    }
    let wrong = run(list().arg("--ca-file").arg(&files.key)).await;
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
    assert!(gateway.signal("TERM").await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_used_are_named_and_nothing_starts() {
    let dir = tempfile::tempdir().unwrap();
    let files = Files::in_dir(dir.path());
    let (first, second) = (new_pair(), new_pair());
    let refused = async |command: &mut Command| {
        let output = run(command).await;
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{words}");
        assert!(!words.contains("-----BEGIN"), "the error quotes nothing of the files: {words}");
        words
    };
    let words = refused(&mut files.serve(dir.path())).await;
    assert!(words.contains("certificate.pem") && words.contains("No such file"), "{words}");
    files.write(&first);
    std::fs::write(&files.key, &second.key).unwrap();
    let words = refused(&mut files.serve(dir.path())).await;
    assert!(words.contains("key.pem does not belong to the certificate"), "{words}");
    std::fs::write(&files.key, "nothing").unwrap();
    let words = refused(&mut files.serve(dir.path())).await;
    assert!(words.contains("key.pem does not contain a private key"), "{words}");
    std::fs::write(&files.certificate, "nothing").unwrap();
    let words = refused(&mut files.serve(dir.path())).await;
    assert!(words.contains("certificate.pem does not contain a certificate"), "{words}");
    let words = refused(files.serve(dir.path()).env_remove("HONGYAN_TLS_KEY")).await;
    assert!(words.contains("tls_listen, tls_certificate and tls_key go together"), "{words}");
}
