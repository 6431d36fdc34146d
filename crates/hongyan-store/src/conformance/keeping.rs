//! Apps, pauses, templates, tokens, logins, keys, the audit trail.

use std::collections::BTreeMap;

use hongyan_clock::UnixMillis;
use hongyan_ledger::settle::{AppPause, PauseCode};
use hongyan_ledger::{Channel, Lane, OnUnknown, WaitingOrder};
use hongyan_wechat::Errcode;

use super::check::checks;
use super::world::{START, World, after, app, appid, template, user};
use crate::StoreError;
use crate::types::{
    Actor, ActorKind, AppChange, AppChanged, AppRecord, AuditEnd, AuditEntry, AuditFilter, CallbackRecord,
    GatewayTokenRecord, KeyRecord, LoginRecord, NewAudit, PauseOrder, Subject, TemplateChangeKind,
    TemplateRecord, TokenRecord,
};

checks![
    an_app_is_registered_once_changed_and_read_back,
    a_change_of_an_app_is_not_stored_over_a_newer_one,
    a_change_of_an_app_leaves_its_pause_alone,
    a_pause_for_an_operator_is_not_replaced_by_one_that_ends_by_itself,
    a_shorter_pause_does_not_end_a_longer_one,
    templates_are_replaced_as_a_whole,
    what_a_synchronisation_changed_is_told_once,
    a_late_token_of_an_older_generation_is_not_kept,
    a_gateway_token_ends_when_it_expires,
    gateway_tokens_are_listed_newest_first_and_revoked,
    the_last_two_session_keys_are_kept,
    a_session_ends_when_it_expires,
    a_key_is_found_by_its_hash_and_can_be_revoked_once,
    a_line_of_the_audit_trail_says_what_a_change_set_and_how_the_change_ended,
    a_ping_is_answered_and_a_closed_store_says_so,
];

/// Pauses the app.
pub(super) async fn pause(world: &World, until: Option<UnixMillis>) {
    let code = if until.is_some() { PauseCode::DayQuota } else { PauseCode::Misconfigured };
    let order = PauseOrder {
        appid: appid(),
        pause: AppPause { code, until },
        errcode: Some(Errcode(40125)),
        detail: "the secret is wrong".into(),
        now: START,
    };
    world.store.pause(order).await.unwrap();
}

async fn paused(world: &World) -> Option<(PauseCode, Option<UnixMillis>)> {
    let app = world.store.app(appid()).await.unwrap().unwrap();
    app.paused.map(|pause| (pause.code, pause.until))
}

async fn an_app_is_registered_once_changed_and_read_back(world: World) {
    assert!(!world.store.add_app(app(appid())).await.unwrap());
    let change = AppChange {
        name: Some("Bakery".into()),
        secret: Some(vec![4]),
        gateway_secret_hash: Some([8; 32]),
        stable_token: Some(false),
        on_unknown: Some(OnUnknown::Resend),
        payment_units: Some(3),
        waiting_order: Some(WaitingOrder::NewestFirst),
        truncate: Some(true),
        callback: Some(Some(CallbackRecord { token: vec![5], aes_key: Some(vec![6]) })),
        resend_unknown_after_seconds: Some(Some(60)),
    };
    let mut changed = AppRecord { version: 1, updated_at: after(1), ..app(appid()) };
    change.clone().apply(&mut changed.settings);
    let done = world.store.change_app(appid(), 0, change, after(1)).await.unwrap();
    assert_eq!(done, AppChanged::Done(1));
    assert_eq!(world.store.app(appid()).await.unwrap(), Some(changed.clone()));
    let second = app("wx0000000000000001".parse().unwrap());
    let nobody = world.store.change_app(second.appid.clone(), 0, AppChange::default(), after(1)).await;
    assert_eq!(nobody.unwrap(), AppChanged::NotFound);
    assert!(world.store.add_app(second.clone()).await.unwrap());
    assert_eq!(world.store.apps().await.unwrap(), [second, changed]);
}

async fn a_change_of_an_app_is_not_stored_over_a_newer_one(world: World) {
    let rename = |name: &str| AppChange { name: Some(name.into()), ..AppChange::default() };
    let (first, second) = tokio::join!(
        world.store.change_app(appid(), 0, rename("Bakery"), after(1)),
        world.store.change_app(appid(), 0, rename("Dairy"), after(1)),
    );
    let mut answers = [first.unwrap(), second.unwrap()];
    answers.sort_by_key(|answer| matches!(answer, AppChanged::Stale(_)));
    assert_eq!(answers, [AppChanged::Done(1), AppChanged::Stale(1)]);
    // A setting that the change does not name stays as the other caller has set it.
    let units = AppChange { payment_units: Some(2), ..AppChange::default() };
    assert_eq!(world.store.change_app(appid(), 1, units, after(2)).await.unwrap(), AppChanged::Done(2));
    let settings = world.store.app(appid()).await.unwrap().unwrap().settings;
    assert_eq!(settings.payment_units, 2);
    assert!(["Bakery", "Dairy"].contains(&settings.name.as_str()), "{}", settings.name);
}

async fn a_change_of_an_app_leaves_its_pause_alone(world: World) {
    pause(&world, None).await;
    let nothing = world.store.change_app(appid(), 0, AppChange::default(), after(1)).await.unwrap();
    assert_eq!(nothing, AppChanged::Done(1));
    let kept = world.store.app(appid()).await.unwrap().unwrap().paused.unwrap();
    assert_eq!(
        (kept.code, kept.errcode, kept.since),
        (PauseCode::Misconfigured, Some(Errcode(40125)), START)
    );
    assert_eq!(kept.detail, "the secret is wrong");
    assert!(world.store.resume(appid(), after(1)).await.unwrap());
    assert!(!world.store.resume(appid(), after(1)).await.unwrap());
    assert_eq!(paused(&world).await, None);
}

async fn a_pause_for_an_operator_is_not_replaced_by_one_that_ends_by_itself(world: World) {
    pause(&world, None).await;
    pause(&world, Some(after(60))).await;
    assert_eq!(paused(&world).await, Some((PauseCode::Misconfigured, None)));
}

async fn a_shorter_pause_does_not_end_a_longer_one(world: World) {
    pause(&world, Some(after(3600))).await;
    pause(&world, Some(after(60))).await;
    assert_eq!(paused(&world).await, Some((PauseCode::DayQuota, Some(after(3600)))));
    pause(&world, Some(after(7200))).await;
    assert_eq!(paused(&world).await, Some((PauseCode::DayQuota, Some(after(7200)))));
    pause(&world, None).await;
    assert_eq!(paused(&world).await, Some((PauseCode::Misconfigured, None)));
}

async fn templates_are_replaced_as_a_whole(world: World) {
    let record = |id: &str, title: &str, channel| TemplateRecord {
        appid: appid(),
        template_id: template(id),
        channel,
        long_term: channel == Channel::Subscribe,
        title: title.into(),
        content: "商品:{{thing1.DATA}}".into(),
        example: "商品:茶".into(),
        enums: BTreeMap::from([("enum1".to_owned(), vec!["a".to_owned(), "b".to_owned()])]),
    };
    let (b, a) = (record("t1", "B", Channel::Subscribe), record("t2", "A", Channel::Legacy));
    world.store.put_templates(appid(), vec![b.clone(), a.clone()], after(1)).await.unwrap();
    assert_eq!(world.store.templates(appid()).await.unwrap(), [a.clone(), b]);
    world.store.put_templates(appid(), vec![a.clone()], after(2)).await.unwrap();
    assert_eq!(world.store.templates(appid()).await.unwrap(), [a]);
    let synced = world.store.app(appid()).await.unwrap().unwrap().templates_synced_at;
    assert_eq!(synced, Some(after(2)));
}

async fn what_a_synchronisation_changed_is_told_once(world: World) {
    use TemplateChangeKind::{Added, Changed, Removed};
    let record = |id: &str, content: &str| TemplateRecord {
        appid: appid(),
        template_id: template(id),
        channel: Channel::Subscribe,
        long_term: false,
        title: id.into(),
        content: content.into(),
        example: String::new(),
        enums: BTreeMap::new(),
    };
    let put = async |records: &[TemplateRecord]| {
        let changes = world.store.put_templates(appid(), records.to_vec(), after(1)).await.unwrap();
        changes.into_iter().map(|change| (change.kind, change.template)).collect::<Vec<_>>()
    };
    let (a, b) = (record("a", "1"), record("b", "1"));
    assert_eq!(put(&[b.clone(), a.clone()]).await, [(Added, a.clone()), (Added, b.clone())]);
    assert_eq!(put(&[a.clone(), b.clone()]).await, []);
    let (new_a, c) = (record("a", "2"), record("c", "1"));
    let all = [(Changed, new_a.clone()), (Removed, b), (Added, c.clone())];
    assert_eq!(put(&[c.clone(), new_a.clone()]).await, all);
    assert_eq!(put(&[c, new_a]).await, []);
    let other = "wx00000000000000ff".parse().unwrap();
    let nobody = world.store.put_templates(other, vec![a], after(1)).await.unwrap();
    assert_eq!(nobody, [], "an app that is not registered has no templates");
}

async fn a_late_token_of_an_older_generation_is_not_kept(world: World) {
    let token = |generation, value| TokenRecord {
        appid: appid(),
        value: vec![value],
        generation,
        fetched_at: START,
        expires_at: after(7200),
    };
    assert_eq!(world.store.token(appid()).await.unwrap(), None);
    assert!(world.store.put_token(token(2, 2)).await.unwrap());
    assert!(!world.store.put_token(token(1, 1)).await.unwrap());
    assert_eq!(world.store.token(appid()).await.unwrap(), Some(token(2, 2)));
    assert!(world.store.put_token(token(3, 3)).await.unwrap());
    assert_eq!(world.store.token(appid()).await.unwrap(), Some(token(3, 3)));
}

async fn a_gateway_token_ends_when_it_expires(world: World) {
    let token = gateway_token(&world, 5);
    world.store.put_gateway_token(token.clone()).await.unwrap();
    let read = |hash, now| world.store.gateway_token(hash, now);
    assert_eq!(read([5; 32], after(7199)).await.unwrap(), Some(token));
    assert_eq!(read([5; 32], after(7200)).await.unwrap(), None);
    assert_eq!(read([6; 32], START).await.unwrap(), None);
}

fn gateway_token(world: &World, number: u8) -> GatewayTokenRecord {
    GatewayTokenRecord {
        id: world.ids.token(after(u64::from(number))),
        hash: [number; 32],
        appid: appid(),
        service: Some(format!("service {number}")),
        created_at: START,
        expires_at: after(7200),
        last_used_at: None,
        key: None,
    }
}

async fn gateway_tokens_are_listed_newest_first_and_revoked(world: World) {
    let [first, second, third] = [1, 2, 3].map(|number| gateway_token(&world, number));
    let other: hongyan_wechat::AppId = "wx0000000000000001".parse().unwrap();
    let elsewhere = GatewayTokenRecord { appid: other.clone(), ..gateway_token(&world, 4) };
    for token in [&first, &second, &third, &elsewhere] {
        world.store.put_gateway_token(token.clone()).await.unwrap();
    }
    world.store.gateway_token_used(second.hash, after(60)).await.unwrap();
    let second = GatewayTokenRecord { last_used_at: Some(after(60)), ..second };
    let list = |limit| world.store.gateway_tokens(appid(), after(60), limit);
    assert_eq!(list(2).await.unwrap(), [third.clone(), second.clone()]);
    assert_eq!(list(9).await.unwrap(), [third.clone(), second.clone(), first.clone()]);
    assert!(world.store.gateway_tokens(appid(), after(7200), 9).await.unwrap().is_empty());

    let revoke = |id| world.store.revoke_gateway_tokens(appid(), id, after(60));
    assert_eq!(revoke(Some(elsewhere.id)).await.unwrap(), 0, "a token of another app is not revoked");
    assert_eq!(revoke(Some(second.id)).await.unwrap(), 1);
    assert_eq!(revoke(Some(second.id)).await.unwrap(), 0);
    assert_eq!(world.store.gateway_token(second.hash, after(60)).await.unwrap(), None);
    assert_eq!(list(9).await.unwrap(), [third, first]);
    assert_eq!(revoke(None).await.unwrap(), 2);
    assert!(list(9).await.unwrap().is_empty());
    // A revoked token does not come back when its use is noted.
    world.store.gateway_token_used(second.hash, after(61)).await.unwrap();
    assert_eq!(world.store.gateway_token(second.hash, after(61)).await.unwrap(), None);
    assert_eq!(world.store.gateway_tokens(other, after(60), 9).await.unwrap(), [elsewhere]);
}

fn login(key: u8, at: UnixMillis) -> LoginRecord {
    LoginRecord {
        appid: appid(),
        openid: user(1),
        unionid: None,
        session_key: vec![key],
        session_hash: [key; 32],
        at,
        expires_at: at.plus(std::time::Duration::from_secs(100)),
    }
}

async fn the_last_two_session_keys_are_kept(world: World) {
    let keys = || world.store.session_keys(appid(), user(1));
    assert!(keys().await.unwrap().is_empty());
    for key in 1..=3 {
        world.store.put_login(login(key, after(u64::from(key)))).await.unwrap();
    }
    assert_eq!(keys().await.unwrap(), [vec![3], vec![2]]);
}

async fn a_session_ends_when_it_expires(world: World) {
    world.store.put_login(login(1, START)).await.unwrap();
    let lane = Lane::of(&appid(), &user(1));
    let session = world.store.session(lane, [1; 32], after(99)).await.unwrap().unwrap();
    assert_eq!((session.appid, session.openid, session.expires_at), (appid(), user(1), after(100)));
    assert_eq!(world.store.session(lane, [1; 32], after(100)).await.unwrap(), None);
    world.store.put_login(login(2, after(200))).await.unwrap();
    assert!(world.store.session(lane, [2; 32], after(200)).await.unwrap().is_some());
}

async fn a_key_is_found_by_its_hash_and_can_be_revoked_once(world: World) {
    let key = KeyRecord {
        id: world.ids.key(START),
        name: "shop".into(),
        hash: [3; 32],
        scopes: vec!["messages".into(), "permits".into()],
        apps: Some(vec![appid()]),
        created_at: START,
        created_by: Some(Actor { kind: ActorKind::Key, id: Some("key_1".into()), name: Some("till".into()) }),
        expires_at: Some(after(9)),
        last_used_at: None,
        revoked_at: None,
    };
    world.store.add_key(key.clone()).await.unwrap();
    assert_eq!(world.store.key([3; 32]).await.unwrap(), Some(key.clone()));
    assert_eq!(world.store.key([4; 32]).await.unwrap(), None);
    assert!(world.store.revoke_key(key.id, after(1)).await.unwrap());
    assert!(!world.store.revoke_key(key.id, after(2)).await.unwrap());
    let revoked = KeyRecord { revoked_at: Some(after(1)), ..key.clone() };
    let of_nobody = KeyRecord {
        id: world.ids.key(after(1)),
        hash: [4; 32],
        created_at: after(1),
        created_by: None,
        ..key
    };
    world.store.add_key(of_nobody.clone()).await.unwrap();
    assert_eq!(world.store.keys().await.unwrap(), [revoked, of_nobody]);
}

async fn a_line_of_the_audit_trail_says_what_a_change_set_and_how_the_change_ended(world: World) {
    let of_app = Subject { appid: Some(appid()), object: Some(appid().to_string()) };
    let change = NewAudit {
        at: START,
        actor: Actor { kind: ActorKind::Key, id: Some("key_1".into()), name: Some("orders".into()) },
        call: "PATCH /v1/apps/{appid}".into(),
        subject: of_app,
    };
    let create = NewAudit {
        at: after(1),
        actor: Actor::COMMAND_LINE,
        call: "key create".into(),
        subject: Subject::default(),
    };
    let first = world.store.begin_audit(change.clone()).await.unwrap();
    let second = world.store.begin_audit(create.clone()).await.unwrap();
    let fields = vec!["name".to_owned(), "callback.token".to_owned()];
    let ok = AuditEnd { result: "ok".into(), fields: fields.clone(), subject: Subject::default() };
    world.store.end_audit(first, ok).await.unwrap();
    let first = AuditEntry { number: first, entry: change, fields, result: Some("ok".into()) };
    let begun = AuditEntry { number: second, entry: create, fields: Vec::new(), result: None };
    let any = || AuditFilter { limit: 9, ..AuditFilter::default() };
    let list = async |filter| world.store.audit(filter).await.unwrap();
    assert_eq!(list(any()).await, [begun.clone(), first.clone()]);
    let subject = Subject { appid: None, object: Some("key_2".into()) };
    let failed = AuditEnd { result: "failed".into(), fields: Vec::new(), subject: subject.clone() };
    world.store.end_audit(second, failed).await.unwrap();
    let entry = NewAudit { subject, ..begun.entry };
    let second = AuditEntry { entry, result: Some("failed".into()), ..begun };
    for (filter, expected) in [
        (any(), vec![second.clone(), first.clone()]),
        (AuditFilter { limit: 1, ..any() }, vec![second.clone()]),
        (AuditFilter { before: Some(second.number), ..any() }, vec![first.clone()]),
        (AuditFilter { since: Some(after(1)), ..any() }, vec![second]),
        (AuditFilter { until: Some(after(1)), ..any() }, vec![first.clone()]),
        (AuditFilter { apps: Some(vec![appid()]), ..any() }, vec![first]),
        (AuditFilter { apps: Some(Vec::new()), ..any() }, vec![]),
    ] {
        assert_eq!(list(filter.clone()).await, expected, "{filter:?}");
    }
}

async fn a_ping_is_answered_and_a_closed_store_says_so(world: World) {
    world.store.ping().await.unwrap();
    world.store.close().await;
    world.store.close().await;
    assert!(matches!(world.store.ping().await, Err(StoreError::Closed)));
    assert!(matches!(world.store.apps().await, Err(StoreError::Closed)));
}
