//! Sends requests and times the answers: in a closed loop, one request at a time on each connection, or at a fixed rate,
//! whether or not earlier requests are answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hongyan_wechat::callback::sign;
use http::StatusCode;
use tokio::task::JoinSet;

use crate::Result;
use crate::client::{Connection, Target};
use crate::gateway::MESSAGES_PATH;
use crate::message::{self, APPID};

/// A load: the server, the connections and the requests.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) target: Target,
    /// Each connection sends one request at a time.
    pub(crate) connections: u32,
    pub(crate) requests: Requests,
}

/// The requests of a load. Messages are numbered; a message's number selects the user and makes the idempotency key.
#[derive(Debug, Clone)]
pub(crate) enum Requests {
    /// Messages in the format of the gateway's API.
    Messages {
        /// The number of users, who get the messages in turn.
        users: u32,
        /// Messages of a request. With 1, the body is the message itself.
        batch: u32,
        /// The status of a request that was accepted.
        accepted: StatusCode,
    },
    /// WeChat's own requests, prepared.
    Wechat {
        /// With the access token.
        path: Arc<str>,
        /// One body for each user; they are sent in turn.
        bodies: Arc<[Bytes]>,
    },
    /// Pushes of WeChat: a user has accepted a template in the dialog. Each push is about another user.
    Pushes {
        /// The token that signs the pushes.
        token: Arc<str>,
        /// The time of the event, in seconds.
        timestamp: u64,
    },
}

impl Load {
    /// Sends the messages with these numbers, and returns the latency of each request.
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
            all.append(&mut done.map_err(|error| format!("the task of a connection panicked: {error}"))??);
        }
        Ok(all)
    }

    /// Sends at this rate, whether or not earlier requests are answered. Returns how long after its planned time each request
    /// was answered, so a stall counts for every request that it delays.
    pub(crate) async fn send_at(
        &self,
        rate_per_second: f64,
        first: u32,
        count: u32,
    ) -> Result<Vec<Duration>> {
        let (clock, moments) = flume::unbounded::<(u32, Instant)>();
        let mut senders = JoinSet::new();
        for _ in 0..self.connections {
            let mut connection = self.target.connect().await?;
            let (moments, requests) = (moments.clone(), self.requests.clone());
            senders.spawn(async move {
                let mut latencies = Vec::new();
                while let Ok((number, moment)) = moments.recv_async().await {
                    requests.one(&mut connection, number, 1).await?;
                    latencies.push(moment.elapsed());
                }
                Ok::<_, String>(latencies)
            });
        }
        drop(moments);
        // This is a thread because the timers of tokio have a resolution of a millisecond.
        let ticking = std::thread::spawn(move || {
            let begin = Instant::now();
            for place in 0..count {
                let moment = begin + Duration::from_secs_f64(f64::from(place) / rate_per_second);
                std::thread::sleep(moment.saturating_duration_since(Instant::now()));
                if clock.send((first + place, moment)).is_err() {
                    // All senders have failed; their errors are returned below.
                    return;
                }
            }
        });
        let mut all = Vec::with_capacity(count as usize);
        while let Some(done) = senders.join_next().await {
            all.append(&mut done.map_err(|error| format!("the task of a connection panicked: {error}"))??);
        }
        ticking.join().map_err(|_| "the thread of the clock panicked".to_owned())?;
        Ok(all)
    }
}

impl Requests {
    const fn batch(&self) -> u32 {
        match self {
            Self::Messages { batch, .. } => *batch,
            Self::Wechat { .. } | Self::Pushes { .. } => 1,
        }
    }

    /// Sends one request with `size` messages from `first`, and returns its latency.
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
            Self::Pushes { token, timestamp } => {
                let (timestamp, nonce) = (timestamp.to_string(), first.to_string());
                let signature = sign(&[token, &timestamp, &nonce]);
                let path =
                    format!("/callback/{APPID}?signature={signature}&timestamp={timestamp}&nonce={nonce}");
                let body = message::accepted(first, &timestamp);
                let begin = Instant::now();
                let answer = connection.post(&path, body, StatusCode::OK).await?;
                let took = begin.elapsed();
                if answer == "success" {
                    Ok(took)
                } else {
                    Err("a push was not answered with success".into())
                }
            }
        }
    }
}

fn memmem(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|window| window == wanted)
}
