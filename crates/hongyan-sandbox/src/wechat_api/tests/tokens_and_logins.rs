use serde_json::json;

use crate::testing::Platform;
use crate::wechat_api::login::signature;

#[tokio::test]
async fn a_token_request_is_checked_in_every_part() {
    let platform = Platform::new();
    let ask = async |query: &str| {
        platform.get(&format!("/cgi-bin/token?{query}")).await["errcode"].as_i64().unwrap_or(0)
    };
    let grant = "grant_type=client_credential";
    let (appid, secret) = (&platform.seed.appid, &platform.seed.app_secret);
    assert_eq!(ask(&format!("appid={appid}&secret={secret}")).await, 40002);
    assert_eq!(ask(&format!("{grant}&secret={secret}")).await, 41002);
    assert_eq!(ask(&format!("{grant}&appid={appid}")).await, 41004);
    assert_eq!(ask(&format!("{grant}&appid=wx0&secret={secret}")).await, 40013);
    assert_eq!(ask(&format!("{grant}&appid={appid}&secret=wrong")).await, 40125);
    assert_eq!(ask(&format!("{grant}&appid={appid}&secret={secret}")).await, 0);
}

#[tokio::test]
async fn a_stable_token_stays_the_same_and_is_asked_for_by_post() {
    let platform = Platform::new();
    let mut body = json!({
        "grant_type": "client_credential", "appid": platform.seed.appid, "secret": platform.seed.app_secret,
    });
    let first = platform.post("/cgi-bin/stable_token", body.clone()).await;
    assert_eq!(
        platform.post("/cgi-bin/stable_token", body.clone()).await["access_token"],
        first["access_token"]
    );
    body["force_refresh"] = json!(true);
    let forced = platform.post("/cgi-bin/stable_token", body.clone()).await;
    assert_ne!(forced["access_token"], first["access_token"]);
    assert_eq!(platform.post("/cgi-bin/stable_token", body).await["errcode"], 45011);
    assert_eq!(platform.get("/cgi-bin/stable_token").await["errcode"], 43002);
}

#[tokio::test]
async fn refusals_have_wechats_words_and_an_id() {
    let platform = Platform::new();
    let answer = platform.send_subscribe("nonsense", platform.subscribe_message()).await;
    assert_eq!(answer["errcode"], 40001);
    let errmsg = answer["errmsg"].as_str().unwrap();
    assert!(
        errmsg.starts_with("invalid credential, access_token is invalid or not latest rid: "),
        "{errmsg}"
    );
    assert_eq!(platform.send_subscribe("", platform.subscribe_message()).await["errcode"], 41001);
    assert_eq!(platform.get("/cgi-bin/no/such/call").await["errcode"], 40066);
    assert_eq!(platform.get("/nothing").await["code"], "no_such_path");
}

#[tokio::test]
async fn tokens_die_by_time_and_by_somebody_elses_hand() {
    let platform = Platform::new();
    let token = platform.token().await;
    platform.post("/_sandbox/tokens/rotate", json!({ "appid": platform.seed.appid })).await;
    assert_eq!(platform.send_subscribe(&token, platform.subscribe_message()).await["errcode"], 40001);
    let token = platform.token().await;
    assert_eq!(platform.send_subscribe(&token, platform.subscribe_message()).await["errcode"], 43101);
    platform.post("/_sandbox/clock", json!({ "advance_seconds": 7200 })).await;
    assert_eq!(platform.send_subscribe(&token, platform.subscribe_message()).await["errcode"], 42001);
}

#[tokio::test]
async fn a_login_gives_openid_and_a_session_key_that_can_be_checked() {
    let platform = Platform::new();
    let (appid, secret) = (&platform.seed.appid, &platform.seed.app_secret);
    let exchange = async |code: &str| {
        let query = format!("appid={appid}&secret={secret}&js_code={code}&grant_type=authorization_code");
        platform.get(&format!("/sns/jscode2session?{query}")).await
    };
    let code = platform.user_does("/_sandbox/login", json!({})).await["code"].as_str().unwrap().to_owned();
    let login = exchange(&code).await;
    assert_eq!(login["openid"], platform.seed.openid);
    assert_eq!(exchange(&code).await["errcode"], 40163);
    assert_eq!(exchange("invented").await["errcode"], 40029);

    let token = platform.token().await;
    let check = async |key: &str| {
        let (openid, signature) = (&platform.seed.openid, signature(key));
        let query =
            format!("access_token={token}&openid={openid}&signature={signature}&sig_method=hmac_sha256");
        platform.get(&format!("/wxa/checksession?{query}")).await["errcode"].clone()
    };
    let key = login["session_key"].as_str().unwrap();
    assert_eq!(check(key).await, 0);
    assert_eq!(check("another").await, 87009);

    let code = platform.user_does("/_sandbox/login", json!({})).await["code"].as_str().unwrap().to_owned();
    exchange(&code).await;
    assert_eq!(check(key).await, 87009, "the second login replaced the key of the first");
}
