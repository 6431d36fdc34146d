//! Secrets of webhooks: two secrets sign while one replaces the other.

use http::Method;
use serde_json::json;

use super::hooks::{DAY, MINUTE};
use super::receiver::Receiver;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_secret_signs_beside_the_new_one_for_a_day() {
    let world = World::with_webhooks().await;
    let receiver = Receiver::start().await;
    let (hook, old) = world.hook(&receiver, &["message.sent"]).await;
    let rotated = world.do_webhook(&hook, "secret", json!({})).await.expect(200);
    let new = rotated["secret"].as_str().unwrap();
    assert_ne!(new, old);
    assert!(rotated["previous_secret_until"].is_string(), "{rotated}");
    let user = world.wechat.user().await;
    world.message_to(&user, "during").await;
    let during = receiver.count(1).await.remove(0);
    assert_eq!(during.signature, format!("{} {}", during.signed_by(new), during.signed_by(&old)));

    world.advance(DAY + MINUTE);
    world.message_to(&user, "after").await;
    let after = receiver.count(2).await.remove(1);
    assert_eq!(after.signature, after.signed_by(new), "the old secret does not sign any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_rotated_as_soon_as_it_is_made_signs_from_then_on() {
    let world = World::with_webhooks().await;
    let user = world.wechat.user().await;
    // Each webhook is set up and changed while the gateway is about to start its worker.
    for round in 0..30 {
        let receiver = Receiver::start().await;
        let (hook, _) = world.hook(&receiver, &["message.sent"]).await;
        let rotated = world.do_webhook(&hook, "secret", json!({})).await.expect(200);
        world.message_to(&user, "hello").await;
        let told = receiver.count(1).await.remove(0);
        let signed = told.signed_by(rotated["secret"].as_str().unwrap());
        assert!(told.signature.contains(&signed), "round {round}: only the earlier secret signed the event");
        world.call(Method::DELETE, &format!("/v1/webhooks/{hook}"), &[], "").await.expect(204);
    }
}
