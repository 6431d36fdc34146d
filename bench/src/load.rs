//! Sends messages in a closed loop, one request after the other on each connection, and times the answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use http::StatusCode;
use tokio::task::JoinSet;

use crate::Result;
use crate::client::{Connection, Target};
use crate::gateway::MESSAGES_PATH;
use crate::message;

/// What is sent to whom.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) target: Target,
    /// How many connections, each one request after the other.
    pub(crate) connections: u32,
    /// How many users the messages go to, in turn.
    pub(crate) users: u32,
    /// How many messages are in a request; with 1 it is the message itself.
    pub(crate) batch: u32,
}

impl Load {
    /// Sends the messages with these numbers; how long each request was on its way to being answered.
    ///
    /// Every request has an idempotency key of its own, made from its first message's number.
    pub(crate) async fn send(&self, first: u32, count: u32) -> Result<Vec<Duration>> {
        let next = Arc::new(AtomicU32::new(0));
        let mut connections = JoinSet::new();
        for _ in 0..self.connections {
            let mut connection = self.target.connect().await?;
            let next = Arc::clone(&next);
            let load = self.clone();
            connections.spawn(async move {
                let mut latencies = Vec::new();
                loop {
                    let done = next.fetch_add(load.batch, Ordering::Relaxed);
                    if done >= count {
                        return Ok::<_, String>(latencies);
                    }
                    let size = load.batch.min(count - done);
                    latencies.push(load.request(&mut connection, first + done, size).await?);
                }
            });
        }
        let mut all = Vec::with_capacity((count / self.batch) as usize + 1);
        while let Some(done) = connections.join_next().await {
            all.append(&mut done.map_err(|error| format!("a connection's task broke: {error}"))??);
        }
        Ok(all)
    }

    async fn request(&self, connection: &mut Connection, first: u32, size: u32) -> Result<Duration> {
        let key = format!("bench-{first}");
        let body = if self.batch == 1 {
            message::single(first % self.users)
        } else {
            message::batch((first..first + size).map(|number| number % self.users))
        };
        let begin = Instant::now();
        connection.post_once(MESSAGES_PATH, &key, body, StatusCode::ACCEPTED).await?;
        Ok(begin.elapsed())
    }
}
