//! Each kind of permit: how it is granted, how it is used, how it ends.

use std::time::Duration;

use serde_json::json;

use crate::world::World;

const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_good_for_one_message_within_seven_days() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_form(&user).await;
    world.grant_form(&user).await;
    assert_eq!(world.send(world.legacy(&user, "one")).await["state"], "sent");
    world.advance(7 * DAY);
    let late = world.send(world.legacy(&user, "two")).await;
    assert_eq!(late["state"], "failed", "{late}");
    assert_eq!(late["reason"]["code"], "no_permit");
    let totals = world.totals(&user).await;
    assert_eq!(
        (&totals["spent"], &totals["expired"], &totals["available"]),
        (&json!(1), &json!(1), &json!(0))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_permit_that_expires_first_is_used_first() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let older = world.grant_form(&user).await;
    world.advance(DAY);
    world.grant_form(&user).await;
    let sent = world.send(world.legacy(&user, "one")).await;
    let path = format!("/v1/permits?app={}&openid={user}", world.wechat.seed.appid);
    let permits = world.get(&path).await.expect(200);
    let used = permits["permits"].as_array().unwrap().iter().find(|permit| permit["spent"] == 1).unwrap();
    assert_eq!(used["code"], older);
    assert_eq!(sent["permit"], used["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_can_be_set_to_three_messages() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let appid = &world.wechat.seed.appid;
    let prepay =
        world.wechat.control("payments", json!({ "openid": user, "uses": 3 })).await["prepay_id"].clone();
    let permit = json!({ "app": appid, "openid": user, "kind": "payment", "code": prepay, "count": 3 });
    world.post("/v1/permits", permit).await.expect(201);
    for text in ["one", "two", "three"] {
        assert_eq!(world.send(world.legacy(&user, text)).await["state"], "sent");
    }
    assert_eq!(world.send(world.legacy(&user, "four")).await["reason"]["code"], "no_permit");
    assert_eq!(world.wechat.texts(&user).await, ["one", "two", "three"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_time_subscriptions_are_counted_and_do_not_expire() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let first = world.grant_subscription(&user).await;
    let second = world.grant_subscription(&user).await;
    assert_eq!(first["id"], second["id"], "one counter per user and template");
    world.advance(365 * DAY);
    assert_eq!(world.send(world.subscribe(&user, "one")).await["state"], "sent");
    assert_eq!(world.totals(&user).await["available"], 1);
    let reach = world.get(&format!("/v1/reach?app={}", world.wechat.seed.appid)).await.expect(200);
    assert_eq!((&reach["users"], &reach["units"]), (&json!(1), &json!(1)));
    assert_eq!(world.send(world.subscribe(&user, "two")).await["state"], "sent");
    assert_eq!(world.send(world.subscribe(&user, "three")).await["reason"]["code"], "no_permit");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_term_subscription_serves_until_the_user_refuses() {
    for kind in ["subscribe_long_term", "subscribe_device"] {
        let world = World::start().await;
        let user = world.wechat.user().await;
        let template = world.wechat.seed.subscribe_template.clone();
        // Three accepted messages at WeChat: then it refuses, and from that refusal a gateway learns that the user withdrew.
        for _ in 0..3 {
            world.wechat.subscribe(&user, "accept").await;
        }
        let permit =
            json!({ "app": world.wechat.seed.appid, "openid": user, "kind": kind, "template": template });
        world.post("/v1/permits", permit).await.expect(201);
        for text in ["one", "two", "three"] {
            assert_eq!(world.send(world.subscribe(&user, text)).await["state"], "sent", "{kind}");
        }
        let refused = world.send(world.subscribe(&user, "four")).await;
        assert_eq!(refused["state"], "failed", "{kind}: {refused}");
        assert_eq!(refused["reason"]["errcode"], 43101);
        assert_eq!(world.totals(&user).await["spent"], 3);
        let reach = world.get(&format!("/v1/reach?app={}", world.wechat.seed.appid)).await.expect(200);
        assert_eq!(reach["unlimited"], 0, "{kind}: the permit is withdrawn");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_code_twice_is_one_permit() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let form = world.wechat.form(&user).await;
    let first = world.grant(&user, "form", &form).await;
    let second = world.grant(&user, "form", &form).await;
    assert_eq!(first["id"], second["id"]);
    assert_eq!((&first["duplicate"], &second["duplicate"]), (&json!(false), &json!(true)));
    assert_eq!(world.totals(&user).await["granted"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_permits_is_answered_one_by_one() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let appid = &world.wechat.seed.appid;
    let form = world.wechat.form(&user).await;
    let batch = json!({ "permits": [
        { "app": appid, "openid": user, "kind": "form", "code": form },
        { "app": appid, "openid": user, "kind": "form" },
        { "app": appid, "openid": user, "kind": "subscribe_once", "template": "nonesuch" },
        { "app": "wx0000000000000000", "openid": user, "kind": "form", "code": "f" },
    ]});
    let answer = world.post("/v1/permits", batch).await.expect(201);
    let codes: Vec<_> =
        answer["permits"].as_array().unwrap().iter().map(|p| p["error"]["code"].clone()).collect();
    assert_eq!(codes, [json!(null), json!("invalid_field"), json!("unknown_template"), json!("unknown_app")]);
    assert_eq!(world.totals(&user).await["granted"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn permits_are_listed_page_by_page_and_the_sums_are_those_of_all() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let path = format!("/v1/permits?app={}&openid={user}", world.wechat.seed.appid);
    let none = world.get(&format!("{path}&limit=1")).await.expect(200);
    assert_eq!((&none["permits"], none.get("next_cursor")), (&json!([]), None), "{none}");
    for _ in 0..5 {
        world.grant_form(&user).await;
    }
    world.send(world.legacy(&user, "one")).await;
    let all = world.get(&path).await.expect(200);
    let all_permits = all["permits"].as_array().unwrap();
    assert_eq!((all_permits.len(), all.get("next_cursor")), (5, None));
    for limit in [1, 2, 4, 5] {
        let (mut listed, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = world.get(&format!("{path}&limit={limit}{cursor}")).await.expect(200);
            let permits = page["permits"].as_array().unwrap();
            assert!((1..=limit).contains(&permits.len()), "{page}");
            assert_eq!((&page["totals"], &page["unlimited"]), (&all["totals"], &all["unlimited"]));
            assert_eq!((&page["totals"]["granted"], &page["totals"]["spent"]), (&json!(5), &json!(1)));
            listed.extend(permits.iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(&listed, all_permits, "pages of {limit}");
    }
    for (bad, field) in [("limit=0", "limit"), ("limit=1001", "limit"), ("cursor=x", "cursor")] {
        let problem = world.get(&format!("{path}&{bad}")).await.problem(422, "invalid_field");
        assert_eq!(problem["field"], field, "{problem}");
    }
    for _ in 0..46 {
        world.grant_form(&user).await;
    }
    let page = world.get(&path).await.expect(200);
    assert_eq!((page["permits"].as_array().unwrap().len(), &page["totals"]["granted"]), (50, &json!(51)));
    assert!(page["next_cursor"].is_string(), "{page}");
}
