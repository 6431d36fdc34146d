//! What people ask about messages.

use hongyan_ledger::{MessageId, MessageState as S, PermitPolicy};

use super::checks;
use super::world::{START, World, after, appid, template, user};
use crate::types::{MessageFilter, NewMessage};

checks![messages_are_listed_newest_first_in_pages, messages_are_found_by_what_is_known_of_them];

async fn list(world: &World, filter: MessageFilter) -> Vec<MessageId> {
    let filter = MessageFilter { limit: filter.limit.max(2), ..filter };
    world.store.messages(filter).await.unwrap().into_iter().map(|view| view.id).collect()
}

async fn messages_are_listed_newest_first_in_pages(world: World) {
    let mut all = Vec::new();
    for n in 0..5 {
        all.push(world.begin(world.message(&user(n % 2), after(u64::from(n)))).await.id);
    }
    all.reverse();
    let mut pages = Vec::new();
    let mut before = None;
    loop {
        let page = list(&world, MessageFilter { before, ..MessageFilter::default() }).await;
        let Some(&last) = page.last() else { break };
        before = Some(last);
        pages.extend(page);
    }
    assert_eq!(pages, all);
    let of_user = MessageFilter {
        appid: Some(appid()),
        openid: Some(user(1)),
        before: Some(all[1]),
        ..MessageFilter::default()
    };
    assert_eq!(list(&world, of_user).await, [all[3]], "the page before ended with the newer one");
}

async fn messages_are_found_by_what_is_known_of_them(world: World) {
    let failed = world.begin(world.message(&user(1), START)).await.id;
    let waiting = NewMessage {
        policy: PermitPolicy::Wait,
        template: template("other"),
        reference: Some("order-7".into()),
        ..world.message(&user(2), START)
    };
    let waiting = world.begin(waiting).await.id;
    let any = MessageFilter::default;
    let app = || MessageFilter { appid: Some(appid()), ..any() };
    let cases = [
        (MessageFilter { state: Some(S::Failed), ..any() }, vec![failed]),
        (MessageFilter { state: Some(S::Waiting), ..app() }, vec![waiting]),
        (MessageFilter { template: Some(template("other")), ..any() }, vec![waiting]),
        (MessageFilter { openid: Some(user(1)), ..any() }, vec![failed]),
        (MessageFilter { openid: Some(user(1)), ..app() }, vec![failed]),
        (MessageFilter { openid: Some(user(1)), state: Some(S::Sent), ..app() }, vec![]),
        (MessageFilter { reference: Some("order-7".into()), ..app() }, vec![waiting]),
        (MessageFilter { reference: Some("order-7".into()), ..any() }, vec![waiting]),
        (MessageFilter { appid: Some("wx0000000000000009".parse().unwrap()), ..any() }, vec![]),
    ];
    for (filter, expected) in cases {
        assert_eq!(list(&world, filter.clone()).await, expected, "{filter:?}");
    }
    let view = world.detail(waiting).await.message;
    assert_eq!(view.reference.as_deref(), Some("order-7"));
    assert_eq!((view.policy, view.accepted_at), (PermitPolicy::Wait, START));
}
