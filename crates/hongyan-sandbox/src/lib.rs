//! WeChat simulated, with the phone.
//!
//! A platform with a memory: it hands out tokens, login codes, form ids and subscriptions, counts and expires them
//! by WeChat's rules, takes messages at WeChat's own paths, and shows on a page what the user's phone would show.
//! Whoever talks to WeChat can talk to this instead, offline, and can make its time pass and its connections fail.
//!
//! It is not a proxy (nothing here ever asks the real WeChat) and not a stub: an answer follows from what happened
//! before, never from a list of canned ones.
//!
//! | module | holds |
//! | --- | --- |
//! | `state` | the memory and WeChat's rules, pure: tokens, codes, forms, subscriptions, templates, inbox |
//! | `wechat_api` | WeChat's paths, one file per family of calls |
//! | `control` | `/_sandbox/…`: what the user does, what they saw, time, faults |
//! | `chaos` | the rules for faults on purpose |
//! | `complaints` | what WeChat would have minded about a request that passed here |
//! | `magic` | ids that always end in the same way |
//! | `phone`, `backend` | the files of the phone's page, and its way to the mini program's back end |
//! | `pusher` | brings events to the apps' callbacks |
//! | `inner` | what all requests share |
//! | `server` | the accept loop, which can kill a connection without an answer |
//! | `guard`, `hosts` | who may ask: no web page of somebody else's; under which names |
//! | `limits` | how much is kept of each thing |
//! | `tls` | HTTPS, with a certificate of its own if wanted |
//! | `persist` | the memory in a file |
//! | `pages` | the front page, the inbox, the phone, the phones side by side |

mod backend;
mod chaos;
mod complaints;
mod config;
mod control;
mod error;
mod guard;
mod hosts;
mod http_client;
mod inner;
mod limits;
mod magic;
mod pages;
mod persist;
mod phone;
mod pusher;
mod random;
mod server;
mod state;
#[cfg(test)]
mod testing;
mod tls;
mod wechat_api;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State as Shared};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::get;
use tokio::net::TcpListener;
use url::Url;

pub use crate::config::SandboxConfig;
pub use crate::control::{calls_in_chinese, description};
pub use crate::error::SandboxError;
use crate::inner::Inner;
pub use crate::limits::Limits;
pub use crate::server::Listening;
use crate::state::State;
pub use crate::state::seed::Seed;
pub use crate::tls::{Tls, TlsError};

/// A simulated platform. A handle: clones share one memory.
#[derive(Debug, Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
    /// Further pages for people.
    pages: Router,
}

impl Sandbox {
    /// A sandbox with the memory of the state file, or a fresh one.
    pub fn new(config: SandboxConfig) -> Result<Self, SandboxError> {
        let saved = config.state_file.as_deref().map(persist::load).transpose()?.flatten();
        let mut state = saved.unwrap_or_else(State::fresh);
        state.limits = config.limits;
        Ok(Self { inner: Arc::new(Inner::new(config, state)), pages: Router::new() })
    }

    /// Also serves these pages. The same rules say who may ask for them.
    #[must_use]
    pub fn with_pages(self, pages: Router) -> Self {
        Self { pages, ..self }
    }

    /// Everything it answers: WeChat's paths, `/_sandbox`, `/phone`, `/backend`, `/livez`, `/readyz` and the pages. Faults that
    /// kill a connection need [`serve`](Self::serve); everything else works without.
    pub fn router(&self) -> Router {
        let inner = Arc::clone(&self.inner);
        Router::new()
            .merge(pages::routes())
            .merge(phone::routes())
            .merge(backend::routes())
            // `hongyan healthcheck` asks the gateway in the same way.
            .route("/livez", get(async || "ok"))
            .route("/readyz", get(async || "ok"))
            .nest("/_sandbox", control::routes())
            .fallback(other_path)
            .with_state(Arc::clone(&inner))
            .merge(self.pages.clone())
            .layer(from_fn_with_state(inner, guard::guard))
    }

    /// Serves until `stop` resolves. Then open connections end, event streams and hanging requests among them, and
    /// the memory is saved if there is a file for it.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), SandboxError> {
        self.serve_on(Listening { http: listener, https: None }, stop).await
    }

    /// The same, with HTTPS beside HTTP if it is wanted.
    pub async fn serve_on(
        self,
        listening: Listening,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), SandboxError> {
        self.inner.stopping.send_replace(false);
        let most = self.inner.limits.connections;
        let served = server::serve(listening, self.router(), most, self.inner.stopping.clone(), stop).await;
        self.save()?;
        served.map_err(SandboxError::Listen)
    }

    /// The app, the user and the templates that a fresh sandbox has.
    #[allow(clippy::unused_self)] // the names are the same for every sandbox today, which callers need not know
    pub fn seed(&self) -> Seed {
        Seed::constant()
    }

    /// Names the mini program's back end, if its address is known only later.
    pub fn set_backend(&self, url: Url) {
        self.inner.set_backend(url);
    }

    /// Writes the memory to the state file now; does nothing if there is none.
    pub fn save(&self) -> Result<(), SandboxError> {
        let Some(path) = &self.inner.state_file else { return Ok(()) };
        let bytes = persist::to_bytes(&self.inner.state());
        persist::save(path, &bytes)
    }
}

/// WeChat's paths go to the platform; anything else does not exist.
async fn other_path(shared: Shared<Arc<Inner>>, request: Request) -> Response {
    if wechat_api::is_wechats(request.uri().path()) {
        wechat_api::answer(shared, request).await
    } else {
        control::no_such_path(request.uri().path())
    }
}
