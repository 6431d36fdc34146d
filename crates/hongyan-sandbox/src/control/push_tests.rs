use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Query, State as Shared};
use axum::routing::get;
use hongyan_wechat::callback::{CallbackKeys, Event, Notice, PushParameters, notice_of, open_push};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::state::callbacks::{Callback, Format, Mode};
use crate::testing::Platform;

const TOKEN: &str = "callbackToken";
const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

/// What came.
type Got = Arc<Mutex<Vec<(PushParameters, String)>>>;
/// Status and text of the answers to come.
type Answers = Arc<Mutex<VecDeque<(u16, &'static str)>>>;

/// A back end that takes pushes, on a port of its own. It ends with the test.
struct Receiver {
    url: String,
    got: Got,
    /// How it answers, one after another; then always `success`.
    answers: Answers,
    serving: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/callback/wx?keep=1", listener.local_addr().unwrap());
        let (got, answers) = (Got::default(), Answers::default());
        let shared = (Arc::clone(&got), Arc::clone(&answers));
        let app = Router::new()
            .route(
                "/callback/wx",
                get(|Query(asked): Query<PushParameters>| async move { asked.echostr }).post(
                    |Shared((got, answers)): Shared<(Got, Answers)>,
                     Query(asked): Query<PushParameters>,
                     body: String| async move {
                        got.lock().unwrap().push((asked, body));
                        let (status, text) = answers.lock().unwrap().pop_front().unwrap_or((200, "success"));
                        (http::StatusCode::from_u16(status).unwrap(), text)
                    },
                ),
            )
            .route("/wrong", get(|| async { "hello" }))
            .route(
                "/pieces",
                get(|Query(q): Query<PushParameters>| async move {
                    axum::body::Body::from_stream(futures_util::stream::iter([Ok::<_, std::io::Error>(
                        q.echostr,
                    )]))
                }),
            )
            .route(
                "/quoted",
                get(|Query(q): Query<PushParameters>| async move { format!("\"{}\"", q.echostr) }),
            )
            .with_state(shared);
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, got, answers, serving }
    }

    fn settings(&self, platform: &Platform, mode: &str, format: &str) -> Value {
        json!({
            "appid": platform.seed.appid, "url": self.url, "token": TOKEN, "encoding_aes_key": KEY,
            "mode": mode, "format": format,
        })
    }

    async fn set(&self, platform: &Platform, mode: &str, format: &str) {
        let answer = platform.post("/_sandbox/callback", self.settings(platform, mode, format)).await;
        assert_eq!(answer["mode"], mode, "{answer}");
    }

    /// What came, read as a back end reads it.
    fn events(&self, platform: &Platform, mode: &str) -> Vec<Event> {
        let aes_key = (mode != "plain").then(|| KEY.parse().unwrap());
        let keys = CallbackKeys { token: TOKEN.to_owned().into(), aes_key };
        let appid = platform.seed.appid.parse().unwrap();
        let got = self.got.lock().unwrap();
        got.iter().map(|(p, body)| Event::of(open_push(&keys, &appid, p, body.as_bytes()).unwrap())).collect()
    }
}

async fn idle(platform: &Platform) -> Value {
    let pushes = platform.get("/_sandbox/pushes?idle_within_ms=20000").await;
    assert_eq!(pushes["waiting"], 0, "{pushes}");
    pushes
}

#[tokio::test]
async fn an_answer_a_send_and_a_changed_setting_are_pushed_in_every_mode_and_format() {
    for mode in ["plain", "compatible", "safe"] {
        for format in ["xml", "json"] {
            let (platform, receiver) = (Platform::new(), Receiver::start().await);
            receiver.set(&platform, mode, format).await;
            let template = platform.seed.subscribe_template.clone();
            platform.accept(&template).await;
            let token = platform.token().await;
            let sent = platform.send_subscribe(&token, platform.subscribe_message()).await;
            let reject = json!({ "template_id": template, "result": "reject" });
            platform.user_does("/_sandbox/settings", reject).await;
            idle(&platform).await;

            let events = receiver.events(&platform, mode);
            let notices: Vec<_> = events.iter().map(|e| notice_of(e).unwrap()).collect();
            let [Notice::Popup(popup), Notice::Sent(results), Notice::Change(change)] = &notices[..] else {
                panic!("{mode} {format}: {notices:?}")
            };
            assert_eq!((popup[0].template.as_str(), change[0].template.as_str()), (&*template, &*template));
            assert_eq!((results[0].msgid, results[0].error_code), (sent["msgid"].as_i64(), 0));
            assert_eq!(events[0].openid.as_ref().unwrap().as_str(), platform.seed.openid);
            let again = platform.send_subscribe(&token, platform.subscribe_message()).await;
            assert_eq!(again["errcode"], 43101, "the setting took the acceptance away");
        }
    }
}

#[tokio::test]
async fn an_address_that_does_not_answer_the_check_is_not_taken() {
    let (platform, receiver) = (Platform::new(), Receiver::start().await);
    let wrong = [
        ("/callback/wx", "/wrong", "but was 5 bytes of content type text/plain"),
        ("/callback/wx", "/pieces", "chunked"),
        ("/callback/wx", "/quoted", "more than echostr"),
        ("/callback/wx", "/nothing", "HTTP 404"),
        ("http://127", "http://128", "the request to the address failed"),
    ];
    for (from, to, words) in wrong {
        let mut settings = receiver.settings(&platform, "plain", "xml");
        // Port 9 of this machine answers nobody.
        let url =
            if to == "http://128" { "http://127.0.0.1:9/".into() } else { receiver.url.replace(from, to) };
        settings["url"] = json!(url);
        let (status, refusal) = platform.try_post("/_sandbox/callback", settings).await;
        assert_eq!((status.as_u16(), &refusal["code"]), (400, &json!("callback_check_failed")), "{refusal}");
        let error = refusal["error"].as_str().unwrap();
        assert!(error.contains(words), "{refusal}");
        assert!(!error.contains("hello"), "what the address answered is nobody's business: {refusal}");
    }
    let query = format!("?appid={}", platform.seed.appid);
    assert_eq!(platform.get(&format!("/_sandbox/callback{query}")).await["code"], "no_callback");
    receiver.set(&platform, "safe", "json").await;
    let shown = platform.get(&format!("/_sandbox/callback{query}")).await;
    assert_eq!((&shown["mode"], &shown["has_encoding_aes_key"]), (&json!("safe"), &json!(true)));
    assert!(!shown.to_string().contains(TOKEN) && !shown.to_string().contains(KEY), "{shown}");
    assert_eq!(platform.delete(&format!("/_sandbox/callback{query}")).await["removed"], true);
    platform.accept(&platform.seed.subscribe_template).await;
    assert_eq!(idle(&platform).await["pushes"], json!([]));
}

#[tokio::test]
async fn a_push_that_is_not_answered_with_success_comes_three_times_more() {
    let (platform, receiver) = (Platform::new(), Receiver::start().await);
    receiver.set(&platform, "plain", "json").await;
    receiver.answers.lock().unwrap().extend([(500, "success"), (200, "no"), (200, "success")]);
    platform.accept(&platform.seed.subscribe_template).await;
    let pushes = idle(&platform).await;
    assert_eq!(pushes["pushes"][0]["state"], "delivered");
    assert_eq!(pushes["pushes"][0]["tries"].as_array().unwrap().len(), 3);
    receiver.answers.lock().unwrap().extend([(503, "down"); 4]);
    platform.accept(&platform.seed.subscribe_template).await;
    platform.accept(&platform.seed.long_term_template).await;
    let pushes = idle(&platform).await;
    assert_eq!(
        (&pushes["pushes"][1]["state"], &pushes["pushes"][2]["state"]),
        (&json!("given_up"), &json!("delivered"))
    );
    assert_eq!(
        pushes["pushes"][1]["tries"][3],
        json!({
            "at": pushes["pushes"][1]["tries"][3]["at"], "status": 503, "answer": "down",
        })
    );
    assert_eq!(receiver.got.lock().unwrap().len(), 8);
}

#[tokio::test]
async fn a_push_that_is_answered_with_a_reply_does_not_come_again() {
    let (platform, receiver) = (Platform::new(), Receiver::start().await);
    receiver.set(&platform, "plain", "json").await;
    let reply = r#"{"MsgType":"transfer_customer_service"}"#;
    let xml = "<xml><MsgType>transfer_customer_service</MsgType></xml>";
    receiver.answers.lock().unwrap().extend([
        (200, reply),
        (200, xml),
        (200, "{}"),
        (500, reply),
        (200, reply),
    ]);
    for tries in [1, 1, 3] {
        platform.accept(&platform.seed.subscribe_template).await;
        let pushes = idle(&platform).await;
        let newest = pushes["pushes"].as_array().unwrap().last().unwrap();
        assert_eq!(newest["state"], "delivered", "{newest}");
        assert_eq!(newest["tries"].as_array().unwrap().len(), tries, "{newest}");
    }
}

#[tokio::test]
async fn held_pushes_wait_for_their_release_and_keep_their_order() {
    let (platform, receiver) = (Platform::new(), Receiver::start().await);
    receiver.set(&platform, "plain", "xml").await;
    platform.post("/_sandbox/pushes/hold", json!({})).await;
    for number in 0..20 {
        let body = json!({ "MsgType": "event", "Event": "own", "CreateTime": number });
        platform.post("/_sandbox/pushes", json!({ "appid": platform.seed.appid, "body": body })).await;
    }
    let held = platform.get("/_sandbox/pushes").await;
    assert_eq!((&held["held"], &held["waiting"]), (&json!(true), &json!(20)));
    assert!(receiver.got.lock().unwrap().is_empty());
    assert_eq!(platform.get("/_sandbox/pushes?idle_within_ms=1").await["code"], "pushes_waiting");
    platform.post("/_sandbox/pushes/release", json!({})).await;
    idle(&platform).await;
    let times: Vec<_> = receiver.events(&platform, "plain").iter().map(|e| e.create_time).collect();
    assert_eq!(times, (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_test_pushes_what_it_likes_and_damages_it() {
    let (platform, receiver) = (Platform::new(), Receiver::start().await);
    receiver.set(&platform, "safe", "xml").await;
    let push = async |body: Value, damage: Value| {
        let asked = json!({ "appid": platform.seed.appid, "body": body, "damage": damage });
        platform.post("/_sandbox/pushes", asked).await["id"].as_u64().unwrap()
    };
    push(json!({ "MsgType": "text", "Content": "hello" }), json!(["twice"])).await;
    push(json!("not even XML"), json!(["signature"])).await;
    let pushes = idle(&platform).await;
    assert_eq!(pushes["pushes"][0]["tries"].as_array().unwrap().len(), 2);
    assert_eq!(pushes["pushes"][1]["body"], "not even XML");
    let got = receiver.got.lock().unwrap();
    let keys = CallbackKeys { token: TOKEN.to_owned().into(), aes_key: Some(KEY.parse().unwrap()) };
    let appid = platform.seed.appid.parse().unwrap();
    let read: Vec<_> = got.iter().map(|(p, b)| open_push(&keys, &appid, p, b.as_bytes())).collect();
    assert_eq!(read.len(), 3);
    assert!(read[..2].iter().all(|r| r.as_ref().unwrap()["Content"] == "hello"), "{read:?}");
    assert!(read[2].as_ref().unwrap_err().to_string().contains("signature"), "{read:?}");
}

#[tokio::test]
async fn a_user_who_switched_notifications_off_gets_nothing_and_the_event_says_so() {
    let (platform, receiver) = (Platform::new(), Receiver::start().await);
    platform.accept(&platform.seed.subscribe_template).await;
    receiver.set(&platform, "plain", "json").await;
    platform.user_does("/_sandbox/settings", json!({ "receives": false })).await;
    let token = platform.token().await;
    let sent = platform.send_subscribe(&token, platform.subscribe_message()).await;
    assert_eq!(sent["errcode"], 0);
    idle(&platform).await;
    let Some(Notice::Sent(results)) = notice_of(&receiver.events(&platform, "plain")[0]) else { panic!() };
    assert_eq!((results[0].msgid, results[0].error_status.as_str()), (sent["msgid"].as_i64(), "user refuse"));
    assert!(platform.inbox().await.is_empty());
}

#[tokio::test]
async fn a_dead_callback_holds_up_nobody_else() {
    let (platform, receiver) = (Platform::new(), Receiver::start().await);
    receiver.set(&platform, "plain", "json").await;
    let other = platform.post("/_sandbox/apps", json!({})).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // It never accepts, so the dead app's push waits for its whole time.
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let dead = Callback {
        url,
        token: TOKEN.into(),
        encoding_aes_key: None,
        mode: Mode::default(),
        format: Format::default(),
        timeout_ms: 5_000,
    };
    let appid = other["appid"].as_str().unwrap();
    platform.inner().state().apps.get_mut(appid).unwrap().callback = Some(dead);
    platform.post("/_sandbox/pushes", json!({ "appid": appid, "body": {} })).await;
    platform.accept(&platform.seed.subscribe_template).await;
    let delivered = async {
        let mut signal = platform.inner().signal.subscribe();
        while receiver.got.lock().unwrap().is_empty() {
            signal.changed().await.unwrap();
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(4), delivered).await.unwrap();
    assert_eq!(platform.get("/_sandbox/pushes").await["pushes"][0]["state"], "waiting");
    platform.inner().stopping.send_replace(true);
}
