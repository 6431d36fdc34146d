//! Sends requests in a closed loop, one after the other on each connection, and times the answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use tokio::task::JoinSet;

use crate::Result;
use crate::client::{Connection, Target};
use crate::gateway::MESSAGES_PATH;
use crate::message;

/// Where requests go.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) target: Target,
    /// How many connections, each one request after the other.
    pub(crate) connections: u32,
    /// What is asked.
    pub(crate) requests: Requests,
}

/// What is asked. Messages are numbered; a message's number says to whom it goes, and makes its idempotency key.
#[derive(Debug, Clone)]
pub(crate) enum Requests {
    /// The messages, as the gateway's API takes them.
    Messages {
        /// How many users they go to, in turn.
        users: u32,
        /// How many are in a request; with 1 it is the message itself.
        batch: u32,
        /// The status that says that a request was taken.
        accepted: StatusCode,
    },
    /// WeChat's own requests, prepared: which path, and one body for each user, in turn.
    Wechat {
        /// With the access token.
        path: Arc<str>,
        /// To each user one.
        bodies: Arc<[Bytes]>,
    },
}

impl Load {
    /// Sends the messages with these numbers; how long each request was on its way to being answered.
    pub(crate) async fn send(&self, first: u32, count: u32) -> Result<Vec<Duration>> {
        let next = Arc::new(AtomicU32::new(0));
        let batch = self.requests.batch();
        let mut connections = JoinSet::new();
        for _ in 0..self.connections {
            let mut connection = self.target.connect().await?;
            let next = Arc::clone(&next);
            let requests = self.requests.clone();
            connections.spawn(async move {
                let mut latencies = Vec::new();
                loop {
                    let done = next.fetch_add(batch, Ordering::Relaxed);
                    if done >= count {
                        return Ok::<_, String>(latencies);
                    }
                    let size = batch.min(count - done);
                    latencies.push(requests.one(&mut connection, first + done, size).await?);
                }
            });
        }
        let mut all = Vec::with_capacity((count / batch) as usize + 1);
        while let Some(done) = connections.join_next().await {
            all.append(&mut done.map_err(|error| format!("a connection's task broke: {error}"))??);
        }
        Ok(all)
    }
}

impl Requests {
    const fn batch(&self) -> u32 {
        match self {
            Self::Messages { batch, .. } => *batch,
            Self::Wechat { .. } => 1,
        }
    }

    /// One request, with `size` messages from `first`; how long its answer took.
    pub(crate) async fn one(&self, connection: &mut Connection, first: u32, size: u32) -> Result<Duration> {
        match self {
            Self::Messages { users, batch, accepted } => {
                let key = format!("bench-{first}");
                let body = if *batch == 1 {
                    message::single(first % users)
                } else {
                    message::batch((first..first + size).map(|number| number % users))
                };
                let begin = Instant::now();
                connection.post_once(MESSAGES_PATH, &key, body, *accepted).await?;
                Ok(begin.elapsed())
            }
            Self::Wechat { path, bodies } => {
                let body = bodies[first as usize % bodies.len()].clone();
                let begin = Instant::now();
                let answer = connection.post(path, body, StatusCode::OK).await?;
                let took = begin.elapsed();
                if memmem(&answer, br#""errcode":0"#) {
                    Ok(took)
                } else {
                    Err(format!("WeChat refused: {}", String::from_utf8_lossy(&answer)))
                }
            }
        }
    }
}

fn memmem(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|window| window == wanted)
}
