//! What all requests share: the state behind its lock, the clock, and the channels of waiting requests.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hongyan_clock::{Clock, UnixMillis};
use tokio::sync::{Semaphore, watch};
use url::Url;

use crate::config::SandboxConfig;
use crate::hosts::Hosts;
use crate::http_client::{self, HttpClient};
use crate::limits::Limits;
use crate::random;
use crate::state::State;
use crate::state::inbox::Card;

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) clock: Clock,
    /// The lock is held for one call, never across an await.
    state: Mutex<State>,
    /// Wakes the streams of `/_sandbox/events`.
    pub(crate) signal: watch::Sender<Signal>,
    /// True when the server stops; hanging requests and streams watch it.
    pub(crate) stopping: watch::Sender<bool>,
    backend: Mutex<Option<Url>>,
    pub(crate) http: HttpClient,
    pub(crate) state_file: Option<PathBuf>,
    pub(crate) hosts: Hosts,
    pub(crate) limits: Limits,
    /// A permit for each call that is handled late.
    pub(crate) slow: Arc<Semaphore>,
    /// Makes each `rid` different.
    rids: AtomicU32,
}

/// Counters of events; streams wait for a change of a counter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Signal {
    pub(crate) messages: u64,
    pub(crate) clock: u64,
    pub(crate) resets: u64,
    pub(crate) deletions: u64,
    pub(crate) pushes: u64,
}

impl Inner {
    /// Starts with this state.
    pub(crate) fn new(config: SandboxConfig, state: State) -> Self {
        Self {
            clock: config.clock,
            state: Mutex::new(state),
            signal: watch::Sender::default(),
            stopping: watch::Sender::new(false),
            backend: Mutex::new(config.backend),
            http: http_client::new(),
            state_file: config.state_file,
            hosts: Hosts::new(config.hosts),
            limits: config.limits,
            slow: Arc::new(Semaphore::new(config.limits.slow)),
            rids: AtomicU32::new(u32::from_ne_bytes(random::bytes())),
        }
    }

    /// Locks the state for one call. A panic in another call does not spoil the state: each change is complete before
    /// code that could panic.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Deletes the cards for which `goes` holds; says how many.
    pub(crate) fn delete_cards(&self, goes: impl Fn(&Card) -> bool) -> usize {
        let deleted = self.state().inbox.delete_all(goes);
        if deleted > 0 {
            self.signal.send_modify(|signal| signal.deletions += 1);
        }
        deleted
    }

    /// Deletes a card; says whether there was such a card.
    pub(crate) fn delete_card(&self, id: u64) -> bool {
        let is_deleted = self.state().inbox.delete(id);
        if is_deleted {
            self.signal.send_modify(|signal| signal.deletions += 1);
        }
        is_deleted
    }

    pub(crate) fn backend(&self) -> Option<Url> {
        self.backend.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the mini program's back end, if its URL is known only later.
    pub(crate) fn set_backend(&self, url: Url) {
        *self.backend.lock().unwrap_or_else(PoisonError::into_inner) = Some(url);
    }

    /// Resolves when the server stops.
    pub(crate) async fn stopped(&self) {
        let mut stopping = self.stopping.subscribe();
        // The sender lives in `self`, so the wait ends only by the value.
        let _ = stopping.wait_for(|stop| *stop).await;
    }

    /// A request id in WeChat's form: the time in seconds and two more numbers, in hexadecimal.
    pub(crate) fn next_rid(&self, now: UnixMillis) -> String {
        let number = self.rids.fetch_add(1, Ordering::Relaxed);
        // The factor is odd, so consecutive numbers give different texts that do not look consecutive.
        let scattered = number.wrapping_mul(0x9E37_79B1);
        format!("{:08x}-{scattered:08x}-{number:08x}", now.as_seconds())
    }
}
