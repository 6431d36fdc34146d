//! Sending to WeChat: each worker has one kept connection.

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;

use crate::Result;
use crate::client::{Connection, Target};
use crate::sink::SEND_PATH;

/// A worker's client of WeChat.
pub(super) struct Sender {
    wechat: Target,
    path: String,
    kept: Option<Connection>,
}

#[derive(Deserialize)]
struct Answer {
    errcode: i64,
}

impl Sender {
    /// Makes a client without connecting. These programs do not fetch tokens: the access token is the constant of the sink.
    pub(super) fn new(wechat: &str) -> Result<Self> {
        let path = format!("{SEND_PATH}?access_token=bench-token");
        Ok(Self { wechat: Target::new(wechat)?, path, kept: None })
    }

    /// Sends one request, and returns whether WeChat accepted the message.
    pub(super) async fn send(&mut self, body: Bytes) -> Result<bool> {
        let mut connection = match self.kept.take() {
            Some(kept) => kept,
            None => self.wechat.connect().await?,
        };
        let answer = connection.post(&self.path, body, StatusCode::OK).await?;
        self.kept = Some(connection);
        let answer: Answer = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
        Ok(answer.errcode == 0)
    }
}
