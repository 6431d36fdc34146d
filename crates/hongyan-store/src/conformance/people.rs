//! People, their sessions, links that log in; and what people ask of users, nodes and figures.

use std::time::Duration;

use hongyan_ledger::{Lane, MessageState as S, PermitKind, PermitPolicy};
use hongyan_wechat::AppId;

use super::check::checks;
use super::world::{START, World, after, appid, template, user};
use crate::types::{
    ConsoleSession, LoginLink, LoginRecord, MAX_PERMITS_COUNTED, NewMessage, NewPassword, NewPermit, NewTotp,
    PermitsOfKind, PersonChange, PersonChanged, PersonRecord, Reach, ReachParts, UserFilter,
};

checks![
    a_person_is_added_once_by_name_and_changed_and_removed,
    of_two_admins_who_take_each_other_away_at_once_one_is_left,
    a_session_ends_by_time_by_word_and_with_the_password,
    wrong_passwords_are_counted_until_a_login,
    a_code_of_the_second_factor_is_good_once,
    a_link_logs_in_once_and_not_too_late,
    users_are_found_by_the_start_of_an_openid_and_by_unionid,
    open_messages_are_counted_by_state,
    usable_permits_are_counted_by_app_and_kind_with_what_expires,
    a_count_of_usable_permits_ends_after_so_many_and_says_so,
    reach_is_told_by_kind_and_template_with_what_expires,
    nodes_are_listed_with_their_lanes,
];

fn person(world: &World, name: &str) -> PersonRecord {
    PersonRecord {
        id: world.ids.person(START),
        name: name.to_owned(),
        role: "viewer".to_owned(),
        apps: Some(vec![appid()]),
        password: "first".to_owned(),
        must_change_password: true,
        totp: None,
        totp_step: 0,
        failures: 0,
        failed_at: None,
        created_at: START,
        logged_in_at: None,
    }
}

fn session(person: &PersonRecord, hash: u8) -> ConsoleSession {
    ConsoleSession {
        hash: [hash; 32],
        person: person.id,
        created_at: after(1),
        used_at: after(1),
        expires_at: after(100),
        address: None,
        user_agent: None,
    }
}

async fn a_person_is_added_once_by_name_and_changed_and_removed(world: World) {
    let (anna, bo) = (person(&world, "anna"), person(&world, "bo"));
    let store = &world.store;
    assert!(store.add_person(bo.clone()).await.unwrap() && store.add_person(anna.clone()).await.unwrap());
    assert!(!store.add_person(person(&world, "anna")).await.unwrap(), "the name is taken");
    assert_eq!(store.people().await.unwrap(), [anna.clone(), bo.clone()], "by name");
    assert_eq!(store.person("bo").await.unwrap(), Some(bo.clone()));
    assert_eq!(store.person("nobody").await.unwrap(), None);
    let change = PersonChange {
        role: Some("admin".into()),
        apps: Some(None),
        totp: Some(Some(NewTotp { sealed: vec![7], step: 5 })),
        ..PersonChange::default()
    };
    let changed = store.change_person(bo.id, change).await.unwrap().done().unwrap();
    assert_eq!(
        changed,
        PersonRecord { role: "admin".into(), apps: None, totp: Some(vec![7]), totp_step: 5, ..bo.clone() }
    );
    assert_eq!(store.person("bo").await.unwrap(), Some(changed));
    let removed = store.remove_person(bo.id, None).await.unwrap().done();
    assert_eq!(removed.map(|person| person.id), Some(bo.id));
    assert_eq!(store.remove_person(bo.id, None).await.unwrap(), PersonChanged::Unknown);
    let change = PersonChange::default();
    assert_eq!(store.change_person(bo.id, change).await.unwrap(), PersonChanged::Unknown);
    assert_eq!(store.people().await.unwrap(), [anna]);
}

async fn of_two_admins_who_take_each_other_away_at_once_one_is_left(world: World) {
    let store = &world.store;
    let admin = |name, apps| PersonRecord { role: "admin".into(), apps, ..person(&world, name) };
    let (anna, bo, limited) = (admin("anna", None), admin("bo", None), admin("cai", Some(vec![appid()])));
    let must_leave = || Some("admin".to_owned());
    let change = |role: &str| PersonChange {
        role: Some(role.to_owned()),
        must_leave: must_leave(),
        ..PersonChange::default()
    };
    for person in [&anna, &bo, &limited] {
        store.add_person(person.clone()).await.unwrap();
    }
    let both = tokio::join!(
        store.remove_person(anna.id, must_leave()),
        store.change_person(bo.id, change("viewer"))
    );
    let is_last = |changed: &PersonChanged| matches!(changed, PersonChanged::IsLast(_));
    let both = [both.0.unwrap(), both.1.unwrap()];
    assert_eq!(both.iter().filter(|changed| is_last(changed)).count(), 1, "{both:?}");
    let left = if is_last(&both[0]) { &anna } else { &bo };
    assert!(is_last(&store.remove_person(left.id, must_leave()).await.unwrap()), "cai sees one app alone");
    let few = PersonChange { apps: Some(Some(vec![appid()])), ..change("admin") };
    assert!(is_last(&store.change_person(left.id, few).await.unwrap()));
    assert_eq!(store.person(&left.name).await.unwrap().as_ref(), Some(left));
    assert!(store.change_person(left.id, change("admin")).await.unwrap().done().is_some());
    assert!(store.remove_person(limited.id, must_leave()).await.unwrap().done().is_some());
}

async fn a_session_ends_by_time_by_word_and_with_the_password(world: World) {
    let (anna, bo) = (person(&world, "anna"), person(&world, "bo"));
    let store = &world.store;
    for person in [&anna, &bo] {
        store.add_person(person.clone()).await.unwrap();
    }
    for (person, hash) in [(&anna, 1), (&anna, 2), (&anna, 3), (&bo, 4)] {
        assert!(store.log_in(session(person, hash), None).await.unwrap());
    }
    let stranger = person(&world, "nobody");
    assert!(!store.log_in(session(&stranger, 9), None).await.unwrap(), "there is no such person");
    let who = async |hash, at| {
        let found = store.console_session([hash; 32], at).await.unwrap();
        found.map(|(_, person)| person.name)
    };
    assert_eq!(who(1, after(99)).await.as_deref(), Some("anna"));
    assert_eq!(who(1, after(100)).await, None, "its time is over");
    assert_eq!(who(9, after(2)).await, None);
    store.console_session_used([1; 32], after(50)).await.unwrap();
    let (used, _) = store.console_session([1; 32], after(51)).await.unwrap().unwrap();
    assert_eq!(used.used_at, after(50));
    let (address, user_agent) = (Some("2001:db8::1".to_owned()), Some("curl/8.5.0".to_owned()));
    let later = ConsoleSession { created_at: after(9), address, user_agent, ..session(&anna, 5) };
    assert!(store.log_in(later.clone(), None).await.unwrap());
    let open = async |at| store.console_sessions(anna.id, at).await.unwrap();
    let hashes: Vec<_> = open(after(51)).await.iter().map(|session| session.hash[0]).collect();
    assert_eq!(hashes, [5, 1, 2, 3], "newest first, and nobody else's");
    assert_eq!(open(after(51)).await[0], later);
    assert!(open(after(100)).await.is_empty());
    assert!(store.end_console_session([5; 32]).await.unwrap());
    assert!(store.end_console_session([2; 32]).await.unwrap());
    assert!(!store.end_console_session([2; 32]).await.unwrap());
    let password = NewPassword { hash: "second".into(), must_change: false, keep_session: Some([3; 32]) };
    let change = PersonChange { password: Some(password), ..PersonChange::default() };
    let changed = store.change_person(anna.id, change).await.unwrap().done().unwrap();
    assert_eq!((changed.password.as_str(), changed.must_change_password), ("second", false));
    assert_eq!(who(1, after(2)).await, None, "whoever knew the old password is out");
    assert_eq!(who(3, after(2)).await.as_deref(), Some("anna"), "but for the session that changed it");
    assert_eq!(who(4, after(2)).await.as_deref(), Some("bo"), "and others");
    assert_eq!(store.end_console_sessions(bo.id).await.unwrap(), 1);
    assert_eq!(who(4, after(2)).await, None);
    store.remove_person(anna.id, None).await.unwrap();
    assert_eq!(who(3, after(2)).await, None, "nobody is logged in who is not there");
}

async fn wrong_passwords_are_counted_until_a_login(world: World) {
    let anna = person(&world, "anna");
    let store = &world.store;
    store.add_person(anna.clone()).await.unwrap();
    for failures in 1..=3 {
        let noted = store.login_failed(anna.id, after(failures)).await.unwrap().unwrap();
        assert_eq!((u64::from(noted.failures), noted.failed_at), (failures, Some(after(failures))));
    }
    assert!(store.log_in(session(&anna, 1), None).await.unwrap());
    let now = store.person("anna").await.unwrap().unwrap();
    assert_eq!((now.failures, now.failed_at, now.logged_in_at), (0, None, Some(after(1))));
}

async fn a_code_of_the_second_factor_is_good_once(world: World) {
    let anna = person(&world, "anna");
    world.store.add_person(anna.clone()).await.unwrap();
    let log_in = |hash, step| world.store.log_in(session(&anna, hash), Some(step));
    assert!(log_in(1, 10).await.unwrap());
    assert!(!log_in(2, 10).await.unwrap(), "the same code once more");
    assert!(!log_in(3, 9).await.unwrap(), "an older one");
    assert!(log_in(4, 11).await.unwrap());
    assert!(world.store.console_session([2; 32], after(2)).await.unwrap().is_none());
}

async fn a_link_logs_in_once_and_not_too_late(world: World) {
    let anna = person(&world, "anna");
    let store = &world.store;
    store.add_person(anna.clone()).await.unwrap();
    for hash in [1, 2] {
        let link = LoginLink { hash: [hash; 32], person: anna.id, expires_at: after(10) };
        store.add_login_link(link).await.unwrap();
    }
    assert_eq!(store.take_login_link([1; 32], after(9)).await.unwrap(), Some(anna.clone()));
    assert_eq!(store.take_login_link([1; 32], after(9)).await.unwrap(), None, "it is used up");
    assert_eq!(store.take_login_link([2; 32], after(10)).await.unwrap(), None, "too late");
    assert_eq!(store.take_login_link([2; 32], after(9)).await.unwrap(), None, "and it is used up, too");
}

async fn users_are_found_by_the_start_of_an_openid_and_by_unionid(world: World) {
    let names = ["oAnna-1", "oAnna-2", "oBo-1"];
    let log_in = async |place: u8, name: &str| {
        let login = LoginRecord {
            appid: appid(),
            openid: name.parse().unwrap(),
            unionid: (place == 2).then(|| "union-9".to_owned()),
            session_key: vec![1],
            session_hash: [place; 32],
            at: after(u64::from(place)),
            expires_at: after(100),
        };
        world.store.put_login(login).await.unwrap();
    };
    for (place, name) in (0..).zip(names) {
        log_in(place, name).await;
    }
    let found = async |search: &str, after: Option<&str>, limit| {
        let filter = UserFilter {
            appid: appid(),
            search: search.to_owned(),
            after: after.map(|openid| openid.parse().unwrap()),
            limit,
        };
        let users = world.store.users(filter).await.unwrap();
        users.into_iter().map(|user| user.openid.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("", None, 9).await, names);
    assert_eq!(found("", None, 2).await, names[..2]);
    assert_eq!(found("", Some("oAnna-2"), 9).await, names[2..]);
    assert_eq!(found("oAnna", None, 9).await, names[..2]);
    assert_eq!(found("oAnna-2", None, 9).await, names[1..2]);
    assert_eq!(found("union-9", None, 9).await, names[2..]);
    assert!(found("union-", None, 9).await.is_empty(), "a unionid is found whole");
    assert!(found("%", None, 9).await.is_empty());

    // Users of many lanes come in one order, whatever the size of a page.
    let mut many = Vec::new();
    for place in 10..200_u8 {
        let name = format!("oMany-{:03}", u32::from(place) * 77 % 1_000);
        log_in(place, &name).await;
        many.push(name);
    }
    many.sort_unstable();
    for size in [1, 7, 100] {
        let mut pages = found("oMany", None, size).await;
        while pages.len() < many.len() {
            let next = found("oMany", pages.last().map(String::as_str), size).await;
            assert!(!next.is_empty(), "{} of {} users", pages.len(), many.len());
            pages.extend(next);
        }
        assert_eq!(pages, many, "pages of {size}");
    }
}

async fn open_messages_are_counted_by_state(world: World) {
    let count = async || {
        let open = world.store.open_messages().await.unwrap();
        open.into_iter().map(|open| (open.state, open.count, open.oldest_due_at)).collect::<Vec<_>>()
    };
    assert!(count().await.is_empty());
    world.begin(world.message(&user(1), START)).await;
    assert!(count().await.is_empty(), "it has failed for want of a permit");
    for n in 2..=3 {
        let waits = NewMessage { policy: PermitPolicy::Wait, ..world.message(&user(n), after(u64::from(n))) };
        world.begin(waits).await;
    }
    world.subscribe(&user(4), 1).await;
    let later = NewMessage { send_at: after(60), ..world.message(&user(4), START) };
    world.begin(later).await;
    assert_eq!(count().await, [(S::Scheduled, 1, after(60)), (S::Waiting, 2, after(2))]);
    // WeChat was busy: the message is due when it is tried again, and so is the younger message behind it.
    world.subscribe(&user(5), 2).await;
    let first = world.send(world.message(&user(5), START)).await;
    world.begin(world.message(&user(5), after(1))).await;
    let retry_at = world.answered(&first, -1, after(1)).await.wake_at.unwrap();
    assert!(retry_at > after(1));
    assert_eq!(
        count().await,
        [(S::Scheduled, 1, after(60)), (S::Ready, 2, retry_at), (S::Waiting, 2, after(2))]
    );
}

async fn usable_permits_are_counted_by_app_and_kind_with_what_expires(world: World) {
    let count = async |now| {
        let permits = world.store.usable_permits(now).await.unwrap();
        assert!(!permits.is_cut);
        let of_kind = |of: PermitsOfKind| (of.appid, of.kind, of.units, of.unlimited, of.expiring);
        permits.kinds.into_iter().map(of_kind).collect::<Vec<_>>()
    };
    assert!(count(START).await.is_empty());
    // A user whose only entry is a message, and a user whose only unit is spent.
    world.begin(world.message(&user(9), START)).await;
    world.subscribe(&user(8), 1).await;
    world.begin(world.message(&user(8), START)).await;
    world.subscribe(&user(1), 3).await;
    world.subscribe(&user(2), 1).await;
    let long_term = NewPermit { kind: PermitKind::SubscribeLongTerm, ..world.subscription(&user(3), 1) };
    world.grant(long_term, START).await;
    for form in ["form-1", "form-2"] {
        world.grant(world.form(&user(1), form, START), START).await;
    }
    let other: AppId = "wx0000000000000009".parse().unwrap();
    let id = world.ids.permit(Lane::of(&other, &user(1)), START);
    world.grant(NewPermit { id, appid: other.clone(), ..world.form(&user(1), "form-3", START) }, START).await;
    let expected = |expiring| {
        let mut expected = vec![
            (appid(), PermitKind::Form, 2, 0, 2 * expiring),
            (appid(), PermitKind::SubscribeOnce, 4, 0, 0),
            (appid(), PermitKind::SubscribeLongTerm, 0, 1, 0),
            (other.clone(), PermitKind::Form, 1, 0, expiring),
        ];
        expected.sort_by(|one, two| (&one.0, one.1.code()).cmp(&(&two.0, two.1.code())));
        expected
    };
    assert_eq!(count(START).await, expected(0));
    assert_eq!(count(START.plus(Duration::from_secs(6 * 86_400 + 3_600))).await, expected(1));
    let week = count(START.plus(Duration::from_secs(7 * 86_400))).await;
    assert!(week.iter().all(|of_kind| of_kind.1 != PermitKind::Form), "{week:?}");
}

async fn a_count_of_usable_permits_ends_after_so_many_and_says_so(world: World) {
    let users: Vec<u32> = (0..MAX_PERMITS_COUNTED + 100).collect();
    for some in users.chunks(1_000) {
        let permits = some.iter().map(|n| world.subscription(&user(*n), 1)).collect();
        world.store.grant(permits, START).await.unwrap();
    }
    let permits = world.store.usable_permits(START).await.unwrap();
    assert!(permits.is_cut);
    // The walk's ends in each lane are rows, too.
    let least = u64::from(MAX_PERMITS_COUNTED) - 2 * Lane::all().count() as u64;
    assert!((least..=u64::from(MAX_PERMITS_COUNTED)).contains(&permits.kinds[0].units), "{permits:?}");
}

async fn reach_is_told_by_kind_and_template_with_what_expires(world: World) {
    world.subscribe(&user(1), 3).await;
    world.subscribe(&user(2), 1).await;
    world.grant(world.form(&user(1), "form-1", START), START).await;
    world.grant(world.form(&user(1), "form-2", START), START).await;
    let ReachParts { totals, parts } = world.store.reach_parts(appid(), START).await.unwrap();
    assert_eq!(
        totals,
        Reach { users: 2, units: 6, unlimited: 0 },
        "a user with permits of two kinds counts once"
    );
    assert_eq!(totals, world.store.reach(appid(), None, None, START).await.unwrap());
    let told: Vec<_> = parts.iter().map(|part| (part.kind, part.users, part.units)).collect();
    assert_eq!(told, [(PermitKind::Form, 1, 2), (PermitKind::SubscribeOnce, 2, 4)]);
    assert_eq!(parts[0].template, None);
    assert!(parts[1].template.is_some() && parts[1].template != Some(template("other")));
    assert_eq!(parts[1].expiring, [0; 7], "subscriptions do not expire");
    assert_eq!(parts[0].expiring.iter().sum::<u64>(), 2, "forms do, within seven days");
    let six_days = START.plus(Duration::from_secs(6 * 86_400 + 3_600));
    let soon = world.store.reach_parts(appid(), six_days).await.unwrap();
    assert_eq!(soon.parts[0].expiring[0], 2, "and then within one");
    let nobody = world.store.reach_parts("wx0000000000000009".parse().unwrap(), START).await.unwrap();
    assert_eq!(nobody, ReachParts::default());
}

async fn nodes_are_listed_with_their_lanes(world: World) {
    let lane = Lane::all().next().unwrap();
    let acquired = world.acquire(lane, START).await;
    let nodes = world.store.nodes().await.unwrap();
    let has = |node: &&crate::types::NodeView| node.lanes.contains(&(lane, acquired.epoch));
    assert!(nodes.iter().find(has).is_some_and(|node| node.name.is_some()), "{nodes:?}");
    assert_eq!(nodes.iter().map(|node| node.lanes.len()).sum::<usize>(), Lane::all().count());
}
