use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hongyan_clock::{Clock, UnixMillis};
use hongyan_ledger::Lane;
use hongyan_ledger::settle::PauseCode;
use hongyan_store::types::Epoch;
use hongyan_wechat::Errcode;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{Token, TokenError, cell};
use crate::apps::AppChange;
use crate::apps::test_world::{PLAIN, STABLE, World, appid, new_app};
use crate::state::owned::Owned;

fn values(tokens: &[Result<Arc<Token>, TokenError>]) -> Vec<(&str, u64)> {
    let mut values: Vec<_> = tokens
        .iter()
        .map(|token| token.as_ref().unwrap())
        .map(|token| (token.value.expose_secret(), token.generation))
        .collect();
    values.dedup();
    values
}

#[tokio::test]
async fn a_thousand_callers_without_a_token_cost_one_fetch() {
    let world = World::new().await;
    let app = world.app().await;
    app.token.forget();
    world.wechat.hold();
    // All thousand callers wait before the server may answer the first request.
    let callers = join_all((0..1000).map(|_| world.apps.token(&app)));
    let (tokens, ()) = tokio::join!(callers, async { world.wechat.release() });
    assert_eq!(values(&tokens), [("T1", 2)]);
    assert_eq!(world.wechat.count(STABLE), 1);
}

#[tokio::test]
async fn many_senders_whose_token_was_refused_cost_one_fetch() {
    let world = World::new().await;
    let app = world.app_with(false).await;
    let refused = world.apps.token(&app).await.unwrap();
    let callers = join_all((0..100).map(|_| world.apps.token_after(&app, refused.generation)));
    assert_eq!(values(&callers.await), [("T3", 2)]);
    assert_eq!(world.wechat.count(PLAIN), 1);
    // A later caller with the same old refusal gets the current token.
    let late = world.apps.token_after(&app, refused.generation).await.unwrap();
    assert_eq!((late.generation, world.wechat.count(PLAIN)), (2, 1));
}

#[tokio::test]
async fn a_refused_stable_token_is_forced_only_if_it_is_given_again() {
    let world = World::new().await;
    let app = world.app().await;
    let refused = world.apps.token(&app).await.unwrap();
    let next = world.apps.token_after(&app, refused.generation).await.unwrap();
    assert_eq!((next.value.expose_secret(), next.generation), ("T2", 2));
    let forced: Vec<_> =
        world.wechat.asked(STABLE).iter().map(|asked| asked.body["force_refresh"] == true).collect();
    assert_eq!(forced, [false, true]);
    // Another process makes a new token: a plain request finds the new token.
    world.wechat.forget_requests();
    world.wechat.answer(STABLE, json!({ "access_token": "other", "expires_in": 7200 }));
    let next = world.apps.token_after(&app, next.generation).await.unwrap();
    assert_eq!((next.value.expose_secret(), next.generation), ("other", 3));
    assert_eq!(world.wechat.count(STABLE), 1);
}

#[tokio::test]
async fn a_wrong_secret_costs_one_fetch_and_pauses_the_app_until_the_secret_is_changed() {
    let world = World::new().await;
    world.wechat.refuse(STABLE, 40125);
    let (_, _, report) = world.apps.register(new_app()).await.unwrap();
    assert!(!report.is_complete());
    let app = world.apps.get(&appid()).unwrap();
    let paused = app.record.paused.as_ref().unwrap();
    assert_eq!((paused.code, paused.until), (PauseCode::Misconfigured, None));
    assert!(paused.detail.contains("40125"), "{}", paused.detail);
    for _ in 0..10 {
        assert!(matches!(world.apps.token(&app).await, Err(TokenError::Paused { .. })));
        assert!(matches!(world.apps.token_after(&app, 0).await, Err(TokenError::Paused { .. })));
    }
    let restarted = world.restarted().await;
    let same = restarted.get(&appid()).unwrap();
    assert!(matches!(restarted.token(&same).await, Err(TokenError::Paused { .. })));
    world.clock.advance(86_400_000);
    assert!(world.apps.token(&app).await.is_err());
    assert_eq!(world.wechat.count(STABLE), 1);

    world.wechat.heal(STABLE);
    let change = AppChange { secret: Some(SecretString::from("right")), ..AppChange::default() };
    let (app, _) = world.apps.change(&appid(), change).await.unwrap();
    assert!(app.record.paused.is_none());
    assert!(world.apps.token(&app).await.is_ok());
    assert_eq!(world.wechat.asked(STABLE)[1].body["secret"], "right");
}

#[tokio::test]
async fn a_resumed_app_may_try_again() {
    let world = World::new().await;
    world.wechat.refuse(STABLE, 40164);
    let (app, _, _) = world.apps.register(new_app()).await.unwrap();
    world.wechat.heal(STABLE);
    assert!(world.apps.token(&app).await.is_err());
    assert!(world.apps.resume(&appid()).await.unwrap());
    assert!(world.apps.token(&app).await.is_ok());
}

#[tokio::test]
async fn a_restart_fetches_nothing() {
    let world = World::new().await;
    let app = world.app().await;
    let before = world.apps.token(&app).await.unwrap();
    let restarted = world.restarted().await;
    let after = restarted.token(&restarted.get(&appid()).unwrap()).await.unwrap();
    assert_eq!(after.value.expose_secret(), before.value.expose_secret());
    assert_eq!((after.generation, after.expires_at), (before.generation, before.expires_at));
    assert_eq!(world.wechat.count(STABLE), 0);
    let stored = world.store.token(appid()).await.unwrap().unwrap();
    assert!(!stored.value.windows(2).any(|window| window == b"T1"), "the token is stored encrypted");
}

#[tokio::test]
async fn a_busy_wechat_is_left_alone_for_longer_each_time() {
    let world = World::new().await;
    let app = world.app().await;
    app.token.forget();
    world.wechat.refuse(STABLE, -1);
    let start = world.clock.now();
    for (asked, wait_ms) in [(1, 1_000), (2, 2_000), (3, 4_000)] {
        assert!(matches!(world.apps.token(&app).await, Err(TokenError::Unavailable(_))));
        assert!(matches!(world.apps.token(&app).await, Err(TokenError::Unavailable(_))));
        assert_eq!(world.wechat.count(STABLE), asked);
        world.clock.advance(wait_ms);
    }
    world.wechat.heal(STABLE);
    assert!(world.apps.token(&app).await.is_ok());
    // A clock that is set back does not prolong a wait.
    app.token.forget();
    world.wechat.refuse(STABLE, -1);
    assert!(world.apps.token(&app).await.is_err());
    world.wechat.heal(STABLE);
    world.clock.set(UnixMillis(start.0 - 3_600_000));
    assert!(world.apps.token(&app).await.is_ok());
}

#[tokio::test]
async fn a_used_up_day_quota_pauses_the_app_until_midnight_in_beijing() {
    let world = World::new().await;
    let app = world.app().await;
    app.token.forget();
    world.wechat.refuse(STABLE, 45009);
    assert!(matches!(world.apps.token(&app).await, Err(TokenError::Paused { .. })));
    assert!(world.apps.token(&app).await.is_err());
    assert_eq!(world.wechat.count(STABLE), 1);
    let paused = world.apps.get(&appid()).unwrap().record.paused.clone().unwrap();
    let midnight = paused.until.unwrap();
    assert_eq!(paused.code, PauseCode::DayQuota);
    assert_eq!((midnight.0 + 8 * 3_600_000) % 86_400_000, 0);
    world.wechat.heal(STABLE);
    world.clock.set(midnight);
    assert!(world.apps.token(&app).await.is_ok());
}

#[tokio::test]
async fn a_fetch_is_not_lost_when_its_caller_goes_away() {
    let world = World::new().await;
    let app = world.app_with(false).await;
    app.token.forget();
    world.wechat.hold();
    {
        let mut caller = std::pin::pin!(world.apps.token(&app));
        // Polled until the server has the request, then dropped.
        while world.wechat.count(PLAIN) == 0 {
            tokio::select! {
                biased;
                _ = &mut caller => panic!("nothing was answered"),
                () = tokio::task::yield_now() => {}
            }
        }
    }
    world.wechat.release();
    let token = world.apps.token(&app).await.unwrap();
    assert_eq!((token.value.expose_secret(), world.wechat.count(PLAIN)), ("T3", 1));
}

#[tokio::test]
async fn what_was_asked_with_an_old_secret_does_not_count_after_its_change() {
    let world = World::new().await;
    let app = world.app().await;
    app.token.forget();
    world.wechat.refuse(STABLE, 40125);
    world.wechat.hold();
    let change = async {
        while world.wechat.count(STABLE) == 0 {
            tokio::task::yield_now().await;
        }
        let change = AppChange { secret: Some(SecretString::from("right")), ..AppChange::default() };
        let (app, _) = world.apps.change(&appid(), change).await.unwrap();
        world.wechat.release();
        app
    };
    let (late, app) = tokio::join!(world.apps.token(&app), change);
    assert!(matches!(late, Err(TokenError::Unavailable(_))));
    assert!(world.apps.get(&appid()).unwrap().record.paused.is_none(), "the new secret is not paused");
    world.wechat.heal(STABLE);
    assert!(world.apps.token(&app).await.is_ok());
}

#[tokio::test]
async fn a_token_in_use_is_refreshed_ahead_of_its_end_and_an_unused_one_is_not() {
    let world = World::new().await;
    let app = world.app_with(false).await;
    let first = world.apps.token(&app).await.unwrap();
    let owned = Owned::new(Clock::system());
    owned.open(Lane::of_app(&appid()), Epoch(1));
    owned.renewed(UnixMillis::MAX);
    let task = tokio::spawn(world.apps.clone().keep_fresh(owned));
    world.clock.advance(6_899_000);
    tokio::task::yield_now().await;
    assert_eq!(world.wechat.count(PLAIN), 0, "the token has more than five minutes left");
    world.clock.advance(2_000);
    while world.wechat.count(PLAIN) == 0 {
        tokio::task::yield_now().await;
    }
    // Waits for the refresh that is under way, and adds no request.
    let second = world.apps.token_after(&app, first.generation).await.unwrap();
    assert_eq!((second.generation, world.wechat.count(PLAIN)), (2, 1));
    task.abort();

    let now = world.clock.now();
    let ahead = Duration::from_secs(300);
    assert!(app.token.next_refresh(now, ahead).is_some());
    assert!(app.token.next_refresh(now.plus(cell::UNUSED_AFTER + ahead), ahead).is_none());
}

#[tokio::test]
async fn an_error_shows_no_secret() {
    let world = World::new().await;
    let app = world.app().await;
    app.token.forget();
    world.wechat.answer(STABLE, json!({ "errcode": 41018, "errmsg": "0123456789abcdef0123456789abcdef" }));
    let error = world.apps.token(&app).await.unwrap_err();
    assert!(matches!(error, TokenError::Refused { errcode: Errcode(41018), .. }));
    assert!(!format!("{error} {error:?} {app:?}").contains("0123456789abcdef"));
    assert!(world.apps.get(&appid()).unwrap().record.paused.is_none());
}
