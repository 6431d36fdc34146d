//! Sealed values: found column by column, and replaced only if they are still the values that were read.

use std::collections::BTreeSet;

use hongyan_ledger::PersonId;
use hongyan_ledger::webhook::Filter;

use super::check::checks;
use super::world::{START, World, after, appid, user};
use crate::types::{
    AppChange, AppChanged, CallbackRecord, LoginRecord, PersonRecord, Reseal, SealedKind, SealedOwner,
    SealedValue, TokenRecord, WebhookChange, WebhookRecord,
};

checks![
    every_sealed_value_is_found_once_however_small_the_pages,
    a_sealed_value_is_replaced_only_where_it_is_as_it_was_read,
    who_has_read_an_app_before_does_not_write_back_what_was_sealed,
];

/// A value of each kind, and the session keys of many users in many lanes.
async fn fill(world: &World) -> Vec<SealedValue> {
    let store = &world.store;
    let callback = CallbackRecord { token: vec![11], aes_key: Some(vec![12]) };
    let change = AppChange { secret: Some(vec![10]), callback: Some(Some(callback)), ..AppChange::default() };
    let version = store.app(appid()).await.unwrap().unwrap().version;
    assert!(matches!(store.change_app(appid(), version, change, START).await.unwrap(), AppChanged::Done(_)));
    let token = TokenRecord {
        appid: appid(),
        value: vec![13],
        generation: 1,
        fetched_at: START,
        expires_at: after(7200),
    };
    assert!(store.put_token(token).await.unwrap());
    let app = SealedOwner::App(appid());
    let of = |kind, owner: &SealedOwner, byte| SealedValue { kind, owner: owner.clone(), sealed: vec![byte] };
    let mut all = vec![
        of(SealedKind::AppSecret, &app, 10),
        of(SealedKind::CallbackToken, &app, 11),
        of(SealedKind::CallbackAesKey, &app, 12),
        of(SealedKind::AccessToken, &app, 13),
    ];
    for number in 1..=9 {
        let owner = SealedOwner::User(appid(), user(number));
        // Every third user has logged in twice.
        let logins = if number % 3 == 0 { 2 } else { 1 };
        for login in 1..=logins {
            let login = LoginRecord {
                appid: appid(),
                openid: user(number),
                unionid: None,
                session_key: vec![20 + login],
                session_hash: [20 * number as u8 + login; 32],
                at: START,
                expires_at: after(100),
            };
            store.put_login(login).await.unwrap();
        }
        all.push(of(SealedKind::SessionKey, &owner, 20 + logins));
        if logins == 2 {
            all.push(of(SealedKind::PreviousSessionKey, &owner, 21));
        }
    }
    for number in [1, 2] {
        let id = world.ids.webhook(START);
        let webhook =
            WebhookRecord::new(id, "https://example.com/".into(), Filter::default(), vec![30], START);
        let owner = SealedOwner::Webhook(id);
        assert!(store.add_webhook(webhook).await.unwrap());
        if number == 1 {
            all.push(of(SealedKind::WebhookSecret, &owner, 30));
            continue;
        }
        let rotated = WebhookChange::Secret { secret: vec![31], instead_of: None, previous_until: after(60) };
        store.change_webhook(id, rotated, START).await.unwrap().unwrap();
        all.push(of(SealedKind::WebhookSecret, &owner, 31));
        all.push(of(SealedKind::PreviousWebhookSecret, &owner, 30));
    }
    for (name, totp) in [("lihua", Some(vec![40])), ("wang", None), ("zhang", Some(vec![41]))] {
        let id = world.ids.person(START);
        assert!(store.add_person(person(id, name, totp.clone())).await.unwrap());
        all.extend(totp.map(|totp| of(SealedKind::Totp, &SealedOwner::Person(id), totp[0])));
    }
    all
}

fn person(id: PersonId, name: &str, totp: Option<Vec<u8>>) -> PersonRecord {
    PersonRecord {
        id,
        name: name.to_owned(),
        role: "viewer".to_owned(),
        apps: None,
        password: String::new(),
        must_change_password: false,
        totp,
        totp_step: 0,
        failures: 0,
        failed_at: None,
        created_at: START,
        logged_in_at: None,
    }
}

async fn walk(world: &World, limit: u32) -> Vec<SealedValue> {
    let mut found = Vec::new();
    for kind in SealedKind::ALL {
        let mut behind = None;
        loop {
            let page = world.store.sealed(kind, behind, limit).await.unwrap();
            assert!(page.values.len() <= limit as usize);
            found.extend(page.values);
            behind = page.next;
            if behind.is_none() {
                break;
            }
        }
    }
    found
}

fn as_texts(values: &[SealedValue]) -> BTreeSet<String> {
    values.iter().map(|value| format!("{value:?}")).collect()
}

async fn every_sealed_value_is_found_once_however_small_the_pages(world: World) {
    let all = fill(&world).await;
    for limit in [1, 2, 100] {
        let found = walk(&world, limit).await;
        assert_eq!(as_texts(&found), as_texts(&all), "pages of {limit}");
        assert_eq!(found.len(), all.len(), "each once");
    }
}

async fn a_sealed_value_is_replaced_only_where_it_is_as_it_was_read(world: World) {
    fill(&world).await;
    let read = walk(&world, 100).await;
    // Meanwhile a user has logged in again: the key that was read is the previous key now.
    let openid = user(1);
    let login = LoginRecord {
        appid: appid(),
        openid: openid.clone(),
        unionid: None,
        session_key: vec![99],
        session_hash: [99; 32],
        at: START,
        expires_at: after(100),
    };
    world.store.put_login(login).await.unwrap();
    let changes: Vec<_> =
        read.iter().map(|was| Reseal { was: was.clone(), sealed: vec![was.sealed[0], 1] }).collect();
    assert_eq!(world.store.reseal(changes.clone()).await.unwrap() as usize, read.len() - 1);
    assert_eq!(world.store.session_keys(appid(), openid).await.unwrap(), [vec![99], vec![21]]);
    for value in walk(&world, 100).await {
        let is_new = value.sealed.len() == 2;
        assert_eq!(is_new, value.owner != SealedOwner::User(appid(), user(1)), "{value:?}");
    }
    assert_eq!(world.store.reseal(changes).await.unwrap(), 0, "once");
}

async fn who_has_read_an_app_before_does_not_write_back_what_was_sealed(world: World) {
    fill(&world).await;
    let before = world.store.app(appid()).await.unwrap().unwrap();
    let was = SealedValue {
        kind: SealedKind::CallbackToken,
        owner: SealedOwner::App(appid()),
        sealed: before.settings.callback.clone().unwrap().token,
    };
    let changes = vec![Reseal { was, sealed: vec![77] }];
    assert_eq!(world.store.reseal(changes).await.unwrap(), 1);
    let write_back = AppChange { callback: Some(before.settings.callback), ..AppChange::default() };
    let answer = world.store.change_app(appid(), before.version, write_back, START).await.unwrap();
    assert!(matches!(answer, AppChanged::Stale(_)), "{answer:?}");
    let callback = world.store.app(appid()).await.unwrap().unwrap().settings.callback.unwrap();
    assert_eq!((callback.token, callback.aes_key), (vec![77], Some(vec![12])));
}
