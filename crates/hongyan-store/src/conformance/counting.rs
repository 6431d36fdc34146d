//! Figures over time: what happened is counted once, where it happened, and no sum changes when it grows old.

use std::collections::HashMap;
use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_ledger::resolve::{Then, Verdict, Witness};
use hongyan_ledger::tally::{Counted, DAYS_KEPT, HOURS_KEPT, Lag, MINUTES_KEPT, TallyCause, TallyStep};
use hongyan_ledger::{Lane, MessageState as S, PermitPolicy, ReasonCode};
use hongyan_wechat::{AppId, Errcode, OpenId};

use super::check::checks;
use super::world::{START, World, after, app, appid, template, user};
use crate::Store;
use crate::types::{
    Idempotency, NewMessage, PruneOrder, PruneWalk, ResolveOrder, Resolved, TallyBy, TallyFilter, TallyPart,
};

checks![
    what_becomes_of_a_message_is_counted_once_in_its_minute_with_its_reason,
    the_lag_is_from_when_a_message_was_due_however_it_was_settled,
    a_message_that_leaves_unknown_is_counted_where_it_goes_too,
    what_is_repeated_counts_nothing,
    a_verb_that_fails_counts_nothing_and_the_others_of_its_group_count_once,
    figures_are_summed_up_by_app_and_template_and_only_of_those_asked_for,
    old_minutes_become_hours_and_old_hours_days_and_no_sum_changes,
    figures_stay_when_messages_and_apps_go,
    what_two_stores_count_adds_up,
];

const DAY: u64 = 86_400;

fn filter(step: TallyStep) -> TallyFilter {
    let (since, until) = (START.minus(DAYS_KEPT), START.plus(DAYS_KEPT));
    TallyFilter { apps: None, template: None, since, until, step, by: None }
}

/// All counts in steps of this length: the step's beginning, what, how often.
async fn counts(store: &dyn Store, step: TallyStep) -> Vec<(UnixMillis, Counted, u64)> {
    store.tallies(filter(step)).await.unwrap().steps
}

/// All that was counted, with sends of every lag as one.
async fn sums(store: &dyn Store) -> HashMap<Counted, u64> {
    let mut sums = HashMap::new();
    for (_, counted, count) in counts(store, TallyStep::Day).await {
        let counted = if let Counted::Sent(_) = counted { Counted::Sent(None) } else { counted };
        *sums.entry(counted).or_default() += count;
    }
    sums
}

async fn counted(world: &World, counted: Counted) -> u64 {
    sums(&*world.store).await.get(&counted).copied().unwrap_or(0)
}

const fn cause(reason: ReasonCode, errcode: Option<i32>) -> TallyCause {
    let errcode = match errcode {
        Some(errcode) => Some(Errcode(errcode)),
        None => None,
    };
    TallyCause { reason, errcode }
}

/// A message that is accepted and sent at once, by the plain way.
async fn send(world: &World, number: u32, at: UnixMillis) {
    world.subscribe(&user(number), 1).await;
    let claimed = world.send(world.message(&user(number), at)).await;
    world.answered(&claimed, 0, at).await;
}

async fn what_becomes_of_a_message_is_counted_once_in_its_minute_with_its_reason(world: World) {
    send(&world, 1, START).await;
    world.begin(world.message(&user(2), after(60))).await;
    world.subscribe(&user(3), 3).await;
    let refused = world.send(world.message(&user(3), after(120))).await;
    world.answered(&refused, 47003, after(120)).await;
    let lost = world.send(world.message(&user(3), after(120))).await;
    world.settle(World::silence(&lost, after(121))).await;
    let scheduled = NewMessage { send_at: after(900), ..world.message(&user(4), after(180)) };
    let cancelled = world.begin(scheduled).await.id;
    world.store.cancel(cancelled, after(240)).await.unwrap();
    let waiting = NewMessage {
        policy: PermitPolicy::Wait,
        deadline: Some(after(300)),
        ..world.message(&user(5), after(180))
    };
    world.begin(waiting).await;
    world.claim(&user(5), after(300)).await;
    let again = world.send(world.message(&user(3), after(360))).await;
    world.answered(&again, -1, after(361)).await;
    let retried = world.claim(&user(3), after(420)).await.claimed.remove(0);
    world.answered(&retried, 0, after(420)).await;

    let minute = |n: u64| TallyStep::Minute.start_of(after(60 * n));
    let at_once = Counted::Sent(Some(Lag::between(START, START)));
    let late = Counted::Sent(Some(Lag::between(after(360), after(420))));
    let expected = [
        (minute(0), Counted::Accepted, 1),
        (minute(0), at_once, 1),
        (minute(1), Counted::Accepted, 1),
        (minute(1), Counted::Failed(cause(ReasonCode::NoPermit, None)), 1),
        (minute(2), Counted::Accepted, 2),
        (minute(2), Counted::Failed(cause(ReasonCode::WechatRefused, Some(47003))), 1),
        (minute(2), Counted::Unknown, 1),
        (minute(3), Counted::Accepted, 2),
        (minute(4), Counted::Cancelled, 1),
        (minute(5), Counted::Expired, 1),
        (minute(6), Counted::Accepted, 1),
        (minute(7), late, 1),
        (minute(7), Counted::Retried, 1),
    ];
    assert_eq!(counts(&*world.store, TallyStep::Minute).await, expected);
}

async fn the_lag_is_from_when_a_message_was_due_however_it_was_settled(world: World) {
    world.subscribe(&user(1), 3).await;
    let millis = |n: u64| START.plus(Duration::from_millis(n));
    // The plain way.
    let plain = world.send(world.message(&user(1), START)).await;
    world.answered(&plain, 0, millis(100)).await;
    // Another message of the user is ready behind it.
    let first = world.send(world.message(&user(1), millis(200))).await;
    world.begin(world.message(&user(1), millis(200))).await;
    let next = world.answered(&first, 0, millis(300)).await.next.unwrap();
    world.answered(&next, 0, millis(900)).await;
    // Scheduled: what lies before its time is no lag.
    let later =
        NewMessage { send_at: after(50), policy: PermitPolicy::Try, ..world.message(&user(2), START) };
    world.begin(later).await;
    let due = world.claim(&user(2), after(50)).await.claimed.remove(0);
    world.answered(&due, 0, after(50).plus(Duration::from_millis(3))).await;
    let lags: Vec<_> = counts(&*world.store, TallyStep::Hour)
        .await
        .into_iter()
        .filter_map(|(_, counted, count)| match counted {
            Counted::Sent(lag) => Some((lag.unwrap().at_most(), count)),
            _ => None,
        })
        .collect();
    assert_eq!(lags, [(4, 1), (128, 2), (1_024, 1)]);
}

async fn a_message_that_leaves_unknown_is_counted_where_it_goes_too(world: World) {
    for (number, verdict) in [
        (1, Verdict::Sent),
        (2, Verdict::NotSent { then: Then::Fail }),
        (3, Verdict::NotSent { then: Then::Send }),
    ] {
        world.subscribe(&user(number), 1).await;
        let lost = world.send(world.message(&user(number), START)).await;
        world.settle(World::silence(&lost, START)).await;
        let order = ResolveOrder {
            id: lost.id,
            verdict,
            witness: Witness::Operator,
            attempt: None,
            listened: None,
            now: after(60),
        };
        for _ in 0..2 {
            let resolved = world.store.resolve(order.clone()).await.unwrap();
            assert!(matches!(resolved, Resolved::Done { .. } | Resolved::Repeated { .. }), "{resolved:?}");
        }
    }
    let minute = TallyStep::Minute.start_of(after(60));
    let later = counts(&*world.store, TallyStep::Minute).await;
    let later: Vec<_> = later.into_iter().filter(|(start, ..)| *start == minute).collect();
    let given_up = Counted::Failed(cause(ReasonCode::GivenUp, None));
    assert_eq!(later, [(minute, Counted::Sent(None), 1), (minute, given_up, 1)]);
    assert_eq!(counted(&world, Counted::Unknown).await, 3);
}

async fn what_is_repeated_counts_nothing(world: World) {
    world.subscribe(&user(1), 1).await;
    let idempotency = Some(Idempotency { key_hash: [1; 8], fingerprint: [1; 8] });
    let keyed = || NewMessage { idempotency, ..world.message(&user(1), START) };
    let claimed = world.send(keyed()).await;
    world.store.accept(vec![keyed()]).await.unwrap();
    for _ in 0..2 {
        world.answered(&claimed, 0, START).await;
    }
    let sums = sums(&*world.store).await;
    assert_eq!(sums, HashMap::from([(Counted::Accepted, 1), (Counted::Sent(None), 1)]));
}

async fn a_verb_that_fails_counts_nothing_and_the_others_of_its_group_count_once(world: World) {
    // An id that was made for another lane than its user's.
    let elsewhere = |openid: &OpenId| {
        let other = Lane::all().find(|lane| *lane != Lane::of(&appid(), openid)).unwrap();
        NewMessage { id: world.ids.message(other, START), ..world.message(openid, START) }
    };
    let calls = (0..40).map(|n| {
        let mut messages = vec![NewMessage { start: None, ..world.message(&user(n), START) }];
        if n % 4 == 0 {
            messages.push(elsewhere(&user(n)));
        }
        world.store.accept(messages)
    });
    let done = futures_util::future::join_all(calls).await;
    assert_eq!(done.iter().filter(|done| done.is_err()).count(), 10);
    let no_permit = Counted::Failed(cause(ReasonCode::NoPermit, None));
    assert_eq!(sums(&*world.store).await, HashMap::from([(Counted::Accepted, 30), (no_permit, 30)]));
}

async fn figures_are_summed_up_by_app_and_template_and_only_of_those_asked_for(world: World) {
    let other: AppId = "wxfedcba9876543210".parse().unwrap();
    assert!(world.store.add_app(app(other.clone())).await.unwrap());
    world.begin(world.message(&user(1), START)).await;
    for _ in 0..2 {
        world.begin(world.legacy(&user(1), START)).await;
    }
    let lane = Lane::of(&other, &user(1));
    let of_other = NewMessage {
        id: world.ids.message(lane, START),
        appid: other.clone(),
        start: None,
        ..world.message(&user(1), START)
    };
    world.begin(of_other).await;

    let all = filter(TallyStep::Hour);
    let of = |by, change: &dyn Fn(&mut TallyFilter)| {
        let mut filter = TallyFilter { by: Some(by), ..all.clone() };
        change(&mut filter);
        let store = &world.store;
        async move {
            let counts = store.tallies(filter).await.unwrap();
            let accepted = |counted: &Counted| *counted == Counted::Accepted;
            let steps: u64 = counts
                .steps
                .iter()
                .filter(|(_, counted, _)| accepted(counted))
                .map(|(.., count)| count)
                .sum();
            let parts = counts.parts.into_iter().filter(|part| accepted(&part.counted));
            let named = parts.map(|TallyPart { app, template, count, .. }| (app, template, count));
            (steps, named.collect::<Vec<_>>())
        }
    };
    let (sub, legacy) = (Some(template("sub")), Some(template("legacy")));
    let everything = |_: &mut TallyFilter| {};
    assert_eq!(of(TallyBy::App, &everything).await, (4, vec![(appid(), None, 3), (other.clone(), None, 1)]));
    assert_eq!(
        of(TallyBy::Template, &everything).await,
        (4, vec![(appid(), legacy.clone(), 2), (appid(), sub.clone(), 1), (other.clone(), sub.clone(), 1)])
    );
    let of_one = |filter: &mut TallyFilter| filter.apps = Some(vec![appid()]);
    assert_eq!(of(TallyBy::App, &of_one).await, (3, vec![(appid(), None, 3)]));
    let of_none = |filter: &mut TallyFilter| filter.apps = Some(vec![]);
    assert_eq!(of(TallyBy::App, &of_none).await, (0, vec![]));
    let of_sub = |filter: &mut TallyFilter| filter.template.clone_from(&sub);
    assert_eq!(of(TallyBy::App, &of_sub).await, (2, vec![(appid(), None, 1), (other, None, 1)]));
    let before = |filter: &mut TallyFilter| filter.until = TallyStep::Hour.start_of(START);
    assert_eq!(of(TallyBy::App, &before).await, (0, vec![]));
    // A step is counted whole.
    let within = |filter: &mut TallyFilter| {
        (filter.since, filter.until) = (START, START.plus(Duration::from_millis(1)));
    };
    assert_eq!(of(TallyBy::App, &within).await.0, 4);
}

/// Clears away what is old at this moment, in steps of a few rows. Returns how many counts were taken away.
async fn roll_up(world: &World, now: UnixMillis) -> u32 {
    let order = PruneOrder { before: None, audit_before: None, now, limit: 3 };
    let (mut taken, mut at) = (0, Some(PruneWalk::START));
    for _ in 0..1_000 {
        let Some(walk) = at else { return taken };
        let step = world.store.prune(walk, order).await.unwrap();
        assert!(step.rows() <= order.limit);
        taken += step.tallies;
        at = step.next;
    }
    panic!("the walk does not end");
}

async fn old_minutes_become_hours_and_old_hours_days_and_no_sum_changes(world: World) {
    // Over some hours on both sides of midnight in China, minute by minute.
    let midnight = TallyStep::Day.after(TallyStep::Day.start_of(START));
    let moments = (-6..6).map(|n: i64| UnixMillis(midnight.0 + n * 1_900_000));
    for (number, at) in (0..).zip(moments.clone()) {
        send(&world, number, at).await;
        world.begin(world.message(&user(99), at)).await;
    }
    let store = &*world.store;
    let by_step = async || [counts(store, TallyStep::Hour).await, counts(store, TallyStep::Day).await];
    let (minutes, [hours, days]) = (counts(store, TallyStep::Minute).await, by_step().await);
    assert_eq!((minutes.len(), days.len()), (12 * 3, 2 * 3));
    let (first, last) = (moments.clone().min().unwrap(), moments.max().unwrap());

    assert_eq!(roll_up(&world, first.plus(MINUTES_KEPT)).await, 0, "they are kept for so long");
    assert_eq!(counts(store, TallyStep::Minute).await, minutes);
    let now = last.plus(MINUTES_KEPT).plus(Duration::from_secs(2 * DAY));
    assert_eq!(roll_up(&world, now).await, 36);
    assert_eq!(counts(store, TallyStep::Minute).await, []);
    assert_eq!(by_step().await, [hours.clone(), days.clone()]);
    assert_eq!(roll_up(&world, now).await, 0);

    assert_eq!(roll_up(&world, first.plus(HOURS_KEPT)).await, 0);
    let now = last.plus(HOURS_KEPT).plus(Duration::from_secs(2 * DAY));
    assert_eq!(roll_up(&world, now).await as usize, hours.len());
    assert_eq!(by_step().await, [vec![], days.clone()]);

    assert_eq!(roll_up(&world, first.plus(DAYS_KEPT)).await, 0);
    assert_eq!(roll_up(&world, last.plus(DAYS_KEPT).plus(Duration::from_secs(3 * DAY))).await, 6);
    assert_eq!(by_step().await, [vec![], vec![]]);
}

async fn figures_stay_when_messages_and_apps_go(world: World) {
    send(&world, 1, START).await;
    let before = sums(&*world.store).await;
    let order = PruneOrder { before: Some(after(1)), audit_before: None, now: after(DAY), limit: 100 };
    assert_eq!(world.store.prune(PruneWalk::START, order).await.unwrap().messages, 1);
    assert!(world.store.remove_app(appid(), after(DAY)).await.unwrap());
    assert_eq!(sums(&*world.store).await, before);
}

async fn what_two_stores_count_adds_up(world: World) {
    let stores = world.two_stores().await;
    for (store, number) in [(&stores[0], 1), (&stores[1], 2), (&stores[0], 3)] {
        let answers = store.accept(vec![world.message(&user(number), START)]).await.unwrap();
        assert_eq!(answers.len(), 1);
    }
    for store in &stores {
        let hour = TallyStep::Hour.start_of(START);
        let no_permit = Counted::Failed(cause(ReasonCode::NoPermit, None));
        assert_eq!(
            counts(&**store, TallyStep::Hour).await,
            [(hour, Counted::Accepted, 3), (hour, no_permit, 3)]
        );
    }
    assert_eq!(world.messages_of(&user(3)).await[0].state, S::Failed);
}
