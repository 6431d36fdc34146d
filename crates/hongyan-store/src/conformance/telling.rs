//! Events: who is told what, and what became of it.

use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_ledger::ids::IdMaker;
use hongyan_ledger::permit::FORM_LIFETIME;
use hongyan_ledger::settle::{AppPause, PauseCode};
use hongyan_ledger::webhook::{DisabledReason, EventType as T, Fate, Filter, Health, PATIENCE, Reply};
use hongyan_ledger::{MessageState as S, WebhookId};
use serde_json::Value;

use super::check::checks;
use super::world::{START, World, after, appid, user};
use crate::types::{
    Delivery, DeliveryOutcome, DeliveryReport, DeliveryState as D, ExpiringOrder, ExpiringStep, NewMessage,
    PauseOrder, PruneCursor, PruneOrder, ReplayOrder, Replayed, Tried, WebhookAnswer, WebhookChange,
    WebhookRecord, WebhookStanding,
};

checks![
    nothing_is_stored_while_nobody_listens,
    every_end_of_a_message_is_told_of_in_order,
    a_plain_success_is_told_of_like_any_other,
    a_webhook_hears_what_it_asked_for_since_it_was_set_up,
    a_pause_is_told_of_once_and_its_end_too,
    the_next_of_a_subject_waits_until_the_one_before_is_done,
    what_is_known_is_not_fed_again,
    a_webhook_that_is_gone_is_disabled_and_the_others_hear_of_it,
    enabling_begins_anew,
    a_replay_makes_events_due_in_order,
    a_test_is_for_one_webhook_alone,
    a_permit_that_expires_soon_is_told_of_once,
    old_events_go_with_their_deliveries_but_not_while_they_are_tried,
    a_secret_is_kept_beside_the_new_one,
];

impl World {
    async fn listen(&self, types: &[T]) -> WebhookId {
        let filter = Filter { types: (!types.is_empty()).then(|| types.to_vec()), apps: None };
        self.listen_for(filter).await
    }

    async fn listen_for(&self, filter: Filter) -> WebhookId {
        let id = IdMaker::new().webhook(START);
        let record = WebhookRecord {
            id,
            url: "https://example.com/".into(),
            description: "a shop".into(),
            filter,
            secret: vec![1, 2, 3],
            previous_secret: None,
            disabled: None,
            health: Health::default(),
            last: None,
            created_at: START,
            updated_at: START,
        };
        assert!(self.store.add_webhook(record.clone()).await.unwrap());
        assert_eq!(self.webhook(id).await, record);
        id
    }

    async fn webhook(&self, id: WebhookId) -> WebhookRecord {
        let all = self.store.webhooks().await.unwrap();
        let listed = all.into_iter().find(|start| start.record.id == id).unwrap();
        let own = self.store.webhook_start(id).await.unwrap().unwrap();
        assert_eq!((&own.record, own.cursor), (&listed.record, listed.cursor), "both ways of asking agree");
        own.record
    }

    /// Everything that a webhook was not fed yet.
    async fn fed(&self, id: WebhookId) -> Vec<Delivery> {
        let all = self.store.webhooks().await.unwrap();
        let cursor = all.into_iter().find(|start| start.record.id == id).unwrap().cursor;
        let feed = self.store.feed(id, cursor, 1_000).await.unwrap();
        assert!(!feed.more);
        assert!(feed.deliveries.is_sorted_by_key(|delivery| delivery.number));
        feed.deliveries
    }

    async fn due(&self, id: WebhookId, now: UnixMillis) -> Vec<i64> {
        let due = self.store.due_deliveries(id, now, 100).await.unwrap();
        due.iter().map(|delivery| delivery.number).collect()
    }

    async fn report(
        &self,
        id: WebhookId,
        outcomes: Vec<DeliveryOutcome>,
        now: UnixMillis,
    ) -> WebhookStanding {
        let cursor = outcomes.iter().map(|outcome| outcome.number).max().unwrap();
        let report = DeliveryReport { webhook: id, outcomes, cursor, now };
        self.store.settle_deliveries(report).await.unwrap().unwrap()
    }
}

fn tried(delivery: &Delivery, status: u16, fate: Fate, now: UnixMillis) -> DeliveryOutcome {
    let tried = Tried {
        reply: Reply::of_status(status),
        fate,
        tries: delivery.tries + 1,
        first_at: delivery.first_at.unwrap_or(now),
        answer: WebhookAnswer { at: now, status: Some(status), text: String::new() },
        random: 0.5,
    };
    DeliveryOutcome { number: delivery.number, subject: delivery.subject, tried: Some(tried) }
}

fn held(delivery: &Delivery) -> DeliveryOutcome {
    DeliveryOutcome { number: delivery.number, subject: delivery.subject, tried: None }
}

fn data(delivery: &Delivery) -> Value {
    serde_json::from_str(&delivery.data).unwrap()
}

fn kinds(deliveries: &[Delivery]) -> Vec<T> {
    deliveries.iter().map(|delivery| delivery.kind).collect()
}

fn numbers(deliveries: &[Delivery]) -> Vec<i64> {
    deliveries.iter().map(|delivery| delivery.number).collect()
}

/// A message that fails at once, for want of a permit: an event.
async fn failure(world: &World, number: u32, now: UnixMillis) {
    assert_eq!(world.begin(world.message(&user(number), now)).await.state, S::Failed);
}

async fn nothing_is_stored_while_nobody_listens(world: World) {
    failure(&world, 1, START).await;
    world.subscribe(&user(2), 1).await;
    let claimed = world.send(world.message(&user(2), START)).await;
    world.answered(&claimed, 0, after(1)).await;
    assert_eq!(world.last_told(), 0);
    let id = world.listen(&[T::AppPaused]).await;
    failure(&world, 1, after(2)).await;
    assert_eq!(world.last_told(), 0, "nor what nobody asked for");
    assert_eq!(world.fed(id).await, []);
    world.listen(&[T::MessageFailed]).await;
    failure(&world, 1, after(3)).await;
    assert_eq!(world.last_told(), 1);
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
    assert!(told.iter().all(|delivery| delivery.id.number() == delivery.number));
    assert_eq!(told[2].created_at, after(2));
    let last = told.last().unwrap().number;
    assert_eq!(world.last_told(), last);
}

async fn a_plain_success_is_told_of_like_any_other(world: World) {
    let id = world.listen(&[T::MessageSent]).await;
    world.subscribe(&user(1), 2).await;
    let plain =
        world.send(NewMessage { reference: Some("a".into()), ..world.message(&user(1), START) }).await;
    world.answered(&plain, 0, after(1)).await;
    // With another one ready behind it, it is not that simple.
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
    // An outcome that comes a second time is none.
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
    // Page by page, and what others asked for is stepped over.
    let page = world.store.feed(late, 0, 1).await.unwrap();
    assert_eq!((page.deliveries.len(), page.looked_to, page.more), (1, 1, true));
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
    assert_eq!(world.last_told(), before, "nobody is left who asked for it");
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
    // Met by two messages, an hour's and again a day later.
    world.store.pause(order(Some(after(3_600)), START)).await.unwrap();
    world.store.pause(order(Some(after(3_600)), after(1))).await.unwrap();
    assert_eq!(kinds(&world.fed(id).await), [T::AppPaused]);
    world.store.resume(appid(), after(4_000)).await.unwrap();
    assert_eq!(world.fed(id).await.len(), 1, "it had ended by itself");
    world.store.pause(order(Some(after(9_000)), after(5_000))).await.unwrap();
    world.store.resume(appid(), after(6_000)).await.unwrap();
    world.store.resume(appid(), after(6_001)).await.unwrap();
    assert_eq!(kinds(&world.fed(id).await), [T::AppPaused, T::AppPaused, T::AppResumed]);
}

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
    assert_eq!((standing.health.failures, standing.disabled), (0, None), "the last answer was good");
    assert_eq!(world.store.next_delivery_at(id).await.unwrap(), Some(after(10)));
    assert!(world.due(id, after(9)).await.is_empty());
    assert_eq!(world.due(id, after(10)).await, [told[0].number]);
    // What comes new is behind them.
    failure(&world, 1, after(11)).await;
    let new = world.fed(id).await;
    assert!(new.len() == 1 && new[0].is_behind);
    world.report(id, vec![held(&new[0])], after(11)).await;
    assert_eq!(world.store.webhook(id).await.unwrap().unwrap().1.pending, 4);
    for delivery in &told[..2] {
        let due = world.store.due_deliveries(id, after(20), 100).await.unwrap();
        assert_eq!(numbers(&due), [delivery.number]);
        let fate = if delivery.number == told[0].number { Fate::GivenUp } else { Fate::Taken };
        world.report(id, vec![tried(&due[0], 200, fate, after(20))], after(20)).await;
    }
    assert_eq!(world.due(id, after(20)).await, [told[2].number]);
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
    // The second is taken while the first is still under way: the cursor stays before it.
    let report = DeliveryReport {
        webhook: id,
        outcomes: vec![tried(&told[1], 200, Fate::Taken, after(1))],
        cursor: told[0].number - 1,
        now: after(1),
    };
    world.store.settle_deliveries(report).await.unwrap().unwrap();
    assert_eq!(numbers(&world.fed(id).await), [told[0].number, told[2].number]);
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
    // Once; and an only one has nobody to tell.
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
    let mut found = numbers(&due);
    found.sort_unstable();
    assert_eq!(found, [told[0].number, told[2].number], "the first of each");
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
    assert_eq!(world.due(id, after(6)).await, [told[1].number], "one of a subject at a time");
    // An older one takes its place before it.
    let one = ReplayOrder::Event(told[0].id);
    assert_eq!(world.store.replay(id, one, after(6)).await.unwrap(), events(1));
    for delivery in &told[..3] {
        let due = world.store.due_deliveries(id, after(7), 100).await.unwrap();
        assert_eq!((numbers(&due), due[0].tries), (vec![delivery.number], 0));
        world.report(id, vec![tried(&due[0], 200, Fate::Taken, after(7))], after(7)).await;
    }
    assert!(world.due(id, after(8)).await.is_empty());
    let nobody = IdMaker::new().webhook(START);
    assert_eq!(world.store.replay(nobody, one, after(9)).await.unwrap(), Replayed::NoWebhook);
    let nothing = ReplayOrder::Event(IdMaker::new().webhook_event(told[0].number, START));
    assert_eq!(world.store.replay(id, nothing, after(9)).await.unwrap(), Replayed::NoEvent);
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
    // A counter never ends, and what is spent is not there to be lost.
    world.subscribe(&user(6), 1).await;
    let spent = world.send(world.legacy(&user(5), START)).await;
    world.answered(&spent, 0, START).await;
    let id = world.listen(&[T::PermitExpiring]).await;
    // To the end, so many permits at a time; how many were told of.
    let walk = async |now: UnixMillis, limit| {
        let mut told = 0;
        for _ in 0..1_000 {
            match world.store.tell_expiring(order(now, limit)).await.unwrap() {
                ExpiringStep::More(count) => told += count,
                ExpiringStep::Done(count) => return told + count,
                ExpiringStep::NobodyListens => panic!("somebody does"),
            }
        }
        panic!("the walk does not end");
    };
    assert_eq!(walk(START, 100).await, 0, "they have days left");
    let end = START.plus(FORM_LIFETIME);
    assert_eq!(walk(end.minus(hour * 25), 1).await, 0);
    assert_eq!(walk(end.minus(hour * 23), 1).await, 4);
    assert_eq!(walk(end.minus(hour * 23), 100).await, 0);
    assert_eq!(walk(end.minus(hour * 2), 100).await, 0, "once");
    // A walk that was cut short and goes on when it is too late tells nothing any more.
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
        let (mut sum, mut at) = ((0, 0), PruneCursor::WebhookEvents);
        for _ in 0..100 {
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
    assert_eq!(prune(START.plus(PATIENCE)).await, (0, 0), "however short everything else is kept");
    let day = Duration::from_secs(86_400);
    assert_eq!(prune(START.plus(PATIENCE + day * 2)).await, (5, 5));
    assert_eq!(world.fed(id).await.len(), 1, "the young one stays");
    assert_eq!(world.store.deliveries(id, None, 10).await.unwrap(), []);
    assert_eq!(prune(young.plus(PATIENCE + day * 2)).await, (1, 0));
    // Numbers go on, or a cursor would be behind what is new.
    failure(&world, 7, young).await;
    assert_eq!(world.fed(id).await.len(), 1);
}

async fn a_secret_is_kept_beside_the_new_one(world: World) {
    let id = world.listen(&[]).await;
    let rotate = |secret: u8, until| WebhookChange::Secret { secret: vec![secret], previous_until: until };
    world.store.change_webhook(id, rotate(7, after(10)), after(1)).await.unwrap();
    let changed = world.store.change_webhook(id, rotate(8, after(20)), after(2)).await.unwrap().unwrap();
    assert_eq!((changed.secret, changed.previous_secret), (vec![8], Some((vec![7], after(20)))));
    let nobody = IdMaker::new().webhook(START);
    assert_eq!(world.store.change_webhook(nobody, WebhookChange::Enable, after(3)).await.unwrap(), None);
}
