//! Removing old rows.

use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_ledger::permit::FORM_LIFETIME;
use hongyan_ledger::{Lane, MessageId, MessageState as S, PermitPolicy};

use super::check::checks;
use super::world::{START, World, after, appid, user};
use crate::types::{
    Accepted, GatewayTokenRecord, Idempotency, LoginRecord, MessageFilter, NewMessage, PruneOrder, PruneWalk,
    Pruned,
};

checks![
    what_is_over_and_old_goes_and_what_is_open_unknown_or_young_stays,
    a_message_that_was_scheduled_far_ahead_is_as_old_as_its_end,
    a_step_removes_no_more_than_its_limit_and_the_walk_comes_to_an_end,
    a_message_of_many_attempts_goes_in_several_steps,
    an_old_permit_stays_while_a_message_names_it_or_it_is_the_newest,
    units_that_are_held_or_counted_stay,
    with_nothing_to_be_old_only_what_expired_by_itself_goes,
    a_key_is_forgotten_with_its_message,
];

const DAY: u64 = 86_400;

fn order(before: UnixMillis, now: UnixMillis, limit: u32) -> PruneOrder {
    PruneOrder { audit_before: None, before: Some(before), now, limit }
}

/// Walks to the end; returns the sum of all steps.
async fn prune(world: &World, order: PruneOrder) -> Pruned {
    prune_from(world, PruneWalk::START, order).await
}

/// Walks on to the end; the sum of all steps.
async fn prune_from(world: &World, mut at: PruneWalk, order: PruneOrder) -> Pruned {
    let mut sum = Pruned::default();
    // A walk over these few rows has a step per lane and kind. More steps would mean that it walks in circles.
    for _ in 0..1_000 {
        let step = world.store.prune(at, order).await.unwrap();
        assert!(step.rows() <= order.limit, "{step:?}");
        sum.messages += step.messages;
        sum.attempts += step.attempts;
        sum.permits += step.permits;
        sum.sessions += step.sessions;
        sum.gateway_tokens += step.gateway_tokens;
        sum.webhook_events += step.webhook_events;
        sum.deliveries += step.deliveries;
        match step.next {
            Some(next) => at = next,
            None => return sum,
        }
    }
    panic!("the walk does not end");
}

async fn there(world: &World) -> Vec<MessageId> {
    let filter = MessageFilter { limit: 1_000, ..MessageFilter::default() };
    world.store.messages(filter).await.unwrap().items.iter().map(|view| view.id).collect()
}

/// Accepts and sends a subscribe message; returns its id.
async fn sent(world: &World, number: u32, at: UnixMillis) -> MessageId {
    world.subscribe(&user(number), 1).await;
    let claimed = world.send(world.message(&user(number), at)).await;
    world.answered(&claimed, 0, at).await;
    claimed.id
}

async fn what_is_over_and_old_goes_and_what_is_open_unknown_or_young_stays(world: World) {
    let old = sent(&world, 1, START).await;
    let failed = world.begin(world.message(&user(1), START)).await;
    assert_eq!(failed.state, S::Failed);
    let cancelled = world.begin(NewMessage { send_at: after(60), ..world.message(&user(2), START) }).await.id;
    world.store.cancel(cancelled, after(1)).await.unwrap();
    world.subscribe(&user(3), 1).await;
    let doubtful = world.send(world.message(&user(3), START)).await;
    world.settle(World::silence(&doubtful, after(1))).await;
    let waiting =
        world.begin(NewMessage { policy: PermitPolicy::Wait, ..world.message(&user(4), START) }).await.id;
    let scheduled =
        world.begin(NewMessage { send_at: after(90 * DAY), ..world.message(&user(5), START) }).await.id;
    world.subscribe(&user(6), 1).await;
    let sending = world.send(world.message(&user(6), START)).await.id;
    let young = sent(&world, 7, after(2 * DAY)).await;
    assert_eq!(world.state(doubtful.id).await, S::Unknown);

    let pruned = prune(&world, order(after(DAY), after(31 * DAY), 100)).await;
    assert_eq!(pruned.messages, 3);
    for gone in [old, failed.id, cancelled] {
        assert!(world.store.message(gone).await.unwrap().is_none());
    }
    let mut stay = vec![doubtful.id, waiting, scheduled, sending, young];
    stay.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(there(&world).await, stay);
    for id in stay {
        assert!(!world.detail(id).await.body.is_empty(), "its body is kept, too");
    }
    world.totals(&user(1), after(31 * DAY)).await;
}

async fn a_message_that_was_scheduled_far_ahead_is_as_old_as_its_end(world: World) {
    world.subscribe(&user(1), 1).await;
    let far = world.begin(NewMessage { send_at: after(40 * DAY), ..world.message(&user(1), START) }).await.id;
    let claimed = world.claim(&user(1), after(40 * DAY)).await.claimed.remove(0);
    world.answered(&claimed, 0, after(40 * DAY)).await;
    let accepted_long_ago = order(after(39 * DAY), after(69 * DAY), 100);
    assert_eq!(prune(&world, accepted_long_ago).await.messages, 0);
    assert_eq!(world.state(far).await, S::Sent);
    assert_eq!(prune(&world, order(after(41 * DAY), after(71 * DAY), 100)).await.messages, 1);
}

async fn a_step_removes_no_more_than_its_limit_and_the_walk_comes_to_an_end(world: World) {
    for n in 0..25 {
        sent(&world, n, after(u64::from(n))).await;
    }
    let order = order(after(DAY), after(31 * DAY), 10);
    let mut left = 25;
    let mut at = PruneWalk::START;
    for taken in [10, 10, 5] {
        let step = world.store.prune(at, order).await.unwrap();
        assert_eq!(step.messages, taken);
        left -= taken as usize;
        assert_eq!(there(&world).await.len(), left, "the oldest first, and no more than that");
        at = step.next.unwrap();
    }
    assert_eq!(prune_from(&world, at, order).await.rows(), 0, "the walk goes on to what is no message");
    assert_eq!(prune(&world, order).await.rows(), 0, "a second walk finds nothing");
}

async fn a_message_of_many_attempts_goes_in_several_steps(world: World) {
    world.subscribe(&user(1), 1).await;
    let mut claimed = world.send(world.message(&user(1), START)).await;
    let mut now = START;
    for _ in 0..12 {
        world.answered(&claimed, -1, now).await;
        now = now.plus(Duration::from_secs(3600));
        claimed = world.claim(&user(1), now).await.claimed.remove(0);
    }
    world.answered(&claimed, 0, now).await;
    let younger = sent(&world, 2, now).await;
    assert_eq!(world.detail(claimed.id).await.attempts.len(), 13);
    let order = order(now.plus(Duration::from_secs(1)), now.plus(Duration::from_secs(DAY)), 5);
    let mut at = PruneWalk::START;
    for (attempts, messages) in [(5, 0), (5, 0), (2, 2)] {
        let step = world.store.prune(at, order).await.unwrap();
        assert_eq!((step.attempts, step.messages), (attempts, messages));
        at = step.next.unwrap();
    }
    assert!(world.store.message(claimed.id).await.unwrap().is_none());
    assert!(world.store.message(younger).await.unwrap().is_none());
}

async fn an_old_permit_stays_while_a_message_names_it_or_it_is_the_newest(world: World) {
    let codes = async |now| {
        let permits = world.store.permits(appid(), user(1), now).await.unwrap();
        permits.into_iter().map(|view| view.permit.code.unwrap()).rev().collect::<Vec<_>>()
    };
    for (n, code) in ["spent", "tried", "unused", "last"].into_iter().enumerate() {
        let at = after(n as u64);
        world.grant(world.form(&user(1), code, at), at).await;
    }
    // Two attempts: the first with a dead form, the second is taken.
    let first = world.send(world.legacy(&user(1), after(10))).await;
    let second = *world.answered(&first, 41028, after(11)).await.next.unwrap();
    world.answered(&second, 0, after(20)).await;
    let (tried, spent) = (first.permit.unwrap().code.unwrap(), second.permit.unwrap().code.unwrap());
    assert_eq!((tried.as_str(), spent.as_str()), ("spent", "tried"), "the ledger takes them in this order");

    // The message is younger than the permits' end, so it is kept, and the permits that it names with it.
    let over = after(10).plus(FORM_LIFETIME);
    let now = over.plus(Duration::from_secs(30 * DAY));
    let step = PruneOrder { audit_before: None, before: Some(after(0).plus(FORM_LIFETIME)), now, limit: 100 };
    let pruned = prune(&world, step).await;
    assert_eq!((pruned.messages, pruned.attempts, pruned.permits), (1, 1, 0), "its permits expired later");
    assert_eq!(codes(now).await, ["spent", "tried", "unused", "last"]);
    let late = world.send(world.legacy(&user(1), after(30))).await;
    let third = *world.answered(&late, 41028, after(30)).await.next.unwrap();
    assert_eq!(late.permit.unwrap().code.unwrap(), "unused");
    world.settle(World::silence(&third, after(41))).await;
    // The message is in doubt, so it is kept. With it the form of its first attempt and the form that it holds are kept.
    let pruned = prune(&world, PruneOrder { audit_before: None, before: Some(over), now, limit: 100 }).await;
    assert_eq!((pruned.messages, pruned.permits), (0, 2), "{pruned:?}");
    assert_eq!(codes(now).await, ["unused", "last"]);
    world.totals(&user(1), now).await;
}

async fn units_that_are_held_or_counted_stay(world: World) {
    world.subscribe(&user(1), 1).await;
    let claimed = world.send(world.message(&user(1), START)).await;
    world.answered(&claimed, 0, START).await;
    let far = after(400 * DAY);
    let pruned = prune(&world, order(far, far, 100)).await;
    assert_eq!((pruned.messages, pruned.permits), (1, 0));
    let totals = world.totals(&user(1), far).await;
    assert_eq!((totals.granted, totals.spent), (1, 1), "a counter counts for ever");
}

async fn with_nothing_to_be_old_only_what_expired_by_itself_goes(world: World) {
    let old = sent(&world, 1, START).await;
    for n in 1..=3_u8 {
        let login = LoginRecord {
            appid: appid(),
            openid: user(u32::from(n)),
            unionid: None,
            session_key: vec![n],
            session_hash: [n; 32],
            at: START,
            expires_at: after(u64::from(n) * 100),
        };
        world.store.put_login(login).await.unwrap();
        let token = GatewayTokenRecord {
            id: world.ids.token(START),
            hash: [n; 32],
            appid: appid(),
            service: None,
            created_at: START,
            expires_at: after(u64::from(n) * 100),
            last_used_at: None,
            key: None,
        };
        world.store.put_gateway_token(token).await.unwrap();
    }
    let pruned =
        prune(&world, PruneOrder { audit_before: None, before: None, now: after(250), limit: 1 }).await;
    assert_eq!((pruned.sessions, pruned.gateway_tokens, pruned.messages), (2, 2, 0));
    assert_eq!(world.state(old).await, S::Sent);
    let lane = Lane::of(&appid(), &user(3));
    assert!(world.store.session(lane, [3; 32], after(250)).await.unwrap().is_some());
    assert!(world.store.gateway_token([3; 32], after(250)).await.unwrap().is_some());
}

async fn a_key_is_forgotten_with_its_message(world: World) {
    world.subscribe(&user(1), 2).await;
    let keyed = |at| NewMessage {
        idempotency: Some(Idempotency { key_hash: [1; 8], fingerprint: [2; 8] }),
        ..world.message(&user(1), at)
    };
    let first = world.send(keyed(START)).await;
    world.answered(&first, 0, START).await;
    let again = world.store.accept(vec![keyed(after(1))]).await.unwrap().remove(0);
    assert!(matches!(again, Accepted::Replayed { id, .. } if id == first.id), "{again:?}");
    prune(&world, order(after(DAY), after(31 * DAY), 100)).await;
    let new = world.store.accept(vec![keyed(after(31 * DAY))]).await.unwrap().remove(0);
    assert!(matches!(new, Accepted::New { .. }), "{new:?}");
}
