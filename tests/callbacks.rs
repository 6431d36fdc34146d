//! WeChat pushes what users answered and what happened to messages: each push counts once.

use std::time::Duration;

use futures_util::future::join_all;
use hongyan_gateway::people::Role;
use hongyan_wechat::callback::{parse_document, sign, to_xml};
use http::Method;
use serde_json::{Value, json};

use crate::console::visitor;
use crate::pusher::{Pusher, TOKEN, as_json, is_success};
use crate::world::{World, eventually};

const SUBSCRIBE: &str = "/cgi-bin/message/subscribe/send";

#[tokio::test(flavor = "multi_thread")]
async fn each_mode_and_each_form_grants_what_the_user_accepted() {
    for sealed in [false, true] {
        let world = World::start().await;
        let pusher = Pusher::of(&world, sealed).await;
        for (n, form) in [to_xml, as_json].into_iter().enumerate() {
            let user = world.wechat.user().await;
            let signed = world.signed(&format!("nonce{n}"));
            is_success(&pusher.push(&signed, &form(&world.popup(&user, "accept"))).await);
            let event = world.worked_on().await;
            assert_eq!(event["effects"][0]["effect"], "granted", "{event}");
            assert_eq!(
                (&event["openid"], &event["name"]),
                (&json!(user), &json!("subscribe_msg_popup_event"))
            );
            assert_eq!(world.totals(&user).await["available"], 1);
        }
        let app = world.app().await;
        let mode = if sealed { "sealed" } else { "plain" };
        assert_eq!(app["callback"]["mode"], mode);
        assert!(app["callback"]["last_event_at"].is_string(), "{app}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compatible_mode_is_read_from_what_is_signed() {
    let world = World::start().await;
    let pusher = Pusher::of(&world, true).await;
    let user = world.wechat.user().await;
    let signed = world.signed("n");
    let key = pusher.key.as_ref().unwrap();
    let sealed =
        key.seal([1; 16], to_xml(&world.popup(&user, "accept")).as_bytes(), &pusher.appid.parse().unwrap());
    let signature = sign(&[TOKEN, &signed.timestamp, &signed.nonce, &sealed]);
    let mut both = world.popup("oSomebodyElse000000000000001", "accept");
    both.insert("Encrypt".into(), sealed.into());
    is_success(&pusher.post(&signed, &format!("&msg_signature={signature}"), to_xml(&both)).await);
    assert_eq!(world.worked_on().await["openid"], json!(user));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_read_as_one_as_several_and_as_none() {
    let world = World::start().await;
    let pusher = Pusher::of(&world, false).await;
    let template = &world.wechat.seed.subscribe_template;
    let accept = json!({ "TemplateId": template, "SubscribeStatusString": "accept" });
    let reject = json!({ "TemplateId": template, "SubscribeStatusString": "reject" });
    let lists = [
        (accept.clone(), 1),
        (json!([accept, reject, accept]), 2),
        (json!([]), 0),
        (reject, 0),
        (json!("nothing"), 0),
    ];
    for (n, (list, granted)) in lists.into_iter().enumerate() {
        for (form, write) in [to_xml as fn(&_) -> _, as_json].into_iter().enumerate() {
            let user = world.wechat.user().await;
            let event = world.event("subscribe_msg_popup_event", "SubscribeMsgPopupEvent", &user, &list);
            is_success(&pusher.push(&world.signed(&format!("{n}-{form}")), &write(&event)).await);
            let event = world.worked_on().await;
            assert_eq!(world.totals(&user).await["granted"], granted, "{event}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_comes_again_counts_once_also_after_a_restart() {
    let world = World::start().await;
    let pusher = Pusher::of(&world, true).await;
    let user = world.wechat.user().await;
    let event = to_xml(&world.popup(&user, "accept"));
    // WeChat repeats a push that is not answered in time, with a new nonce each time; some repeats come at once.
    let signed = [world.signed("1"), world.signed("2"), world.signed("3")];
    for answer in join_all(signed.iter().map(|signed| pusher.push(signed, &event))).await {
        is_success(&answer);
    }
    world.worked_on().await;
    let world = world.restart().await;
    let pusher = Pusher { url: world.url.clone(), ..pusher };
    is_success(&pusher.push(&world.signed("1"), &event).await);
    is_success(&pusher.push(&world.signed("4"), &event).await);
    assert_eq!(world.events().await.len(), 1);
    assert_eq!(world.totals(&user).await["granted"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acceptance_sends_what_waited_for_it_and_counts_once_whoever_reports_it_first() {
    let world = World::start().await;
    let pusher = Pusher::of(&world, false).await;
    let user = world.wechat.user().await;
    let mut message = world.subscribe(&user, "at last");
    message["permit"] = json!("wait");
    let id = world.accept(message).await;
    assert_eq!(world.message(&id).await["state"], "waiting");
    // First WeChat's push; then the mini program reports the same tap.
    world.wechat.subscribe(&user, "accept").await;
    is_success(&pusher.push(&world.signed("a"), &to_xml(&world.popup(&user, "accept"))).await);
    assert_eq!(world.settled(&id).await["state"], "sent");
    let session = {
        let code = world.wechat.login_code(&user).await;
        let path = format!("/mp/{}/login", world.wechat.seed.appid);
        world.post(&path, json!({ "code": code })).await.expect(200)["session"].as_str().unwrap().to_owned()
    };
    let tap = json!({ "permits": [
        { "kind": "subscribe_once", "template": world.wechat.seed.subscribe_template, "result": "accept" }
    ] });
    let bearer = format!("Bearer {session}");
    let report = async || {
        let path = format!("/mp/{}/permits", world.wechat.seed.appid);
        world.call(Method::POST, &path, &[("authorization", &bearer)], tap.to_string()).await.expect(202)
    };
    assert_eq!(report().await["permits"][0]["duplicate"], true);
    assert_eq!(world.totals(&user).await["granted"], 1);
    // Another tap, in the other order.
    world.advance(Duration::from_secs(60));
    assert_eq!(report().await["permits"][0]["duplicate"], false);
    is_success(&pusher.push(&world.signed("b"), &to_xml(&world.popup(&user, "accept"))).await);
    assert_eq!(world.worked_on().await["effects"][0]["effect"], "already_reported");
    assert_eq!(world.totals(&user).await["granted"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_turns_messages_off_loses_what_was_left_and_a_closed_box_takes_nothing() {
    let world = World::start().await;
    let pusher = Pusher::of(&world, false).await;
    let user = world.wechat.user().await;
    world.grant_subscription(&user).await;
    world.grant_subscription(&user).await;
    is_success(&pusher.push(&world.signed("a"), &to_xml(&world.popup(&user, "reject"))).await);
    assert_eq!(world.worked_on().await["effects"], json!([]));
    assert_eq!(world.totals(&user).await["available"], 2);
    is_success(&pusher.push(&world.signed("b"), &to_xml(&world.change(&user))).await);
    assert_eq!(world.worked_on().await["effects"][0]["units"], 2);
    assert_eq!(world.totals(&user).await["revoked"], 2);
    let failed = world.send(world.subscribe(&user, "x")).await;
    assert_eq!(failed["reason"]["because"][0]["code"], "revoked", "{failed}");
    let words = failed["reason"]["explanation"].as_str().unwrap();
    assert!(words.contains("The user has withdrawn the right; WeChat reported it at 20"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_becomes_delivered_or_refused_by_its_event() {
    let world = World::start().await;
    let pusher = Pusher::of(&world, false).await;
    for (code, status, state) in [(0, "success", "delivered"), (4, "user refuse", "refused")] {
        let user = world.wechat.user().await;
        world.grant_subscription(&user).await;
        let sent = world.send(world.subscribe(&user, "x")).await;
        let msgid = sent["attempts"][0]["msgid"].as_str().map_or(7, |msgid| msgid.parse().unwrap());
        let id = sent["id"].as_str().unwrap();
        let event = to_xml(&world.sent(&user, msgid, code, status));
        is_success(&pusher.push(&world.signed(state), &event).await);
        let event = world.worked_on().await;
        assert_eq!(
            (&event["effects"][0]["effect"], &event["effects"][0]["message"]),
            (&json!(state), &json!(id))
        );
        let message = world.message(id).await;
        assert_eq!(message["state"], state, "{message}");
        assert_eq!(world.totals(&user).await["spent"], 1);
        if code != 0 {
            assert_eq!(message["reason"]["code"], "not_delivered");
            assert_eq!(
                (&message["reason"]["errcode"], &message["reason"]["errmsg"]),
                (&json!(4), &json!(status))
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_settles_a_message_whose_answer_was_lost() {
    let world = World::start().await;
    let pusher = Pusher::of(&world, false).await;
    let user = world.wechat.user().await;
    world.grant_subscription(&user).await;
    world.wechat.chaos(json!({ "path": SUBSCRIBE, "kind": "reset_after", "times": 1 })).await;
    let lost = world.send(world.subscribe(&user, "arrived")).await;
    assert_eq!(lost["state"], "unknown");
    is_success(&pusher.push(&world.signed("n"), &to_xml(&world.sent(&user, 7, 0, "success"))).await);
    world.worked_on().await;
    let message = world.message(lost["id"].as_str().unwrap()).await;
    assert_eq!(message["state"], "delivered");
    let found = &message["resolutions"][0];
    assert_eq!(
        (&found["outcome"], &found["by"], &found["attempt"]),
        (&json!("sent"), &json!("event"), &json!(1))
    );
    let totals = world.totals(&user).await;
    assert_eq!((&totals["spent"], &totals["reserved"]), (&json!(1), &json!(0)));
    assert_eq!(world.wechat.texts(&user).await, ["arrived"], "the message is not sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_overtakes_the_answer_waits_for_it() {
    let world = World::start().await;
    let pusher = Pusher::of(&world, false).await;
    let user = world.wechat.user().await;
    world.grant_subscription(&user).await;
    let viewer = visitor(&world, "li", Role::Viewer, None).await;
    // WeChat delivers the message, and answers after the gateway's timeout.
    world.wechat.chaos(json!({ "path": SUBSCRIBE, "kind": "latency", "millis": 4_000, "times": 1 })).await;
    let id = world.accept(world.subscribe(&user, "x")).await;
    let asked = async || json!(world.message(&id).await["state"]);
    eventually(asked, |state| *state == json!("sending")).await;
    is_success(&pusher.push(&world.signed("n"), &to_xml(&world.sent(&user, 0, 0, "success"))).await);
    let parked = async || world.events().await.first().cloned().unwrap_or_default();
    let parked = eventually(parked, |event| event["state"] != "received").await;
    assert_eq!((&parked["state"], &parked["effects"]), (&json!("parked"), &json!([])), "{parked}");
    let page = viewer.get("/console/events").await;
    assert!(page.text.contains("to be worked on") && !page.text.contains("only kept"), "{}", page.text);
    assert_eq!(world.message(&id).await["state"], "sending");
    world.worked_on().await;
    assert_eq!(world.message(&id).await["state"], "delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_sends_again_if_the_app_wants_that_and_the_callback_works() {
    let world = World::start().await;
    let pusher = Pusher::of(&world, false).await;
    world.change_app(json!({ "resend_unknown_after_seconds": 600 })).await.expect(200);
    let (user, other) = (world.wechat.user().await, world.wechat.user().await);
    world.grant_subscription(&user).await;
    world.wechat.chaos(json!({ "path": SUBSCRIBE, "kind": "reset_before", "times": 1 })).await;
    let lost = world.send(world.subscribe(&user, "at last")).await;
    assert_eq!(lost["state"], "unknown");
    let id = lost["id"].as_str().unwrap();

    // Long enough, but it is unknown whether WeChat pushes events here at all.
    world.advance(Duration::from_secs(700));
    is_success(&pusher.push(&world.signed("a"), &to_xml(&world.popup(&other, "reject"))).await);
    world.worked_on().await;
    assert_eq!(world.message(id).await["state"], "unknown");
    // WeChat does push events.
    is_success(&pusher.push(&world.signed("b"), &to_xml(&world.sent(&other, 9, 0, "success"))).await);
    world.worked_on().await;
    world.advance(Duration::from_secs(61));
    let message = async || world.message(id).await;
    let message = eventually(message, |message| message["state"] == "sent").await;
    let found = &message["resolutions"][0];
    assert_eq!((&found["outcome"], &found["by"]), (&json!("not_sent"), &json!("silence")), "{message}");
    assert_eq!(world.wechat.texts(&user).await, ["at last"]);
    assert_eq!(world.totals(&user).await["spent"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_says_nothing_about_what_was_sent_before_a_restart_or_by_default() {
    let world = World::start().await;
    let pusher = Pusher::of(&world, false).await;
    let (user, other) = (world.wechat.user().await, world.wechat.user().await);
    let lose = async |world: &World| {
        world.grant_subscription(&user).await;
        world.wechat.chaos(json!({ "path": SUBSCRIBE, "kind": "reset_before", "times": 1 })).await;
        let lost = world.send(world.subscribe(&user, "lost")).await;
        assert_eq!(lost["state"], "unknown");
        lost["id"].as_str().unwrap().to_owned()
    };
    let before = lose(&world).await;
    let world = world.restart().await;
    let pusher = Pusher { url: world.url.clone(), ..pusher };
    let unset = lose(&world).await;
    world.advance(Duration::from_secs(7_000));
    is_success(&pusher.push(&world.signed("a"), &to_xml(&world.sent(&other, 9, 0, "success"))).await);
    world.worked_on().await;
    world.advance(Duration::from_secs(61));
    assert_eq!(
        world.message(&unset).await["state"],
        "unknown",
        "no message is sent twice unless the app chose so"
    );
    world.change_app(json!({ "resend_unknown_after_seconds": 600 })).await.expect(200);
    world.advance(Duration::from_secs(61));
    world.settled_as(&unset, "sent").await;
    assert_eq!(
        world.message(&before).await["state"],
        "unknown",
        "the event may have come while the gateway did not listen"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_does_not_act_on_is_kept_and_listed() {
    let world = World::start().await;
    let pusher = Pusher::of(&world, false).await;
    let user = world.wechat.user().await;
    let text = format!(
        "<xml><ToUserName>gh_1</ToUserName><FromUserName>{user}</FromUserName><CreateTime>1610969440</CreateTime>\
         <MsgType>text</MsgType><Content>&lt;hello&gt;</Content></xml>"
    );
    let about_nobody =
        r#"{"MsgType":"event","Event":"weapp_audit_success","CreateTime":1610969440,"Reason":"x"}"#;
    is_success(&pusher.push(&world.signed("a"), &text).await);
    world.advance(Duration::from_secs(1));
    is_success(&pusher.push(&world.signed("b"), about_nobody).await);
    let audit = world.worked_on().await;
    assert_eq!((&audit["name"], &audit["effects"]), (&json!("weapp_audit_success"), &json!([])));
    assert!(audit.get("openid").is_none());
    assert_eq!(audit["created_at"], "2021-01-18T11:30:40.000Z");

    let appid = &world.wechat.seed.appid;
    let of_user = world.get(&format!("/v1/events?app={appid}&openid={user}")).await.expect(200);
    assert_eq!(of_user["events"].as_array().unwrap().len(), 1);
    let body = parse_document(text.as_bytes()).unwrap();
    assert_eq!(
        (&of_user["events"][0]["name"], &of_user["events"][0]["body"]),
        (&json!("text"), &Value::Object(body))
    );
    let named = world.get("/v1/events?name=weapp_audit_success").await.expect(200);
    assert_eq!(named["events"][0]["id"], audit["id"]);
    let first = world.get("/v1/events?limit=1").await.expect(200);
    assert_eq!(first["events"][0]["id"], audit["id"]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = world.get(&format!("/v1/events?limit=1&cursor={cursor}")).await.expect(200);
    assert_eq!((&second["events"][0]["name"], second.get("next_cursor")), (&json!("text"), None));
    let at = audit["received_at"].as_str().unwrap();
    let since = world.get(&format!("/v1/events?since={at}")).await.expect(200);
    assert_eq!(since, json!({ "events": [audit] }), "received then or later");
    let until = world.get(&format!("/v1/events?until={at}")).await.expect(200);
    assert_eq!(until["events"], of_user["events"], "received before");
    let of_time = format!("/v1/events?app={appid}&openid={user}");
    let events = world.get(&format!("{of_time}&until={at}")).await.expect(200)["events"].clone();
    assert_eq!(events, of_user["events"]);
    world.get("/v1/events?since=yesterday").await.problem(422, "invalid_field");
    let viewer = visitor(&world, "li", Role::Viewer, None).await;
    let page = viewer.get("/console/events?until=2099-01-01T00:00").await;
    assert!(page.text.contains("weapp_audit_success"), "{}", page.text);
    let page = viewer.get("/console/events?since=2099-01-01T00:00").await;
    assert!(page.text.contains("No such event came in this time."), "{}", page.text);
    assert_eq!(
        world.get(&format!("/v1/events?openid={user}")).await.problem(422, "invalid_field")["field"],
        "openid"
    );
    let metrics = world.get("/metrics").await.text;
    assert!(metrics.contains(r#"hongyan_events_total{event="other",result="new"} 2"#), "{metrics}");
}
