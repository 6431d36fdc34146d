//! A message's story: the events about it, the deliveries of its webhook events, and what it replaced.

use hongyan_ledger::webhook::{EventType as T, Fate};
use hongyan_ledger::{MessageId, MessageState as S, PermitPolicy};
use hongyan_wechat::OpenId;

use super::check::checks;
use super::events::{happens, report, taken};
use super::webhooks::tried;
use super::world::{START, World, after, user};
use crate::types::{DeliveryState as D, MessageStory, NewMessage};

checks![
    a_story_has_the_events_about_the_message_and_no_others,
    a_story_has_the_deliveries_of_the_message_s_webhook_events,
    a_delivery_is_found_among_many_events,
    a_story_names_the_messages_that_it_replaced,
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
