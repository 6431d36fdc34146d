//! The open connections and their limits. When there are too many, the connection that has been idle for longest is closed
//! for a new connection.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::connection::{Connection, Phase};
use super::limits::{Limit, Limits};

/// At most this many connections may be closing at once before new connections have to wait. They close within moments.
const STILL_CLOSING: usize = 16;

/// The limits of the connections.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) connections: usize,
    /// 0: no limit for each address.
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
    /// Connections that were not told to close.
    open: Mutex<BTreeMap<u64, Arc<Connection>>>,
    /// Connections that still have a descriptor.
    alive: AtomicUsize,
}

/// The place of a connection. Dropping this frees the place.
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

    /// Whether there is a descriptor for one more connection, given that closing connections end.
    pub(super) fn have_room(&self) -> bool {
        self.0.alive.load(Ordering::Relaxed) < self.0.room.connections + STILL_CLOSING
    }

    /// A place for a new connection. When all places are taken, the connection that has been idle for longest is closed.
    /// `None`: all connections are busy.
    pub(super) fn admit(&self, address: IpAddr, phase: Phase) -> Option<Place> {
        self.admit_at(Instant::now(), address, phase)
    }

    fn admit_at(&self, now: Instant, address: IpAddr, phase: Phase) -> Option<Place> {
        let Inner { room, limits, start, next, .. } = &*self.0;
        let mut open = self.open();
        let of_address = |connection: &Connection| connection.address() == address;
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
        let id = next.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection::new(id, address, *start, now, phase));
        open.insert(id, Arc::clone(&connection));
        self.0.alive.fetch_add(1, Ordering::Relaxed);
        Some(Place { connections: self.clone(), connection })
    }

    /// Closes the connection that has been idle for longest, to free its descriptor.
    pub(super) fn one_gives_way(&self) {
        let _ = give_way(&mut self.open(), Instant::now(), |_| true);
    }

    /// Closes all remaining connections.
    pub(super) fn close_all(&self) {
        for (_, connection) in std::mem::take(&mut *self.open()) {
            connection.close();
        }
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Connection>>> {
        // Every change is one call, so a panic elsewhere leaves the map consistent.
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes the first of these connections that may be closed; `None` if all must be kept.
fn give_way(
    open: &mut BTreeMap<u64, Arc<Connection>>,
    now: Instant,
    is_meant: impl Fn(&Connection) -> bool,
) -> Option<()> {
    let (_, id) = open
        .values()
        .filter(|connection| is_meant(connection))
        .filter_map(|connection| Some((connection.gives_way(now)?, connection.id())))
        .min()?;
    open.remove(&id)?.close();
    Some(())
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open().remove(&self.connection.id());
        self.connections.0.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use super::super::connection::{BODY_IS_SLOW_AFTER, FAIR_RATE};
    use super::*;
    use crate::report::Report;

    fn of(connections: usize, per_address: usize, handshakes: usize) -> Connections {
        let room = Room { connections, per_address, handshakes };
        Connections::new(room, Limits::new(&Report::new()))
    }

    /// A connection that is idle and holds its place.
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
        assert!(come(&all, 2, Phase::Fresh).is_none(), "its body has only begun");
        let later = BODY_IS_SLOW_AFTER.as_secs();
        assert!(come_after(&all, later, 2, Phase::Fresh).is_some());
        assert!(slow.await.unwrap_err().is_cancelled());
    }

    /// Opens a connection at the start, whose request has a body in pieces of `piece` bytes. A piece comes after each `every`.
    /// The gateway waits for the next piece at the end.
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
            assert!(
                come_after(&all, 3, 4, Phase::Fresh).is_none(),
                "a body at a fair rate keeps its connection"
            );
        }
    }

    #[tokio::test]
    async fn of_bodies_that_come_by_drops_the_one_awaited_for_longest_gives_way() {
        let all = of(2, 0, 2);
        // The last wait of the first connection is the shorter wait, but the sum of its waits is longer.
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
        // The gateway does something else for a minute.
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
