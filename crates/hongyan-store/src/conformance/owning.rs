//! A lane that changes hands while its owner works in it.

use std::collections::BTreeSet;
use std::sync::Arc;

use hongyan_ledger::{LANES, Lane, MessageId, MessageState as S};
use tokio::sync::watch;

use super::at_once::{assert_balance, at_once, users_of};
use super::check::checks;
use super::nodes::{node, order};
use super::world::{START, World, after, appid};
use crate::Store;
use crate::types::{Acquired, Claimed, Epoch, Leased, NewMessage, Node, Settlement, Standing, TokenLease};

checks![
    of_all_who_acquire_a_lane_at_once_one_has_it,
    nodes_that_come_at_once_share_the_lanes_and_no_lane_has_two_owners,
    of_nodes_that_want_an_apps_token_at_once_one_asks_for_it,
    nothing_is_written_under_an_epoch_that_is_over_while_its_owner_works_on,
];

async fn of_all_who_acquire_a_lane_at_once_one_has_it(world: World) {
    let (world, lane) = (Arc::new(world), Lane::all().next().unwrap());
    let stores = world.two_stores().await;
    let users = users_of(lane, 9);
    world
        .store
        .grant(users.iter().map(|openid| world.subscription(openid, 1)).collect(), START)
        .await
        .unwrap();
    let acquired = acquire_at_once(&world, &stores, lane, 8).await;
    let mut epochs: Vec<Epoch> = acquired.iter().map(|acquired| acquired.epoch).collect();
    epochs.sort_unstable();
    assert!(
        epochs.is_sorted_by(|before, after| before < after),
        "each acquisition has its own epoch: {epochs:?}"
    );
    let (last, before) = epochs.split_last().unwrap();
    for (n, (epoch, openid)) in before.iter().zip(&users).enumerate() {
        let store = &stores[n % 2];
        assert!(store.claim(lane, *epoch, after(1), 100).await.unwrap().is_none(), "{epoch:?} is over");
        let start = Some(*epoch);
        let begun = world.begin(NewMessage { start, ..world.message(openid, after(1)) }).await;
        assert_eq!(begun.state, S::Ready, "an earlier owner starts nothing");
    }
    for store in &stores {
        assert!(
            store
                .claim(lane, *last, after(1), 2)
                .await
                .unwrap()
                .is_some_and(|batch| batch.claimed.len() == 2)
        );
    }
    assert_balance(&world, &users, after(1)).await;
}

/// Acquires a lane so many times at once, by both stores.
async fn acquire_at_once(
    world: &Arc<World>,
    stores: &[Arc<dyn Store>; 2],
    lane: Lane,
    count: usize,
) -> Vec<Acquired> {
    let acquiring = (0..count).map(|n| {
        let (world, store) = (Arc::clone(world), Arc::clone(&stores[n % 2]));
        async move { world.acquire_by(&store, lane, after(1)).await }
    });
    at_once(acquiring).await
}

/// Renews a node's lease once, and gives up and acquires the lanes that the answer names.
async fn follow(store: &Arc<dyn Store>, node: &Node, is_first: bool) -> Standing {
    let leased = store.lease(order(node, is_first, 0)).await.unwrap();
    let Leased::Held(standing) = leased else { panic!("{node:?} was replaced") };
    for lane in &standing.give {
        let (_, epoch) = standing.lanes.iter().find(|(own, _)| own == lane).unwrap();
        store.release(*lane, *epoch).await.unwrap();
    }
    for lane in &standing.take {
        store.acquire(*lane, &node.name, START).await.unwrap();
    }
    standing
}

async fn nodes_that_come_at_once_share_the_lanes_and_no_lane_has_two_owners(world: World) {
    const NODES: usize = 4;
    world.no_owners().await;
    let stores = world.two_stores().await;
    let nodes: Vec<Node> = (0..NODES).map(|n| node(&format!("node {n}"), n as u64)).collect();
    for round in 0..50 {
        let is_first = round == 0;
        let following = nodes.iter().zip(stores.iter().cycle()).map(|(node, store)| {
            let (node, store) = (node.clone(), Arc::clone(store));
            async move { follow(&store, &node, is_first).await }
        });
        let standings = at_once(following).await;
        let quiet = |standing: &Standing| standing.take.is_empty() && standing.give.is_empty();
        if standings.iter().all(|standing| quiet(standing) && standing.nodes.len() == NODES) {
            let mut owned = BTreeSet::new();
            for (standing, store) in standings.iter().zip(stores.iter().cycle()) {
                assert_eq!(standing.lanes.len(), usize::from(LANES) / NODES);
                for &(lane, epoch) in &standing.lanes {
                    assert!(owned.insert(lane), "{lane} has two owners");
                    assert!(store.claim(lane, epoch, START, 1).await.unwrap().is_some(), "{lane}");
                }
            }
            return;
        }
    }
    panic!("the nodes do not come to rest");
}

async fn of_nodes_that_want_an_apps_token_at_once_one_asks_for_it(world: World) {
    let stores = world.two_stores().await;
    let asking = (0..8_usize).map(|n| {
        let store = Arc::clone(&stores[n % 2]);
        let node = format!("node {n}").into();
        let lease = TokenLease { appid: appid(), node, machine_now: START, until: after(30) };
        async move { store.lease_token(lease).await.unwrap() }
    });
    let turns = at_once(asking).await;
    assert_eq!(turns.iter().filter(|has_turn| **has_turn).count(), 1, "{turns:?}");
}

/// What a node has done in its lane.
#[derive(Default)]
struct Done {
    claimed: BTreeSet<MessageId>,
    settled: BTreeSet<MessageId>,
}

/// Claims and settles until another node owns the lane, or nothing is left in it.
async fn work(store: Arc<dyn Store>, lane: Lane, epoch: Epoch, settled: watch::Sender<usize>) -> Done {
    let mut done = Done::default();
    while let Some(batch) = store.claim(lane, epoch, after(1), 2).await.unwrap() {
        let mut flying: Vec<Claimed> = batch.claimed;
        if flying.is_empty() {
            break;
        }
        while let Some(claimed) = flying.pop() {
            assert!(done.claimed.insert(claimed.id), "a message is claimed once: {claimed:?}");
            let stored = store.settle(vec![World::answer(&claimed, 0, after(2))]).await.unwrap().remove(0);
            if stored.state.is_some() {
                done.settled.insert(claimed.id);
                settled.send_replace(done.settled.len());
            }
            flying.extend(stored.next.map(|next| *next));
        }
    }
    done
}

async fn nothing_is_written_under_an_epoch_that_is_over_while_its_owner_works_on(world: World) {
    let world = Arc::new(world);
    let stores = world.two_stores().await;
    for (lane, enough) in Lane::all().zip([0, 1, 6, 15]) {
        let users = users_of(lane, 12);
        let permits = users.iter().map(|openid| world.subscription(openid, 2)).collect();
        world.store.grant(permits, START).await.unwrap();
        let due = |openid| NewMessage { start: None, ..world.message(openid, START) };
        let messages: Vec<_> = users.iter().chain(&users).map(due).collect();
        let ids: BTreeSet<MessageId> = messages.iter().map(|message| message.id).collect();
        world.store.accept(messages).await.unwrap();

        let (settled, mut progress) = watch::channel(0);
        let first = tokio::spawn(work(Arc::clone(&stores[0]), lane, world.epoch(lane), settled));
        progress.wait_for(|settled| *settled >= enough).await.unwrap();
        let acquired = acquire_at_once(&world, &stores, lane, 2).await;
        let done = first.await.unwrap();
        let owner = acquired.into_iter().max_by_key(|acquired| acquired.epoch).unwrap();
        // The new owner settles exactly what was in flight.
        let lost: BTreeSet<MessageId> = done.claimed.difference(&done.settled).copied().collect();
        assert_eq!(owner.sending.iter().map(|claimed| claimed.id).collect::<BTreeSet<_>>(), lost);
        for claimed in &owner.sending {
            let settled = world.settle(Settlement { room: false, ..World::silence(claimed, after(3)) }).await;
            assert_eq!(settled.state, Some(S::Unknown));
        }
        let (rest, _) = watch::channel(0);
        let rest = work(Arc::clone(&stores[1]), lane, owner.epoch, rest).await;
        assert_eq!(rest.claimed, rest.settled, "the owner writes");
        for id in &ids {
            let detail = world.detail(*id).await;
            let state = if lost.contains(id) { S::Unknown } else { S::Sent };
            assert_eq!((detail.message.state, detail.attempts.len()), (state, 1), "{detail:?}");
        }
        assert_balance(&world, &users, after(3)).await;
    }
}
