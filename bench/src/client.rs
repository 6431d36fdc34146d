//! A kept connection that sends one request at a time.

use std::fmt::Display;
use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::Result;

/// A server, and the headers of every request to it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    address: SocketAddr,
    host: HeaderValue,
    authorization: Option<HeaderValue>,
}

impl Target {
    /// The server at `http://ADDRESS:PORT`.
    pub(crate) fn new(url: &str) -> Result<Self> {
        let host = url.trim_start_matches("http://").trim_end_matches('/');
        let address = host.parse().map_err(|error| format!("{url}: {error}"))?;
        let host = HeaderValue::from_str(host).map_err(|error| format!("{url}: {error}"))?;
        Ok(Self { address, host, authorization: None })
    }

    /// The same server, with this API key in each request.
    pub(crate) fn with_key(self, key: &str) -> Result<Self> {
        let value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|error| error.to_string())?;
        Ok(Self { authorization: Some(value), ..self })
    }

    /// The same server, without a key.
    pub(crate) fn without_key(&self) -> Self {
        Self { authorization: None, ..self.clone() }
    }

    /// Opens a connection.
    pub(crate) async fn connect(&self) -> Result<Connection> {
        let failed = |error: &dyn Display| format!("cannot connect to {}: {error}", self.address);
        let stream = TcpStream::connect(self.address).await.map_err(|error| failed(&error))?;
        stream.set_nodelay(true).map_err(|error| failed(&error))?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
        // The task ends when the sender is dropped. An error fails the request that is under way.
        tokio::spawn(connection);
        Ok(Connection { sender, target: self.clone() })
    }
}

/// A kept connection.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    target: Target,
}

impl Connection {
    /// Sends one request and returns the answer's body. Another status than `expected` is an error.
    pub(crate) async fn post(&mut self, path: &str, body: Bytes, expected: StatusCode) -> Result<Bytes> {
        self.send(Method::POST, path, None, body, expected).await
    }

    /// Sends one request and returns status and body of any answer.
    pub(crate) async fn ask(
        &mut self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes)> {
        self.exchange(method, path, key, body).await
    }

    /// Like [`Self::post`], with the method `PATCH`.
    pub(crate) async fn patch(&mut self, path: &str, body: Bytes, expected: StatusCode) -> Result<Bytes> {
        self.send(Method::PATCH, path, None, body, expected).await
    }

    /// Like [`Self::post`], with an idempotency key.
    pub(crate) async fn post_once(
        &mut self,
        path: &str,
        key: &str,
        body: Bytes,
        expected: StatusCode,
    ) -> Result<Bytes> {
        self.send(Method::POST, path, Some(key), body, expected).await
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Bytes,
        expected: StatusCode,
    ) -> Result<Bytes> {
        let (status, body) = self.exchange(method, path, key, body).await?;
        if status == expected {
            Ok(body)
        } else {
            Err(format!("{path}: {status}: {}", String::from_utf8_lossy(&body)))
        }
    }

    async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes)> {
        let failed = |error: &dyn Display| format!("{path}: {error}");
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(value) = &self.target.authorization {
            request = request.header(http::header::AUTHORIZATION, value);
        }
        if let Some(key) = key {
            request = request.header(HeaderName::from_static("idempotency-key"), key);
        }
        let request = request.body(Full::new(body)).map_err(|error| failed(&error))?;
        let answer = self.request(request).await.map_err(|error| failed(&error))?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(|error| failed(&error))?.to_bytes();
        Ok((status, body))
    }

    /// The answer to a request, as soon as its head is there.
    pub(crate) async fn request(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> hyper::Result<Response<Incoming>> {
        request.headers_mut().insert(http::header::HOST, self.target.host.clone());
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }
}
