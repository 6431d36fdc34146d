//! Claimed codes: how many a user may have open, and what happens to a message that finds them dead.

use hongyan_ledger::explain::BecauseCode;
use hongyan_ledger::permit::{Claim, Origin};
use hongyan_ledger::settle::MAX_DEAD_PERMITS;
use hongyan_ledger::{MessageState as S, PermitPolicy, ReasonCode};
use hongyan_wechat::OpenId;

use super::check::checks;
use super::world::{START, World, after, user};
use crate::types::{Claimed, NewMessage, NewPermit};

checks![
    a_back_end_that_reports_too_many_codes_is_refused,
    of_what_the_mini_program_claims_the_oldest_gives_way,
    a_code_that_is_there_already_needs_no_room,
    what_is_used_or_expired_takes_no_room,
    a_message_gives_up_after_five_dead_permits,
    a_message_that_gave_up_says_so,
    what_was_invented_takes_the_users_other_claims_with_it,
    a_code_that_was_used_was_a_real_one_and_does_not_count,
    a_back_ends_codes_outlive_what_was_invented,
];

const SEVEN_DAYS: u64 = 7 * 24 * 3_600;

fn claimed(world: &World, openid: &OpenId, code: &str, origin: Origin, at_most: u32) -> NewPermit {
    NewPermit { claim: Some(Claim { origin, at_most }), ..world.form(openid, code, START) }
}

async fn claim_all(world: &World, openid: &OpenId, origin: Origin, count: u32) {
    let permits = (0..count).map(|n| claimed(world, openid, &format!("{origin:?}-{n}"), origin, 1_000));
    let granted = world.store.grant(permits.collect(), START).await.unwrap();
    assert!(granted.iter().all(|granted| !granted.refused));
}

async fn a_back_end_that_reports_too_many_codes_is_refused(world: World) {
    let permits = (0..4).map(|n| claimed(&world, &user(1), &format!("code-{n}"), Origin::BackEnd, 3));
    let granted = world.store.grant(permits.collect(), START).await.unwrap();
    assert_eq!(
        granted.iter().map(|granted| granted.refused).collect::<Vec<_>>(),
        [false, false, false, true]
    );
    assert_eq!(world.totals(&user(1), START).await.granted, 3);
    let others = world.grant(claimed(&world, &user(2), "code", Origin::BackEnd, 3), START).await;
    assert!(!others.refused, "another user has room");
    let by_tap = world.grant(claimed(&world, &user(1), "tap", Origin::MiniProgram, 3), START).await;
    assert!(!by_tap.refused, "each origin has room of its own");
}

async fn of_what_the_mini_program_claims_the_oldest_gives_way(world: World) {
    for n in 0..5 {
        let code = format!("code-{n}");
        let permit = NewPermit {
            claim: Some(Claim { origin: Origin::MiniProgram, at_most: 3 }),
            ..world.form(&user(1), &code, after(n))
        };
        assert!(!world.grant(permit, after(n)).await.refused);
    }
    let left = world.store.permits(super::world::appid(), user(1), after(5)).await.unwrap();
    let codes: Vec<_> = left.iter().map(|view| view.permit.code.as_deref().unwrap()).collect();
    assert_eq!(codes, ["code-4", "code-3", "code-2"]);
    assert_eq!(world.totals(&user(1), after(5)).await.available, 3);
}

async fn a_code_that_is_there_already_needs_no_room(world: World) {
    for origin in [Origin::BackEnd, Origin::MiniProgram] {
        for code in ["a", "b"] {
            world.grant(claimed(&world, &user(1), &format!("{origin:?}-{code}"), origin, 2), START).await;
        }
        let again = world.grant(claimed(&world, &user(1), &format!("{origin:?}-a"), origin, 2), START).await;
        assert!(again.duplicate && !again.refused);
    }
    assert_eq!(world.totals(&user(1), START).await.available, 4);
}

async fn what_is_used_or_expired_takes_no_room(world: World) {
    let grant = async |code: &str, at: u64| {
        let permit = NewPermit {
            claim: Some(Claim { origin: Origin::BackEnd, at_most: 1 }),
            ..world.form(&user(1), code, after(at))
        };
        world.grant(permit, after(at)).await.refused
    };
    assert!(!grant("first", 0).await);
    let sent = world.send(world.legacy(&user(1), after(1))).await;
    world.answered(&sent, 0, after(2)).await;
    assert!(!grant("second", 3).await, "the first one is spent");
    assert!(grant("third", 4).await);
    assert!(!grant("fourth", 3 + SEVEN_DAYS).await, "the second one has expired");
}

/// WeChat answers to every permit of a message that it is dead, with this errcode. Returns how many permits the message
/// tried, and its state in the end.
async fn find_all_dead(world: &World, first: Claimed, errcode: i32) -> u32 {
    let (mut next, mut tried) = (Some(Box::new(first)), 0);
    while let Some(claimed) = next {
        tried += 1;
        next = world.answered(&claimed, errcode, after(10 + u64::from(tried))).await.next;
    }
    tried
}

async fn a_message_gives_up_after_five_dead_permits(world: World) {
    for policy in [PermitPolicy::Require, PermitPolicy::Try, PermitPolicy::Wait] {
        let openid = user(1 + policy as u32);
        claim_all(&world, &openid, Origin::BackEnd, 20).await;
        let first = world.send(NewMessage { policy, ..world.legacy(&openid, after(1)) }).await;
        let id = first.id;
        assert_eq!(find_all_dead(&world, first, 41028).await, MAX_DEAD_PERMITS);
        let view = world.detail(id).await.message;
        assert_eq!((view.state, view.reason), (S::Failed, Some(ReasonCode::NoPermit)), "{policy:?}");
        let totals = world.totals(&openid, after(100)).await;
        assert_eq!((totals.revoked, totals.available), (5, 15));
    }
}

async fn a_message_that_gave_up_says_so(world: World) {
    claim_all(&world, &user(1), Origin::BackEnd, 6).await;
    let first = world.send(world.legacy(&user(1), after(1))).await;
    let id = first.id;
    find_all_dead(&world, first, 41028).await;
    let because = world.store.explain(id, after(100)).await.unwrap();
    assert_eq!((because[0].code, because[0].permits), (BecauseCode::TooManyVoid, 5));
    assert_eq!(because[0].errcode.unwrap().0, 41028);
}

async fn what_was_invented_takes_the_users_other_claims_with_it(world: World) {
    claim_all(&world, &user(1), Origin::MiniProgram, 50).await;
    claim_all(&world, &user(2), Origin::MiniProgram, 3).await;
    let first = world.send(world.legacy(&user(1), after(1))).await;
    assert_eq!(find_all_dead(&world, first, 41028).await, 3);
    let totals = world.totals(&user(1), after(100)).await;
    assert_eq!((totals.granted, totals.revoked, totals.available), (50, 50, 0));
    assert_eq!(world.totals(&user(2), after(100)).await.available, 3, "another user's permits stay");
}

async fn a_code_that_was_used_was_a_real_one_and_does_not_count(world: World) {
    claim_all(&world, &user(1), Origin::MiniProgram, 8).await;
    let mut claimed = world.send(world.legacy(&user(1), after(1))).await;
    for n in 0..7 {
        claimed = *world.answered(&claimed, 41029, after(10 + n)).await.next.unwrap();
    }
    assert_eq!(
        world.answered(&claimed, 0, after(20)).await.state,
        Some(S::Sent),
        "the last permit was valid"
    );
}

async fn a_back_ends_codes_outlive_what_was_invented(world: World) {
    claim_all(&world, &user(1), Origin::MiniProgram, 9).await;
    let later = NewPermit {
        claim: Some(Claim { origin: Origin::BackEnd, at_most: 9 }),
        ..world.form(&user(1), "real", after(5))
    };
    world.grant(later, after(5)).await;
    let first = world.send(world.legacy(&user(1), after(6))).await;
    let mut claimed = first;
    for n in 0..3 {
        claimed = *world.answered(&claimed, 41028, after(10 + n)).await.next.unwrap();
    }
    assert_eq!(claimed.permit.as_ref().unwrap().code.as_deref(), Some("real"));
    assert_eq!(world.answered(&claimed, 0, after(20)).await.state, Some(S::Sent));
    assert_eq!(world.totals(&user(1), after(100)).await.available, 0);
}
