//! Sending to WeChat: each worker has one kept connection.

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;

use crate::Result;
use crate::client::{Connection, Target};
use crate::sink::SEND_PATH;

/// A worker's way to WeChat.
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
    /// Not connected yet. The access token is the sink's, for neither program here has tokens to look after.
    pub(super) fn new(wechat: &str) -> Result<Self> {
        let path = format!("{SEND_PATH}?access_token=bench-token");
        Ok(Self { wechat: Target::new(wechat)?, path, kept: None })
    }

    /// One request; whether WeChat took it.
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
