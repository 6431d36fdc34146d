//! Anyone who knows the address of a callback can post to it: requests that are not from WeChat change nothing, and the
//! sender learns nothing.

use std::time::Duration;

use hongyan_wechat::callback::to_xml;
use http::{Method, StatusCode};
use serde_json::json;

use crate::pusher::{AES_KEY, Pusher, Signed, TOKEN, is_refused, is_success};
use crate::world::{World, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn the_address_is_confirmed_to_wechat_and_to_nobody_else() {
    let world = World::start().await;
    let pusher = Pusher::of(&world, false).await;
    assert!(world.app().await["callback"].get("verified_at").is_none());
    let signed = world.signed("n");
    let right = pusher.http.get(&pusher.address(&signed, "&echostr=5837397576500011341")).await;
    assert_eq!((right.status, right.text.as_str()), (StatusCode::OK, "5837397576500011341"));
    assert_eq!(right.headers["content-type"], "text/plain; charset=utf-8");
    assert!(world.app().await["callback"]["verified_at"].is_string());

    is_refused(&pusher.http.get(&pusher.address(&signed, "&echostr=%3Cscript%3E")).await);
    is_refused(&pusher.http.get(&pusher.address(&signed, &format!("&echostr={}", "1".repeat(129)))).await);
    is_refused(&pusher.http.get(&pusher.address(&signed, "")).await);
    let forger = Pusher { token: "anotherToken".into(), ..pusher };
    is_refused(&forger.http.get(&forger.address(&signed, "&echostr=1")).await);
    let nowhere = forger.address(&signed, "&echostr=1").replace(&forger.appid, "wxffffffffffffffff");
    let answer = forger.http.get(&nowhere).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::NOT_FOUND, "not found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_read_the_check_of_an_address_can_push_nothing_under_it() {
    let world = World::start().await;
    let pusher = Pusher::of(&world, false).await;
    let signed = world.signed("n");
    for _ in 0..2 {
        let checked = pusher.http.get(&pusher.address(&signed, "&echostr=1")).await;
        assert_eq!(checked.status, StatusCode::OK, "WeChat may ask again");
    }
    let event = to_xml(&world.popup(&world.wechat.user().await, "accept"));
    is_refused(&pusher.push(&signed, &event).await);
    assert!(world.refused_for("nonce_reused").await && world.events().await.is_empty());
    is_success(&pusher.push(&world.signed("another"), &event).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timestamp_has_one_spelling() {
    let world = World::start().await;
    let pusher = Pusher::of(&world, false).await;
    let event = to_xml(&world.popup(&world.wechat.user().await, "accept"));
    let Signed { timestamp, nonce } = world.signed("n");
    for timestamp in [format!("%2B{timestamp}"), format!("0{timestamp}"), format!("{timestamp}.0")] {
        is_refused(&pusher.push(&Signed { timestamp, nonce: nonce.clone() }, &event).await);
    }
    assert!(world.refused_for("parameters").await && world.events().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_are_checked_kept_secret_and_removed() {
    let world = World::start().await;
    for token in ["ab", "with space", &"a".repeat(33)] {
        let answer = world.change_app(json!({ "callback": { "token": token } })).await;
        assert_eq!(answer.problem(422, "invalid_field")["field"], "callback.token");
    }
    let answer =
        world.change_app(json!({ "callback": { "token": TOKEN, "encoding_aes_key": "short" } })).await;
    assert_eq!(answer.problem(422, "invalid_field")["field"], "callback.encoding_aes_key");
    world.change_app(json!({ "callback": {} })).await.problem(422, "missing_field");
    for seconds in [59, 604_801] {
        let answer = world.change_app(json!({ "resend_unknown_after_seconds": seconds })).await;
        assert_eq!(answer.problem(422, "invalid_field")["field"], "resend_unknown_after_seconds");
    }

    let pusher = Pusher::of(&world, true).await;
    let shown = world.change_app(json!({ "resend_unknown_after_seconds": 600 })).await;
    assert!(!shown.text.contains(TOKEN) && !shown.text.contains(AES_KEY), "{shown:?}");
    let shown = shown.expect(200);
    assert_eq!(shown["callback"]["path"], format!("/callback/{}", pusher.appid));
    assert_eq!(
        (&shown["callback"]["mode"], &shown["resend_unknown_after_seconds"]),
        (&json!("sealed"), &json!(600))
    );
    let plain = world.change_app(json!({ "callback": { "encoding_aes_key": null } })).await.expect(200);
    assert_eq!(plain["callback"]["mode"], "plain", "the token stays");
    let change = json!({ "callback": null, "resend_unknown_after_seconds": null });
    let removed = world.change_app(change).await.expect(200);
    assert!(removed.get("callback").is_none() && removed.get("resend_unknown_after_seconds").is_none());
    let answer = pusher.push(&world.signed("n"), "<xml/>").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_signature_is_refused() {
    for sealed in [false, true] {
        let world = World::start().await;
        let pusher = Pusher { token: "anotherToken".into(), ..Pusher::of(&world, sealed).await };
        let event = to_xml(&world.popup(&world.wechat.user().await, "accept"));
        is_refused(&pusher.push(&world.signed("n"), &event).await);
        assert!(world.refused_for("signature").await && world.events().await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timestamp_outside_the_window_is_refused() {
    let world = World::start().await;
    let pusher = Pusher::of(&world, false).await;
    let event = to_xml(&world.popup(&world.wechat.user().await, "accept"));
    let signed = world.signed("n");
    let now = world.clock.now().as_seconds();
    for off in [-310, 310] {
        let signed = Signed { timestamp: (now + off).to_string(), ..signed.clone() };
        is_refused(&pusher.push(&signed, &event).await);
    }
    for timestamp in ["", "now", "-5", "99999999999999999999"] {
        is_refused(&pusher.push(&Signed { timestamp: timestamp.into(), ..signed.clone() }, &event).await);
    }
    assert!(world.refused_for("timestamp").await && world.refused_for("parameters").await);
    // A valid signature does not stay valid for ever.
    world.advance(Duration::from_secs(400));
    is_refused(&pusher.push(&signed, &event).await);
    assert!(world.events().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_that_was_seen_covers_no_other_content() {
    let world = World::start().await;
    let pusher = Pusher::of(&world, false).await;
    let (user, thief) = (world.wechat.user().await, world.wechat.user().await);
    let signed = world.signed("n");
    let event = to_xml(&world.popup(&user, "accept"));
    is_success(&pusher.push(&signed, &event).await);
    is_refused(&pusher.push(&signed, &to_xml(&world.popup(&thief, "accept"))).await);
    assert!(world.refused_for("nonce_reused").await);
    is_success(&pusher.push(&signed, &event).await);
    world.worked_on().await;
    assert_eq!(world.events().await.len(), 1);
    assert_eq!(
        (&world.totals(&user).await["granted"], &world.totals(&thief).await["granted"]),
        (&json!(1), &json!(0))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cipher_text_that_was_cut_or_padded_wrongly_is_refused() {
    let world = World::start().await;
    let pusher = Pusher::of(&world, true).await;
    let event = to_xml(&world.popup(&world.wechat.user().await, "accept"));
    let sealed = pusher.key.as_ref().unwrap().seal([7; 16], event.as_bytes(), &pusher.appid.parse().unwrap());
    // A third of the text: not whole blocks.
    is_refused(&pusher.push_sealed(&world.signed("a"), &sealed[..sealed.len() / 3]).await);
    // Whole blocks, but the padding in the last block is missing (43 characters of base64 are 32 bytes).
    let whole = &sealed[..128];
    is_refused(&pusher.push_sealed(&world.signed("b"), whole).await);
    is_refused(&pusher.push_sealed(&world.signed("c"), "").await);
    is_refused(&pusher.push_sealed(&world.signed("d"), "no base64!").await);
    assert!(world.refused_for("cipher").await && world.events().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sealed_for_another_app_is_refused() {
    let world = World::start().await;
    let pusher = Pusher::of(&world, true).await;
    let event = to_xml(&world.popup(&world.wechat.user().await, "accept"));
    let other =
        pusher.key.as_ref().unwrap().seal([7; 16], event.as_bytes(), &"wx0000000000000001".parse().unwrap());
    is_refused(&pusher.push_sealed(&world.signed("n"), &other).await);
    assert!(world.refused_for("other_app").await && world.events().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mode_that_was_not_agreed_on_is_refused() {
    let world = World::start().await;
    let sealing = Pusher::of(&world, true).await;
    let event = to_xml(&world.popup(&world.wechat.user().await, "accept"));
    let plain = Pusher { key: None, ..Pusher::of(&world, true).await };
    is_refused(&plain.push(&world.signed("a"), &event).await);
    world.change_app(json!({ "callback": { "encoding_aes_key": null } })).await.expect(200);
    is_refused(&sealing.push(&world.signed("b"), &event).await);
    assert!(world.refused_for("not_sealed").await && world.refused_for("no_key").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_megabytes_are_not_read() {
    let world = World::start().await;
    let pusher = Pusher::of(&world, false).await;
    let signed = world.signed("n");
    let huge = format!("<xml><A>{}</A></xml>", "a".repeat(10 * 1024 * 1024));
    let url = pusher.address(&signed, "");
    // The answer comes before the body is sent, so the connection may break while the rest is being sent.
    let answer = pusher.http.try_send(Method::POST, &url, &[], huge).await;
    if let Some(answer) = answer {
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    }
    let refused = async || json!(world.refused_for("too_large").await);
    eventually(refused, |refused| *refused == json!(true)).await;
    // A body slightly larger than allowed is answered in any case.
    let large = format!("<xml><A>{}</A></xml>", "a".repeat(64 * 1024));
    let answer = pusher.post(&world.signed("m"), "", large).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "too large"));
    assert!(world.events().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_does_not_go_off() {
    let world = World::start().await;
    let pusher = Pusher::of(&world, false).await;
    let bomb =
        r#"<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><xml><A>&b;&b;</A></xml>"#;
    let external = r#"<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><xml><A>&a;</A></xml>"#;
    let deep = format!("{}{}", "<a>".repeat(5_000), "</a>".repeat(5_000));
    let nested = format!("{{\"a\":{}", "[".repeat(20_000));
    for (n, body) in
        [bomb, external, deep.as_str(), nested.as_str(), "", "no document", "<xml>"].iter().enumerate()
    {
        is_refused(&pusher.post(&world.signed(&n.to_string()), "", (*body).to_owned()).await);
    }
    assert!(world.refused_for("unreadable").await && world.events().await.is_empty());
}
