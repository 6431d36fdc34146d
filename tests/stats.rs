//! Figures over time: they say what happened, keep saying so, and say it only to those whom it concerns.

use std::time::Duration;

use hongyan_gateway::keys::Scope;
use http::Method;
use serde_json::{Value, json};

use crate::keys::{call_with, key};
use crate::world::World;

const HOUR: Duration = Duration::from_secs(3_600);

async fn stats(world: &World, query: &str) -> Value {
    world.get(&format!("/v1/stats{query}")).await.expect(200)
}

/// What was counted.
fn figures(figures: &Value) -> Vec<(&str, u64)> {
    let names = ["accepted", "sent", "failed", "unknown", "expired", "cancelled", "retried"];
    names.into_iter().map(|name| (name, figures[name].as_u64().unwrap())).filter(|(_, n)| *n > 0).collect()
}

/// A message that is sent, a message without a permit, and a message that WeChat refuses for good.
async fn a_morning(world: &World) {
    let user = world.wechat.user().await;
    world.grant_subscription(&user).await;
    assert_eq!(world.send(world.subscribe(&user, "sent")).await["state"], "sent");
    assert_eq!(world.send(world.subscribe(&user, "no permit")).await["state"], "failed");
    world.grant_subscription(&user).await;
    world
        .wechat
        .chaos(json!({ "path": "/cgi-bin/message/subscribe/send", "kind": "errcode", "errcode": 47003, "times": 1 }))
        .await;
    assert_eq!(world.send(world.subscribe(&user, "refused")).await["state"], "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_hour_of_the_last_day_is_there_with_what_happened_in_it() {
    let world = World::start().await;
    a_morning(&world).await;
    world.advance(HOUR * 3);
    let user = world.wechat.user().await;
    let mut later = world.subscribe(&user, "later");
    later["send_at"] = json!(world.clock.now().plus(HOUR).to_string());
    let later = world.accept(later).await;
    world.delete(&format!("/v1/messages/{later}")).await.expect(200);

    let day = stats(&world, "").await;
    assert_eq!(day["step"], "hour");
    let steps = day["steps"].as_array().unwrap();
    assert!(steps.len() == 24 || steps.len() == 25, "{}", steps.len());
    let busy: Vec<_> = steps.iter().map(figures).filter(|figures| !figures.is_empty()).collect();
    let morning = [("accepted", 3), ("sent", 1), ("failed", 2)];
    assert_eq!(busy.concat(), [&morning[..], &[("accepted", 1), ("cancelled", 1)]].concat());
    assert_eq!(figures(&day["totals"]), [("accepted", 4), ("sent", 1), ("failed", 2), ("cancelled", 1)]);
    let reasons = json!([
        { "reason": "no_permit", "count": 1 },
        { "reason": "wechat_refused", "errcode": 47003, "count": 1 },
    ]);
    assert_eq!(day["totals"]["failed_by"], reasons);
    let lag = &day["totals"]["lag"];
    assert!(lag["p50_ms"].as_u64().unwrap() >= 1 && lag["p50_ms"] == lag["max_ms"], "{lag}");

    let seed = &world.wechat.seed;
    let by_app = stats(&world, "?by=app").await;
    assert_eq!((&by_app["apps"][0]["app"], &by_app["apps"][0]["accepted"]), (&json!(seed.appid), &json!(4)));
    let by_template = stats(&world, &format!("?by=template&app={}", seed.appid)).await;
    let templates = by_template["templates"].as_array().unwrap();
    assert_eq!((templates.len(), &templates[0]["template"]), (1, &json!(seed.subscribe_template)));
    let none = stats(&world, &format!("?template={}", seed.legacy_template)).await;
    assert_eq!(figures(&none["totals"]), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_outlive_messages_in_longer_steps_and_the_answer_says_in_which() {
    let world = World::start_with(|settings| settings.retention_days = 1).await;
    let begin = world.clock.now();
    a_morning(&world).await;
    let minutes = format!("?step=minute&since={begin}&until={}", begin.plus(HOUR));
    assert_eq!(stats(&world, &minutes).await["step"], "minute");
    let morning = [("accepted", 3), ("sent", 1), ("failed", 2)];
    for (days, step) in [(3, "hour"), (97, "day")] {
        world.advance(HOUR * 24 * days);
        world.round_of_retention().await;
        let later = stats(&world, &minutes).await;
        assert_eq!((&later["step"], figures(&later["totals"])), (&json!(step), morning.to_vec()));
    }
    let days = stats(&world, &format!("?since={begin}")).await;
    assert_eq!(figures(&days["steps"][0]), morning);
    assert!(days["steps"].as_array().unwrap().len() > 100, "a step for every day since");
    let left = world.get("/v1/messages").await.expect(200);
    assert_eq!(left["messages"], json!([]), "the messages are gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_shown_is_refused_and_the_field_is_named() {
    let world = World::start().await;
    let now = world.clock.now();
    let week = now.minus(HOUR * 24 * 7);
    for (query, field) in [
        ("?step=second".to_owned(), "step"),
        ("?by=user".to_owned(), "by"),
        ("?app=not+an+appid".to_owned(), "app"),
        (format!("?since={now}&until={week}"), "until"),
        (format!("?step=minute&since={}", now.minus(HOUR * 30)), "since"),
        ("?since=1970-01-01T00:00:00Z".to_owned(), "since"),
    ] {
        let problem = world.get(&format!("/v1/stats{query}")).await.problem(422, "invalid_field");
        assert_eq!(problem["field"], field, "{query}: {problem}");
    }
    world.get("/v1/stats?hours=3").await.problem(422, "unknown_field");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_for_some_apps_sees_their_figures_and_no_others() {
    let world = World::start().await;
    a_morning(&world).await;
    let appid = world.wechat.seed.appid.as_str();
    let ask = async |key: &str, query: &str| {
        call_with(&world, key, Method::GET, &format!("/v1/stats{query}"), Value::Null).await
    };
    let own = key(&world, &[Scope::Messages], &[appid, "wxffffffffffffffff"]).await;
    for query in [String::new(), format!("?app={appid}")] {
        assert_eq!(ask(&own, &query).await.expect(200)["totals"]["accepted"], 3);
    }
    let other = key(&world, &[Scope::Messages], &["wxffffffffffffffff"]).await;
    let nothing = ask(&other, "?by=app").await.expect(200);
    assert_eq!((&nothing["totals"]["accepted"], &nothing["apps"]), (&json!(0), &json!([])));
    ask(&other, &format!("?app={appid}")).await.problem(404, "unknown_app");
    let of_permits = key(&world, &[Scope::Permits], &[]).await;
    ask(&of_permits, "").await.problem(403, "forbidden");

    // An app that is removed leaves its figures.
    world.delete(&format!("/v1/apps/{appid}")).await;
    assert_eq!(stats(&world, &format!("?app={appid}")).await["totals"]["accepted"], 3);
}
