//! Threads that read. Each owns a read-only connection; in WAL mode they neither wait for the writer nor hold it up.

use std::thread;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::trouble::Res;
use crate::{Result, StoreError};

/// The most questions that wait; who comes later waits before the queue.
const MAX_QUEUE: usize = 1024;

type Question = Box<dyn FnOnce(&mut Connection) + Send>;

/// A handle to the readers. The threads end when the last one is dropped and the queue is empty.
#[derive(Clone)]
pub(super) struct Readers {
    inbox: flume::Sender<Question>,
}

impl Readers {
    /// Starts a thread per connection. The second value closes (as a channel) when all threads have ended.
    pub(super) fn start(connections: Vec<Connection>) -> std::io::Result<(Self, flume::Receiver<()>)> {
        let (inbox, questions) = flume::bounded::<Question>(MAX_QUEUE);
        let (running, ended) = flume::bounded(0);
        for (number, mut db) in connections.into_iter().enumerate() {
            let (questions, running) = (questions.clone(), running.clone());
            thread::Builder::new().name(format!("hongyan-reader-{number}")).spawn(move || {
                while let Ok(question) = questions.recv() {
                    question(&mut db);
                }
                drop(db);
                drop(running);
            })?;
        }
        Ok((Self { inbox }, ended))
    }

    /// Asks; all of one question's statements see the same state of the database.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        name: &'static str,
        ask: impl FnOnce(&Connection) -> Res<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let question = move |db: &mut Connection| {
            let result = db.transaction().map_err(Into::into).and_then(|snapshot| ask(&snapshot));
            // A caller that went away does not want to know.
            let _gone = reply.send(result.map_err(|trouble| trouble.in_verb(name)));
        };
        self.inbox.send_async(Box::new(question)).await.map_err(|_| StoreError::Closed)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}
