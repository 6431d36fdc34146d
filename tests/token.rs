//! The access token: one fetch for everybody, repaired when somebody else kills it, never fetched in vain.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::world::World;

const STABLE: &str = "/cgi-bin/stable_token";

#[tokio::test(flavor = "multi_thread")]
async fn a_token_killed_by_someone_else_is_replaced_and_the_message_goes_out() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_form(&user).await;
    let before = world.wechat.asked(STABLE).await;
    world.wechat.control("tokens/rotate", json!({})).await;
    let sent = world.send(world.legacy(&user, "survived")).await;
    assert_eq!(sent["state"], "sent", "{sent}");
    assert_eq!(sent["attempts"].as_array().unwrap().len(), 1, "the repair is part of the attempt");
    assert!(
        world.wechat.asked(STABLE).await - before <= 2,
        "a plain fetch, and a forced one if that was the same"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_messages_that_meet_a_dead_token_cause_one_repair() {
    let world = World::start().await;
    let users: Vec<String> = join_all((0..40).map(|_| world.wechat.user())).await;
    for user in &users {
        world.grant_form(user).await;
    }
    let before = world.wechat.asked(STABLE).await;
    world.wechat.control("tokens/rotate", json!({})).await;
    let sent = join_all(users.iter().map(|user| world.send(world.legacy(user, "x")))).await;
    assert!(sent.iter().all(|message| message["state"] == "sent"));
    assert!(world.wechat.asked(STABLE).await - before <= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_token_call_works_too() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let path = format!("/v1/apps/{}", world.wechat.seed.appid);
    world.call(http::Method::PATCH, &path, &[], json!({ "token": "plain" }).to_string()).await.expect(200);
    world.grant_form(&user).await;
    world.wechat.control("tokens/rotate", json!({})).await;
    world.advance(Duration::from_secs(600));
    assert_eq!(world.send(world.legacy(&user, "plain")).await["state"], "sent");
    assert!(world.wechat.asked("/cgi-bin/token").await >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_renewed_before_it_expires() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    for hours in 0..6 {
        world.grant_form(&user).await;
        assert_eq!(world.send(world.legacy(&user, "x")).await["state"], "sent", "after {hours} hours");
        world.advance(Duration::from_secs(3600));
    }
    assert!(world.wechat.asked(STABLE).await <= 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_pauses_the_app_and_burns_no_fetches() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let appid = world.wechat.control("apps", json!({ "appid": "wx00000000000000aa" })).await;
    let (appid, secret) = (appid["appid"].as_str().unwrap(), appid["app_secret"].as_str().unwrap());
    let before = world.wechat.asked(STABLE).await;
    let registered = world
        .post("/v1/apps", json!({ "appid": appid, "secret": "0123456789abcdef0123456789abcdef" }))
        .await
        .expect(201);
    assert_eq!(registered["paused"]["code"], "misconfigured", "{registered}");
    assert!(registered["paused"]["detail"].as_str().unwrap().len() > 20, "it says what to do: {registered}");
    // Whatever is asked now, WeChat is not.
    for _ in 0..5 {
        let code = world.wechat.login_code(&user).await;
        world.post("/v1/login", json!({ "app": appid, "code": code })).await;
        world.post(&format!("/v1/apps/{appid}/templates/sync"), json!({})).await;
    }
    assert_eq!(world.wechat.asked(STABLE).await - before, 1);
    world.get("/readyz").await.expect(200);
    // The right secret ends the pause.
    let path = format!("/v1/apps/{appid}");
    let changed = world
        .call(http::Method::PATCH, &path, &[], json!({ "secret": secret }).to_string())
        .await
        .expect(200);
    assert!(changed.get("paused").is_none(), "{changed}");
    world.post(&format!("/v1/apps/{appid}/templates/sync"), json!({})).await.expect(200);
}
