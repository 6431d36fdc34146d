//! Threads that read. Each has a read-only connection; in WAL mode a reader neither waits for the writer nor holds it up.
//!
//! There are three pools. The machine's pool answers what messages on their way need: keys, tokens, sessions, what is due. The
//! people's pool answers lists and searches, whose cost depends on the question and on the size of the history; they have a
//! time limit. Walks over all permits of an app have a pool of one thread. However long people's queries take, the machine's
//! queries never queue behind them, and however long a walk takes, no list queues behind it.

use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::row_error::{RowError, RowResult};
use super::verb::Verb;
use crate::{Result, StoreError};

/// How many queries may queue up. A caller that comes later waits for room in the queue.
const MAX_QUEUE: usize = 1024;

/// How many steps of its virtual machine SQLite takes between two looks at the clock: some microseconds.
const STEPS_BETWEEN_LOOKS: i32 = 1_000;

type Query = Box<dyn FnOnce(&mut Connection) + Send>;

/// A handle to the readers of a pool. The threads end when the last handle is dropped and the queue is empty.
#[derive(Clone)]
pub(super) struct Readers {
    inbox: flume::Sender<Query>,
    /// How long a query may take, including its time in the queue.
    limit: Option<Duration>,
}

impl Readers {
    /// Starts a thread per connection. The returned channel closes when all threads have ended.
    pub(super) fn start(
        pool: &str,
        connections: Vec<Connection>,
        limit: Option<Duration>,
    ) -> std::io::Result<(Self, flume::Receiver<()>)> {
        let (inbox, questions) = flume::bounded::<Query>(MAX_QUEUE);
        let (running, ended) = flume::bounded(0);
        for (number, mut db) in connections.into_iter().enumerate() {
            let (questions, running) = (questions.clone(), running.clone());
            thread::Builder::new().name(format!("hongyan-{pool}-{number}")).spawn(move || {
                while let Ok(question) = questions.recv() {
                    question(&mut db);
                }
                drop(db);
                drop(running);
            })?;
        }
        Ok((Self { inbox, limit }, ended))
    }

    /// Runs a query; all its statements see the same state of the database.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        verb: Verb,
        ask: impl FnOnce(&Connection) -> RowResult<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let until = self.limit.map(|limit| Instant::now() + limit);
        let question = move |db: &mut Connection| {
            if reply.is_closed() {
                // The caller went away while the query was in the queue.
                return;
            }
            let result = within(db, until, |db| {
                db.transaction().map_err(Into::into).and_then(|snapshot| ask(&snapshot))
            });
            // Sending fails only if the caller went away.
            let _gone = reply.send(result.map_err(|trouble| trouble.in_verb(verb.text())));
        };
        self.inbox.send_async(Box::new(question)).await.map_err(|_| StoreError::Closed)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

/// Runs a query, and lets SQLite interrupt its statement when the time is over.
fn within<T>(
    db: &mut Connection,
    until: Option<Instant>,
    ask: impl FnOnce(&mut Connection) -> RowResult<T>,
) -> RowResult<T> {
    let Some(until) = until else { return ask(db) };
    if Instant::now() >= until {
        return Err(RowError::TookTooLong);
    }
    db.progress_handler(STEPS_BETWEEN_LOOKS, Some(move || Instant::now() >= until))?;
    let result = ask(db);
    db.progress_handler(0, None::<fn() -> bool>)?;
    result
}

/// A query that counts until it is interrupted, for tests.
#[cfg(test)]
pub(super) fn count_for_ever(db: &Connection) -> RowResult<i64> {
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    Ok(db.query_row(endless, [], |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    #[tokio::test]
    async fn a_question_that_takes_too_long_is_broken_off_and_the_next_one_is_answered() {
        let db = Connection::open_in_memory().unwrap();
        let (readers, _ended) = Readers::start("people", vec![db], Some(Duration::from_millis(200))).unwrap();
        let endless = readers.read(Verb::CountReach, count_for_ever).await;
        assert!(
            matches!(endless, Err(StoreError::TookTooLong { verb: "count who can be reached" })),
            "{endless:?}"
        );
        // Without a limit, because a busy machine may take longer than the limit to wake the thread.
        let patient = Readers { limit: None, ..readers };
        let one = patient
            .read(Verb::Ping, |db| Ok(db.query_row("SELECT 1", [], |row| row.get::<_, i64>(0))?))
            .await;
        assert_eq!(one.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_question_that_waited_for_too_long_is_not_begun() {
        let limit = Duration::from_millis(20);
        let db = Connection::open_in_memory().unwrap();
        let (readers, _ended) = Readers::start("people", vec![db], Some(limit)).unwrap();
        let (release, held) = flume::bounded::<()>(1);
        readers.inbox.send(Box::new(move |_| held.recv().unwrap())).unwrap();

        let mut late =
            pin!(readers.read(Verb::Ping, |_| -> RowResult<()> { panic!("the question was begun") }));
        let asked = late.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(asked.is_pending(), "the thread is held");
        thread::sleep(limit);
        release.send(()).unwrap();
        let answer = late.await;
        assert!(matches!(answer, Err(StoreError::TookTooLong { .. })), "{answer:?}");
    }
}
