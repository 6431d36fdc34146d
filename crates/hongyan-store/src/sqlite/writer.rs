//! The one thread that writes: group commit.
//!
//! The fsync is the expensive part of a durable write, not the statements. So the thread takes all commands that have queued
//! up while the last group was written, runs them in one transaction, commits once, and only then answers all of them. Under
//! load groups grow by themselves; an idle store commits a single command at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hongyan_failpoints as points;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::checkpoint::Checkpointer;
use super::memory::{Memory, Transaction};
use super::row_error::{RowError, RowResult};
use super::tallies;
use super::verb::Verb;
use crate::StoreError;
use crate::signals::Listeners;

/// How many commands one transaction has, at most. It bounds how long the first command waits for the last.
const MAX_GROUP: usize = 512;

/// How many commands may queue up. A caller that comes later waits for room in the queue.
const MAX_QUEUE: usize = 4096;

/// A verb on its way to the writer.
trait Command: Send {
    /// The verb.
    fn verb(&self) -> Verb;
    /// Does the work inside the current transaction and keeps the result. It is called a second time if its group had to be
    /// rolled back.
    fn run(&mut self, tx: &Transaction<'_>) -> RowResult<()>;
    /// Answers the caller with the result of the last run, or with the error.
    fn answer(self: Box<Self>, error: Option<&RowError>);
}

/// A verb with its work and its caller.
struct Asked<T, F> {
    verb: Verb,
    work: F,
    result: Option<T>,
    reply: oneshot::Sender<crate::Result<T>>,
}

impl<T: Send, F: Fn(&Transaction<'_>) -> RowResult<T> + Send> Command for Asked<T, F> {
    fn verb(&self) -> Verb {
        self.verb
    }

    fn run(&mut self, tx: &Transaction<'_>) -> RowResult<()> {
        self.result = None;
        self.result = Some((self.work)(tx)?);
        Ok(())
    }

    fn answer(self: Box<Self>, error: Option<&RowError>) {
        let answer = match (error, self.result) {
            (None, Some(result)) => Ok(result),
            (None, None) => Err(StoreError::Closed),
            (Some(trouble), _) => Err(trouble.in_verb(self.verb.text())),
        };
        // Sending fails only if the caller went away.
        let _gone = self.reply.send(answer);
    }
}

/// How many commands share a commit, which shows how busy the writer is. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Crowd(Arc<Mutex<Window>>);

/// The average of the last full tenth of a second, and the sums since. Single groups differ too much: callers come in
/// bursts.
#[derive(Default)]
struct Window {
    began: Option<Instant>,
    commands: usize,
    groups: usize,
    average: f32,
    /// When the last commit succeeded; `None` after a commit that failed because of the disk.
    committed: Option<Instant>,
}

impl Window {
    const LENGTH: Duration = Duration::from_millis(100);

    /// After so long without a group nobody is queueing any more.
    const FORGOTTEN: Duration = Duration::from_secs(1);

    fn note(&mut self, group: usize, now: Instant) {
        let began = *self.began.get_or_insert(now);
        if now.duration_since(began) >= Self::LENGTH {
            self.average = self.commands as f32 / self.groups.max(1) as f32;
            (self.began, self.commands, self.groups) = (Some(now), 0, 0);
        }
        self.commands += group;
        self.groups += 1;
    }

    fn verbs_per_commit(&self, now: Instant) -> f32 {
        let is_forgotten = self.began.is_none_or(|began| now.duration_since(began) > Self::FORGOTTEN);
        if is_forgotten { 0.0 } else { self.average }
    }
}

impl Crowd {
    fn note(&self, group: usize) {
        self.window().note(group, Instant::now());
    }

    /// Notes how a transaction ended.
    fn ended(&self, error: Option<&RowError>) {
        let committed = &mut self.window().committed;
        match error {
            None => *committed = Some(Instant::now()),
            Some(trouble) if trouble.is_the_disks() => *committed = None,
            // An error of one command says nothing about the next commit.
            Some(_) => {}
        }
    }

    /// Whether a commit succeeded within this period, and none has failed because of the disk since.
    pub(super) fn has_committed_within(&self, period: Duration) -> bool {
        self.window().committed.is_some_and(|at| at.elapsed() <= period)
    }

    pub(super) fn verbs_per_commit(&self) -> f32 {
        self.window().verbs_per_commit(Instant::now())
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        // The counts are consistent even after a panic; the lock is held for a few additions.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handle to the writer. The thread ends when the last handle is dropped and the queue is empty.
#[derive(Clone)]
pub(super) struct Writer {
    inbox: flume::Sender<Box<dyn Command>>,
}

impl Writer {
    /// Starts the thread. The returned channel closes when the thread has ended. `listeners` hear the signals of each
    /// commit.
    pub(super) fn start(
        db: Connection,
        checkpointer: Checkpointer,
        listeners: Listeners,
        crowd: Crowd,
    ) -> std::io::Result<(Self, flume::Receiver<()>)> {
        let (inbox, commands) = flume::bounded(MAX_QUEUE);
        let (running, ended) = flume::bounded(0);
        thread::Builder::new().name("hongyan-writer".into()).spawn(move || {
            serve(db, checkpointer, &commands, &Memory::default(), &listeners, &crowd);
            drop(running);
        })?;
        Ok((Self { inbox }, ended))
    }

    /// Carries out a verb; returns when its work is durable. `work` may only read what it captured, because it may run a
    /// second time.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        verb: Verb,
        work: impl Fn(&Transaction<'_>) -> RowResult<T> + Send + 'static,
    ) -> crate::Result<T> {
        let (reply, answer) = oneshot::channel();
        let asked = Asked { verb, work, result: None, reply };
        self.inbox.send_async(Box::new(asked)).await.map_err(|_| StoreError::Closed)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

fn serve(
    mut db: Connection,
    mut checkpointer: Checkpointer,
    commands: &flume::Receiver<Box<dyn Command>>,
    memory: &Memory,
    listeners: &Listeners,
    crowd: &Crowd,
) {
    let mut group = Vec::new();
    while let Ok(first) = commands.recv() {
        group.push(first);
        group.extend(commands.try_iter().take(MAX_GROUP - 1));
        crowd.note(group.len());
        let outcome = transact(&mut db, memory, listeners, &mut group);
        crowd.ended(outcome.as_ref().err().map(Failed::why));
        match outcome {
            Ok(()) => answer_all(&mut group, None),
            Err(Failed::Command(_)) if group.len() > 1 => {
                // The group was rolled back. Run each command alone, so that only the failing one gets an error.
                for command in group.drain(..) {
                    let mut alone = vec![command];
                    let outcome = transact(&mut db, memory, listeners, &mut alone);
                    crowd.ended(outcome.as_ref().err().map(Failed::why));
                    answer_all(&mut alone, outcome.err().as_ref().map(Failed::why));
                }
            }
            Err(failed) => answer_all(&mut group, Some(failed.why())),
        }
        checkpointer.after_commit(&db);
    }
    drop(checkpointer);
    if let Err((_, why)) = db.close() {
        tracing::error!(%why, "the database did not close cleanly; what was committed is safe");
    }
}

fn answer_all(group: &mut Vec<Box<dyn Command>>, error: Option<&RowError>) {
    for command in group.drain(..) {
        command.answer(error);
    }
}

/// Why a transaction failed.
enum Failed {
    /// One of its commands failed.
    Command(RowError),
    /// The transaction could not begin or not be committed: another process holds the file, or the disk is full. No command
    /// is the cause, so all of them get the error, instead of each waiting for the same failure again.
    Transaction(RowError),
}

impl Failed {
    const fn why(&self) -> &RowError {
        match self {
            Self::Command(why) | Self::Transaction(why) => why,
        }
    }
}

/// Runs the commands in one transaction. Either all are durable and the listeners have heard their signals, or none was
/// done.
fn transact(
    db: &mut Connection,
    memory: &Memory,
    listeners: &Listeners,
    group: &mut [Box<dyn Command>],
) -> Result<(), Failed> {
    let done = commit(db, memory, group);
    match &done {
        Ok(()) => memory.commit(listeners),
        Err(_) => memory.roll_back(),
    }
    done
}

fn commit(db: &mut Connection, memory: &Memory, group: &mut [Box<dyn Command>]) -> Result<(), Failed> {
    let failed = |why: rusqlite::Error| Failed::Transaction(why.into());
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    for command in &mut *group {
        // Dropping a transaction without a commit rolls it back.
        command.run(&Transaction { db: &transaction, memory }).map_err(Failed::Command)?;
    }
    tallies::write(&Transaction { db: &transaction, memory }).map_err(Failed::Transaction)?;
    reach_all(group, |(before, _)| before);
    transaction.commit().map_err(failed)?;
    reach_all(group, |(_, after)| after);
    Ok(())
}

/// Each of the group's verbs reaches one of its two fail points.
fn reach_all(group: &[Box<dyn Command>], which: impl Fn((points::Point, points::Point)) -> points::Point) {
    if !points::BUILT_IN {
        return;
    }
    for around in group.iter().filter_map(|command| command.verb().points()) {
        points::reach(which(around));
    }
}

#[cfg(test)]
mod tests {
    use hongyan_clock::UnixMillis;
    use hongyan_ledger::{Lane, MessageState};

    use super::*;
    use crate::rows::Rows;
    use crate::signals::{Listener, Signal, Signals};

    /// A checkpointer that never has anything to copy.
    fn checkpointer() -> Checkpointer {
        Checkpointer::start(Connection::open_in_memory().unwrap()).unwrap()
    }

    #[test]
    fn a_crowd_is_seen_when_its_tenth_of_a_second_is_over_and_forgotten_likewise() {
        let (mut window, begin) = (Window::default(), Instant::now());
        let at = |ms| begin + Duration::from_millis(ms);
        let seen = |window: &Window, ms| window.verbs_per_commit(at(ms)).round() as u32;
        window.note(1, at(0));
        window.note(39, at(99));
        assert_eq!(seen(&window, 99), 0, "a single group may be a burst");
        window.note(2, at(100));
        assert_eq!(seen(&window, 1_100), 20);
        assert_eq!(seen(&window, 1_101), 0, "no command has come since");
        window.note(1, at(1_200));
        assert_eq!(seen(&window, 1_200), 2);
    }

    /// Inserts a number, and says a signal with this number as the lane.
    fn insert(value: i64) -> impl Fn(&Transaction<'_>) -> RowResult<()> {
        move |db| {
            db.signals().wake(Lane::new(value as u8).unwrap(), MessageState::Ready, UnixMillis(value));
            db.execute("INSERT INTO numbers (n) VALUES (?)", [value])?;
            Ok(())
        }
    }

    /// Records what it heard: the lanes of each commit.
    #[derive(Default)]
    struct Heard(Mutex<Vec<Vec<u8>>>);

    impl Listener for Heard {
        fn hear(&self, signals: &Signals) {
            let lanes = signals.iter().filter_map(|signal| match signal {
                Signal::Wake { lane, .. } => Some(lane.number()),
                _ => None,
            });
            self.0.lock().unwrap().push(lanes.collect());
        }
    }

    fn boxed<F: Fn(&Transaction<'_>) -> RowResult<()> + Send + 'static>(
        work: F,
    ) -> (Box<dyn Command>, oneshot::Receiver<crate::Result<()>>) {
        let (reply, answer) = oneshot::channel();
        (Box::new(Asked { verb: Verb::Accept, work, result: None, reply }), answer)
    }

    #[test]
    fn a_failing_command_does_not_hurt_its_neighbours_in_the_group() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE numbers (n INTEGER PRIMARY KEY)").unwrap();
        let (heard, listeners) = (Arc::new(Heard::default()), Listeners::default());
        listeners.add(Arc::clone(&heard) as Arc<dyn Listener>);
        let (inbox, commands) = flume::unbounded();
        let answers: Vec<_> = [1, 2, 2, 3]
            .into_iter()
            .map(|n| {
                let (command, answer) = boxed(insert(n));
                inbox.send(command).unwrap();
                answer
            })
            .collect();
        let (command, mut count) = {
            let (reply, answer) = oneshot::channel();
            let work = |db: &Transaction<'_>| {
                Ok(db.query_row("SELECT COUNT(*) FROM numbers", [], |row| row.get::<_, i64>(0))?)
            };
            (Box::new(Asked { verb: Verb::Ping, work, result: None, reply }), answer)
        };
        inbox.send(command).unwrap();
        drop(inbox);
        serve(db, checkpointer(), &commands, &Memory::default(), &listeners, &Crowd::default());
        let failed: Vec<_> =
            answers.into_iter().map(|mut answer| answer.try_recv().unwrap().is_err()).collect();
        assert_eq!(failed, [false, false, true, false], "only the second 2 is refused");
        assert_eq!(count.try_recv().unwrap().unwrap(), 3, "no command was done twice");
        assert_eq!(
            *heard.0.lock().unwrap(),
            [[1], [2], [3]],
            "no signal of the group that was rolled back, and one signal of each command that was run again"
        );
    }

    #[tokio::test]
    async fn the_thread_ends_when_its_last_handle_is_gone() {
        let (db, listeners) = (Connection::open_in_memory().unwrap(), Listeners::default());
        let (writer, ended) = Writer::start(db, checkpointer(), listeners, Crowd::default()).unwrap();
        writer.write(Verb::Ping, |db| Ok(db.query_row("SELECT 1", [], |_| Ok(()))?)).await.unwrap();
        drop(writer);
        assert!(ended.recv_async().await.is_err());
    }
}
