//! WeChat's pushes. Each event is pushed until it is answered `success`, after any number of deaths of the gateway, and then
//! once more.
//!
//! All events are about one user, who accepts a template again and again. Each event must be stored once, and must have granted
//! one unit.

use hongyan_clock::Clock;
use hongyan_wechat::callback::sign;
use http::Method;
use serde_json::{Value, json};

use crate::Result;
use crate::line::Line;

/// Events of a round: more than the passes of a fail point before the death.
pub(crate) const EVENTS: u32 = 12;

/// The token that signs the pushes.
pub(crate) const TOKEN: &str = "crashHarness1";

/// The events of a round.
#[derive(Debug, Clone)]
pub(crate) struct Pushes {
    pub(crate) line: Line,
    pub(crate) appid: String,
    pub(crate) openid: String,
    pub(crate) template: String,
}

/// The results of a round's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pushed {
    /// Events that the gateway has stored.
    pub(crate) events: u64,
    /// Events that the gateway has processed.
    pub(crate) done: u64,
    /// Units that the events granted.
    pub(crate) granted: u64,
}

impl Pushes {
    /// Pushes all events.
    pub(crate) async fn run(self) -> Result {
        for number in 0..EVENTS {
            let content = json!({
                "ToUserName": "gh_crash",
                "FromUserName": self.openid,
                "CreateTime": number,
                "MsgType": "event",
                "Event": "subscribe_msg_popup_event",
                "List": { "TemplateId": self.template, "SubscribeStatusString": "accept" },
            });
            for time in ["first", "again"] {
                self.push(&format!("{}-{number}-{time}", self.openid), &content).await?;
            }
        }
        Ok(())
    }

    async fn push(&self, nonce: &str, content: &Value) -> Result {
        let timestamp = Clock::system().now().as_seconds().to_string();
        let signature = sign(&[TOKEN, &timestamp, nonce]);
        let path =
            format!("/callback/{}?signature={signature}&timestamp={timestamp}&nonce={nonce}", self.appid);
        let answer = self.line.until_answered(Method::POST, &path, None, Some(content)).await?;
        match answer.body.as_str() {
            Some("success") => Ok(()),
            _ => Err(format!("a push was answered {}: {}", answer.status, answer.body)),
        }
    }

    /// The results so far.
    pub(crate) async fn look(&self) -> Result<Pushed> {
        let user = format!("app={}&openid={}", self.appid, self.openid);
        let events = self.line.get(&format!("/v1/events?{user}&limit=1000")).await?;
        let events = events["events"].as_array().cloned().unwrap_or_default();
        let permits = self.line.get(&format!("/v1/permits?{user}")).await?;
        Ok(Pushed {
            events: events.len() as u64,
            done: events.iter().filter(|event| event["state"] == "done").count() as u64,
            granted: permits["totals"]["granted"].as_u64().unwrap_or_default(),
        })
    }
}
