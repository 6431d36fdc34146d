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
//! | `phone`, `backend` | the phone's page, and its way to the mini program's back end |
//! | `pusher` | brings events to the apps' callbacks |
//! | `server` | the accept loop, which can kill a connection without an answer |
//! | `guard` | who may ask: no web page of somebody else's |
//! | `limits` | how much is kept of each thing |
//! | `tls` | HTTPS, with a certificate of its own if wanted |
//! | `persist` | the memory in a file |

mod backend;
mod chaos;
mod complaints;
mod control;
mod guard;
mod help;
mod limits;
mod magic;
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

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{Request, State as Shared};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use hongyan_clock::{Clock, UnixMillis};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use url::Url;

use crate::guard::Hosts;
pub use crate::limits::Limits;
use crate::state::State;
pub use crate::state::seed::Seed;
pub use crate::tls::{Tls, TlsError};

/// What a sandbox needs to know.
#[derive(Debug)]
pub struct SandboxConfig {
    /// The time it lives in. Who shares the clock shares the time that `/_sandbox/clock` sets.
    pub clock: Clock,
    /// The mini program's back end, to which the phone's page speaks through `/backend`.
    pub backend: Option<Url>,
    /// Where the memory is kept from one run to the next: read at the start if it exists, written at the stop.
    pub state_file: Option<PathBuf>,
    /// The names under which it may be asked, besides IP addresses and `localhost`.
    pub hosts: Vec<String>,
    /// How much of each thing is kept.
    pub limits: Limits,
}

impl SandboxConfig {
    /// One with this clock that keeps nothing from run to run.
    pub fn new(clock: Clock) -> Self {
        Self { clock, backend: None, state_file: None, hosts: Vec::new(), limits: Limits::default() }
    }
}

/// Where a sandbox listens.
#[derive(Debug)]
pub struct Listening {
    /// For HTTP.
    pub http: TcpListener,
    /// For HTTPS, if it is wanted.
    pub https: Option<(TcpListener, Tls)>,
}

/// Why a sandbox cannot start or cannot keep its memory.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The file cannot be read or written.
    #[error("state file {}: {source}", path.display())]
    StateFile {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file is not one of a sandbox.
    #[error("state file {} cannot be understood: {source}; delete it to begin anew", path.display())]
    StateFormat {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// The file is one of another version of the sandbox.
    #[error(
        "state file {} has version {found}, this sandbox writes version {expected}; delete it to begin anew",
        path.display()
    )]
    StateVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version that is understood.
        expected: u32,
    },
    /// The listener failed.
    #[error("the sandbox cannot accept connections: {0}")]
    Listen(std::io::Error),
}

/// A simulated platform. A handle: clones share one memory.
#[derive(Debug, Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) clock: Clock,
    /// Locked for the moment of one call, never across an await.
    state: Mutex<State>,
    /// Wakes the streams of `/_sandbox/events`.
    pub(crate) signal: watch::Sender<Signal>,
    /// True once the server is to end; hanging requests and streams watch it.
    stopping: watch::Sender<bool>,
    backend: Mutex<Option<Url>>,
    pub(crate) http: backend::HttpClient,
    state_file: Option<PathBuf>,
    pub(crate) hosts: Hosts,
    pub(crate) limits: Limits,
    /// A place for each call that is handled late.
    pub(crate) slow: Arc<Semaphore>,
    /// Makes each `rid` another one.
    rids: AtomicU32,
}

/// Counters of what has happened; a change of one is what streams wait for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Signal {
    pub(crate) messages: u64,
    pub(crate) clock: u64,
    pub(crate) resets: u64,
    pub(crate) pushes: u64,
}

impl Sandbox {
    /// A sandbox with the memory of the state file, or a fresh one.
    pub fn new(config: SandboxConfig) -> Result<Self, SandboxError> {
        let saved = config.state_file.as_deref().map(persist::load).transpose()?.flatten();
        let mut state = saved.unwrap_or_else(State::fresh);
        state.limits = config.limits;
        let inner = Inner {
            clock: config.clock,
            state: Mutex::new(state),
            signal: watch::Sender::default(),
            stopping: watch::Sender::new(false),
            backend: Mutex::new(config.backend),
            http: backend::client(),
            state_file: config.state_file,
            hosts: Hosts::new(config.hosts),
            limits: config.limits,
            slow: Arc::new(Semaphore::new(config.limits.slow)),
            rids: AtomicU32::new(u32::from_ne_bytes(random::bytes())),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Everything it answers: WeChat's paths, `/_sandbox`, `/phone`, `/backend` and a page of help. Faults that
    /// kill a connection need [`serve`](Self::serve); everything else works without.
    pub fn router(&self) -> Router {
        let inner = Arc::clone(&self.inner);
        Router::new()
            .merge(help::routes())
            .merge(phone::routes())
            .merge(backend::routes())
            .nest("/_sandbox", control::routes())
            .fallback(other_path)
            .layer(from_fn_with_state(Arc::clone(&inner), guard::guard))
            .with_state(inner)
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
        *self.inner.backend.lock().unwrap_or_else(PoisonError::into_inner) = Some(url);
    }

    /// Writes the memory to the state file now; does nothing if there is none.
    pub fn save(&self) -> Result<(), SandboxError> {
        let Some(path) = &self.inner.state_file else { return Ok(()) };
        let bytes = persist::to_bytes(&self.inner.state());
        persist::save(path, &bytes)
    }
}

impl Inner {
    /// The memory, for the moment of one call. A panic in another call does not spoil it: each change is complete
    /// before anything that could panic.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn backend(&self) -> Option<Url> {
        self.backend.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Resolves once the server is to end.
    pub(crate) async fn stopped(&self) {
        let mut stopping = self.stopping.subscribe();
        // The sender lives in `self`, so this only ends by the value.
        let _ = stopping.wait_for(|stop| *stop).await;
    }

    /// A request id in WeChat's shape: the time in seconds and two more numbers, in hexadecimal.
    pub(crate) fn next_rid(&self, now: UnixMillis) -> String {
        let number = self.rids.fetch_add(1, Ordering::Relaxed);
        // Odd, so that consecutive numbers give different texts that do not look consecutive.
        let scattered = number.wrapping_mul(0x9E37_79B1);
        format!("{:08x}-{scattered:08x}-{number:08x}", now.as_seconds())
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
