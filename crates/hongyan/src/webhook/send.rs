//! Test events, and events that are sent again.

use std::time::Duration;

use ::http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::change::path;
use crate::cli::{WebhookReplayArgs, WebhookTestArgs};
use crate::failure::Failure;
use crate::http::Api;
use crate::text::{Text, say, word};
use crate::{output, progress};

/// How often the delivery of a test is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(super) async fn test(args: &WebhookTestArgs) -> Result<(), Failure> {
    let (api, path) = (Api::remote(&args.webhook.remote)?, path(&args.webhook));
    let answer = api.call(Method::POST, &format!("{path}/test"), &[], Some(&json!({}))).await?;
    let event = answer["event"].as_str().unwrap_or_default();
    let Some(seconds) = args.wait else {
        if args.webhook.remote.json {
            return output::json(&answer);
        }
        return output::line(event);
    };
    let delivery = delivery(&api, &path, event, Duration::from_secs(seconds.into())).await?;
    if args.webhook.remote.json {
        output::json(&delivery)?;
    } else {
        let text = |name: &str| delivery[name].as_str().unwrap_or_default();
        output::line(&format!("{event}  {}", text("state")))?;
    }
    if delivery["state"] == "taken" {
        return Ok(());
    }
    let last = &delivery["last_answer"];
    let status = last["status"].as_u64().map_or_else(String::new, |status| format!(" {status}"));
    let text = last["text"].as_str().map_or_else(|| say!("还没有", "none yet"), Text::same);
    Err(Failure::run(say!(
        "这个 webhook 在 {seconds} 秒内没有接收事件；最近的应答：{status} {text}",
        "the webhook did not take the event within {seconds} s; its last answer:{status} {text}";
        text
    )))
}

/// The delivery of an event as soon as the webhook has taken it, or when the time is up.
async fn delivery(api: &Api, path: &str, event: &str, patience: Duration) -> Result<Value, Failure> {
    let end = Instant::now() + patience;
    loop {
        let mut page = api.get(&format!("{path}/deliveries?limit=1000")).await?;
        let deliveries = page["deliveries"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let found = deliveries.into_iter().find(|delivery| delivery["event"] == event).unwrap_or_default();
        if found["state"] == "taken" || Instant::now() >= end {
            return Ok(found);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

pub(super) async fn replay(args: &WebhookReplayArgs) -> Result<(), Failure> {
    let api = Api::remote(&args.webhook.remote)?;
    let path = format!("{}/replay", path(&args.webhook));
    let mut body = match args.event {
        Some(event) => json!({ "event": event }),
        None => json!({ "since": args.since }),
    };
    if let Some(until) = args.until {
        body["until"] = json!(until);
    }
    let bar = progress::count(true, word("个事件会再次发送", "events will be sent again"));
    let mut events = 0;
    // One call looks at a limited number of events, and says where to go on.
    loop {
        let answer = api.call(Method::POST, &path, &[], Some(&body)).await?;
        events += answer["events"].as_u64().unwrap_or_default();
        bar.set_position(events);
        match answer["next_since"].as_str() {
            Some(next) => body["since"] = next.into(),
            None => break,
        }
    }
    bar.finish_and_clear();
    if args.webhook.remote.json {
        return output::json(&json!({ "events": events }));
    }
    output::line(say!("{events} 个事件会再次发送", "{events} events will be sent again").shown())
}
