//! One request, on a kept connection if a connection can be trusted, otherwise on a new connection.
//!
//! Only this file decides whether a request on a dying connection is sent again.

use http::{Request, Response};
use hyper::body::{Body, Incoming};

use crate::connection::{Connection, Lost, Patience};

/// Whether a request that was written on a kept connection may be sent again on a new connection, if the kept connection
/// died without a byte of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Never: the request may have been carried out, and a second time would do harm.
    Never,
    /// If the server closed the connection: the request only reads, or doing it twice is the same as doing it once (RFC
    /// 9110, section 9.2.2).
    IfHungUp,
}

/// An answer whose body has not arrived yet.
pub struct Answering<B> {
    /// The head, and the body as a stream.
    pub response: Response<Incoming>,
    /// The connection that carries the body.
    pub connection: Connection<B>,
}

/// Sends a request, once as far as the server can tell: on the kept connection, if there is one. Sends the request a
/// second time, on a new connection, only if nothing was written on the first or if the request may be repeated.
///
/// The second send uses the request itself if the kept connection gave it back, otherwise `spare`; without either the
/// first failure is final. `connect` makes a connection, or says in words why it cannot.
///
/// # Errors
/// When there is no answer; the variant says whether anything was written.
pub async fn converse<B, F>(
    kept: Option<Connection<B>>,
    mut request: Request<B>,
    spare: impl FnOnce() -> Option<Request<B>>,
    repeat: Repeat,
    connect: impl FnOnce() -> F,
    patience: &impl Patience,
) -> Result<Answering<B>, Lost<B>>
where
    B: Body + 'static,
    F: Future<Output = Result<Connection<B>, String>>,
{
    if let Some(mut connection) = kept {
        let mut lost = match connection.ask(request, patience).await {
            Ok(response) => return Ok(Answering { response, connection }),
            Err(lost) => lost,
        };
        let again = match &mut lost {
            // The server had closed the idle connection. This is normal.
            Lost::NotWritten { request, .. } => request.take().map(|request| *request).or_else(spare),
            Lost::HungUp(_) if repeat == Repeat::IfHungUp => spare(),
            Lost::HungUp(_) | Lost::Unanswered(_) => None,
        };
        let Some(again) = again else { return Err(lost) };
        request = again;
    }
    let mut connection = connect().await.map_err(|why| Lost::NotWritten { request: None, why })?;
    let response = connection.ask(request, patience).await?;
    Ok(Answering { response, connection })
}
