//! Form ids that a user of the mini program invents cost other users nothing.

use std::time::{Duration, Instant};

use hongyan_ledger::permit::{Claim, FORM_LIFETIME, Origin};
use hongyan_ledger::{Lane, PermitKind};
use hongyan_store::types::NewPermit;
use hongyan_wechat::{AppId, OpenId};
use serde_json::{Value, json};

use crate::world::World;

/// A user who logged in to the mini program.
async fn session(world: &World, openid: &str) -> String {
    let code = world.wechat.login_code(openid).await;
    let path = format!("/mp/{}/login", world.wechat.seed.appid);
    world.post(&path, json!({ "code": code })).await.text("session")
}

/// Claims form ids, up to 20 of them, for the user of the session.
async fn claim(world: &World, session: &str, codes: impl Iterator<Item = String>) -> Value {
    let permits: Vec<_> = codes.map(|code| json!({ "kind": "form", "code": code })).collect();
    let path = format!("/mp/{}/permits", world.wechat.seed.appid);
    let bearer = format!("bearer {session}");
    let body = json!({ "permits": permits }).to_string();
    world.call(http::Method::POST, &path, &[("authorization", &bearer)], body).await.expect(202)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_invents_form_ids_has_a_hundred_of_them_and_no_more() {
    let world = World::start_with(|settings| settings.permit_rate = 1_000).await;
    let user = world.wechat.user().await;
    let session = session(&world, &user).await;
    for round in 0..8 {
        claim(&world, &session, (0..20).map(|n| format!("invented-{round}-{n}"))).await;
    }
    assert_eq!(world.totals(&user).await["available"], 100);
    let failed = world.send(world.legacy(&user, "x")).await;
    assert_eq!((&failed["state"], &failed["reason"]["code"]), (&json!("failed"), &json!("no_permit")));
    assert_eq!(failed["attempts"].as_array().unwrap().len(), 3, "WeChat is not asked about each form id");
    assert_eq!(world.totals(&user).await["available"], 0, "the other form ids do not count as permits");
    // The user's next real form counts as always.
    let form = world.wechat.form(&user).await;
    claim(&world, &session, std::iter::once(form)).await;
    assert_eq!(world.send(world.legacy(&user, "y")).await["state"], "sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_back_end_is_told_of_each_code_that_is_too_many() {
    let world = World::start_with(|settings| settings.codes_per_user = 3).await;
    let user = world.wechat.user().await;
    let permit = |n: u32| json!({ "app": world.wechat.seed.appid, "openid": user, "kind": "form", "code": format!("form-{n}") });
    let batch = json!({ "permits": (0..4).map(permit).collect::<Vec<_>>() });
    let answer = world.post("/v1/permits", batch).await.expect(201);
    let permits = answer["permits"].as_array().unwrap();
    assert!(permits[..3].iter().all(|permit| permit["id"].is_string()), "{answer}");
    assert_eq!(permits[3]["error"]["code"], "too_many_codes", "{answer}");
    world.post("/v1/permits", permit(9)).await.problem(409, "too_many_codes");
    assert_eq!(world.post("/v1/permits", permit(0)).await.expect(201)["duplicate"], true);
    assert_eq!(world.totals(&user).await["granted"], 3);
}

/// The 99th percentile: the second longest of a hundred times.
fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100 - 1]
}

/// How long grants and messages of other users take, one after another.
async fn others(world: &World, rounds: usize) -> (Duration, Duration) {
    let (mut grants, mut messages) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let user = world.wechat.user().await;
        let form = world.wechat.form(&user).await;
        let began = Instant::now();
        world.grant(&user, "form", &form).await;
        grants.push(began.elapsed());
        let began = Instant::now();
        let sent = world.post("/v1/messages?wait=10", world.legacy(&user, "x")).await.expect(202);
        messages.push(began.elapsed());
        assert_eq!(sent["state"], "sent", "{sent}");
    }
    (p99(grants), p99(messages))
}

/// Claims 20 form ids as the mini program's call does, but without the limit of permits per user and hour, which would stop
/// the user much earlier.
async fn claim_past_the_limit(world: &World, openid: &str, tag: &str) {
    let (appid, openid): (AppId, OpenId) =
        (world.wechat.seed.appid.parse().unwrap(), openid.parse().unwrap());
    let now = world.clock.now();
    let permit = |n: u32| NewPermit {
        id: world.gateway.ids.permit(Lane::of(&appid, &openid), now),
        appid: appid.clone(),
        openid: openid.clone(),
        kind: PermitKind::Form,
        code: Some(format!("{tag}-{n}")),
        template: None,
        count: 1,
        expires_at: Some(now.plus(FORM_LIFETIME)),
        reported_by: None,
        claim: Some(Claim { origin: Origin::MiniProgram, at_most: 100 }),
    };
    world.gateway.store.grant((0..20).map(permit).collect(), now).await.unwrap();
}

/// A measurement, not a test: `cargo test --release -p hongyan --test stories -- --ignored --nocapture thirty_thousand`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute, and says something only on a machine with nothing else to do"]
async fn what_thirty_thousand_invented_form_ids_of_one_user_cost_others() {
    const ROUNDS: usize = 200;
    let world = World::start().await;
    let (grant, message) = others(&world, ROUNDS).await;
    println!("nobody else: grant {grant:?}, message {message:?} (p99 of {ROUNDS})");
    let user = world.wechat.user().await;
    let began = Instant::now();
    for round in 0..1_500 {
        claim_past_the_limit(&world, &user, &format!("invented-{round}")).await;
    }
    println!("30,000 claimed in {:?}", began.elapsed());
    let (grant, message) = others(&world, ROUNDS).await;
    println!("after them: grant {grant:?}, message {message:?}");
    let hammer = async {
        for round in 0_u64.. {
            claim_past_the_limit(&world, &user, &format!("more-{round}")).await;
        }
    };
    tokio::select! {
        () = hammer => {}
        (grant, message) = others(&world, ROUNDS) => println!("while it goes on: grant {grant:?}, message {message:?}"),
    }
}
