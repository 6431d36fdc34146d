//! WeChat pushes what users answered and what became of messages: each push counts once, and a forged one never.

use std::time::Duration;

use futures_util::future::join_all;
use hongyan_wechat::callback::{EncodingAesKey, parse_document, sign, to_xml};
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::world::{Answer, Http, World, eventually};

const TOKEN: &str = "sharedToken1";
const AES_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
const SUBSCRIBE: &str = "/cgi-bin/message/subscribe/send";

/// Who pushes: WeChat, or somebody who would like to be taken for it.
struct Pusher {
    http: Http,
    url: String,
    appid: String,
    key: Option<EncodingAesKey>,
    token: String,
}

/// The parameters of a request.
#[derive(Clone)]
struct Signed {
    timestamp: String,
    nonce: String,
}

impl Pusher {
    /// The app gets a callback; in safe mode, one with a key.
    async fn of(world: &World, sealed: bool) -> Self {
        let callback = if sealed {
            json!({ "token": TOKEN, "encoding_aes_key": AES_KEY })
        } else {
            json!({ "token": TOKEN })
        };
        world.change_app(json!({ "callback": callback })).await.expect(200);
        Self {
            http: Http::new(),
            url: world.url.clone(),
            appid: world.wechat.seed.appid.clone(),
            key: sealed.then(|| AES_KEY.parse().unwrap()),
            token: TOKEN.into(),
        }
    }

    /// A push of this content, as WeChat sends it.
    async fn push(&self, signed: &Signed, content: &str) -> Answer {
        let body = match &self.key {
            None => content.to_owned(),
            Some(key) => {
                let sealed = key.seal([7; 16], content.as_bytes(), &self.appid.parse().unwrap());
                return self.push_sealed(signed, &sealed).await;
            }
        };
        self.post(signed, "", body).await
    }

    async fn push_sealed(&self, signed: &Signed, sealed: &str) -> Answer {
        let signature = sign(&[&self.token, &signed.timestamp, &signed.nonce, sealed]);
        let body = format!("<xml><ToUserName>gh_1</ToUserName><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>");
        self.post(signed, &format!("&encrypt_type=aes&msg_signature={signature}"), body).await
    }

    async fn post(&self, signed: &Signed, more: &str, body: String) -> Answer {
        self.http.send(Method::POST, &self.address(signed, more), &[("content-type", "text/xml")], body).await
    }

    fn address(&self, signed: &Signed, more: &str) -> String {
        let Signed { timestamp, nonce } = signed;
        let signature = sign(&[&self.token, timestamp, nonce]);
        format!(
            "{}/callback/{}?signature={signature}&timestamp={timestamp}&nonce={nonce}{more}",
            self.url, self.appid
        )
    }
}

impl World {
    /// The parameters of a request of now.
    fn signed(&self, nonce: &str) -> Signed {
        Signed { timestamp: self.clock.now().as_seconds().to_string(), nonce: nonce.into() }
    }

    async fn change_app(&self, change: Value) -> Answer {
        let path = format!("/v1/apps/{}", self.wechat.seed.appid);
        self.call(Method::PATCH, &path, &[], change.to_string()).await
    }

    async fn events(&self) -> Vec<Value> {
        self.get("/v1/events").await.expect(200)["events"].as_array().unwrap().clone()
    }

    /// The event that came last, once it is worked on.
    async fn worked_on(&self) -> Value {
        let last = async || self.events().await.first().cloned().unwrap_or_default();
        eventually(last, |event| event["state"] == "done").await
    }

    async fn refused_for(&self, reason: &str) -> bool {
        let metrics = self.get("/metrics").await.text;
        metrics.contains(&format!("hongyan_callback_refused_total{{reason=\"{reason}\"}}"))
    }

    /// As XML; JSON is the same without the element around `List`.
    fn event(&self, name: &str, wrapper: &str, openid: &str, list: &Value) -> Map<String, Value> {
        let content = json!({
            "ToUserName": "gh_1",
            "FromUserName": openid,
            "CreateTime": self.clock.now().as_seconds(),
            "MsgType": "event",
            "Event": name,
            wrapper: { "List": list },
        });
        content.as_object().unwrap().clone()
    }

    fn popup(&self, openid: &str, word: &str) -> Map<String, Value> {
        let entry =
            json!({ "TemplateId": self.wechat.seed.subscribe_template, "SubscribeStatusString": word });
        self.event("subscribe_msg_popup_event", "SubscribeMsgPopupEvent", openid, &entry)
    }

    fn change(&self, openid: &str) -> Map<String, Value> {
        let entry =
            json!({ "TemplateId": self.wechat.seed.subscribe_template, "SubscribeStatusString": "reject" });
        self.event("subscribe_msg_change_event", "SubscribeMsgChangeEvent", openid, &entry)
    }

    fn sent(&self, openid: &str, msgid: i64, code: i64, status: &str) -> Map<String, Value> {
        let entry = json!({
            "TemplateId": self.wechat.seed.subscribe_template,
            "MsgID": msgid,
            "ErrorCode": code,
            "ErrorStatus": status,
        });
        self.event("subscribe_msg_sent_event", "SubscribeMsgSentEvent", openid, &entry)
    }
}

/// The same in the form that has no element around `List`.
fn as_json(event: &Map<String, Value>) -> String {
    let mut flat = Map::new();
    for (name, value) in event {
        match value.get("List") {
            Some(list) => drop(flat.insert("List".into(), list.clone())),
            None => drop(flat.insert(name.clone(), value.clone())),
        }
    }
    Value::Object(flat).to_string()
}

#[track_caller]
fn is_success(answer: &Answer) {
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, "success"), "{answer:?}");
}

/// Whatever was wrong, the sender hears the same.
#[track_caller]
fn is_refused(answer: &Answer) {
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::FORBIDDEN, "refused"), "{answer:?}");
}

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
    // What was good is not good for ever.
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
    // A third of it: not whole blocks.
    is_refused(&pusher.push_sealed(&world.signed("a"), &sealed[..sealed.len() / 3]).await);
    // Whole blocks, and with the last one the padding is gone (43 characters of base64 are 32 bytes).
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
    // The answer comes before the body is sent, so the connection may break under the rest of it.
    let answer = pusher.http.try_send(Method::POST, &url, &[], huge).await;
    if let Some(answer) = answer {
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    }
    let refused = async || json!(world.refused_for("too_large").await);
    eventually(refused, |refused| *refused == json!(true)).await;
    // A little more than the largest is answered in any case.
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
    // WeChat repeats what is not answered in time, under a nonce of its own each time; some at once.
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
    // WeChat first; then the mini program tells of the same tap.
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
    // Another tap, the other way round.
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
    assert!(words.contains("The user has withdrawn the right, WeChat reported at 20"), "{words}");
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
    assert_eq!(world.wechat.texts(&user).await, ["arrived"], "and it is not sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_overtakes_the_answer_waits_for_it() {
    let world = World::start().await;
    let pusher = Pusher::of(&world, false).await;
    let user = world.wechat.user().await;
    world.grant_subscription(&user).await;
    // Delivered, and answered only when the gateway has given up.
    world.wechat.chaos(json!({ "path": SUBSCRIBE, "kind": "latency", "millis": 4_000, "times": 1 })).await;
    let id = world.accept(world.subscribe(&user, "x")).await;
    let asked = async || json!(world.message(&id).await["state"]);
    eventually(asked, |state| *state == json!("sending")).await;
    is_success(&pusher.push(&world.signed("n"), &to_xml(&world.sent(&user, 0, 0, "success"))).await);
    let parked = async || world.events().await.first().cloned().unwrap_or_default();
    let parked = eventually(parked, |event| event["state"] != "received").await;
    assert_eq!((&parked["state"], &parked["effects"]), (&json!("parked"), &json!([])), "{parked}");
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

    // For long enough, but nobody knows whether WeChat reports anything here at all.
    world.advance(Duration::from_secs(700));
    is_success(&pusher.push(&world.signed("a"), &to_xml(&world.popup(&other, "reject"))).await);
    world.worked_on().await;
    assert_eq!(world.message(id).await["state"], "unknown");
    // It does.
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
        "nothing goes out twice unless the app chose so"
    );
    world.change_app(json!({ "resend_unknown_after_seconds": 600 })).await.expect(200);
    world.advance(Duration::from_secs(61));
    world.settled_as(&unset, "sent").await;
    assert_eq!(
        world.message(&before).await["state"],
        "unknown",
        "its report may have come while nobody listened"
    );
}

impl World {
    async fn settled_as(&self, id: &str, state: &str) {
        let message = async || self.message(id).await;
        eventually(message, |message| message["state"] == state).await;
    }
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
    assert_eq!(
        world.get(&format!("/v1/events?openid={user}")).await.problem(422, "invalid_field")["field"],
        "openid"
    );
    let metrics = world.get("/metrics").await.text;
    assert!(metrics.contains(r#"hongyan_events_total{event="other",result="new"} 2"#), "{metrics}");
}
