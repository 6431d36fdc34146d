//! Deliveries: the outcome of an event at a webhook, and when it is tried again.

use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_ledger::ids::IdMaker;
use hongyan_ledger::webhook::{DisabledReason, EventType as T, Fate, Health, PATIENCE};

use super::check::checks;
use super::webhooks::{behind, data, failure, held, ids, kinds, tried};
use super::world::{START, World, after};
use crate::types::{
    DeliveryReport, DeliveryState as D, PruneOrder, PruneWalk, ReplayOrder, Replayed, WebhookChange,
};

checks![
    the_next_of_a_subject_waits_until_the_one_before_is_done,
    what_is_known_is_not_fed_again,
    a_webhook_that_is_gone_is_disabled_and_the_others_hear_of_it,
    enabling_begins_anew,
    a_replay_makes_events_due_in_order,
    old_events_go_with_their_deliveries_but_not_while_they_are_tried,
];

async fn the_next_of_a_subject_waits_until_the_one_before_is_done(world: World) {
    let id = world.listen(&[]).await;
    for number in [1, 1, 1, 2] {
        failure(&world, number, START).await;
    }
    let told = world.fed(id).await;
    assert!(told.iter().all(|delivery| !delivery.is_behind));
    let outcomes = vec![
        tried(&told[0], 500, Fate::Retry(after(10)), after(1)),
        held(&told[1]),
        held(&told[2]),
        tried(&told[3], 200, Fate::Taken, after(1)),
    ];
    let standing = world.report(id, outcomes, after(1)).await;
    assert_eq!((standing.health.failures, standing.disabled), (0, None), "the last answer was a success");
    assert_eq!(world.store.next_delivery_at(id).await.unwrap(), Some(after(10)));
    assert!(world.due(id, after(9)).await.is_empty());
    assert_eq!(world.due(id, after(10)).await, [told[0].id]);
    // New events are held behind the pending ones.
    failure(&world, 1, after(11)).await;
    let new = world.fed(id).await;
    assert!(new.len() == 1 && new[0].is_behind);
    world.report(id, vec![held(&new[0])], after(11)).await;
    assert_eq!(world.store.webhook(id).await.unwrap().unwrap().1.pending, 4);
    for delivery in &told[..2] {
        let due = world.store.due_deliveries(id, after(20), 100).await.unwrap();
        assert_eq!(ids(&due), [delivery.id]);
        let fate = if delivery.id == told[0].id { Fate::GivenUp } else { Fate::Taken };
        world.report(id, vec![tried(&due[0], 200, fate, after(20))], after(20)).await;
    }
    assert_eq!(world.due(id, after(20)).await, [told[2].id]);
    let listed = world.store.deliveries(id, None, 100).await.unwrap();
    let states: Vec<_> = listed.iter().map(|view| view.state).collect();
    assert_eq!(states, [D::Pending, D::Taken, D::Pending, D::Taken, D::GivenUp]);
    assert_eq!((listed[4].tries, listed[4].last.as_ref().unwrap().status), (2, Some(200)));
    let page = world.store.deliveries(id, Some(listed[1].event), 2).await.unwrap();
    assert_eq!(page, listed[2..4]);
}

async fn what_is_known_is_not_fed_again(world: World) {
    let id = world.listen(&[]).await;
    for number in [1, 2, 3] {
        failure(&world, number, START).await;
    }
    let told = world.fed(id).await;
    // The second event is taken while the first is still under way: the cursor stays before the first.
    let report = DeliveryReport {
        webhook: id,
        epoch: world.epoch(id.lane()),
        outcomes: vec![tried(&told[1], 200, Fate::Taken, after(1))],
        cursor: behind(told[0].id).held_back_by(&[told[0].id]),
        now: after(1),
    };
    world.store.settle_deliveries(report).await.unwrap().unwrap();
    assert_eq!(ids(&world.fed(id).await), [told[0].id, told[2].id]);
    assert_eq!(world.store.webhook(id).await.unwrap().unwrap().1.pending, 2);
    assert_eq!(world.store.webhook(id).await.unwrap().unwrap().1.oldest, Some(START));
    // A cursor never goes back.
    world.report(id, vec![tried(&told[2], 200, Fate::Taken, after(2))], after(2)).await;
    world.report(id, vec![tried(&told[0], 200, Fate::Taken, after(3))], after(3)).await;
    assert_eq!(world.fed(id).await, []);
    assert_eq!(world.store.webhook(id).await.unwrap().unwrap().1.pending, 0);
}

async fn a_webhook_that_is_gone_is_disabled_and_the_others_hear_of_it(world: World) {
    let (id, other) = (world.listen(&[]).await, world.listen(&[T::WebhookDisabled]).await);
    failure(&world, 1, START).await;
    let told = world.fed(id).await;
    let standing =
        world.report(id, vec![tried(&told[0], 410, Fate::Retry(after(9)), after(1))], after(1)).await;
    assert_eq!(standing.disabled, Some(DisabledReason::Gone));
    assert_eq!(world.webhook(id).await.disabled, Some((DisabledReason::Gone, after(1))));
    let heard = world.fed(other).await;
    assert_eq!(kinds(&heard), [T::WebhookDisabled]);
    assert_eq!(data(&heard[0])["webhook"], id.to_string());
    assert_eq!(world.fed(id).await, [], "not itself");
    // The webhook is disabled once. If it is the only webhook, no other is told of that.
    world.report(id, vec![tried(&told[0], 410, Fate::Retry(after(9)), after(2))], after(2)).await;
    assert_eq!(world.fed(other).await.len(), 1);
    world.store.remove_webhook(id).await.unwrap();
    let before = world.last_told();
    world
        .store
        .change_webhook(other, WebhookChange::Disable(DisabledReason::Operator), after(3))
        .await
        .unwrap();
    assert_eq!(world.last_told(), before);
}

async fn enabling_begins_anew(world: World) {
    let id = world.listen(&[T::MessageFailed]).await;
    for number in [1, 1, 2] {
        failure(&world, number, START).await;
    }
    let told = world.fed(id).await;
    let outcomes = vec![
        tried(&told[0], 500, Fate::Retry(after(9_000)), after(1)),
        held(&told[1]),
        tried(&told[2], 500, Fate::Retry(after(9_000)), after(1)),
    ];
    world.report(id, outcomes, after(1)).await;
    let disable = WebhookChange::Disable(DisabledReason::Operator);
    world.store.change_webhook(id, disable, after(2)).await.unwrap();
    failure(&world, 3, after(3)).await;
    let enabled = world.store.change_webhook(id, WebhookChange::Enable, after(4)).await.unwrap().unwrap();
    assert_eq!((enabled.disabled, enabled.health), (None, Health::default()));
    let due = world.store.due_deliveries(id, after(4), 100).await.unwrap();
    let mut found = ids(&due);
    found.sort_unstable_by_key(hongyan_ledger::WebhookEventId::number);
    assert_eq!(found, [told[0].id, told[2].id], "the first of each");
    assert!(due.iter().all(|delivery| delivery.tries == 0 && delivery.first_at.is_none()));
    assert_eq!(world.fed(id).await.len(), 1, "what happened meanwhile was kept");
}

async fn a_replay_makes_events_due_in_order(world: World) {
    let id = world.listen(&[T::MessageFailed]).await;
    for second in 0..4 {
        failure(&world, 1, after(second)).await;
    }
    let told = world.fed(id).await;
    let outcomes = told.iter().map(|delivery| tried(delivery, 200, Fate::Taken, after(5))).collect();
    world.report(id, outcomes, after(5)).await;
    assert!(world.due(id, after(6)).await.is_empty());

    let events = |events| Replayed::Events { events, next_since: None };
    let between = ReplayOrder::Between { since: after(1), until: after(3) };
    assert_eq!(world.store.replay(id, between, after(6)).await.unwrap(), events(2));
    assert_eq!(world.due(id, after(6)).await, [told[1].id], "one of a subject at a time");
    // A replayed older event of the same subject goes before it.
    let one = ReplayOrder::Event(told[0].id);
    assert_eq!(world.store.replay(id, one, after(6)).await.unwrap(), events(1));
    for delivery in &told[..3] {
        let due = world.store.due_deliveries(id, after(7), 100).await.unwrap();
        assert_eq!((ids(&due), due[0].tries), (vec![delivery.id], 0));
        world.report(id, vec![tried(&due[0], 200, Fate::Taken, after(7))], after(7)).await;
    }
    assert!(world.due(id, after(8)).await.is_empty());
    let nobody = IdMaker::new().webhook(START);
    assert_eq!(world.store.replay(nobody, one, after(9)).await.unwrap(), Replayed::NoWebhook);
    let nothing = ReplayOrder::Event(IdMaker::new().webhook_event(told[0].id.number(), START));
    assert_eq!(world.store.replay(id, nothing, after(9)).await.unwrap(), Replayed::NoEvent);
}

async fn old_events_go_with_their_deliveries_but_not_while_they_are_tried(world: World) {
    let id = world.listen(&[T::MessageFailed]).await;
    for number in 1..=5 {
        failure(&world, number, START).await;
    }
    let told = world.fed(id).await;
    let outcomes = told.iter().map(|delivery| tried(delivery, 200, Fate::Taken, after(1))).collect();
    world.report(id, outcomes, after(1)).await;
    let young = START.plus(PATIENCE);
    failure(&world, 6, young).await;
    let prune = async |now: UnixMillis| {
        let order = PruneOrder { audit_before: None, before: Some(now), now, limit: 4 };
        let (mut sum, mut at) = ((0, 0), PruneWalk::START);
        for _ in 0..1_000 {
            let step = world.store.prune(at, order).await.unwrap();
            assert!(step.rows() <= order.limit, "{step:?}");
            sum = (sum.0 + step.webhook_events, sum.1 + step.deliveries);
            match step.next {
                Some(next) => at = next,
                None => return sum,
            }
        }
        panic!("the walk does not end");
    };
    assert_eq!(prune(START.plus(PATIENCE)).await, (0, 0), "even if everything else is removed at once");
    let day = Duration::from_secs(86_400);
    assert_eq!(prune(START.plus(PATIENCE + day * 2)).await, (5, 5));
    assert_eq!(world.fed(id).await.len(), 1, "the younger event stays");
    assert_eq!(world.store.deliveries(id, None, 10).await.unwrap(), []);
    assert_eq!(prune(young.plus(PATIENCE + day * 2)).await, (1, 0));
    // Numbers must go on, or a cursor would be behind new events.
    failure(&world, 7, young).await;
    assert_eq!(world.fed(id).await.len(), 1);
}
