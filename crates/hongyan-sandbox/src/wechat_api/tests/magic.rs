use serde_json::json;

use crate::testing::Platform;

#[tokio::test]
async fn a_magic_openid_always_ends_as_its_name_says() {
    let platform = Platform::new();
    let token = platform.token().await;
    for (openid, errcode) in [
        ("sandbox-43101-a", 43101),
        ("sandbox-minus1", -1),
        ("sandbox-45168", 45168),
        ("sandbox-ok-7", 0),
        ("sandbox-nonsense", 40003),
    ] {
        for _ in 0..2 {
            let mut message = platform.subscribe_message();
            message["touser"] = json!(openid);
            let answer = platform.send_subscribe(&token, message).await;
            assert_eq!(answer["errcode"], errcode, "{openid}: {answer}");
        }
    }
    let mut message = platform.subscribe_message();
    message["touser"] = json!("sandbox-43101");
    assert_eq!(platform.send_subscribe("dead", message).await["errcode"], 40001, "the token comes first");
    let log = platform.get("/_sandbox/requests?path=/cgi-bin/message/*&limit=2").await;
    assert_eq!((&log[0]["magic"], &log[1]["errcode"]), (&json!(null), &json!(40001)));
}

#[tokio::test]
async fn a_magic_form_id_needs_no_form_and_a_magic_id_can_refuse_once() {
    let platform = Platform::new();
    let token = platform.token().await;
    for (form_id, errcode) in [
        ("sandbox-41028", 41028),
        ("sandbox-ok", 0),
        ("sandbox-40001-once-x", 40001),
        ("sandbox-40001-once-x", 0),
    ] {
        let answer = platform.send_template(&token, platform.template_message(form_id)).await;
        assert_eq!(answer["errcode"], errcode, "{form_id}: {answer}");
    }
    assert_eq!(platform.inbox().await.len(), 2);
}

#[tokio::test]
async fn what_is_taken_and_not_delivered_leaves_no_card() {
    let platform = Platform::new();
    let token = platform.token().await;
    for openid in ["sandbox-refused", "sandbox-undelivered"] {
        let mut message = platform.subscribe_message();
        message["touser"] = json!(openid);
        assert_eq!(platform.send_subscribe(&token, message).await["errcode"], 0);
        let inbox =
            platform.get(&format!("/_sandbox/inbox?appid={}&openid={openid}", platform.seed.appid)).await;
        assert_eq!(inbox, json!([]));
    }
}

#[tokio::test]
async fn magic_credentials_and_codes_refuse() {
    let platform = Platform::new();
    let token = |appid: &str, secret: &str| {
        format!("/cgi-bin/token?grant_type=client_credential&appid={appid}&secret={secret}")
    };
    assert_eq!(platform.get(&token("sandbox-40164", "x")).await["errcode"], 40164);
    assert_eq!(platform.get(&token(&platform.seed.appid, "sandbox-40243")).await["errcode"], 40243);
    let seed = &platform.seed;
    let login = format!(
        "/sns/jscode2session?appid={}&secret={}&js_code=sandbox-40226&grant_type=authorization_code",
        seed.appid, seed.app_secret
    );
    assert_eq!(platform.get(&login).await["errcode"], 40226);
    assert_eq!(
        platform.get("/wxaapi/newtmpl/getcategory?access_token=sandbox-42001").await["errcode"],
        42001
    );
    let path = format!("/wxaapi/newtmpl/addtemplate?access_token={}", platform.token().await);
    assert_eq!(platform.post(&path, json!({ "tid": "sandbox-200013" })).await["errcode"], 200_013);
}
