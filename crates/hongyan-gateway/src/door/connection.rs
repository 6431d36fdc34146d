//! One open connection: what it is doing and since when, so that others see whether its time is up or it gives way.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::Waker;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// For so long a body may stand still.
pub(super) const SILENCE: Duration = Duration::from_secs(10);

/// For so long one may stand still that is passed on to WeChat as it comes.
const SILENCE_OF_UPLOAD: Duration = Duration::from_secs(30);

/// A body that was awaited for less than this, all pieces together, is on its way; only an older one makes its connection
/// give way.
pub(super) const BODY_IS_SLOW_AFTER: Duration = Duration::from_secs(2);

/// A body that comes at this rate, in bytes for each second that it was awaited, does not give way between its pieces. One
/// that comes by drops does, however often a drop comes.
pub(super) const FAIR_RATE: u64 = 16 * 1024;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// Shaking hands.
    Handshake,
    /// Nothing was heard of it yet.
    Fresh,
    /// A part of a request's head has come.
    Head,
    /// A request is being answered.
    Busy,
    /// A request is being answered, and its body is awaited.
    Body,
    /// Between two requests.
    Idle,
}

impl Phase {
    const ALL: [Self; 6] = [Self::Handshake, Self::Fresh, Self::Head, Self::Busy, Self::Body, Self::Idle];
}

/// One open connection. The task that serves it says what it is doing; others look.
pub(super) struct Connection {
    id: u64,
    address: IpAddr,
    start: Instant,
    phase: AtomicU8,
    /// When the phase began, in milliseconds after the start.
    since: AtomicU64,
    /// For how long the earlier pieces of its request's body were awaited, in milliseconds.
    body_awaited: AtomicU64,
    /// How many bytes of its request's body have come.
    body_bytes: AtomicU64,
    /// When its request's body was first awaited, in milliseconds after the start; 0: it was not yet.
    body_since: AtomicU64,
    /// Its request's body is passed on as it comes.
    is_upload: AtomicBool,
    /// Its request's body has taken too long.
    is_body_too_late: AtomicBool,
    /// Who awaits its request's body.
    awaits_body: AtomicWaker,
    /// Since when the other end takes nothing of an answer, in milliseconds after the start; 0: it does.
    stalled: AtomicU64,
    task: OnceLock<AbortHandle>,
}

impl Connection {
    /// A connection that has come now. Moments are counted from `start`.
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

    /// Since when the other end takes nothing of an answer.
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

    /// A request with a body begins. What is known of the body before is forgotten.
    pub(super) fn body_begins(&self) {
        self.body_awaited.store(0, Ordering::Relaxed);
        self.body_bytes.store(0, Ordering::Relaxed);
        self.body_since.store(0, Ordering::Relaxed);
        self.is_upload.store(false, Ordering::Relaxed);
        self.is_body_too_late.store(false, Ordering::Relaxed);
    }

    /// The body of its request is passed on as it comes.
    pub(super) fn body_is_upload(&self) {
        self.is_upload.store(true, Ordering::Relaxed);
    }

    /// When the body that is awaited will have taken too long, if all of it may take so long.
    pub(super) fn body_due(&self, whole: Duration) -> Instant {
        if self.is_upload.load(Ordering::Relaxed) {
            return self.since() + SILENCE_OF_UPLOAD;
        }
        let first = self.start + Duration::from_millis(self.body_since.load(Ordering::Relaxed));
        (self.since() + SILENCE).min(first + whole)
    }

    /// The body that is awaited has taken too long: who awaits it is told.
    pub(super) fn body_is_too_late(&self) {
        self.is_body_too_late.store(true, Ordering::Relaxed);
        self.awaits_body.wake();
    }

    /// Whether the body that is awaited has taken too long. If it does later, that is told.
    pub(super) fn is_body_too_late(&self, awaits: &Waker) -> bool {
        // First, so that nothing is missed.
        self.awaits_body.register(awaits);
        self.is_body_too_late.load(Ordering::Relaxed)
    }

    /// So many bytes of the body of its request came.
    pub(super) fn body_came(&self, bytes: usize) {
        self.body_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The body of its request, or the rest of it, is not awaited for now.
    pub(super) fn body_is_not_awaited(&self) {
        self.body_is_not_awaited_at(Instant::now());
    }

    pub(super) fn body_is_not_awaited_at(&self, now: Instant) {
        // A body that is let go after its answer is over does not make the connection busy again.
        if self.phase() == Phase::Body {
            let awaited = now.saturating_duration_since(self.since());
            self.enter_at(now, Phase::Busy);
            self.is_body_too_late.store(false, Ordering::Relaxed);
            // After the phase: nobody sees this piece counted twice.
            self.body_awaited.fetch_add(awaited.as_millis() as u64, Ordering::Relaxed);
        }
    }

    /// Something came in.
    pub(super) fn heard(&self) {
        match self.phase() {
            // The clock of the first head runs from the beginning.
            Phase::Fresh => self.phase.store(Phase::Head as u8, Ordering::Relaxed),
            Phase::Idle => self.enter(Phase::Head),
            _ => {}
        }
    }

    /// The other end takes what is written, or does not.
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

    /// Names the task that serves it.
    pub(super) fn is_served_by(&self, task: AbortHandle) {
        // It is told once.
        let _ = self.task.set(task);
    }

    /// Closes it.
    pub(super) fn close(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }

    fn milliseconds(&self, now: Instant) -> u64 {
        now.duration_since(self.start).as_millis() as u64
    }

    /// Which connections give way first, the lowest; `None`: this one does not.
    pub(super) fn gives_way(&self, now: Instant) -> Option<(u8, Instant)> {
        self.task.get()?;
        let since = self.since();
        match self.phase() {
            Phase::Handshake | Phase::Fresh | Phase::Head | Phase::Idle => Some((0, since)),
            Phase::Body => self.slow_body_since(now).map(|since| (1, since)),
            Phase::Busy => None,
        }
    }

    /// When the body that is awaited would have begun had it been awaited without a break; `None`: it is not slow.
    ///
    /// What counts is the time of all pieces together. If each piece began anew, a byte a second would hold the place for
    /// as long as a body may take at all. The time in which nobody asked for more is not the sender's.
    fn slow_body_since(&self, now: Instant) -> Option<Instant> {
        let this_piece = now.saturating_duration_since(self.since());
        let awaited = this_piece + Duration::from_millis(self.body_awaited.load(Ordering::Relaxed));
        let fair = u128::from(FAIR_RATE) * awaited.as_millis() / 1_000;
        let is_fair = u128::from(self.body_bytes.load(Ordering::Relaxed)) >= fair;
        let is_slow = awaited >= BODY_IS_SLOW_AFTER && !is_fair || this_piece >= BODY_IS_SLOW_AFTER;
        is_slow.then(|| now.checked_sub(awaited).unwrap_or(self.start))
    }
}
