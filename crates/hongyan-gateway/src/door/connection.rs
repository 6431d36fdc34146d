//! One open connection: what it is doing and since when. Others read this to see whether its time is up, or whether it
//! should be closed for a new connection.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::Waker;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// The longest pause between two pieces of a body.
pub(super) const SILENCE: Duration = Duration::from_secs(10);

/// The longest pause between two pieces of a body that is streamed to WeChat.
const SILENCE_OF_UPLOAD: Duration = Duration::from_secs(30);

/// The gateway must have waited this long for a body, all pieces together, before the connection may be closed for a new
/// connection.
pub(super) const BODY_IS_SLOW_AFTER: Duration = Duration::from_secs(2);

/// A body that comes at this rate, in bytes per second of waiting, keeps its connection between its pieces. A body that
/// trickles in does not, however regularly its bytes come.
pub(super) const FAIR_RATE: u64 = 16 * 1024;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// The TLS handshake is under way.
    Handshake,
    /// No byte has come yet.
    Fresh,
    /// A part of a request's head has come.
    Head,
    /// A request is being answered.
    Busy,
    /// A request is being answered, and its body is awaited.
    Body,
    /// The connection waits for the next request.
    Idle,
}

impl Phase {
    const ALL: [Self; 6] = [Self::Handshake, Self::Fresh, Self::Head, Self::Busy, Self::Body, Self::Idle];
}

/// One open connection. The task that serves the connection writes its state; others read the state.
pub(super) struct Connection {
    id: u64,
    address: IpAddr,
    start: Instant,
    phase: AtomicU8,
    /// When the phase began, in milliseconds after the start.
    since: AtomicU64,
    /// How long the gateway waited for the earlier pieces of the body, in milliseconds.
    body_awaited: AtomicU64,
    /// How many bytes of the body have come.
    body_bytes: AtomicU64,
    /// When the gateway first waited for the body, in milliseconds after the start; 0: not yet.
    body_since: AtomicU64,
    /// Whether the body is streamed to WeChat.
    is_upload: AtomicBool,
    /// Whether the body has taken too long.
    is_body_too_late: AtomicBool,
    /// The task that waits for the body.
    awaits_body: AtomicWaker,
    /// Since when the client has not read the answer, in milliseconds after the start; 0: the client reads.
    stalled: AtomicU64,
    task: OnceLock<AbortHandle>,
}

impl Connection {
    /// A connection that was accepted at `now`. Moments are counted from `start`.
    pub(super) fn new(id: u64, address: IpAddr, start: Instant, now: Instant, phase: Phase) -> Self {
        Self {
            id,
            address,
            start,
            phase: AtomicU8::new(phase as u8),
            since: AtomicU64::new(now.duration_since(start).as_millis() as u64),
            body_awaited: AtomicU64::new(0),
            body_bytes: AtomicU64::new(0),
            body_since: AtomicU64::new(0),
            is_upload: AtomicBool::new(false),
            is_body_too_late: AtomicBool::new(false),
            awaits_body: AtomicWaker::new(),
            stalled: AtomicU64::new(0),
            task: OnceLock::new(),
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn address(&self) -> IpAddr {
        self.address
    }

    pub(super) fn phase(&self) -> Phase {
        let number = self.phase.load(Ordering::Relaxed);
        Phase::ALL.into_iter().find(|phase| *phase as u8 == number).unwrap_or(Phase::Busy)
    }

    /// When the phase began.
    pub(super) fn since(&self) -> Instant {
        self.start + Duration::from_millis(self.since.load(Ordering::Relaxed))
    }

    /// Since when the client has not read the answer.
    pub(super) fn stalled_since(&self) -> Option<Instant> {
        let stalled = self.stalled.load(Ordering::Relaxed);
        (stalled != 0).then(|| self.start + Duration::from_millis(stalled))
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.enter_at(Instant::now(), phase);
    }

    pub(super) fn enter_at(&self, now: Instant, phase: Phase) {
        let since = self.milliseconds(now);
        self.since.store(since, Ordering::Relaxed);
        if phase == Phase::Body && self.body_since.load(Ordering::Relaxed) == 0 {
            self.body_since.store(since.max(1), Ordering::Relaxed);
        }
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// A request with a body begins: resets what is known about the body.
    pub(super) fn body_begins(&self) {
        self.body_awaited.store(0, Ordering::Relaxed);
        self.body_bytes.store(0, Ordering::Relaxed);
        self.body_since.store(0, Ordering::Relaxed);
        self.is_upload.store(false, Ordering::Relaxed);
        self.is_body_too_late.store(false, Ordering::Relaxed);
    }

    /// The body is streamed to WeChat.
    pub(super) fn body_is_upload(&self) {
        self.is_upload.store(true, Ordering::Relaxed);
    }

    /// The deadline of the body, if all of the body may take `whole`.
    pub(super) fn body_due(&self, whole: Duration) -> Instant {
        if self.is_upload.load(Ordering::Relaxed) {
            return self.since() + SILENCE_OF_UPLOAD;
        }
        let first = self.start + Duration::from_millis(self.body_since.load(Ordering::Relaxed));
        (self.since() + SILENCE).min(first + whole)
    }

    /// The body has taken too long: wakes the task that waits for the body.
    pub(super) fn body_is_too_late(&self) {
        self.is_body_too_late.store(true, Ordering::Relaxed);
        self.awaits_body.wake();
    }

    /// Whether the body has taken too long. If not, `awaits` is woken when the body becomes too late.
    pub(super) fn is_body_too_late(&self, awaits: &Waker) -> bool {
        // Register the waker before the check, so that no change is missed.
        self.awaits_body.register(awaits);
        self.is_body_too_late.load(Ordering::Relaxed)
    }

    /// Some bytes of the body came.
    pub(super) fn body_came(&self, bytes: usize) {
        self.body_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The gateway does not wait for the body now.
    pub(super) fn body_is_not_awaited(&self) {
        self.body_is_not_awaited_at(Instant::now());
    }

    pub(super) fn body_is_not_awaited_at(&self, now: Instant) {
        // A body that is dropped after the end of its answer does not make the connection busy again.
        if self.phase() == Phase::Body {
            let awaited = now.saturating_duration_since(self.since());
            self.enter_at(now, Phase::Busy);
            self.is_body_too_late.store(false, Ordering::Relaxed);
            // After the change of phase, so that a reader never counts this piece twice.
            self.body_awaited.fetch_add(awaited.as_millis() as u64, Ordering::Relaxed);
        }
    }

    /// Bytes came in.
    pub(super) fn heard(&self) {
        match self.phase() {
            // The time limit of the first head runs from the beginning of the connection.
            Phase::Fresh => self.phase.store(Phase::Head as u8, Ordering::Relaxed),
            Phase::Idle => self.enter(Phase::Head),
            _ => {}
        }
    }

    /// Whether the client reads what is written.
    pub(super) fn flows(&self, flows: bool) {
        let stalled = self.stalled.load(Ordering::Relaxed);
        if flows {
            if stalled != 0 {
                self.stalled.store(0, Ordering::Relaxed);
            }
        } else if stalled == 0 {
            self.stalled.store(self.milliseconds(Instant::now()).max(1), Ordering::Relaxed);
        }
    }

    /// Sets the task that serves this connection.
    pub(super) fn is_served_by(&self, task: AbortHandle) {
        // The task is set once.
        let _ = self.task.set(task);
    }

    /// Closes the connection.
    pub(super) fn close(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }

    fn milliseconds(&self, now: Instant) -> u64 {
        now.duration_since(self.start).as_millis() as u64
    }

    /// The order in which connections are closed for new connections, lowest first; `None`: this connection is kept.
    pub(super) fn gives_way(&self, now: Instant) -> Option<(u8, Instant)> {
        self.task.get()?;
        let since = self.since();
        match self.phase() {
            Phase::Handshake | Phase::Fresh | Phase::Head | Phase::Idle => Some((0, since)),
            Phase::Body => self.slow_body_since(now).map(|since| (1, since)),
            Phase::Busy => None,
        }
    }

    /// When the wait for the body would have begun had it been one wait without a break; `None`: the body is not slow.
    ///
    /// The waits for all pieces are added up. If each piece started a new wait, one byte a second would hold the connection
    /// for as long as a body may take. Time in which the gateway did not ask for more is not charged to the sender.
    fn slow_body_since(&self, now: Instant) -> Option<Instant> {
        let this_piece = now.saturating_duration_since(self.since());
        let awaited = this_piece + Duration::from_millis(self.body_awaited.load(Ordering::Relaxed));
        let fair = u128::from(FAIR_RATE) * awaited.as_millis() / 1_000;
        let is_fair = u128::from(self.body_bytes.load(Ordering::Relaxed)) >= fair;
        let is_slow = awaited >= BODY_IS_SLOW_AFTER && !is_fair || this_piece >= BODY_IS_SLOW_AFTER;
        is_slow.then(|| now.checked_sub(awaited).unwrap_or(self.start))
    }
}
