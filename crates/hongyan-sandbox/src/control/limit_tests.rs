//! Everything that lives as long as the sandbox, driven far beyond its limit.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::testing::Platform;
use crate::{Limits, Sandbox, SandboxConfig};

const MOST: usize = 10;
const DRIVEN: usize = 8 * MOST;

fn small() -> Platform {
    let mut limits = Limits::default();
    for name in [
        "apps", "users", "tokens", "codes", "forms", "cards", "rids", "requests", "pushes", "waiting",
        "magic",
    ] {
        limits.set(&format!("{name}={MOST}")).unwrap();
    }
    limits.set(&format!("rules={MOST}")).unwrap();
    let config = SandboxConfig { limits, ..SandboxConfig::new(hongyan_clock::Clock::system()) };
    Platform::of(Sandbox::new(config).unwrap())
}

async fn kept(platform: &Platform, name: &str) -> u64 {
    let kept = platform.get("/_sandbox/overview").await["kept"][name].clone();
    assert_eq!(kept["most"], MOST, "{name}");
    kept["now"].as_u64().unwrap()
}

#[tokio::test]
async fn nothing_only_grows() {
    let platform = small();
    let seed = platform.seed.clone();
    for _ in 0..DRIVEN {
        platform.token().await;
        platform.user_does("/_sandbox/login", json!({})).await;
        platform.form_id().await;
        platform.user_does("/_sandbox/payments", json!({})).await;
        platform.post("/_sandbox/users", json!({ "appid": seed.appid })).await;
    }
    platform.user_does("/_sandbox/forms", json!({ "count": 1000 })).await;
    platform.post("/_sandbox/users", json!({ "appid": seed.appid, "count": 1000 })).await;
    let token = platform.token().await;
    for number in 0..DRIVEN {
        let mut message = platform.subscribe_message();
        message["touser"] = json!(format!("sandbox-ok-{number}"));
        assert_eq!(platform.send_subscribe(&token, message.clone()).await["errcode"], 0);
        message["touser"] = json!(format!("sandbox-40001-once-{number}"));
        assert_eq!(platform.send_subscribe(&token, message).await["errcode"], 40001);
    }
    for name in ["users", "tokens", "codes", "forms", "cards", "rids", "requests", "magic"] {
        let now = kept(&platform, name).await;
        assert!(now > 1 && now <= MOST as u64, "{name}: {now}");
    }
    // What came last is there, and so is who was there from the start.
    assert_eq!(
        platform.post(&format!("/cgi-bin/clear_quota?access_token={token}"), json!({})).await["errcode"],
        40013
    );
    let cards = platform.get("/_sandbox/inbox").await;
    assert_eq!(cards.as_array().unwrap().last().unwrap()["openid"], format!("sandbox-ok-{}", DRIVEN - 1));
    let form_id = platform.form_id().await;
    let sent = platform.send_template(&token, platform.template_message(&form_id)).await;
    assert_eq!(sent["errcode"], 0, "{sent}");
}

#[tokio::test]
async fn what_cannot_be_forgotten_is_refused() {
    let platform = small();
    let mut last = Value::Null;
    for _ in 0..DRIVEN {
        last = platform.try_post("/_sandbox/apps", json!({})).await.1;
    }
    assert_eq!(last["code"], "too_many_apps", "{last}");
    assert_eq!(kept(&platform, "apps").await, MOST as u64);
    for _ in 0..DRIVEN {
        last = platform.try_post("/_sandbox/chaos", json!({ "kind": "errcode", "path": "/x" })).await.1;
    }
    assert_eq!(last["code"], "too_many_rules", "{last}");
    assert_eq!(kept(&platform, "rules").await, MOST as u64);
    for number in 0..200 {
        let template = json!({
            "appid": platform.seed.appid, "family": "once", "title": "t", "content": "x:{{thing1.DATA}}",
            "template_id": format!("T-{number}"),
        });
        last = platform.try_post("/_sandbox/templates", template).await.1;
    }
    assert_eq!(last["code"], "too_many_templates", "{last}");
    let secret = json!({ "app_secret": "x".repeat(129) });
    assert_eq!(platform.try_post("/_sandbox/apps", secret).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn pushes_are_bounded_while_they_wait_and_when_they_are_over() {
    let platform = small();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let callback = crate::state::callbacks::Callback {
        url: format!("http://{}/", silent.local_addr().unwrap()),
        token: "callbackToken".into(),
        encoding_aes_key: None,
        mode: crate::state::callbacks::Mode::default(),
        format: crate::state::callbacks::Format::default(),
        timeout_ms: 5_000,
    };
    platform.post("/_sandbox/pushes/hold", json!({})).await;
    platform.inner().state().apps.get_mut(platform.seed.appid.as_str()).unwrap().callback = Some(callback);
    for _ in 0..DRIVEN {
        platform.accept(&platform.seed.subscribe_template).await;
    }
    assert_eq!(kept(&platform, "waiting").await, MOST as u64);
    assert_eq!(kept(&platform, "pushes").await, MOST as u64);
    let pushes = platform.get("/_sandbox/pushes").await;
    assert_eq!(pushes["pushes"].as_array().unwrap().last().unwrap()["state"], "dropped");
    platform.inner().stopping.send_replace(true);
}

#[tokio::test]
async fn an_allowance_goes_with_its_template() {
    let platform = Platform::new();
    let token = platform.token().await;
    for _ in 0..5 {
        let add = json!({ "tid": "401", "kidList": [1, 2], "sceneDesc": "取餐" });
        let added = platform.post(&format!("/wxaapi/newtmpl/addtemplate?access_token={token}"), add).await;
        let template = added["priTmplId"].as_str().unwrap().to_owned();
        platform.accept(&template).await;
        let delete = json!({ "priTmplId": template });
        platform.post(&format!("/wxaapi/newtmpl/deltemplate?access_token={token}"), delete).await;
    }
    let overview = platform.get("/_sandbox/overview").await;
    assert_eq!(overview["apps"][0]["users"][0]["subscriptions"], json!([]), "{overview}");
}

#[tokio::test]
async fn a_long_request_leaves_little_behind() {
    let platform = Platform::new();
    let long = "x".repeat(20_000);
    platform.ask(Method::GET, &format!("/cgi-bin/{long}?{long}={long}"), axum::body::Body::empty()).await;
    let message = json!({
        "touser": "sandbox-ok", "template_id": platform.seed.legacy_template, "form_id": "sandbox-ok",
        "page": format!("index?x={long}"),
        "data": { "keyword1": { "value": "a", "color": long }, "keyword2": { "value": "b" }, "keyword3": { "value": "c" } },
    });
    let sent = platform.send_template(&platform.token().await, message).await;
    assert_eq!(sent["errcode"], 0, "{sent}");
    for path in ["/_sandbox/state", "/_sandbox/requests", "/_sandbox/inbox"] {
        let size = platform.get(path).await.to_string().len();
        assert!(size < 20_000, "{path} has {size} bytes");
    }
}
