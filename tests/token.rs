//! The access token: one fetch for all callers, replaced when another process invalidates it, and no needless fetch.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hongyan_gateway::apps::{App, AppChange, Apps};
use hongyan_gateway::token::{Token, TokenError};
use serde_json::json;
use tokio::sync::Barrier;

use crate::world::{PATIENCE, World};

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
        "a plain fetch, and a forced fetch if that returned the same token"
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
    assert!(
        registered["paused"]["detail"].as_str().unwrap().len() > 20,
        "the detail says what to do: {registered}"
    );
    // Further requests do not make the gateway ask WeChat.
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

/// More callers than any gateway has workers: the number of requests to WeChat must not depend on it.
const CALLERS: usize = 10_000;

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_callers_who_find_no_token_cause_one_fetch() {
    let world = World::start().await;
    // A new secret drops the token of the registration. A request over HTTP would synchronise the templates with the next
    // token.
    let apps = &world.gateway.apps;
    let appid = world.wechat.seed.appid.parse().unwrap();
    let secret = Some(world.wechat.seed.app_secret.clone().into());
    apps.change(&appid, AppChange { secret, ..AppChange::default() }).await.unwrap();
    let before = world.wechat.asked(STABLE).await;
    let app = apps.get(&appid).unwrap();
    let token = ask_for_tokens(&world, |apps, app| async move { apps.token(&app).await }).await;
    assert_eq!(world.wechat.asked(STABLE).await - before, 1);

    // WeChat refuses that token to all callers at the same time (40001), because another process has fetched a token.
    world.wechat.control("tokens/rotate", json!({})).await;
    let before = world.wechat.asked(STABLE).await;
    let fresh =
        ask_for_tokens(&world, move |apps, app| async move { apps.token_after(&app, token).await }).await;
    assert_eq!(fresh, token + 1);
    assert_eq!(world.wechat.asked(STABLE).await - before, 1);
    // A later caller with the old generation gets the new token without a fetch.
    assert_eq!(apps.token_after(&app, token).await.unwrap().generation, fresh);
    assert_eq!(world.wechat.asked(STABLE).await - before, 1);
}

/// All callers ask at once, each in its own task. Returns the generation of the one token that all callers get.
async fn ask_for_tokens<Asking>(world: &World, ask: impl Fn(Apps, Arc<App>) -> Asking) -> u64
where
    Asking: Future<Output = Result<Arc<Token>, TokenError>> + Send + 'static,
{
    let apps = &world.gateway.apps;
    let app = apps.get(&world.wechat.seed.appid.parse().unwrap()).unwrap();
    let start = Arc::new(Barrier::new(CALLERS));
    let tasks: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (start, asking) = (Arc::clone(&start), ask(apps.clone(), Arc::clone(&app)));
            tokio::spawn(async move {
                start.wait().await;
                asking.await
            })
        })
        .collect();
    let answers = tokio::time::timeout(PATIENCE, join_all(tasks)).await.expect("no caller waits long");
    let generations: Vec<u64> = answers.into_iter().map(|token| token.unwrap().unwrap().generation).collect();
    assert!(
        generations.iter().all(|generation| *generation == generations[0]),
        "all callers get the same token"
    );
    generations[0]
}
