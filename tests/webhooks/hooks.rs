//! A world in which webhooks may be on this machine.

use std::time::Duration;

use serde_json::{Value, json};

use super::receiver::{self, Description, Received, Receiver};
use crate::world::{Answer, World, eventually};

pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(3_600);
pub const DAY: Duration = Duration::from_secs(86_400);

impl World {
    /// A world in which webhooks may be on this machine.
    pub async fn with_webhooks() -> Self {
        let world = Self::start_with(|settings| {
            settings.webhook_allow_http = true;
            settings.webhook_allow_private = true;
        })
        .await;
        if receiver::DESCRIPTION.get().is_none() {
            let description = world.get("/openapi.json").await.expect(200);
            receiver::DESCRIPTION.get_or_init(|| Description(description));
        }
        world
    }

    /// Sets up a webhook for some event types. Returns its id and secret.
    pub async fn hook(&self, receiver: &Receiver, types: &[&str]) -> (String, String) {
        let created =
            self.post("/v1/webhooks", json!({ "url": receiver.url, "types": types })).await.expect(201);
        let text = |field: &str| created[field].as_str().unwrap().to_owned();
        (text("id"), text("secret"))
    }

    pub async fn webhook(&self, id: &str) -> Value {
        self.get(&format!("/v1/webhooks/{id}")).await.expect(200)
    }

    pub async fn webhook_when(&self, id: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        eventually(async || self.webhook(id).await, is_so).await
    }

    pub async fn deliveries(&self, id: &str) -> Vec<Value> {
        let page = self.get(&format!("/v1/webhooks/{id}/deliveries")).await.expect(200);
        page["deliveries"].as_array().unwrap().clone()
    }

    pub async fn do_webhook(&self, id: &str, what: &str, body: Value) -> Answer {
        self.post(&format!("/v1/webhooks/{id}/{what}"), body).await
    }

    /// Sends a message. Returns its id.
    pub async fn message_to(&self, user: &str, text: &str) -> String {
        self.grant_subscription(user).await;
        let message = self.send(self.subscribe(user, text)).await;
        assert_eq!(message["state"], "sent", "{message}");
        message["id"].as_str().unwrap().to_owned()
    }
}

/// The values of one field of the events' data.
pub fn about(received: &[Received], field: &str) -> Vec<String> {
    received.iter().map(|one| one.body["data"][field].as_str().unwrap().to_owned()).collect()
}
