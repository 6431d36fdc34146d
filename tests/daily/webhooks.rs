//! Webhooks at the command line, and the receiver for development.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::daily::{at, stderr};
use crate::process::run;
use crate::webhooks::receiver::Receiver;
use crate::world::{PATIENCE, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_set_up_tested_changed_replayed_and_removed() {
    let world = World::with_webhooks().await;
    let receiver = Receiver::start().await;
    let (secret, said) = world.command(&["webhook", "add", &receiver.url, "--types", "message.sent"]).await;
    assert!(secret.starts_with("whsec_") && secret.lines().count() == 1, "{secret}");
    let id = said.split_whitespace().find(|word| word.starts_with("whk_")).unwrap().to_owned();
    let (listed, _) = world.command(&["webhook", "list"]).await;
    assert!(listed.contains(&id) && listed.contains("enabled") && listed.contains(&receiver.url), "{listed}");
    let (tested, _) = world.command(&["webhook", "test", &id, "--wait", "15"]).await;
    assert!(tested.starts_with("whe_") && tested.contains("taken"), "{tested}");
    assert!(receiver.first("webhook.test").await.is_signed_by(secret.trim()));

    let user = world.wechat.user().await;
    world.message_to(&user, "Latte").await;
    let sent = receiver.first("message.sent").await;
    let replayed = world.command_json(&["webhook", "replay", &id, "--since", "1h"]).await;
    assert_eq!(replayed, json!({ "events": 1 }));
    receiver.count(3).await;
    world.command(&["webhook", "replay", &id, "--event", &sent.id]).await;
    let received = receiver.count(4).await;
    assert!(received[2..].iter().all(|again| again.id == sent.id), "{received:#?}");

    let (rotated, said) = world.command(&["webhook", "rotate", &id]).await;
    assert!(rotated.starts_with("whsec_") && rotated != secret && said.contains("signs too until"), "{said}");
    world.command(&["webhook", "set", &id, "--description", "shop", "--all-types", "--disable"]).await;
    let shown = world.command_json(&["webhook", "show", &id]).await;
    assert_eq!((&shown["description"], &shown["types"]), (&json!("shop"), &json!([])));
    assert_eq!(shown["disabled_reason"], "operator");
    let (shown, _) = world.command(&["webhook", "set", &id, "--enable"]).await;
    assert!(shown.contains("enabled"), "{shown}");
    let nothing = run(&mut at(&world.url, &world.key, &["webhook", "set", &id])).await;
    assert_eq!(nothing.status.code(), Some(2));

    receiver.answers(|_| Some(500));
    let failed = run(&mut at(&world.url, &world.key, &["webhook", "test", &id, "--wait", "1"])).await;
    assert_eq!(failed.status.code(), Some(1));
    assert!(stderr(&failed).contains("500"), "{}", stderr(&failed));
    let (deliveries, _) = world.command(&["webhook", "deliveries", &id, "-o", "csv"]).await;
    assert!(deliveries.contains("webhook.test,") && deliveries.contains(",pending,"), "{deliveries}");
    world.command(&["webhook", "remove", &id]).await;
    let (_, said) = world.command(&["webhook", "list"]).await;
    assert!(said.contains("there is no webhook"), "{said}");
}

/// A receiver in its own process, and the lines that it prints.
struct Listening {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Listening {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn line(&mut self) -> String {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await.expect("a line in time");
        line.unwrap().expect("the receiver goes on")
    }

    async fn json(&mut self) -> Value {
        let line = self.line().await;
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    async fn ended(mut self) -> Option<i32> {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("the receiver ends");
        ended.unwrap().code()
    }

    async fn interrupt(self) -> Option<i32> {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-s", "INT", &pid]).status().await.unwrap().success());
        self.ended().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_arrive_on_this_machine_verified_and_forwarded_until_ctrl_c() {
    let world = World::with_webhooks().await;
    let back_end = Receiver::start().await;
    let args = ["webhook", "listen", "--json", "--types", "message.sent", "--forward", &back_end.url];
    let mut listening = Listening::start(&mut at(&world.url, &world.key, &args));
    let made = listening.json().await;
    let (id, url) = (made["webhook"].as_str().unwrap().to_owned(), made["url"].as_str().unwrap().to_owned());
    let user = world.wechat.user().await;
    let message = world.message_to(&user, "Latte").await;
    let event = listening.json().await;
    assert_eq!((&event["type"], &event["data"]["id"]), (&json!("message.sent"), &json!(message)));
    assert_eq!(event["forwarded"], 200);
    let forwarded = back_end.first("message.sent").await;
    assert_eq!(event["event"], forwarded.id.as_str(), "the same headers and the same body");

    // Nobody else can send events here.
    let forged = [("webhook-id", "whe_1"), ("webhook-timestamp", "1"), ("webhook-signature", "v1,AAAA")];
    let answer = world.wechat.http.send(http::Method::POST, &url, &forged, "{}").await;
    assert_eq!(answer.status, 401);
    // The answer of the back end is the answer to the gateway.
    back_end.answers_next(503);
    world.do_webhook(&id, "test", json!({})).await;
    let event = listening.json().await;
    assert_eq!((&event["type"], &event["forwarded"]), (&json!("webhook.test"), &json!(503)));
    assert_eq!(listening.interrupt().await, Some(0));
    let gone = world.get("/v1/webhooks").await.expect(200);
    assert_eq!(gone["webhooks"], json!([]), "the receiver removes the webhook that it made");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_takes_a_webhook_that_exists_and_leaves_it() {
    let world = World::with_webhooks().await;
    // A free port, which the webhook leads to before anybody listens on it.
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let created =
        world.post("/v1/webhooks", json!({ "url": format!("http://{address}/") })).await.expect(201);
    let id = created["id"].as_str().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret");
    std::fs::write(&file, format!("{}\n", created["secret"].as_str().unwrap())).unwrap();
    let file = file.to_str().unwrap();
    let args = ["webhook", "listen", "--listen", &address, "--secret-file", file, "--count", "1"];
    let mut listening = Listening::start(at("http://127.0.0.1:9", "", &args).stderr(Stdio::null()));
    world.do_webhook(id, "test", json!({})).await;
    let line = listening.line().await;
    assert!(line.contains("webhook.test") && line.contains(id), "{line}");
    assert_eq!(listening.ended().await, Some(0));
    assert_eq!(world.webhook(id).await["state"], "enabled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_takes_no_address_of_this_machine_says_what_to_do() {
    let world = World::start().await;
    let refused = run(&mut at(&world.url, &world.key, &["webhook", "listen"])).await;
    assert_eq!(refused.status.code(), Some(1));
    let said = stderr(&refused);
    assert!(said.contains("webhook_allow_private") && said.contains("--public-url"), "{said}");
}
