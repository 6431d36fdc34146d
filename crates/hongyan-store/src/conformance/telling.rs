//! Webhook events: which webhook is told what.

use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_ledger::ids::IdMaker;
use hongyan_ledger::permit::FORM_LIFETIME;
use hongyan_ledger::settle::{AppPause, PauseCode};
use hongyan_ledger::webhook::{EventType as T, Filter};
use serde_json::Value;

use super::check::checks;
use super::webhooks::{behind, data, failure, kinds};
use super::world::{START, World, after, appid, user};
use crate::types::{
    ExpiringOrder, ExpiringStep, FeedCursor, NewMessage, PauseOrder, ReplayOrder, Replayed, WebhookChange,
};

checks![
    nothing_is_stored_while_nobody_listens,
    every_end_of_a_message_is_told_of_in_order,
    a_plain_success_is_told_of_like_any_other,
    a_webhook_hears_what_it_asked_for_since_it_was_set_up,
    a_pause_is_told_of_once_and_its_end_too,
    a_test_is_for_one_webhook_alone,
    a_permit_that_expires_soon_is_told_of_once,
    a_secret_is_kept_beside_the_new_one,
];

async fn nothing_is_stored_while_nobody_listens(world: World) {
    failure(&world, 1, START).await;
    world.subscribe(&user(2), 1).await;
    let claimed = world.send(world.message(&user(2), START)).await;
    world.answered(&claimed, 0, after(1)).await;
    assert_eq!(world.last_told(), FeedCursor::default());
    let id = world.listen(&[T::AppPaused]).await;
    failure(&world, 1, after(2)).await;
    assert_eq!(world.last_told(), FeedCursor::default(), "nor what nobody asked for");
    assert_eq!(world.fed(id).await, []);
    world.listen(&[T::MessageFailed]).await;
    failure(&world, 1, after(3)).await;
    assert_eq!(world.last_told(), FeedCursor::behind_number(1));
}

async fn every_end_of_a_message_is_told_of_in_order(world: World) {
    let id = world.listen(&[]).await;
    failure(&world, 1, START).await;
    world.subscribe(&user(1), 2).await;
    let refused =
        world.send(NewMessage { reference: Some("r".into()), ..world.message(&user(1), after(1)) }).await;
    world.answered(&refused, 47003, after(2)).await;
    let lost = world.send(world.message(&user(1), after(3))).await;
    world.settle(World::silence(&lost, after(4))).await;
    let later = world.begin(NewMessage { send_at: after(99), ..world.message(&user(1), after(5)) }).await;
    world.store.cancel(later.id, after(6)).await.unwrap();
    let late =
        NewMessage { send_at: after(9), deadline: Some(after(10)), ..world.message(&user(1), after(7)) };
    let late = world.begin(late).await;
    world.claim(&user(1), after(11)).await;

    let told = world.fed(id).await;
    let expected = [
        T::MessageFailed,
        T::PermitGranted,
        T::MessageFailed,
        T::MessageUnknown,
        T::MessageFailed,
        T::MessageFailed,
    ];
    assert_eq!(kinds(&told), expected);
    let word = |at: usize| {
        let data = data(&told[at]);
        (data["state"].as_str().unwrap().to_owned(), data["reason"]["code"].as_str().unwrap().to_owned())
    };
    let pairs = [
        (0, "failed", "no_permit"),
        (2, "failed", "wechat_refused"),
        (3, "unknown", "no_answer"),
        (4, "cancelled", "cancelled"),
        (5, "expired", "deadline_passed"),
    ];
    for (at, state, reason) in pairs {
        assert_eq!(word(at), (state.to_owned(), reason.to_owned()), "{at}");
    }
    assert_eq!(data(&told[2])["reason"]["errcode"], 47003);
    assert_eq!(data(&told[2])["reference"], "r");
    assert_eq!(data(&told[5])["id"], late.id.to_string());
    assert_eq!(told[2].created_at, after(2));
    assert_eq!(world.last_told(), behind(told.last().unwrap().id));
}

async fn a_plain_success_is_told_of_like_any_other(world: World) {
    let id = world.listen(&[T::MessageSent]).await;
    world.subscribe(&user(1), 2).await;
    let plain =
        world.send(NewMessage { reference: Some("a".into()), ..world.message(&user(1), START) }).await;
    world.answered(&plain, 0, after(1)).await;
    // With another ready message of the user behind it, the shortcut does not apply.
    let other =
        world.send(NewMessage { reference: Some("a".into()), ..world.message(&user(1), START) }).await;
    world.begin(NewMessage { reference: Some("b".into()), ..world.message(&user(1), START) }).await;
    world.answered(&other, 0, after(1)).await;
    let told = world.fed(id).await;
    assert_eq!(told.len(), 2);
    let mut both = [data(&told[0]), data(&told[1])];
    assert_eq!([&both[0]["id"], &both[1]["id"]], [&plain.id.to_string(), &other.id.to_string()]);
    for data in &mut both {
        data["id"] = Value::Null;
    }
    assert_eq!(both[0], both[1]);
    // An outcome that comes a second time causes no event.
    world.answered(&plain, 0, after(2)).await;
    assert_eq!(world.fed(id).await.len(), 2);
}

async fn a_webhook_hears_what_it_asked_for_since_it_was_set_up(world: World) {
    let early = world.listen(&[T::MessageFailed]).await;
    failure(&world, 1, START).await;
    let late = world.listen(&[]).await;
    let elsewhere = Filter { types: None, apps: Some(vec!["wxother".parse().unwrap()]) };
    let elsewhere = world.listen_for(elsewhere).await;
    failure(&world, 2, after(1)).await;
    assert_eq!(world.fed(early).await.len(), 2);
    assert_eq!(world.fed(late).await.len(), 1);
    assert_eq!(world.fed(elsewhere).await, []);
    // Page by page; events that only other webhooks want are skipped.
    let page = world.store.feed(late, FeedCursor::default(), 1).await.unwrap();
    let first = FeedCursor::behind_number(1);
    assert_eq!((page.deliveries.len(), page.looked_to, page.more), (1, first, true));
    let settings = WebhookChange::Settings {
        url: "https://example.com/2".into(),
        description: String::new(),
        filter: Filter { types: Some(vec![T::AppPaused]), apps: None },
    };
    let changed = world.store.change_webhook(early, settings, after(2)).await.unwrap().unwrap();
    assert_eq!((changed.url.as_str(), changed.updated_at), ("https://example.com/2", after(2)));
    assert_eq!(world.fed(early).await, []);
    assert!(world.store.remove_webhook(late).await.unwrap());
    assert!(!world.store.remove_webhook(late).await.unwrap());
    let before = world.last_told();
    failure(&world, 3, after(3)).await;
    assert_eq!(world.last_told(), before, "no webhook is left that wants it");
}

async fn a_pause_is_told_of_once_and_its_end_too(world: World) {
    let id = world.listen(&[]).await;
    let order = |until: Option<UnixMillis>, now| PauseOrder {
        appid: appid(),
        pause: AppPause { code: PauseCode::DayQuota, until },
        errcode: None,
        detail: "quota".into(),
        now,
    };
    // Two messages meet the same pause of an hour; a day later another one does.
    world.store.pause(order(Some(after(3_600)), START)).await.unwrap();
    world.store.pause(order(Some(after(3_600)), after(1))).await.unwrap();
    assert_eq!(kinds(&world.fed(id).await), [T::AppPaused]);
    world.store.resume(appid(), after(4_000)).await.unwrap();
    assert_eq!(world.fed(id).await.len(), 1, "the pause had ended by itself");
    world.store.pause(order(Some(after(9_000)), after(5_000))).await.unwrap();
    world.store.resume(appid(), after(6_000)).await.unwrap();
    world.store.resume(appid(), after(6_001)).await.unwrap();
    assert_eq!(kinds(&world.fed(id).await), [T::AppPaused, T::AppPaused, T::AppResumed]);
}

async fn a_test_is_for_one_webhook_alone(world: World) {
    let (id, other) = (world.listen(&[T::AppPaused]).await, world.listen(&[]).await);
    let event = world.store.test_webhook(id, after(1)).await.unwrap().unwrap();
    let told = world.fed(id).await;
    assert_eq!((kinds(&told), told[0].id), (vec![T::WebhookTest], event));
    assert_eq!(world.fed(other).await, []);
    assert_eq!(
        world.store.replay(other, ReplayOrder::Event(event), after(2)).await.unwrap(),
        Replayed::NoEvent
    );
    assert_eq!(world.store.test_webhook(IdMaker::new().webhook(START), after(1)).await.unwrap(), None);
}

async fn a_permit_that_expires_soon_is_told_of_once(world: World) {
    let hour = Duration::from_secs(3_600);
    let order = |now: UnixMillis, limit| ExpiringOrder { now, ahead: hour * 24, limit };
    assert_eq!(world.store.tell_expiring(order(START, 100)).await.unwrap(), ExpiringStep::NobodyListens);
    for number in 1..=5 {
        world.grant(world.form(&user(number), &format!("form {number}"), START), START).await;
    }
    // A counter never expires, and a spent unit cannot expire.
    world.subscribe(&user(6), 1).await;
    let spent = world.send(world.legacy(&user(5), START)).await;
    world.answered(&spent, 0, START).await;
    let id = world.listen(&[T::PermitExpiring]).await;
    // Walks to the end, so many permits at a time; returns how many were told of.
    let walk = async |now: UnixMillis, limit| {
        let mut told = 0;
        for _ in 0..1_000 {
            match world.store.tell_expiring(order(now, limit)).await.unwrap() {
                ExpiringStep::More(count) => told += count,
                ExpiringStep::Done(count) => return told + count,
                ExpiringStep::NobodyListens => panic!("a webhook listens"),
            }
        }
        panic!("the walk does not end");
    };
    assert_eq!(walk(START, 100).await, 0, "the permits have days left");
    let end = START.plus(FORM_LIFETIME);
    assert_eq!(walk(end.minus(hour * 25), 1).await, 0);
    assert_eq!(walk(end.minus(hour * 23), 1).await, 4);
    assert_eq!(walk(end.minus(hour * 23), 100).await, 0);
    assert_eq!(walk(end.minus(hour * 2), 100).await, 0, "once");
    // A walk that goes on after an interruption does not tell of permits that have expired meanwhile.
    let late = end.plus(hour);
    world.grant(world.form(&user(7), "form 7", late), late).await;
    let soon = late.plus(FORM_LIFETIME).minus(hour * 2);
    let begun = world.store.tell_expiring(order(soon, 1)).await.unwrap();
    assert!(matches!(begun, ExpiringStep::More(_)), "{begun:?}");
    let before = world.fed(id).await.len();
    walk(late.plus(FORM_LIFETIME).plus(hour), 100).await;
    assert_eq!(world.fed(id).await.len(), before);
    let told = world.fed(id).await;
    assert_eq!(told.len(), 4);
    let data = data(&told[0]);
    assert_eq!((&data["available"], &data["expires_at"]), (&1.into(), &Value::from(end.to_string())));
}

async fn a_secret_is_kept_beside_the_new_one(world: World) {
    let id = world.listen(&[]).await;
    let rotate = |secret: u8, until| WebhookChange::Secret {
        secret: vec![secret],
        instead_of: None,
        previous_until: until,
    };
    world.store.change_webhook(id, rotate(7, after(10)), after(1)).await.unwrap();
    let changed = world.store.change_webhook(id, rotate(8, after(20)), after(2)).await.unwrap().unwrap();
    assert_eq!((changed.secret, changed.previous_secret), (vec![8], Some((vec![7], after(20)))));
    let late =
        WebhookChange::Secret { secret: vec![9], instead_of: Some(vec![7]), previous_until: after(30) };
    let unchanged = world.store.change_webhook(id, late, after(3)).await.unwrap().unwrap();
    assert_eq!((unchanged.secret, unchanged.previous_secret), (vec![8], Some((vec![7], after(20)))));
    let nobody = IdMaker::new().webhook(START);
    assert_eq!(world.store.change_webhook(nobody, WebhookChange::Enable, after(3)).await.unwrap(), None);
}
