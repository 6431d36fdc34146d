//! Accepts and forwards messages, and stores nothing: the cost of HTTP alone on this machine.
//!
//! The answer is 202 when the message is in a queue in memory; the gateway's 202 does not wait for WeChat either. Callers
//! wait while the queue is full. A crash loses the queue.

use bytes::Bytes;
use http::StatusCode;

use super::send::Sender;
use super::{WORKERS, body, serve};
use crate::Result;

/// The length of the queue: as many messages as the gateway has in flight.
const QUEUE: usize = 128;

pub(super) async fn run(wechat: &str) -> Result {
    let (queue, messages) = flume::bounded(QUEUE);
    for _ in 0..WORKERS {
        tokio::spawn(work(messages.clone(), Sender::new(wechat)?));
    }
    serve::until_told(move |message| accept(message, queue.clone())).await
}

async fn accept(message: Bytes, queue: flume::Sender<Bytes>) -> StatusCode {
    let Ok(body) = body::of(&message) else { return StatusCode::BAD_REQUEST };
    match queue.send_async(body.into()).await {
        Ok(()) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn work(messages: flume::Receiver<Bytes>, mut sender: Sender) {
    while let Ok(body) = messages.recv_async().await {
        if let Err(why) = sender.send(body).await {
            eprintln!("lost: {why}");
        }
    }
}
