//! One request, on a kept connection if there is one to be trusted, otherwise on a new one.
//!
//! This is the one place that decides whether a request that met a dying connection is asked again.

use http::{Request, Response};
use hyper::body::{Body, Incoming};

use crate::connection::{Connection, Lost, Patience};

/// Whether a request that was written on a kept connection may be asked again on a new one, if the kept one died without
/// a byte of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Nobody knows whether it was carried out, and that would matter.
    Never,
    /// It only reads, or doing it twice is the same as doing it once (RFC 9110, section 9.2.2).
    IfHungUp,
}

/// An answer whose body is still to come.
pub struct Answering<B> {
    /// Its head, and its body as it comes in.
    pub response: Response<Incoming>,
    /// What the body comes in on.
    pub connection: Connection<B>,
}

/// Asks, once as far as the other end can tell: on the kept connection, if there is one, and a second time on a new one
/// only if nothing was written on the first or the request may be repeated.
///
/// What goes out a second time is the request itself if the kept connection gave it back, otherwise `spare`; without
/// either the first failure is the last. `connect` makes a connection, or says in words why there is none.
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
            // The other end had hung up while the connection was idle. Happens to the best.
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
