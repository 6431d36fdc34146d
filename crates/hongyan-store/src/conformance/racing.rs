//! Concurrent calls, by two stores on one database: each has one outcome, and the units balance.

use std::sync::Arc;

use futures_util::FutureExt as _;
use hongyan_ledger::settle::{AppPause, PauseCode};
use hongyan_ledger::webhook::EventType;
use hongyan_ledger::{Lane, MessageState as S, ReasonCode};
use hongyan_wechat::OpenId;
use tokio::sync::watch;

use super::at_once::{assert_balance, at_once};
use super::check::checks;
use super::heard::Heeded;
use super::webhooks::{behind, ids};
use super::world::{START, World, after, appid, user};
use crate::Store;
use crate::types::{
    Accepted, Cancelled, FeedCursor, Granted, Idempotency, NewMessage, NewPermit, PauseOrder, Probing,
    Settled, Settlement,
};

checks![
    a_key_that_is_accepted_many_times_at_once_is_one_message,
    a_code_that_is_granted_many_times_at_once_is_one_permit,
    what_is_granted_at_once_is_all_counted,
    the_last_unit_goes_to_one_message_and_the_others_end_without,
    the_last_unit_is_reserved_for_one_message,
    an_outcome_that_is_stored_twice_at_once_is_stored_once,
    a_message_that_comes_back_while_it_is_withdrawn_is_one_or_the_other,
    who_is_looked_at_while_the_app_is_resumed_is_not_forgotten,
    a_feed_that_is_read_while_events_are_committed_steps_over_none,
    of_messages_that_are_claimed_at_once_behind_an_open_breaker_one_is_the_probe,
];

/// How many calls run at once.
const MANY: usize = 16;

type Stores = [Arc<dyn Store>; 2];

/// Accepts many messages at once, one call each, by both stores.
async fn accept_at_once(stores: &Stores, messages: Vec<NewMessage>) -> Vec<Accepted> {
    let calls = messages.into_iter().enumerate().map(|(n, message)| {
        let store = Arc::clone(&stores[n % 2]);
        async move { store.accept(vec![message]).await.unwrap().remove(0) }
    });
    at_once(calls).await
}

/// The same for permits.
async fn grant_at_once(stores: &Stores, permits: Vec<NewPermit>) -> Vec<Granted> {
    let calls = permits.into_iter().enumerate().map(|(n, permit)| {
        let store = Arc::clone(&stores[n % 2]);
        async move { store.grant(vec![permit], START).await.unwrap().remove(0) }
    });
    at_once(calls).await
}

/// The same for outcomes.
async fn settle_at_once(stores: &Stores, settlements: Vec<Settlement>) -> Vec<Settled> {
    let calls = settlements.into_iter().enumerate().map(|(n, settlement)| {
        let store = Arc::clone(&stores[n % 2]);
        async move { store.settle(vec![settlement]).await.unwrap().remove(0) }
    });
    at_once(calls).await
}

fn users(from: u32, to: u32) -> Vec<OpenId> {
    (from..to).map(user).collect()
}

async fn a_key_that_is_accepted_many_times_at_once_is_one_message(world: World) {
    let stores = world.two_stores().await;
    let users = users(0, 4);
    for openid in &users {
        world.subscribe(openid, 3).await;
    }
    let keyed = |openid: &OpenId, fingerprint| {
        let idempotency = Some(Idempotency { key_hash: [1; 8], fingerprint: [fingerprint; 8] });
        NewMessage { idempotency, ..world.message(openid, START) }
    };
    let messages = |fingerprint| -> Vec<NewMessage> {
        users.iter().cycle().take(users.len() * MANY).map(|openid| keyed(openid, fingerprint)).collect()
    };
    let asked = messages(1);
    let ids: Vec<_> = asked.iter().map(|message| message.id).collect();
    let answers = accept_at_once(&stores, asked).await;
    for (place, openid) in users.iter().enumerate() {
        let of_user = || answers.iter().zip(&ids).skip(place).step_by(users.len());
        let new: Vec<_> = of_user().filter(|(answer, _)| matches!(answer, Accepted::New { .. })).collect();
        assert_eq!(new.len(), 1, "{answers:?}");
        let first = *new[0].1;
        for (answer, id) in of_user().filter(|(_, id)| **id != first) {
            assert!(matches!(answer, Accepted::Replayed { id, .. } if *id == first), "{id}: {answer:?}");
        }
        assert_eq!(world.messages_of(openid).await.len(), 1);
    }
    let others = accept_at_once(&stores, messages(2)).await;
    assert!(others.iter().all(|answer| matches!(answer, Accepted::KeyReused { .. })), "{others:?}");
    assert_balance(&world, &users, START).await;
}

async fn a_code_that_is_granted_many_times_at_once_is_one_permit(world: World) {
    let stores = world.two_stores().await;
    let users = users(0, 4);
    let permits = users.iter().cycle().take(users.len() * MANY);
    let granted =
        grant_at_once(&stores, permits.map(|openid| world.form(openid, "a code", START)).collect()).await;
    for (place, openid) in users.iter().enumerate() {
        let of_user: Vec<_> = granted.iter().skip(place).step_by(users.len()).collect();
        assert!(of_user.iter().all(|granted| granted.id == of_user[0].id), "{of_user:?}");
        assert_eq!(of_user.iter().filter(|granted| !granted.duplicate).count(), 1, "{of_user:?}");
        let totals = world.totals(openid, START).await;
        assert_eq!((totals.granted, totals.available), (1, 1));
    }
    assert_balance(&world, &users, START).await;
}

async fn what_is_granted_at_once_is_all_counted(world: World) {
    let stores = world.two_stores().await;
    let openid = user(1);
    let permits = (0..MANY).map(|_| world.subscription(&openid, 2)).collect();
    let granted = grant_at_once(&stores, permits).await;
    assert!(granted.iter().all(|other| other.id == granted[0].id && !other.duplicate), "{granted:?}");
    let totals = world.totals(&openid, START).await;
    assert_eq!((totals.granted, totals.available), (2 * MANY as u32, 2 * MANY as u32));
    assert_balance(&world, &[openid], START).await;
}

async fn the_last_unit_goes_to_one_message_and_the_others_end_without(world: World) {
    let stores = world.two_stores().await;
    let openid = user(1);
    world.subscribe(&openid, 1).await;
    let messages = (0..MANY).map(|_| world.message(&openid, START)).collect();
    let answers = accept_at_once(&stores, messages).await;
    let mut started = Vec::new();
    for answer in answers {
        match answer {
            Accepted::New { state: S::Sending, claimed, .. } => started.extend(claimed),
            Accepted::New { state: S::Ready, .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(started.len(), 1);
    assert_balance(&world, std::slice::from_ref(&openid), START).await;
    let settled = world.answered(&started[0], 0, after(1)).await;
    assert!(settled.next.is_none(), "there is no second unit");
    world.claim(&openid, after(2)).await;
    let views = world.messages_of(&openid).await;
    let count = |state| views.iter().filter(|view| view.state == state).count();
    assert_eq!((count(S::Sent), count(S::Failed)), (1, MANY - 1), "{views:#?}");
    assert_balance(&world, &[openid], START).await;
}

async fn the_last_unit_is_reserved_for_one_message(world: World) {
    let stores = world.two_stores().await;
    let openid = user(1);
    world.subscribe(&openid, 1).await;
    let reserving = || NewMessage { reserve_now: true, send_at: after(60), ..world.message(&openid, START) };
    let answers = accept_at_once(&stores, (0..MANY).map(|_| reserving()).collect()).await;
    let count = |is: fn(&Accepted) -> bool| answers.iter().filter(|answer| is(answer)).count();
    assert_eq!(count(|answer| matches!(answer, Accepted::New { state: S::Scheduled, .. })), 1, "{answers:?}");
    let failed = count(|answer| {
        matches!(answer, Accepted::New { state: S::Failed, reason: Some(ReasonCode::NoPermit), .. })
    });
    assert_eq!(failed, MANY - 1, "{answers:?}");
    assert_balance(&world, &[openid], START).await;
}

async fn an_outcome_that_is_stored_twice_at_once_is_stored_once(world: World) {
    let stores = world.two_stores().await;
    let users = users(0, MANY as u32);
    let mut settlements = Vec::new();
    for openid in &users {
        world.subscribe(openid, 1).await;
        let claimed = world.send(world.message(openid, START)).await;
        settlements.push(World::answer(&claimed, 0, after(1)));
        // The other store says that the message was refused.
        settlements.push(World::answer(&claimed, 47003, after(1)));
    }
    let settled = settle_at_once(&stores, settlements).await;
    for (openid, both) in users.iter().zip(settled.chunks(2)) {
        let states: Vec<S> = both.iter().filter_map(|settled| settled.state).collect();
        let [state] = states[..] else { panic!("{both:?}") };
        assert_eq!(world.messages_of(openid).await[0].state, state);
        let totals = world.totals(openid, after(1)).await;
        assert_eq!((totals.spent, totals.reserved), (u32::from(state == S::Sent), 0));
    }
    assert_balance(&world, &users, after(1)).await;
}

/// The answer of a call.
#[derive(Debug)]
enum Came {
    Settled(Settled),
    Cancelled(Cancelled),
}

async fn a_message_that_comes_back_while_it_is_withdrawn_is_one_or_the_other(world: World) {
    let stores = world.two_stores().await;
    let users = users(0, 2 * MANY as u32);
    let mut calls = Vec::new();
    for (n, openid) in users.iter().enumerate() {
        world.subscribe(openid, 1).await;
        let claimed = world.send(world.message(openid, START)).await;
        // Half of the messages are tried again later, half are sent.
        let errcode = if n % 2 == 0 { -1 } else { 0 };
        let (id, settlement) = (claimed.id, World::answer(&claimed, errcode, after(1)));
        let [one, other] = stores.clone();
        let settle = async move { Came::Settled(one.settle(vec![settlement]).await.unwrap().remove(0)) };
        let cancel = async move { Came::Cancelled(other.cancel(id, after(1)).await.unwrap()) };
        let both = [settle.boxed(), cancel.boxed()];
        calls.extend(both);
    }
    let came = at_once(calls).await;
    for (n, (openid, both)) in users.iter().zip(came.chunks(2)).enumerate() {
        let state = world.messages_of(openid).await[0].state;
        let [Came::Settled(settled), Came::Cancelled(cancelled)] = both else { panic!("{both:?}") };
        let expected = match (n % 2, cancelled) {
            (0, Cancelled::Done) => S::Cancelled,
            (0, Cancelled::TooLate(S::Sending)) => S::Ready,
            (1, Cancelled::TooLate(S::Sending | S::Sent)) => S::Sent,
            _ => panic!("{both:?}"),
        };
        assert_eq!(state, expected, "{both:?}");
        assert_eq!(settled.state, Some(if n % 2 == 0 { S::Ready } else { S::Sent }), "{both:?}");
    }
    assert_balance(&world, &users, after(1)).await;
}

async fn who_is_looked_at_while_the_app_is_resumed_is_not_forgotten(world: World) {
    let stores = world.two_stores().await;
    for round in 0..4 {
        let users = users(round * MANY as u32, (round + 1) * MANY as u32);
        world
            .store
            .grant(users.iter().map(|openid| world.subscription(openid, 1)).collect(), START)
            .await
            .unwrap();
        // The messages are due, and no node has claimed them yet.
        let due = |openid| NewMessage { start: None, ..world.message(openid, START) };
        world.store.accept(users.iter().map(due).collect()).await.unwrap();
        let pause = AppPause { code: PauseCode::Operator, until: None };
        let order = PauseOrder { appid: appid(), pause, errcode: None, detail: String::new(), now: START };
        world.store.pause(order).await.unwrap();

        let mut lanes: Vec<Lane> = users.iter().map(|openid| Lane::of(&appid(), openid)).collect();
        lanes.sort_unstable();
        lanes.dedup();
        world.heard();
        let claims = lanes.iter().map(|&lane| {
            let (store, epoch) = (Arc::clone(&stores[0]), world.epoch(lane));
            async move { store.claim(lane, epoch, after(1), 100).await.unwrap() }.boxed()
        });
        let resuming = Arc::clone(&stores[1]);
        let resume = async move {
            assert!(resuming.resume(appid(), after(1)).await.unwrap());
            None
        };
        let mut calls: Vec<_> = claims.collect();
        calls.insert(calls.len() / 2, resume.boxed());
        let mut looked = at_once(calls).await;
        looked.remove(lanes.len() / 2);

        // Every parked message has a timer again, and its lane was announced by a signal or by the last look.
        let is_rung = |heard: &[Heeded], lane: Lane| {
            heard
                .iter()
                .any(|heard| matches!(heard, Heeded::Wake(rung, at) if *rung == lane && *at <= after(1)))
        };
        let mut asleep = Vec::new();
        for (&lane, batch) in lanes.iter().zip(looked) {
            let batch = batch.expect("the world has every lane");
            if batch.next_wake.is_none_or(|at| at > after(1)) {
                asleep.push((lane, batch.claimed.len()));
            }
        }
        asleep.retain(|(lane, claimed)| {
            users.iter().filter(|openid| Lane::of(&appid(), openid) == *lane).count() > *claimed
        });
        let all = |heard: &[Heeded]| asleep.iter().all(|(lane, _)| is_rung(heard, *lane));
        world.hear_until("that lanes are due where messages rested", all).await;
        for &lane in &lanes {
            world.claim_lane(lane, after(1), 100).await;
        }
        for openid in &users {
            assert_eq!(world.messages_of(openid).await[0].state, S::Sending, "{openid}");
        }
        assert_balance(&world, &users, after(1)).await;
    }
}

async fn a_feed_that_is_read_while_events_are_committed_steps_over_none(world: World) {
    const EACH: u32 = 12;
    let stores = world.two_stores().await;
    let id = world.listen(&[EventType::MessageFailed]).await;
    let (ended, over) = watch::channel(false);
    let reader = Arc::clone(&stores[1]);
    let reading = tokio::spawn(async move {
        let (mut cursor, mut read) = (FeedCursor::default(), Vec::new());
        loop {
            let was_over = *over.borrow();
            let feed = reader.feed(id, cursor.clone(), 7).await.unwrap();
            assert_eq!(cursor.events_since(&feed.looked_to), 0, "a cursor never goes back");
            cursor = feed.looked_to;
            read.extend(feed.deliveries.iter().map(|delivery| delivery.id));
            if was_over && feed.deliveries.is_empty() && !feed.more {
                return read;
            }
            tokio::task::yield_now().await;
        }
    });
    // No user has a permit, so each message fails at once, which is an event.
    let users = users(0, MANY as u32);
    let failing = users.iter().enumerate().map(|(n, openid)| {
        let store = Arc::clone(&stores[n % 2]);
        let messages: Vec<_> = (0..EACH).map(|_| world.message(openid, START)).collect();
        async move {
            for message in messages {
                store.accept(vec![message]).await.unwrap();
            }
        }
    });
    at_once(failing).await;
    ended.send(true).unwrap();
    let read = reading.await.unwrap();
    assert!(
        read.is_sorted_by(|before, after| before.number() < after.number()),
        "each once, in order: {read:?}"
    );
    assert_eq!(read.len(), MANY * EACH as usize);
    assert_eq!(read, ids(&world.fed(id).await));
    assert_eq!(world.last_told(), behind(*read.last().unwrap()));
    assert_balance(&world, &users, START).await;
}

async fn of_messages_that_are_claimed_at_once_behind_an_open_breaker_one_is_the_probe(world: World) {
    let stores = world.two_stores().await;
    let users = users(0, MANY as u32);
    let pause = AppPause { code: PauseCode::WechatUnavailable, until: Some(after(10)) };
    let order = PauseOrder { appid: appid(), pause, errcode: None, detail: String::new(), now: START };
    world.store.pause(order).await.unwrap();
    for openid in &users {
        world.subscribe(openid, 1).await;
        world.begin(world.message(openid, START)).await;
    }
    // Both searches are over before anything is claimed, so many messages are due.
    let mut walk = None;
    for _ in 0..2 {
        let Probing::Woken { users, walk: next } = world.store.probe(appid(), walk, after(10)).await.unwrap()
        else {
            panic!("many messages are ready");
        };
        assert!(users.len() > 1);
        walk = Some(next);
    }
    let mut lanes: Vec<Lane> = users.iter().map(|openid| Lane::of(&appid(), openid)).collect();
    lanes.sort_unstable();
    lanes.dedup();
    assert!(lanes.len() > 1);
    let claims = lanes.iter().enumerate().map(|(n, &lane)| {
        let (store, epoch) = (Arc::clone(&stores[n % 2]), world.epoch(lane));
        async move { store.claim(lane, epoch, after(10), 100).await.unwrap() }
    });
    let batches = at_once(claims).await;
    let claimed: Vec<_> =
        batches.into_iter().flat_map(|batch| batch.expect("the world has every lane").claimed).collect();
    assert_eq!(claimed.len(), 1, "{claimed:?}");
    assert!(claimed[0].is_probe);
}
