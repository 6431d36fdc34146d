//! A minimal durable forwarder: the yardstick for what the gateway's promises cost.
//!
//! The forwarder answers 202 when the message's row is committed, sends the message, and commits the outcome. After a crash
//! it sends every message without an outcome again. It has no permits, no idempotency, no order per user, no retries, and no
//! checks beyond reading the JSON.
//!
//! HTTP uses hyper directly on both sides. One thread writes the rows with group commit, under the settings of the gateway's
//! writer, and gives committed rows to the workers.

use std::path::Path;

use bytes::Bytes;
use http::StatusCode;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::journal::{Command, FAILED, Journal, Row, SENT};
use super::send::Sender;
use super::{WORKERS, body, serve};
use crate::Result;

pub(super) async fn run(wechat: &str, database: &Path) -> Result {
    let journal = Journal::open(database)?;
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        workers.spawn(work(journal.rows.clone(), Sender::new(wechat)?, journal.inbox.clone()));
    }
    let inbox = journal.inbox.clone();
    serve::until_told(move |message| accept(message, inbox.clone())).await?;
    // Messages in the queue are still sent, and their outcomes are committed.
    journal.stop();
    while workers.join_next().await.is_some() {}
    journal.end()
}

async fn accept(message: Bytes, inbox: flume::Sender<Command>) -> StatusCode {
    let Ok(body) = body::of(&message) else { return StatusCode::BAD_REQUEST };
    let (committed, commit) = oneshot::channel();
    let insert = Command::Insert { body: body.into(), committed };
    if inbox.send_async(insert).await.is_ok() && commit.await.is_ok() {
        StatusCode::ACCEPTED
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

async fn work(rows: flume::Receiver<Row>, mut sender: Sender, inbox: flume::Sender<Command>) {
    while let Ok(Row { number, body }) = rows.recv_async().await {
        let state = match sender.send(body).await {
            Ok(true) => SENT,
            Ok(false) => FAILED,
            Err(why) => {
                eprintln!("row {number}: {why}");
                FAILED
            }
        };
        if inbox.send_async(Command::Settle { number, state }).await.is_err() {
            return;
        }
    }
}
