//! The gateway's requests to WeChat are well-formed: the sandbox records requests that the real WeChat would complain about.

use serde_json::{Value, json};

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn wechat_would_mind_nothing_about_the_gateways_requests() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let appid = world.wechat.seed.appid.clone();
    let code = world.wechat.login_code(&user).await;
    world.post("/v1/login", json!({ "app": appid, "code": code })).await.expect(200);
    world.get(&format!("/v1/apps/{appid}/templates")).await.expect(200);
    world.grant_form(&user).await;
    world.grant_subscription(&user).await;
    assert_eq!(world.send(world.legacy(&user, "one")).await["state"], "sent");
    assert_eq!(world.send(world.subscribe(&user, "two")).await["state"], "sent");

    let log = world.wechat.http.get(&format!("{}/_sandbox/requests", world.wechat.url)).await.expect(200);
    let requests = log.as_array().unwrap();
    let paths: Vec<_> = requests.iter().map(|request| request["path"].as_str().unwrap()).collect();
    for path in [
        "/cgi-bin/stable_token",
        "/sns/jscode2session",
        "/wxaapi/newtmpl/gettemplate",
        "/cgi-bin/wxopen/template/list",
        "/cgi-bin/message/wxopen/template/send",
        "/cgi-bin/message/subscribe/send",
    ] {
        assert!(paths.contains(&path), "{path} was not asked: {paths:?}");
    }
    for request in requests {
        let codes: Vec<_> = request["complaints"].as_array().unwrap().iter().map(|c| &c["code"]).collect();
        // Template messages are closed to new apps. This complaint is about the call, not about the form of the request.
        let known: &[Value] = &[json!("legacy_closed")];
        let new: Vec<_> = codes.into_iter().filter(|code| !known.contains(code)).collect();
        assert!(new.is_empty(), "{request}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_magic_user_needs_no_rule_of_chaos() {
    let world = World::start().await;
    for (user, state) in
        [("sandbox-ok", "sent"), ("sandbox-40003", "failed"), ("sandbox-40001-once-a", "sent")]
    {
        world.grant_form(user).await;
        let sent = world.send(world.legacy(user, "text")).await;
        assert_eq!(sent["state"], state, "{user}: {sent}");
    }
    // The answer is lost; a repeat with the same form id shows that the first request arrived.
    world.grant_form("sandbox-lost-answer").await;
    let lost = world.send(world.legacy("sandbox-lost-answer", "text")).await;
    assert_eq!(lost["state"], "sent", "{lost}");
    assert_eq!(lost["attempts"].as_array().unwrap().len(), 2, "{lost}");
    assert_eq!(world.wechat.texts("sandbox-lost-answer").await, ["text"], "the user has the message");
}
