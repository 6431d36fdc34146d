//! Sessions of mini programs: when they end.

use std::time::Duration;

use http::Method;
use serde_json::json;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_on_demand_with_their_app_and_beyond_ten() {
    let world = World::start().await;
    let appid = world.wechat.seed.appid.clone();
    let log_in = async |openid: &str| {
        let code = world.wechat.login_code(openid).await;
        // Each login is a little later than the login before.
        world.advance(Duration::from_millis(5));
        world.post(&format!("/mp/{appid}/login"), json!({ "code": code })).await.text("session")
    };
    let works = async |session: &str| {
        let permits = json!({ "permits": [{ "kind": "subscribe_once", "template": world.wechat.seed.subscribe_template, "result": "reject" }] });
        let bearer = format!("Bearer {session}");
        let path = format!("/mp/{appid}/permits");
        world.call(Method::POST, &path, &[("authorization", &bearer)], permits.to_string()).await.status
            == 202
    };
    let (first, second) = (world.wechat.user().await, world.wechat.user().await);
    let other = log_in(&second).await;
    let mut sessions = Vec::new();
    for _ in 0..11 {
        sessions.push(log_in(&first).await);
    }
    assert!(!works(&sessions[0]).await, "the oldest of eleven sessions was removed");
    assert!(works(&sessions[1]).await && works(&sessions[10]).await);
    let path = format!("/v1/apps/{appid}/sessions");
    assert_eq!(world.delete(&format!("{path}?openid={first}")).await.expect(200)["ended"], 10);
    assert!(!works(&sessions[10]).await && works(&other).await);
    assert_eq!(world.delete(&path).await.expect(200)["ended"], 1);
    assert!(!works(&other).await);

    let third = log_in(&second).await;
    assert!(works(&third).await);
    assert_eq!(world.delete(&format!("/v1/apps/{appid}")).await.status, 204);
    let again = json!({ "appid": appid, "secret": world.wechat.seed.app_secret });
    world.post("/v1/apps", again).await.expect(201);
    assert!(!works(&third).await, "an app that is registered again has no old sessions");
    let kept =
        world.gateway.store.session_keys(appid.parse().unwrap(), second.parse().unwrap()).await.unwrap();
    assert!(kept.is_empty(), "no session key is left either");
}
