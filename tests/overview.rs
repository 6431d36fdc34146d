//! What an operator sees at one glance: permits by kind, how the access token stands, and WeChat's quotas.

use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_gateway::keys::Scope;
use hongyan_gateway::people::Role;
use http::Method;
use serde_json::{Value, json};

use crate::console::visitor;
use crate::keys::{call_with, key};
use crate::world::{World, eventually};

const HOUR: Duration = Duration::from_secs(3_600);

async fn kinds(world: &World) -> Value {
    let answer = world.get("/v1/reach/kinds").await.expect(200);
    assert_eq!(answer["more"], false);
    answer["kinds"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn permits_are_counted_by_kind_with_what_expires_within_a_day() {
    let world = World::start().await;
    let (appid, user) = (world.wechat.seed.appid.clone(), world.wechat.user().await);
    assert_eq!(kinds(&world).await, json!([]));
    for _ in 0..3 {
        world.grant_form(&user).await;
    }
    world.grant_subscription(&user).await;
    let of = |kind: &str, units, expiring| json!({ "app": appid, "kind": kind, "units": units, "unlimited": 0, "expiring": expiring });
    let once = of("subscribe_once", 1, 0);
    assert_eq!(kinds(&world).await, json!([of("form", 3, 0), once]));
    assert_eq!(world.send(world.legacy(&user, "uses a form")).await["state"], "sent");
    world.advance(HOUR * 24 * 6 + HOUR);
    assert_eq!(kinds(&world).await, json!([of("form", 2, 2), once]));
    let viewer = visitor(&world, "viewer", Role::Viewer, None).await;
    let page = viewer.get("/console").await.text;
    assert!(
        page.contains("form: 2, 2 expire within 24 h") && page.contains("one-time subscription: 1<"),
        "{page}"
    );

    // A key for another app learns nothing of these permits, and a key without the scope is refused.
    let other = key(&world, &[Scope::Permits], &["wx00000000000000ff"]).await;
    let seen = call_with(&world, &other, Method::GET, "/v1/reach/kinds", Value::Null).await.expect(200);
    assert_eq!(seen["kinds"], json!([]));
    let narrow = key(&world, &[Scope::Messages], &[]).await;
    call_with(&world, &narrow, Method::GET, "/v1/reach/kinds", Value::Null).await.problem(403, "forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_says_how_old_its_access_token_is_and_why_it_has_none() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_form(&user).await;
    assert_eq!(world.send(world.legacy(&user, "x")).await["state"], "sent");
    let moment =
        |token: &Value, name: &str| serde_json::from_value::<UnixMillis>(token[name].clone()).unwrap();
    let token = world.app().await["access_token"].clone();
    let life = moment(&token, "expires_at").since(moment(&token, "fetched_at"));
    assert!(life > HOUR && life <= HOUR * 2, "{token}");
    assert!(moment(&token, "refresh_at") < moment(&token, "expires_at"), "{token}");
    assert_eq!(token.get("failure"), None);
    let listed = world.get("/v1/apps").await.expect(200);
    assert_eq!(listed["apps"][0]["access_token"], token);

    // An app that nobody has used for hours keeps its token until the token's end, and fetches no other.
    world.advance(HOUR * 5);
    let unused = world.app_when("unused", |app| app["access_token"].get("refresh_at").is_none()).await;
    assert!(moment(&unused["access_token"], "expires_at") < world.clock.now(), "{unused}");

    world.wechat.chaos(json!({ "path": "/cgi-bin/stable_token", "kind": "errcode", "errcode": -1 })).await;
    world.grant_form(&user).await;
    world.accept(world.legacy(&user, "waits for a token")).await;
    let failing = world.app_when("failing", |app| app["access_token"].get("failure").is_some()).await;
    let failure = &failing["access_token"]["failure"];
    assert!(failure["detail"].as_str().unwrap().contains("busy"), "{failure}");
    assert!(moment(failure, "until") > moment(failure, "since"), "{failure}");
    let viewer = visitor(&world, "viewer", Role::Viewer, None).await;
    let page = viewer.get("/console").await.text;
    assert!(page.contains("It cannot be fetched: no access token: WeChat is busy (-1)"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_are_asked_for_in_the_background_and_kept_for_minutes() {
    const ASK: &str = "/cgi-bin/openapi/quota/get";
    let world = World::start().await;
    let (appid, user) = (world.wechat.seed.appid.clone(), world.wechat.user().await);
    let path = "/cgi-bin/message/subscribe/send";
    world.wechat.control("quotas", json!({ "path": path, "daily_limit": 1_000, "used": 950 })).await;
    let quotas = async || world.get("/v1/quotas").await.expect(200)["apps"][0].clone();
    let first = quotas().await;
    assert_eq!((&first["app"], &first["quotas"]), (&json!(appid), &json!([])), "nobody waits for WeChat");
    let known = eventually(quotas, |known| known.get("asked_at").is_some()).await;
    let of_sends = known["quotas"].as_array().unwrap().iter().find(|quota| quota["path"] == path);
    assert_eq!(of_sends, Some(&json!({ "path": path, "daily_limit": 1_000, "used": 950, "left": 50 })));
    let viewer = visitor(&world, "viewer", Role::Viewer, None).await;
    let asked = world.wechat.asked(ASK).await;
    for _ in 0..5 {
        let page = viewer.get("/console").await.text;
        assert!(page.contains("950 of 1,000 used, 50 left"), "{page}");
    }
    assert_eq!(world.wechat.asked(ASK).await, asked, "the answer is kept");

    // After some minutes WeChat is asked again. While it gives no answer, the last answer is shown and messages go out.
    world.wechat.chaos(json!({ "path": ASK, "kind": "hang", "times": 1 })).await;
    world.advance(Duration::from_secs(301));
    assert_eq!(quotas().await, known);
    world.grant_subscription(&user).await;
    assert_eq!(world.send(world.subscribe(&user, "goes out")).await["state"], "sent");
    assert_eq!(quotas().await["quotas"], known["quotas"]);

    let other = key(&world, &[Scope::Apps], &["wx00000000000000ff"]).await;
    let seen = call_with(&world, &other, Method::GET, "/v1/quotas", Value::Null).await.expect(200);
    assert_eq!(seen["apps"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_that_cannot_be_asked_for_say_why() {
    let world = World::start().await;
    let chaos = json!({ "path": "/cgi-bin/openapi/quota/get", "kind": "errcode", "errcode": 40001 });
    world.wechat.chaos(chaos).await;
    let quotas = async || world.get("/v1/quotas").await.expect(200)["apps"][0].clone();
    let failing = eventually(quotas, |quotas| quotas.get("failure").is_some()).await;
    assert!(failing["failure"].as_str().unwrap().contains("40001"), "{failing}");
    world.wechat.end_chaos().await;
    world.advance(Duration::from_secs(61));
    eventually(quotas, |quotas| quotas.get("failure").is_none() && quotas.get("asked_at").is_some()).await;
    world.advance(HOUR * 5);
    let without = quotas().await;
    assert_eq!(
        without["failure"], "there is no access token at the moment",
        "looking at quotas fetches none"
    );
}
