//! The inbox over HTTP: waiting, filters, deletion, and what is refused.

use std::time::{Duration, Instant};

use axum::body::Body;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::testing::{Platform, json_of};

/// Another app with a user who accepted the subscribe template; gives its appid, openid, template and a token.
struct Other {
    appid: String,
    openid: String,
    template: String,
    token: String,
}

async fn other_app(platform: &Platform) -> Other {
    let app = platform.post("/_sandbox/apps", json!({})).await;
    let text = |name: &str| app[name].as_str().unwrap().to_owned();
    let (appid, secret, template) = (text("appid"), text("app_secret"), text("subscribe_template"));
    let user = platform.post("/_sandbox/users", json!({ "appid": appid })).await;
    let openid = user["openid"].as_str().unwrap().to_owned();
    let accepted = json!({ "appid": appid, "openid": openid, "template_id": template, "count": 100 });
    platform.post("/_sandbox/subscriptions", accepted).await;
    let path = format!("/cgi-bin/token?grant_type=client_credential&appid={appid}&secret={secret}");
    let token = platform.get(&path).await["access_token"].as_str().unwrap().to_owned();
    Other { appid, openid, template, token }
}

impl Other {
    async fn send(&self, platform: &Platform) {
        let mut message = platform.subscribe_message();
        message["touser"] = json!(self.openid);
        message["template_id"] = json!(self.template);
        assert_eq!(platform.send_subscribe(&self.token, message).await["errcode"], 0);
    }
}

async fn send(platform: &Platform) {
    let (token, form_id) = (platform.token().await, platform.form_id().await);
    let sent = platform.send_template(&token, platform.template_message(&form_id)).await;
    assert_eq!(sent["errcode"], 0, "{sent}");
}

fn ids(cards: &Value) -> Vec<u64> {
    cards.as_array().unwrap().iter().map(|card| card["id"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn without_names_every_card_is_listed_with_its_app_and_user() {
    let platform = Platform::new();
    let other = other_app(&platform).await;
    send(&platform).await;
    other.send(&platform).await;
    let cards = platform.get("/_sandbox/inbox").await;
    assert_eq!(ids(&cards), [1, 2]);
    assert_eq!(
        (&cards[0]["appid"], &cards[0]["openid"]),
        (&json!(platform.seed.appid), &json!(platform.seed.openid))
    );
    assert_eq!((&cards[1]["appid"], &cards[1]["openid"]), (&json!(other.appid), &json!(other.openid)));
    assert_eq!(ids(&platform.get(&format!("/_sandbox/inbox?appid={}", other.appid)).await), [2]);
    assert_eq!(ids(&platform.get(&format!("/_sandbox/inbox?openid={}", platform.seed.openid)).await), [1]);
    let nobody = format!("/_sandbox/inbox?appid={}&openid={}", platform.seed.appid, other.openid);
    assert_eq!(platform.get(&nobody).await["code"], "unknown_user");
}

#[tokio::test]
async fn a_wait_counts_only_the_cards_that_match() {
    let platform = Platform::new();
    let other = other_app(&platform).await;
    let path = format!("/_sandbox/inbox?appid={}&wait=60&count=2", other.appid);
    let sending = async {
        other.send(&platform).await;
        send(&platform).await;
        other.send(&platform).await;
    };
    let (cards, ()) = tokio::join!(platform.get(&path), sending);
    assert_eq!(ids(&cards), [1, 3]);
    let path = "/_sandbox/inbox?since=2&wait=60";
    assert_eq!(ids(&platform.get(path).await), [3], "a card that is there already is not waited for");
}

#[tokio::test]
async fn a_wait_ends_with_what_there_is_when_the_time_is_up() {
    let platform = Platform::new();
    send(&platform).await;
    let begin = Instant::now();
    let cards = platform.get("/_sandbox/inbox?wait=0.2&count=2").await;
    assert_eq!(ids(&cards), [1]);
    assert!(begin.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused() {
    let platform = Platform::new();
    for query in [
        "wait=-1",
        "wait=61",
        "wait=soon",
        "wait=NaN",
        "wait=inf",
        "count=0",
        "count=-1",
        "count=few",
        "since=soon",
        "limit=-1",
        "wait=1&wait=2",
        "waiting=1",
        "appid=%20",
        "openid=",
    ] {
        let path = format!("/_sandbox/inbox?{query}");
        let (status, refusal) = json_of(platform.ask(Method::GET, &path, Body::empty()).await).await;
        if query == "openid=" {
            assert_eq!(status, StatusCode::OK, "an empty value counts as left out");
        } else {
            assert_eq!(
                (status, &refusal["code"]),
                (StatusCode::BAD_REQUEST, &json!("bad_request")),
                "{query}"
            );
        }
    }
    for path in ["/_sandbox/inbox/1", "/_sandbox/inbox/first"] {
        assert_eq!(platform.get(path).await["code"], "unknown_card");
        assert_eq!(platform.delete(path).await["code"], "unknown_card");
    }
    assert_eq!(platform.delete("/_sandbox/inbox?appid=wx0").await["code"], "unknown_app");
    assert_eq!(platform.delete("/_sandbox/inbox?since=1").await["code"], "bad_request");
}

#[tokio::test]
async fn cards_are_deleted_one_by_one_for_an_app_and_all_at_once() {
    let platform = Platform::new();
    let other = other_app(&platform).await;
    for _ in 0..2 {
        send(&platform).await;
        other.send(&platform).await;
    }
    assert_eq!(platform.delete("/_sandbox/inbox/3").await, json!({ "deleted": 1 }));
    assert_eq!(platform.get("/_sandbox/inbox/3").await["code"], "unknown_card");
    assert_eq!(ids(&json!(platform.inbox().await)), [1]);
    let of_other = format!("/_sandbox/inbox?appid={}", other.appid);
    assert_eq!(platform.delete(&of_other).await, json!({ "deleted": 2 }));
    assert_eq!(ids(&platform.get("/_sandbox/inbox").await), [1]);
    send(&platform).await;
    assert_eq!(platform.delete("/_sandbox/inbox").await, json!({ "deleted": 2 }));
    send(&platform).await;
    assert_eq!(ids(&platform.get("/_sandbox/inbox").await), [6], "ids go on counting");
}

#[tokio::test]
async fn an_opened_card_has_its_request_without_tokens_and_what_wechat_would_mind() {
    let platform = Platform::new();
    let token = platform.token().await;
    platform.accept(&platform.seed.subscribe_template).await;
    let mut message = platform.subscribe_message();
    message["page"] = json!("/pages/index/index");
    message["access_token"] = json!(token);
    assert_eq!(platform.send_subscribe(&token, message).await["errcode"], 0);
    let opened = platform.get("/_sandbox/inbox/1").await;
    assert_eq!(opened["title"], "订单支付成功通知");
    assert_eq!(opened["request"]["query"], json!([["access_token", "…"]]));
    let body: Value = serde_json::from_str(opened["request"]["body"].as_str().unwrap()).unwrap();
    assert_eq!((&body["access_token"], &body["data"]["thing1"]["value"]), (&json!("…"), &json!("拿铁")));
    assert!(!opened.to_string().contains(&token));
    let codes: Vec<_> =
        opened["complaints"].as_array().unwrap().iter().map(|c| c["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"leading_slash") && codes.contains(&"token_in_body"), "{codes:?}");
    let log = platform.get("/_sandbox/requests?path=/cgi-bin/message/*").await;
    assert_eq!(log[0]["card"], 1);
}
