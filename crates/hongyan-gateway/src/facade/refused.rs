//! Logs wrong secrets and tokens (target `audit`), like wrong API keys of `/v1`.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use hongyan_wechat::AppId;

use crate::audit::Limiter;
use crate::context::Context;
use crate::door::ClientAddress;
use crate::keys::beginning_of;
use crate::vault::sha256;

/// A refused credential. Carried in the answer's extensions.
#[derive(Debug, Clone)]
pub(super) struct Wrong {
    /// The kind of credential (`secret`, `token`), or why the API key is refused here.
    reason: &'static str,
    /// The app that the call named.
    app: Option<AppId>,
    /// The first digits of the credential's hash, to find it by.
    hash: String,
}

impl Wrong {
    pub(super) fn new(reason: &'static str, app: Option<&AppId>, brought: &str) -> Self {
        Self { reason, app: app.cloned(), hash: beginning_of(sha256(brought)) }
    }
}

/// Logs refused credentials at a limited rate.
pub(super) struct Noter {
    context: Context,
    limiter: Limiter,
}

impl Noter {
    pub(super) fn new(context: Context) -> Arc<Self> {
        Arc::new(Self { context, limiter: Limiter::default() })
    }
}

/// The middleware around every call of the facade.
pub(super) async fn note(
    State(noter): State<Arc<Noter>>,
    from: ClientAddress,
    request: Request,
    next: Next,
) -> Response {
    let method = request.method().clone();
    // The route's pattern, because the path itself may contain a secret.
    let path = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    let Some(wrong) = response.extensions_mut().remove::<Wrong>() else { return response };
    if let Some(held_back) = noter.limiter.may_write(noter.context.clock.now()) {
        tracing::warn!(
            target: "audit",
            reason = wrong.reason,
            key_hash = wrong.hash,
            app = wrong.app.as_ref().map(tracing::field::display),
            address = %from.0,
            %method,
            path = path.as_ref().map(MatchedPath::as_str),
            held_back,
            "a secret or token was refused at the facade"
        );
    }
    response
}
