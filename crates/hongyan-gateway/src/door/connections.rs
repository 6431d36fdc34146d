//! Which connections are open and what each is doing, so that the one that does nothing gives way to a new one.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::limits::{Limit, Limits};

/// For so long a body may stand still.
pub(super) const SILENCE: Duration = Duration::from_secs(10);

/// For so long one may stand still that is passed on to WeChat as it comes.
const SILENCE_OF_UPLOAD: Duration = Duration::from_secs(30);

/// A body that was awaited for less than this, all pieces together, is on its way; only an older one makes its connection
/// give way.
const BODY_IS_SLOW_AFTER: Duration = Duration::from_secs(2);

/// A body that comes at this rate, in bytes for each second that it was awaited, does not give way between its pieces. One
/// that comes by drops does, however often a drop comes.
const FAIR_RATE: u64 = 16 * 1024;

/// So many that were told to go may still be closing before no more are taken. They close within moments.
const STILL_CLOSING: usize = 16;

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

    fn enter_at(&self, now: Instant, phase: Phase) {
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

    fn body_is_not_awaited_at(&self, now: Instant) {
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

    fn milliseconds(&self, now: Instant) -> u64 {
        now.duration_since(self.start).as_millis() as u64
    }

    /// Which connections give way first, the lowest; `None`: this one does not.
    fn gives_way(&self, now: Instant) -> Option<(u8, Instant)> {
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

/// How many there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) connections: usize,
    /// 0: no limit of its own.
    pub(super) per_address: usize,
    pub(super) handshakes: usize,
}

/// The open connections. Clones share them.
#[derive(Clone)]
pub(super) struct Connections(Arc<Inner>);

struct Inner {
    room: Room,
    limits: Limits,
    start: Instant,
    next: AtomicU64,
    /// Those that were not told to go.
    open: Mutex<BTreeMap<u64, Arc<Connection>>>,
    /// Those that still have a descriptor.
    alive: AtomicUsize,
}

/// A connection's place. Given back when this is dropped.
pub(super) struct Place {
    connections: Connections,
    pub(super) connection: Arc<Connection>,
}

impl Connections {
    pub(super) fn new(room: Room, limits: Limits) -> Self {
        Self(Arc::new(Inner {
            room,
            limits,
            start: Instant::now(),
            next: AtomicU64::new(0),
            open: Mutex::default(),
            alive: AtomicUsize::new(0),
        }))
    }

    /// Whether there is a descriptor for one more, once those that were told to go are closed.
    pub(super) fn have_room(&self) -> bool {
        self.0.alive.load(Ordering::Relaxed) < self.0.room.connections + STILL_CLOSING
    }

    /// A place for a new connection. When there is none, the one that has done nothing for longest gives way; `None` when
    /// all are busy.
    pub(super) fn admit(&self, address: IpAddr, phase: Phase) -> Option<Place> {
        self.admit_at(Instant::now(), address, phase)
    }

    fn admit_at(&self, now: Instant, address: IpAddr, phase: Phase) -> Option<Place> {
        let Inner { room, limits, start, next, .. } = &*self.0;
        let mut open = self.open();
        let of_address = |connection: &Connection| connection.address == address;
        let is_crowded = room.per_address > 0
            && open.values().filter(|other| of_address(other)).count() >= room.per_address;
        if is_crowded {
            limits.bit(Limit::ConnectionsPerAddress, address);
            give_way(&mut open, now, of_address)?;
        }
        let shakes_hands = |connection: &Connection| connection.phase() == Phase::Handshake;
        if phase == Phase::Handshake
            && open.values().filter(|other| shakes_hands(other)).count() >= room.handshakes
        {
            limits.bit(Limit::Handshakes, address);
            give_way(&mut open, now, shakes_hands)?;
        }
        if open.len() >= room.connections {
            limits.bit(Limit::Connections, address);
            give_way(&mut open, now, |_| true)?;
        }
        let connection = Arc::new(Connection {
            id: next.fetch_add(1, Ordering::Relaxed),
            address,
            start: *start,
            phase: AtomicU8::new(phase as u8),
            since: AtomicU64::new(now.duration_since(*start).as_millis() as u64),
            body_awaited: AtomicU64::new(0),
            body_bytes: AtomicU64::new(0),
            body_since: AtomicU64::new(0),
            is_upload: AtomicBool::new(false),
            is_body_too_late: AtomicBool::new(false),
            awaits_body: AtomicWaker::new(),
            stalled: AtomicU64::new(0),
            task: OnceLock::new(),
        });
        open.insert(connection.id, Arc::clone(&connection));
        self.0.alive.fetch_add(1, Ordering::Relaxed);
        Some(Place { connections: self.clone(), connection })
    }

    /// The one that has done nothing for longest gives way, for a descriptor.
    pub(super) fn one_gives_way(&self) {
        let _ = give_way(&mut self.open(), Instant::now(), |_| true);
    }

    /// Closes all that are left.
    pub(super) fn close_all(&self) {
        for (_, connection) in std::mem::take(&mut *self.open()) {
            if let Some(task) = connection.task.get() {
                task.abort();
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Connection>>> {
        // Every change is one call: a panic elsewhere leaves it whole.
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets the first of these go; `None` if none of them gives way.
fn give_way(
    open: &mut BTreeMap<u64, Arc<Connection>>,
    now: Instant,
    is_meant: impl Fn(&Connection) -> bool,
) -> Option<()> {
    let (_, id) = open
        .values()
        .filter(|connection| is_meant(connection))
        .filter_map(|connection| Some((connection.gives_way(now)?, connection.id)))
        .min()?;
    if let Some(task) = open.remove(&id)?.task.get() {
        task.abort();
    }
    Some(())
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open().remove(&self.connection.id);
        self.connections.0.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;
    use crate::report::Report;

    fn of(connections: usize, per_address: usize, handshakes: usize) -> Connections {
        let room = Room { connections, per_address, handshakes };
        Connections::new(room, Limits::new(&Report::new()))
    }

    /// A connection that does nothing but hold its place.
    fn come_after(
        all: &Connections,
        seconds: u64,
        last: u8,
        phase: Phase,
    ) -> Option<tokio::task::JoinHandle<()>> {
        let now = all.0.start + Duration::from_secs(seconds);
        let place = all.admit_at(now, IpAddr::from([192, 0, 2, last]), phase)?;
        let connection = Arc::clone(&place.connection);
        let task = tokio::spawn(async move {
            let _place = place;
            pending::<()>().await;
        });
        connection.is_served_by(task.abort_handle());
        Some(task)
    }

    fn come(all: &Connections, last: u8, phase: Phase) -> Option<tokio::task::JoinHandle<()>> {
        come_after(all, 0, last, phase)
    }

    #[tokio::test]
    async fn the_oldest_that_does_nothing_gives_way() {
        let all = of(2, 0, 2);
        let first = come(&all, 1, Phase::Busy).unwrap();
        let second = come_after(&all, 1, 2, Phase::Idle).unwrap();
        let third = come_after(&all, 2, 3, Phase::Fresh).unwrap();
        assert!(second.await.unwrap_err().is_cancelled());
        assert!(!first.is_finished() && !third.is_finished());
        assert!(come_after(&all, 3, 4, Phase::Fresh).is_some());
        assert!(third.await.unwrap_err().is_cancelled());
    }

    #[tokio::test]
    async fn who_is_answered_is_never_closed_for_another_and_a_slow_body_is() {
        let all = of(1, 0, 1);
        let busy = come(&all, 1, Phase::Busy).unwrap();
        assert!(come(&all, 2, Phase::Fresh).is_none());
        busy.abort();
        assert!(busy.await.unwrap_err().is_cancelled());
        let slow = come(&all, 1, Phase::Body).unwrap();
        assert!(come(&all, 2, Phase::Fresh).is_none(), "it has only begun");
        let later = BODY_IS_SLOW_AFTER.as_secs();
        assert!(come_after(&all, later, 2, Phase::Fresh).is_some());
        assert!(slow.await.unwrap_err().is_cancelled());
    }

    /// Comes at the start with a request whose body comes by pieces of so many bytes, one after each of these times, and
    /// is awaited again at the end.
    fn come_with_body(
        all: &Connections,
        last: u8,
        piece: usize,
        every: Duration,
        pieces: u32,
    ) -> tokio::task::JoinHandle<()> {
        let task = come(all, last, Phase::Busy).unwrap();
        let open = all.open();
        let (_, connection) = open.last_key_value().unwrap();
        connection.body_begins();
        for count in 0..pieces {
            connection.enter_at(all.0.start + every * count, Phase::Body);
            connection.body_is_not_awaited_at(all.0.start + every * (count + 1));
            connection.body_came(piece);
        }
        connection.enter_at(all.0.start + every * pieces, Phase::Body);
        task
    }

    #[tokio::test]
    async fn a_body_that_comes_by_drops_gives_way_however_often_a_drop_comes() {
        for (every, pieces) in [(1_000, 3), (100, 30), (1, 3_000)] {
            let all = of(2, 0, 2);
            let fair = come_with_body(&all, 1, FAIR_RATE as usize, Duration::from_secs(1), 3);
            let drops = come_with_body(&all, 2, 1, Duration::from_millis(every), pieces);
            assert!(come_after(&all, 3, 3, Phase::Busy).is_some(), "a drop each {every} ms");
            assert!(drops.await.unwrap_err().is_cancelled());
            assert!(!fair.is_finished());
            assert!(come_after(&all, 3, 4, Phase::Fresh).is_none(), "who comes at a fair rate stays");
        }
    }

    #[tokio::test]
    async fn of_bodies_that_come_by_drops_the_one_awaited_for_longest_gives_way() {
        let all = of(2, 0, 2);
        // The last piece of the first is the younger one; all in all it was awaited for longer.
        let longest = come_with_body(&all, 1, 1, Duration::from_secs(1), 9);
        let shorter = come(&all, 2, Phase::Busy).unwrap();
        let connection = all.open().last_key_value().map(|(_, connection)| Arc::clone(connection)).unwrap();
        connection.enter_at(all.0.start + Duration::from_secs(6), Phase::Body);
        assert!(come_after(&all, 9, 3, Phase::Busy).is_some());
        assert!(longest.await.unwrap_err().is_cancelled());
        assert!(!shorter.is_finished());
    }

    #[tokio::test]
    async fn what_was_awaited_for_another_request_or_by_nobody_does_not_count() {
        let all = of(1, 0, 1);
        let kept = come_with_body(&all, 1, 1, Duration::from_secs(1), 9);
        let connection = all.open().values().next().map(Arc::clone).unwrap();
        let at = |seconds| all.0.start + Duration::from_secs(seconds);
        connection.enter_at(at(9), Phase::Busy);
        connection.body_begins();
        connection.enter_at(at(10), Phase::Body);
        connection.body_is_not_awaited_at(at(11));
        // Here the gateway does something else for a minute.
        connection.enter_at(at(71), Phase::Body);
        assert!(come_after(&all, 71, 2, Phase::Fresh).is_none());
        assert!(come_after(&all, 72, 2, Phase::Fresh).is_some());
        assert!(kept.await.unwrap_err().is_cancelled());
    }

    #[tokio::test]
    async fn a_body_that_stands_still_gives_way_however_much_of_it_came() {
        let all = of(1, 0, 1);
        let quiet = come_with_body(&all, 1, 4 * 1024 * 1024, Duration::from_secs(1), 1);
        assert!(come_after(&all, 2, 2, Phase::Fresh).is_none());
        assert!(come_after(&all, 3, 2, Phase::Fresh).is_some());
        assert!(quiet.await.unwrap_err().is_cancelled());
    }

    #[tokio::test]
    async fn an_address_has_its_share() {
        let all = of(8, 1, 8);
        let busy = come(&all, 1, Phase::Busy).unwrap();
        assert!(come(&all, 1, Phase::Fresh).is_none());
        assert!(come(&all, 2, Phase::Fresh).is_some());
        assert!(!busy.is_finished());
    }

    #[tokio::test]
    async fn handshakes_have_a_share_of_their_own() {
        let all = of(8, 0, 1);
        let idle = come(&all, 1, Phase::Idle).unwrap();
        let first = come(&all, 2, Phase::Handshake).unwrap();
        let second = come(&all, 3, Phase::Handshake).unwrap();
        assert!(first.await.unwrap_err().is_cancelled());
        assert!(!idle.is_finished() && !second.is_finished());
    }

    #[tokio::test]
    async fn a_place_is_given_back_however_a_connection_ends() {
        let all = of(1, 0, 1);
        for _ in 0..3 {
            let task = come(&all, 1, Phase::Busy).unwrap();
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
        }
        assert_eq!(all.0.alive.load(Ordering::Relaxed), 0);
    }
}
