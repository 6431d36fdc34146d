use std::sync::Arc;

use super::*;
use crate::apps::test_world::{LOGIN, World, appid};

async fn log_in(world: &World, code: &str) -> Result<Login, Problem> {
    login(&world.apps, &*world.store, &world.vault, &world.clock, 30, &appid(), code).await
}

#[tokio::test]
async fn a_code_becomes_a_session_and_the_session_key_is_sealed() {
    let world = World::new().await;
    world.app().await;
    let login = log_in(&world, "code-1").await.unwrap();
    assert_eq!((login.openid.as_str(), login.unionid.as_deref()), ("oUser1", Some("u1")));
    assert!(world.wechat.asked(LOGIN)[0].query.contains("js_code=code-1"));

    let record = session(&*world.store, &world.clock, login.session.expose_secret()).await.unwrap();
    assert_eq!(
        (record.appid, record.openid, record.expires_at),
        (appid(), login.openid.clone(), login.expires_at)
    );
    let keys = world.store.session_keys(appid(), login.openid.clone()).await.unwrap();
    let opened = world.vault.open_session_key(&appid(), &login.openid, &keys[0]).unwrap();
    assert_eq!(opened.expose_secret(), "c2Vzc2lvbi1rZXk=");
    assert!(!format!("{login:?}").contains(login.session.expose_secret()));

    world.clock.advance(30 * 86_400_000);
    let over = session(&*world.store, &world.clock, login.session.expose_secret()).await.unwrap_err();
    assert_eq!((over.status.as_u16(), over.code), (401, "invalid_session"));
}

#[tokio::test]
async fn a_made_up_session_is_nobodys() {
    let world = World::new().await;
    for token in ["", "hys_", "hys_zz", "hys_ff0000", "hys_01abc", "hyk_01abc", "hys_0中"] {
        let error = session(&*world.store, &world.clock, token).await.unwrap_err();
        assert_eq!(error.code, "invalid_session", "{token}");
    }
}

#[tokio::test]
async fn a_refusal_says_whose_fault_it_is() {
    let world = World::new().await;
    world.app().await;
    let cases = [
        (40029, 422, "invalid_code"),
        (40163, 422, "code_used"),
        (40226, 403, "risky_user"),
        (45011, 429, "wechat_busy"),
        (-1, 503, "wechat_unavailable"),
        (41008, 502, "wechat_refused"),
    ];
    for (errcode, status, code) in cases {
        world.wechat.refuse(LOGIN, errcode);
        let error = log_in(&world, "code").await.unwrap_err();
        assert_eq!((error.status.as_u16(), error.code), (status, code));
    }
    world.wechat.answer(LOGIN, serde_json::json!("not WeChat"));
    assert_eq!(log_in(&world, "code").await.unwrap_err().code, "wechat_unavailable");
}

#[tokio::test]
async fn a_wrong_secret_pauses_the_app_and_is_not_tried_again() {
    let world = World::new().await;
    world.app().await;
    world.wechat.refuse(LOGIN, 40125);
    for _ in 0..3 {
        let error = log_in(&world, "code").await.unwrap_err();
        assert_eq!((error.status.as_u16(), error.code), (409, "app_paused"));
        assert_eq!(error.errcode, Some(Errcode::INVALID_SECRET));
    }
    assert_eq!(world.wechat.count(LOGIN), 1);
    assert_eq!(
        world.apps.get(&appid()).unwrap().record.paused.as_ref().unwrap().code,
        PauseCode::Misconfigured
    );
}

#[tokio::test]
async fn what_cannot_be_a_code_is_not_passed_on() {
    let world = World::new().await;
    world.app().await;
    for code in ["", "the code is a mock one", "a\nb", "码", &"x".repeat(129)] {
        let error = log_in(&world, code).await.unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), ("invalid_field", Some("code")));
    }
    assert_eq!(world.wechat.count(LOGIN), 0);
    let other = "wx2".parse().unwrap();
    let store = Arc::clone(&world.store);
    let error = login(&world.apps, &*store, &world.vault, &world.clock, 30, &other, "c").await.unwrap_err();
    assert_eq!(error.code, "unknown_app");
}
