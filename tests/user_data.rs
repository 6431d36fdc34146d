//! The encrypted data about its user that a mini program gets is decrypted with the session keys of logins at the gateway.

use std::time::Duration;

use hongyan_wechat::user_data;
use serde_json::{Value, json};

use crate::world::World;

const IV: &str = "EBESExQVFhcYGRobHB0eHw==";

impl World {
    /// The user logs in. Returns the user's current session key at WeChat.
    async fn login(&self, openid: &str) -> String {
        let code = self.wechat.login_code(openid).await;
        let (appid, secret) = (&self.wechat.seed.appid, &self.gateway_secret);
        let path = format!(
            "/sns/jscode2session?appid={appid}&secret={secret}&js_code={code}&grant_type=authorization_code"
        );
        self.get(&path).await.text("session_key")
    }

    /// The data that the mini program would send to its back end, encrypted with this key.
    fn user_info(&self, openid: &str, session_key: &str, appid: &str) -> Value {
        let plain = json!({
            "openId": openid,
            "nickName": "鸿雁",
            "watermark": { "appid": appid, "timestamp": self.clock.now().0 / 1000 },
        });
        let sealed = user_data::seal(&session_key.into(), IV, plain.to_string().as_bytes()).unwrap();
        json!({ "app": self.wechat.seed.appid, "openid": openid, "encrypted_data": sealed, "iv": IV })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_of_the_last_two_logins_opens() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let appid = world.wechat.seed.appid.clone();
    let first = world.login(&user).await;
    let sealed = world.user_info(&user, &first, &appid);
    let opened = world.post("/v1/users/decrypt", sealed.clone()).await.expect(200);
    assert_eq!((&opened["nickName"], &opened["openId"]), (&json!("鸿雁"), &json!(user)));
    let second = world.login(&user).await;
    world.post("/v1/users/decrypt", sealed.clone()).await.expect(200);
    world.post("/v1/users/decrypt", world.user_info(&user, &second, &appid)).await.expect(200);
    world.login(&user).await;
    world.post("/v1/users/decrypt", sealed).await.problem(422, "undecipherable");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_sandbox_enciphers_opens_with_its_signature() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.login(&user).await;
    let body = json!({ "openid": user, "data": { "nickName": "鸿雁", "city": "Shenzhen" } });
    let mut sealed = world.wechat.control("encrypted", body).await;
    sealed["app"] = json!(world.wechat.seed.appid);
    sealed["openid"] = json!(user);
    let opened = world.post("/v1/users/decrypt", sealed).await.expect(200);
    assert_eq!((&opened["city"], &opened["openId"]), (&json!("Shenzhen"), &json!(user)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_counts_if_it_is_given() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let key = world.login(&user).await;
    let raw = r#"{"nickName":"鸿雁"}"#;
    let mut sealed = world.user_info(&user, &key, &world.wechat.seed.appid);
    sealed["raw_data"] = json!(raw);
    let problem = world.post("/v1/users/decrypt", sealed.clone()).await.problem(422, "missing_field");
    assert_eq!(problem["field"], "signature");
    sealed["signature"] = json!(user_data::signature(raw, &key.as_str().into()));
    world.post("/v1/users/decrypt", sealed.clone()).await.expect(200);
    sealed["raw_data"] = json!(r#"{"nickName":"Hongyan"}"#);
    world.post("/v1/users/decrypt", sealed).await.problem(422, "undecipherable");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_the_answer_does_not_tell() {
    let world = World::start().await;
    let (user, stranger) = (world.wechat.user().await, world.wechat.user().await);
    let appid = world.wechat.seed.appid.clone();
    let key = world.login(&user).await;
    let good = world.user_info(&user, &key, &appid);
    let with = |field: &str, value: &str| {
        let mut sealed = good.clone();
        sealed[field] = json!(value);
        sealed
    };
    let text = good["encrypted_data"].as_str().unwrap();
    let cases = [
        ("another user's", world.user_info(&stranger, &key, &appid), user.as_str()),
        ("of a user who never logged in", with("openid", &stranger), &stranger),
        ("another app's", world.user_info(&user, &key, "wxffffffffffffffff"), &user),
        ("cut", with("encrypted_data", &text[..text.len() - 24]), &user),
        ("no base64", with("encrypted_data", "???"), &user),
        ("another iv's", with("iv", "AAAAAAAAAAAAAAAAAAAAAA=="), &user),
        ("a short iv's", with("iv", "AAAA"), &user),
    ];
    let mut answers = Vec::new();
    for (what, mut sealed, openid) in cases {
        sealed["openid"] = json!(openid);
        let problem = world.post("/v1/users/decrypt", sealed).await.problem(422, "undecipherable");
        answers.push((what, problem));
    }
    for (what, problem) in &answers {
        assert_eq!(problem, &answers[0].1, "{what}");
    }
    world.post("/v1/users/decrypt", good).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_is_too_old_does_not_open_unless_it_may_be() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let key = world.login(&user).await;
    let mut sealed = world.user_info(&user, &key, &world.wechat.seed.appid);
    world.advance(Duration::from_secs(3_700));
    world.post("/v1/users/decrypt", sealed.clone()).await.problem(422, "undecipherable");
    sealed["max_age_seconds"] = json!(7_200);
    world.post("/v1/users/decrypt", sealed.clone()).await.expect(200);
    sealed["max_age_seconds"] = json!(0);
    world.post("/v1/users/decrypt", sealed).await.problem(422, "invalid_field");
}
