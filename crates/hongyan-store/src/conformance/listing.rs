//! Lists of messages, for people.

use hongyan_ledger::{Lane, MessageId, MessageState as S, PermitPolicy, ReasonCode};
use hongyan_wechat::{AppId, Errcode};

use super::check::checks;
use super::world::{START, World, after, appid, template, user};
use crate::types::{MessageFilter, NewMessage};

checks![
    messages_are_listed_newest_first_in_pages,
    messages_are_found_by_what_is_known_of_them,
    messages_of_some_apps_are_listed_together_and_no_others,
    a_page_ends_where_it_has_looked_at_enough_and_says_where_to_go_on,
    messages_are_read_together_by_their_ids,
];

async fn list(world: &World, filter: MessageFilter) -> Vec<MessageId> {
    let filter = MessageFilter { limit: filter.limit.max(2), ..filter };
    world.store.messages(filter).await.unwrap().items.into_iter().map(|view| view.id).collect()
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
        apps: Some(vec![appid()]),
        openid: Some(user(1)),
        before: Some(all[1]),
        ..MessageFilter::default()
    };
    assert_eq!(list(&world, of_user).await, [all[3]], "the page before ended with the newer message");
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
    let app = || MessageFilter { apps: Some(vec![appid()]), ..any() };
    let cases = [
        (MessageFilter { states: vec![S::Failed], ..any() }, vec![failed]),
        (MessageFilter { states: vec![S::Unknown], ..any() }, vec![]),
        (MessageFilter { states: vec![S::Unknown, S::Failed, S::Waiting], ..any() }, vec![waiting, failed]),
        (MessageFilter { states: vec![S::Sent, S::Failed], ..any() }, vec![failed]),
        (
            MessageFilter { reason: Some(ReasonCode::NoPermit), states: vec![S::Failed], ..any() },
            vec![failed],
        ),
        (MessageFilter { reason: Some(ReasonCode::UserBusy), ..any() }, vec![]),
        (MessageFilter { errcode: Some(Errcode(43101)), ..any() }, vec![]),
        (MessageFilter { since: Some(START), until: Some(after(1)), ..any() }, vec![waiting, failed]),
        (MessageFilter { since: Some(after(1)), ..any() }, vec![]),
        (MessageFilter { until: Some(START), ..app() }, vec![]),
        (MessageFilter { states: vec![S::Waiting], ..app() }, vec![waiting]),
        (MessageFilter { template: Some(template("other")), ..any() }, vec![waiting]),
        (MessageFilter { openid: Some(user(1)), ..any() }, vec![failed]),
        (MessageFilter { openid: Some(user(1)), ..app() }, vec![failed]),
        (MessageFilter { openid: Some(user(1)), states: vec![S::Sent], ..app() }, vec![]),
        (MessageFilter { reference: Some("order-7".into()), ..app() }, vec![waiting]),
        (MessageFilter { reference: Some("order-7".into()), ..any() }, vec![waiting]),
        (MessageFilter { apps: Some(vec![another(9)]), ..any() }, vec![]),
    ];
    for (filter, expected) in cases {
        assert_eq!(list(&world, filter.clone()).await, expected, "{filter:?}");
    }
    let view = world.detail(waiting).await.message;
    assert_eq!(view.reference.as_deref(), Some("order-7"));
    assert_eq!((view.policy, view.accepted_at), (PermitPolicy::Wait, START));
}

/// An app beside the usual one.
fn another(n: u8) -> AppId {
    format!("wx000000000000000{n}").parse().unwrap()
}

async fn messages_of_some_apps_are_listed_together_and_no_others(world: World) {
    let [second, third] = [another(8), another(9)];
    let mut ids = Vec::new();
    for (n, app) in [appid(), second.clone(), third.clone(), second.clone(), appid()].into_iter().enumerate()
    {
        let (lane, at) = (Lane::of(&app, &user(1)), after(n as u64));
        let message = NewMessage {
            id: world.ids.message(lane, at),
            appid: app,
            reference: (n < 4).then(|| "order-7".to_owned()),
            start: Some(world.epoch(lane)),
            ..world.message(&user(1), at)
        };
        ids.push(world.begin(message).await.id);
    }
    let pages = async |filter: MessageFilter| {
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let page = world.store.messages(MessageFilter { before, ..filter.clone() }).await.unwrap();
            assert!(page.items.len() <= filter.limit as usize, "{filter:?}");
            found.extend(page.items.into_iter().map(|view| view.id));
            before = page.next;
            if before.is_none() {
                return found;
            }
        }
    };
    let newest_first = [4, 3, 1, 0].map(|n| ids[n]);
    let any = || MessageFilter { limit: 9, ..MessageFilter::default() };
    let two = || MessageFilter { apps: Some(vec![appid(), second.clone()]), ..any() };
    let by = |reference: &str| Some(reference.to_owned());
    for limit in [1, 2, 3, 9] {
        let two = || MessageFilter { limit, ..two() };
        assert_eq!(pages(two()).await, newest_first);
        assert_eq!(pages(MessageFilter { openid: Some(user(1)), ..two() }).await, newest_first);
        // Only the usual app is registered, so the messages of the others are not looked at yet.
        let failed = MessageFilter { states: vec![S::Failed], ..two() };
        assert_eq!(pages(failed).await, [ids[4], ids[0]]);
        assert_eq!(pages(MessageFilter { reference: by("order-7"), ..two() }).await, newest_first[1..]);
        let later = MessageFilter { openid: Some(user(1)), since: Some(after(3)), ..two() };
        assert_eq!(pages(later).await, newest_first[..2]);
    }
    assert_eq!(pages(MessageFilter { openid: Some(user(2)), ..two() }).await, []);
    assert_eq!(pages(MessageFilter { reference: by("order-8"), ..two() }).await, []);
    for filter in [any(), MessageFilter { openid: Some(user(1)), ..any() }] {
        assert_eq!(
            pages(MessageFilter { apps: Some(vec![third.clone()]), ..filter.clone() }).await,
            [ids[2]]
        );
        assert_eq!(pages(MessageFilter { apps: Some(vec![]), ..filter }).await, [], "no app has no messages");
    }
}

async fn a_page_ends_where_it_has_looked_at_enough_and_says_where_to_go_on(world: World) {
    // The oldest message waits. A search for it must pass the newer messages, which have failed.
    let waits = NewMessage { policy: PermitPolicy::Wait, ..world.message(&user(0), START) };
    let waits = world.begin(waits).await.id;
    let mut failed = Vec::new();
    for n in 1..=6 {
        failed.push(world.begin(world.message(&user(n), after(u64::from(n)))).await.id);
    }
    failed.reverse();
    let looks_at = |state, before, look_at| MessageFilter {
        states: vec![state],
        before,
        limit: 10,
        look_at,
        ..MessageFilter::default()
    };
    let page = async |filter| {
        let page = world.store.messages(filter).await.unwrap();
        (page.items.iter().map(|view| view.id).collect::<Vec<_>>(), page.next)
    };
    assert_eq!(
        page(looks_at(S::Waiting, None, 4)).await,
        (vec![], Some(failed[3])),
        "an empty page that is not the last"
    );
    assert_eq!(page(looks_at(S::Waiting, Some(failed[3]), 4)).await, (vec![waits], None));
    // Failed messages are found by an index, so no other messages are looked at.
    assert_eq!(page(looks_at(S::Failed, None, 6)).await, (failed.clone(), None));
    let two = MessageFilter { limit: 2, ..looks_at(S::Failed, None, 6) };
    assert_eq!(page(two).await, (failed[..2].to_vec(), Some(failed[1])));
    // If the last failed message fills a page, the page is the last one.
    let rest = MessageFilter { limit: 4, ..looks_at(S::Failed, Some(failed[1]), 6) };
    assert_eq!(page(rest).await, (failed[2..].to_vec(), None));
}

async fn messages_are_read_together_by_their_ids(world: World) {
    let failed = world.begin(world.message(&user(1), START)).await.id;
    let waits = NewMessage { policy: PermitPolicy::Wait, ..world.message(&user(2), START) };
    let waits = world.begin(waits).await.id;
    let never_made = world.message(&user(3), START).id;
    let views = world.store.message_views(vec![waits, never_made, failed]).await.unwrap();
    let states: Vec<_> = views.iter().map(|view| view.as_ref().map(|view| (view.id, view.state))).collect();
    assert_eq!(states, [Some((waits, S::Waiting)), None, Some((failed, S::Failed))]);
}
