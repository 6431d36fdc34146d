//! A message's story: the events about it, the deliveries of its webhook events, and what it replaced.

use hongyan_ledger::webhook::{EventType as T, Fate};
use hongyan_ledger::{MessageId, MessageState as S, PermitPolicy};
use hongyan_wechat::OpenId;

use super::check::checks;
use super::events::{happens, report, taken};
use super::webhooks::tried;
use super::world::{START, World, after, user};
use crate::types::{ActorKind, CallerId, DeliveryState as D, KeyRecord, MessageStory, NewMessage, Origin};

checks![
    a_story_has_the_events_about_the_message_and_no_others,
    a_story_has_the_deliveries_of_the_message_s_webhook_events,
    a_delivery_is_found_among_many_events,
    a_story_names_the_messages_that_it_replaced,
    a_message_names_from_whom_it_was_accepted,
    a_message_keeps_the_request_and_the_trace_that_it_comes_from,
];

async fn story(world: &World, id: MessageId) -> MessageStory {
    world.store.story(id).await.unwrap().unwrap()
}

/// A message that WeChat takes under this number.
async fn sent(world: &World, openid: &OpenId, msgid: i64, seconds: u64) -> MessageId {
    let sent = world.send(world.message(openid, after(seconds))).await;
    taken(world, &sent, Some(msgid), after(seconds + 1)).await;
    sent.id
}

async fn a_story_has_the_events_about_the_message_and_no_others(world: World) {
    world.subscribe(&user(1), 2).await;
    let first = sent(&world, &user(1), 71, 0).await;
    let second = sent(&world, &user(1), 72, 10).await;
    happens(&world, &user(1), 1, vec![report(Some(71), 0)], after(20)).await;
    happens(&world, &user(1), 2, vec![report(Some(72), 4)], after(21)).await;
    happens(&world, &user(1), 3, vec![], after(22)).await;
    happens(&world, &user(1), 4, vec![report(Some(71), 0)], after(23)).await;
    for (id, state, received) in
        [(first, S::Delivered, vec![after(20), after(23)]), (second, S::Refused, vec![after(21)])]
    {
        let story = story(&world, id).await;
        assert_eq!((story.detail.message.id, story.detail.message.state), (id, state));
        let found: Vec<_> = story.events.iter().map(|event| event.received_at).collect();
        assert_eq!(found, received);
        assert!(story.events.iter().all(|event| event.effects[0].message() == Some(id)));
    }
    let never_made = world.message(&user(1), START).id;
    assert!(world.store.story(never_made).await.unwrap().is_none());
}

async fn a_story_has_the_deliveries_of_the_message_s_webhook_events(world: World) {
    let (all, failures) = (world.listen(&[]).await, world.listen(&[T::MessageFailed]).await);
    world.subscribe(&user(1), 2).await;
    let first = sent(&world, &user(1), 71, 0).await;
    let second = sent(&world, &user(1), 72, 1).await;
    happens(&world, &user(1), 1, vec![report(Some(71), 0)], after(5_000)).await;
    assert_eq!(story(&world, first).await.deliveries, [], "nothing was tried yet");
    let told = world.fed(all).await;
    let outcomes = told.iter().map(|event| match event.kind {
        T::MessageDelivered => tried(event, 500, Fate::Retry(after(5_100)), after(5_001)),
        _ => tried(event, 200, Fate::Taken, after(5_001)),
    });
    world.report(all, outcomes.collect(), after(5_001)).await;
    assert_eq!(world.fed(failures).await, []);
    let deliveries = story(&world, first).await.deliveries;
    let found: Vec<_> = deliveries
        .iter()
        .map(|found| (found.webhook, found.delivery.kind, found.delivery.created_at, found.delivery.state))
        .collect();
    let expected =
        [(all, T::MessageSent, after(1), D::Taken), (all, T::MessageDelivered, after(5_000), D::Pending)];
    assert_eq!(
        found.iter().filter(|(_, kind, ..)| *kind != T::WechatEvent).copied().collect::<Vec<_>>(),
        expected
    );
    let last = deliveries.last().unwrap().delivery.last.clone().unwrap();
    assert_eq!((last.at, last.status), (after(5_001), Some(500)));
    assert!(deliveries.iter().all(|found| found.filter.apps.is_none()));
    let of_second = story(&world, second).await.deliveries;
    assert_eq!(of_second.iter().map(|found| found.delivery.kind).collect::<Vec<_>>(), [T::MessageSent]);
}

async fn a_delivery_is_found_among_many_events(world: World) {
    let all = world.listen(&[T::MessageFailed]).await;
    let mut made = Vec::new();
    for number in 0..40 {
        // Several at once, and long times between.
        let message = world.message(&user(number % 3), after(u64::from(number / 4) * 100));
        made.push(world.begin(message).await.id);
    }
    let told = world.fed(all).await;
    assert_eq!(told.len(), made.len());
    world
        .report(
            all,
            told.iter().map(|event| tried(event, 200, Fate::Taken, after(2_000))).collect(),
            after(2_000),
        )
        .await;
    for (id, event) in made.into_iter().zip(told) {
        let found: Vec<_> =
            story(&world, id).await.deliveries.into_iter().map(|found| found.delivery.event).collect();
        assert_eq!(found, [event.id]);
    }
}

async fn a_story_names_the_messages_that_it_replaced(world: World) {
    let about = |seconds| NewMessage {
        collapse_key: Some("k".into()),
        policy: PermitPolicy::Wait,
        ..world.message(&user(1), after(seconds))
    };
    let first = world.begin(about(0)).await.id;
    let other = NewMessage { collapse_key: None, ..about(0) };
    world.begin(other).await;
    let second = world.begin(about(1)).await.id;
    let third = world.begin(about(1)).await.id;
    assert_eq!(story(&world, first).await.replaced, []);
    assert_eq!(story(&world, second).await.replaced, [first]);
    assert_eq!(story(&world, third).await.replaced, [second]);
    assert_eq!(story(&world, second).await.detail.message.replaced_by, Some(third));
}

async fn a_message_keeps_the_request_and_the_trace_that_it_comes_from(world: World) {
    let all = world.listen(&[T::MessageSent, T::MessageFailed]).await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let origin = Origin { request_id: Some("r-1".into()), traceparent: Some(trace.into()) };
    world.subscribe(&user(1), 1).await;
    let now = NewMessage { origin: origin.clone(), ..world.message(&user(1), START) };
    let first = world.send(now).await;
    assert_eq!(first.origin, origin);
    assert_eq!(world.detail(first.id).await.origin, origin);
    world.answered(&first, 0, after(1)).await;
    // A message that waits for its time is read again from the store.
    world.subscribe(&user(4), 1).await;
    let later = NewMessage { origin: origin.clone(), send_at: after(60), ..world.message(&user(4), START) };
    world.begin(later).await;
    assert_eq!(world.claim(&user(4), after(61)).await.claimed[0].origin, origin);
    // Without a permit a message fails.
    let untraced = Origin { traceparent: None, ..origin.clone() };
    world.begin(NewMessage { origin: untraced, ..world.message(&user(2), START) }).await;
    world.begin(world.message(&user(3), START)).await;
    let told: Vec<_> = world
        .fed(all)
        .await
        .into_iter()
        .map(|event| {
            let data: serde_json::Value = serde_json::from_str(&event.data).unwrap();
            (event.kind, data["request_id"].as_str().map(str::to_owned), event.traceparent)
        })
        .collect();
    let id = Some("r-1".to_owned());
    assert_eq!(
        told,
        [
            (T::MessageSent, id.clone(), Some(trace.to_owned())),
            (T::MessageFailed, id, None),
            (T::MessageFailed, None, None)
        ]
    );
}

async fn a_message_names_from_whom_it_was_accepted(world: World) {
    let record = |name: &str| KeyRecord {
        id: world.ids.key(START),
        name: name.to_owned(),
        hash: [name.len() as u8; 32],
        scopes: vec!["messages".into()],
        apps: None,
        created_at: START,
        created_by: None,
        expires_at: None,
        last_used_at: None,
        revoked_at: None,
    };
    let (orders, other) = (record("orders"), record("other key"));
    for key in [&orders, &other] {
        world.store.add_key(key.clone()).await.unwrap();
    }
    let gone = CallerId::Person(world.ids.person(START));
    let mut numbers = Vec::new();
    for caller in [CallerId::Key(orders.id), CallerId::Key(other.id), gone, CallerId::Key(orders.id)] {
        numbers.push(world.store.caller(caller).await.unwrap());
    }
    assert_eq!(numbers[0], numbers[3], "a caller has one number");
    for (one, another) in [(0, 1), (0, 2), (1, 2)] {
        assert_ne!(numbers[one], numbers[another]);
    }
    let accepted = async |accepted_by| {
        let message = NewMessage { accepted_by, ..world.message(&user(1), START) };
        let id = world.begin(message).await.id;
        let by = world.store.message(id).await.unwrap().unwrap().accepted_by;
        by.map(|actor| (actor.kind, actor.id.unwrap(), actor.name))
    };
    assert_eq!(accepted(None).await, None);
    let by_key = (ActorKind::Key, orders.id.to_string(), Some("orders".to_owned()));
    assert_eq!(accepted(Some(numbers[0])).await, Some(by_key));
    let CallerId::Person(person) = gone else { unreachable!("it is a person") };
    assert_eq!(accepted(Some(numbers[2])).await, Some((ActorKind::Person, person.to_string(), None)));
}
