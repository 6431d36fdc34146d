//! Sends messages, one after the other on each connection, and times the answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use serde_json::json;
use tokio::task::JoinSet;

use crate::Result;
use crate::gateway::{APPID, Gateway, user};
use crate::sink::TEMPLATE;

/// Sends so many messages to the users in turn; how long each was on its way to being accepted.
pub(crate) async fn send(
    gateway: &Gateway,
    users: u32,
    messages: u32,
    concurrency: u32,
) -> Result<Vec<Duration>> {
    let next = Arc::new(AtomicU32::new(0));
    let mut connections = JoinSet::new();
    for _ in 0..concurrency {
        let mut connection = gateway.connect().await?;
        let next = Arc::clone(&next);
        connections.spawn(async move {
            let mut latencies = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= messages {
                    return Ok::<_, String>(latencies);
                }
                let body = message(number % users);
                let begin = Instant::now();
                connection.post("/v1/messages", body, StatusCode::ACCEPTED).await?;
                latencies.push(begin.elapsed());
            }
        });
    }
    let mut all = Vec::with_capacity(messages as usize);
    while let Some(done) = connections.join_next().await {
        all.append(&mut done.map_err(|error| format!("a connection's task broke: {error}"))??);
    }
    Ok(all)
}

fn message(to: u32) -> Bytes {
    json!({
        "app": APPID,
        "to": user(to),
        "template": TEMPLATE,
        "page": "pages/index/index?from=card",
        "data": { "thing1": "拿铁咖啡一杯", "date2": "2026年5月1日 09:30", "amount3": "¥18.00" },
    })
    .to_string()
    .into()
}
