use hongyan_ledger::Channel;
use hongyan_ledger::settle::{AppPause, PauseCode};
use hongyan_wechat::Errcode;
use secrecy::ExposeSecret;

use super::test_world::{LEGACY_LIST, STABLE, SUBSCRIBE_LIST, World, appid, new_app};
use super::*;
use crate::vault::Vault;

fn template_id(text: &str) -> TemplateId {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_registered_app_has_its_templates_and_a_gateway_secret() {
    let world = World::new().await;
    let (app, gateway_secret, report) = world.apps.register(new_app()).await.unwrap();
    assert!(report.is_complete());
    assert_eq!((report.subscribe.templates, report.legacy.templates), (2, 1));
    assert_eq!(
        (
            app.record.settings.name.as_str(),
            app.record.settings.stable_token,
            app.record.settings.payment_units
        ),
        ("wx1", true, 1)
    );
    let once = &app.templates[&template_id("S1")];
    assert_eq!((once.record.channel, once.record.long_term), (Channel::Subscribe, false));
    assert_eq!(once.record.enums["enum2"], ["好", "坏"]);
    let fields: Vec<_> =
        once.fields.iter().map(|field| (field.name.as_str(), field.label.as_str())).collect();
    assert_eq!(fields, [("thing1", "商品"), ("enum2", "状态")]);
    assert!(app.templates[&template_id("S2")].record.long_term);
    assert_eq!(app.templates[&template_id("L1")].record.channel, Channel::Legacy);

    let secret = gateway_secret.expose_secret();
    assert!(world.apps.check_gateway_secret(&appid(), secret).is_some());
    assert!(world.apps.check_gateway_secret(&appid(), "0123456789abcdef0123456789abcdef").is_none());
    assert!(world.apps.check_gateway_secret(&"wx2".parse().unwrap(), secret).is_none());

    let restarted = world.restarted().await;
    let same = restarted.get(&appid()).unwrap();
    assert_eq!(same.record, world.apps.get(&appid()).unwrap().record);
    assert_eq!(same.templates, app.templates);
}

#[tokio::test]
async fn an_app_is_registered_once_and_with_good_values_only() {
    let world = World::new().await;
    world.app().await;
    let error = world.apps.register(new_app()).await.unwrap_err();
    assert_eq!((error.status.as_u16(), error.code), (409, "app_exists"));
    let with = |change| NewApp { change, ..new_app() };
    let bad = [
        (NewApp { secret: SecretString::from(" "), ..new_app() }, "secret"),
        (NewApp { secret: SecretString::from("a b"), ..new_app() }, "secret"),
        (with(AppChange { name: Some(String::new()), ..AppChange::default() }), "name"),
        (with(AppChange { payment_units: Some(4), ..AppChange::default() }), "payment_units"),
        (with(AppChange { payment_units: Some(0), ..AppChange::default() }), "payment_units"),
    ];
    for (new, field) in bad {
        let error = world.apps.register(new).await.unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), ("invalid_field", Some(field)));
    }
}

#[tokio::test]
async fn two_processes_change_different_settings_of_an_app_and_neither_change_is_lost() {
    let world = World::new().await;
    world.app().await;
    // The second process has read the apps, and does not see later changes of the first process.
    let other = world.restarted().await;
    let rename = AppChange { name: Some("Shop".into()), ..AppChange::default() };
    world.apps.change(&appid(), rename).await.unwrap();
    let units = AppChange { payment_units: Some(3), ..AppChange::default() };
    let (app, _) = other.change(&appid(), units).await.unwrap();
    assert_eq!((app.record.settings.name.as_str(), app.record.settings.payment_units), ("Shop", 3));
    let order = AppChange { truncate: Some(true), ..AppChange::default() };
    let units = AppChange { payment_units: Some(2), ..AppChange::default() };
    let appid = appid();
    let (one, two) = tokio::join!(world.apps.change(&appid, order), other.change(&appid, units));
    one.unwrap();
    two.unwrap();
    let settings = &world.restarted().await.get(&appid).unwrap().record.settings;
    assert_eq!((settings.name.as_str(), settings.payment_units, settings.truncate), ("Shop", 2, true));
}

#[tokio::test]
async fn a_change_shows_at_once_and_after_a_restart() {
    let world = World::new().await;
    let (_, old_secret, _) = world.apps.register(new_app()).await.unwrap();
    let change = AppChange {
        name: Some("Shop".into()),
        on_unknown: Some(OnUnknown::Resend),
        payment_units: Some(3),
        rotate_gateway_secret: true,
        ..AppChange::default()
    };
    let (app, new_secret) = world.apps.change(&appid(), change).await.unwrap();
    assert_eq!((app.record.settings.name.as_str(), app.record.settings.payment_units), ("Shop", 3));
    assert_eq!(app.record.settings.on_unknown, OnUnknown::Resend);
    assert_eq!(app.templates.len(), 3, "the templates are gone");
    assert!(world.apps.check_gateway_secret(&appid(), old_secret.expose_secret()).is_none());
    assert!(world.apps.check_gateway_secret(&appid(), new_secret.unwrap().expose_secret()).is_some());
    assert_eq!(world.restarted().await.get(&appid()).unwrap().record, app.record);
    let missing = world.apps.change(&"wx2".parse().unwrap(), AppChange::default()).await.unwrap_err();
    assert_eq!((missing.status.as_u16(), missing.code), (404, "unknown_app"));
}

#[tokio::test]
async fn a_removed_app_is_gone() {
    let world = World::new().await;
    let app = world.app().await;
    world.apps.remove(&appid()).await.unwrap();
    assert!(world.apps.get(&appid()).is_none() && world.apps.list().is_empty());
    assert!(world.apps.token(&app).await.is_err(), "an old snapshot fetched a token for the removed app");
    assert_eq!(world.wechat.count(STABLE), 0);
    assert_eq!(world.apps.remove(&appid()).await.unwrap_err().code, "unknown_app");
    assert!(world.restarted().await.list().is_empty());
}

#[tokio::test]
async fn a_pause_holds_until_it_is_resumed() {
    let world = World::new().await;
    world.app().await;
    let pause = |code, until| AppPause { code, until };
    let paused = || world.apps.get(&appid()).unwrap().record.paused.clone();
    let soon = world.clock.now().plus(Duration::from_secs(60));
    world.apps.pause(&appid(), pause(PauseCode::Operator, None), None, "holiday".into()).await.unwrap();
    world.apps.pause(&appid(), pause(PauseCode::MinuteQuota, Some(soon)), None, "…".into()).await.unwrap();
    let held = paused().unwrap();
    assert_eq!((held.code, held.detail.as_str()), (PauseCode::Operator, "holiday"));
    assert_eq!(world.restarted().await.get(&appid()).unwrap().record.paused, Some(held));
    assert!(world.apps.resume(&appid()).await.unwrap());
    assert!(paused().is_none());
    assert!(!world.apps.resume(&appid()).await.unwrap());
}

#[tokio::test]
async fn an_unknown_template_is_looked_for_once_and_not_again_for_a_while() {
    let world = World::new().await;
    world.app().await;
    let lookups = || world.wechat.count(SUBSCRIBE_LIST);
    let new = template_id("S9");
    let app = appid();
    let many = futures_util::future::join_all((0..50).map(|_| world.apps.template(&app, &new))).await;
    assert!(many.iter().all(|answer| answer.as_ref().is_err_and(|error| error.code == "unknown_template")));
    assert_eq!(lookups(), 1);
    assert!(world.apps.template(&appid(), &template_id("S1")).await.is_ok());

    world.wechat.answer(
        SUBSCRIBE_LIST,
        serde_json::json!({"errcode": 0, "errmsg": "ok", "data": [
            {"priTmplId": "S9", "title": "new", "content": "{{thing1.DATA}}", "example": "", "type": 2}]}),
    );
    assert!(world.apps.template(&appid(), &new).await.is_err());
    world.clock.advance(10_000);
    assert_eq!(world.apps.template(&appid(), &new).await.unwrap().record.title, "new");
    assert_eq!(lookups(), 2);
    let unknown = world.apps.template(&"wx2".parse().unwrap(), &new).await.unwrap_err();
    assert_eq!(unknown.code, "unknown_app");
}

#[tokio::test]
async fn templates_that_cannot_be_read_stay_as_they_were() {
    let world = World::new().await;
    world.app().await;
    world.wechat.refuse(SUBSCRIBE_LIST, -1);
    world.wechat.refuse(LEGACY_LIST, 48001);
    let report = world.apps.sync_templates(&appid()).await.unwrap();
    assert_eq!((report.subscribe.state, report.subscribe.templates), (LibraryState::Failed, 2));
    assert_eq!((report.legacy.state, report.legacy.templates), (LibraryState::NotAvailable, 0));
    assert_eq!(report.legacy.errcode, Some(Errcode(48001)));
    let app = world.apps.get(&appid()).unwrap();
    assert_eq!(app.templates.len(), 2);

    let error = world.apps.template(&appid(), &template_id("S9")).await.unwrap_err();
    assert_eq!(
        (error.status.as_u16(), error.code),
        (503, "wechat_unavailable"),
        "the templates were not read"
    );
}

#[tokio::test]
async fn a_right_secret_brings_the_templates_at_once() {
    let world = World::new().await;
    world.wechat.refuse(STABLE, 40125);
    world.apps.register(new_app()).await.unwrap();
    let once = template_id("S1");
    let error = world.apps.template(&appid(), &once).await.unwrap_err();
    assert_eq!((error.status.as_u16(), error.code), (409, "app_paused"));
    world.wechat.heal(STABLE);
    let change = AppChange { secret: Some(SecretString::from("right")), ..AppChange::default() };
    world.apps.change(&appid(), change).await.unwrap();
    assert!(world.apps.template(&appid(), &once).await.is_ok());
}

#[tokio::test]
async fn another_master_key_is_noticed_at_the_start() {
    let world = World::new().await;
    world.app().await;
    let error = world.restarted_with(Vault::from_key([8; 32])).await.err().unwrap().to_string();
    assert!(error.contains("wx1") && error.contains("another master key"), "{error}");
}
