//! Nodes: which node has which lane, for how long, and what silence proves.

use hongyan_ledger::Lane;
use hongyan_ledger::MessageState as S;
use hongyan_ledger::resolve::{Then, Verdict, Witness};

use super::check::checks;
use super::heard::Heeded;
use super::world::{START, World, after, user};
use crate::types::{LeaseOrder, Leased, Listened, Node, ResolveOrder, Resolved, Standing, TokenLease};

checks![
    lanes_are_shared_out_among_the_nodes_that_renew_their_lease,
    a_lane_of_a_living_node_is_not_acquired_by_another,
    a_process_that_started_under_a_nodes_name_takes_its_place,
    a_node_that_leaves_is_told_of_and_its_lanes_are_free,
    silence_counts_only_if_no_node_died_and_all_were_heard_of_since,
    an_app_s_token_is_asked_for_by_one_node_at_a_time,
];

pub(super) fn node(name: &str, incarnation: u64) -> Node {
    Node { name: name.into(), incarnation }
}

pub(super) fn order(node: &Node, is_first: bool, seconds: u64) -> LeaseOrder {
    let machine_now = after(seconds);
    LeaseOrder { node: node.clone(), is_first, machine_now, until: after(seconds + 15), now: machine_now }
}

impl World {
    /// Gives up all lanes of the world, for nodes to share.
    pub(super) async fn no_owners(&self) {
        self.store.forget_nodes().await.unwrap();
        self.heard();
    }

    async fn lease(&self, node: &Node, is_first: bool, seconds: u64) -> Standing {
        match self.store.lease(order(node, is_first, seconds)).await.unwrap() {
            Leased::Held(standing) => standing,
            Leased::Replaced => panic!("{node:?} was replaced"),
        }
    }

    /// Renews a lease, and carries out the answer.
    async fn follow(&self, node: &Node, seconds: u64) -> usize {
        let standing = self.lease(node, false, seconds).await;
        let mut count = standing.lanes.len();
        for lane in standing.take {
            let taken = self.store.acquire(lane, &node.name, after(seconds)).await.unwrap();
            count += usize::from(taken.is_some());
        }
        for lane in standing.give {
            let (_, epoch) = standing.lanes.iter().find(|(own, _)| *own == lane).unwrap();
            assert!(self.store.release(lane, *epoch).await.unwrap());
            count -= 1;
        }
        count
    }
}

async fn lanes_are_shared_out_among_the_nodes_that_renew_their_lease(world: World) {
    world.no_owners().await;
    let (a, b, c) = (node("a", 1), node("b", 2), node("c", 3));
    let alone = world.lease(&a, true, 0).await;
    assert_eq!((alone.nodes, alone.take.len(), alone.lanes), (vec!["a".to_owned()], 64, Vec::new()));
    assert_eq!(world.follow(&a, 1).await, 64);
    assert_eq!(world.heard(), [Heeded::Lanes], "a node came");
    assert_eq!(world.lease(&b, true, 2).await.take, [], "no lane is free");
    assert_eq!(world.follow(&a, 3).await, 32);
    assert_eq!(world.follow(&b, 4).await, 32);
    world.lease(&c, true, 5).await;
    for node in [&a, &b, &c] {
        world.follow(node, 6).await;
    }
    let counts = [world.follow(&a, 7).await, world.follow(&b, 7).await, world.follow(&c, 7).await];
    assert_eq!(counts, [22, 21, 21]);
    world.heard();
    // One node dies. The others find out when its lease is over, and not before.
    for seconds in [10, 21] {
        assert_eq!(world.lease(&a, false, seconds).await.nodes, ["a", "b", "c"]);
    }
    assert_eq!(world.follow(&b, 21).await, 21);
    assert_eq!(world.heard(), []);
    assert_eq!(world.lease(&a, false, 22).await.nodes, ["a", "b"]);
    assert_eq!(world.heard(), [Heeded::Lanes]);
    assert_eq!((world.follow(&b, 22).await, world.follow(&a, 22).await), (32, 32));
    // The dead node comes back. It had lost its lease, and gets a new one.
    assert_eq!(world.lease(&c, false, 23).await.lanes, []);
}

async fn a_lane_of_a_living_node_is_not_acquired_by_another(world: World) {
    world.no_owners().await;
    let (a, b, lane) = (node("a", 1), node("b", 2), Lane::new(7).unwrap());
    world.lease(&a, true, 0).await;
    world.lease(&b, true, 0).await;
    let first = world.store.acquire(lane, "a", START).await.unwrap().unwrap();
    assert!(world.store.acquire(lane, "b", START).await.unwrap().is_none());
    assert!(
        world.store.claim(lane, first.epoch, START, 1).await.unwrap().is_some(),
        "the first node still owns it"
    );
    // After its lease the lane may be acquired, and the dead node writes nothing any more.
    world.lease(&b, false, 15).await;
    assert!(world.store.acquire(lane, "b", after(15)).await.unwrap().is_some());
    assert!(world.store.claim(lane, first.epoch, after(15), 1).await.unwrap().is_none());
    assert!(!world.store.release(lane, first.epoch).await.unwrap());
}

async fn a_process_that_started_under_a_nodes_name_takes_its_place(world: World) {
    world.no_owners().await;
    let (first, second, lane) = (node("a", 1), node("a", 2), Lane::new(7).unwrap());
    world.lease(&first, true, 0).await;
    let acquired = world.store.acquire(lane, "a", START).await.unwrap().unwrap();
    // At once: a process that has ended must not be waited for.
    assert_eq!(world.lease(&second, true, 1).await.take.len(), 64);
    assert!(world.store.claim(lane, acquired.epoch, after(1), 1).await.unwrap().is_none());
    assert_eq!(world.store.lease(order(&first, false, 2)).await.unwrap(), Leased::Replaced);
    world.store.leave(first).await.unwrap();
    assert_eq!(world.lease(&second, false, 3).await.nodes, ["a"], "another process left, not this one");
}

async fn a_node_that_leaves_is_told_of_and_its_lanes_are_free(world: World) {
    world.no_owners().await;
    let (a, b) = (node("a", 1), node("b", 2));
    world.lease(&a, true, 0).await;
    world.follow(&a, 0).await;
    world.lease(&b, true, 1).await;
    world.heard();
    let standing = world.lease(&a, false, 2).await;
    for (lane, epoch) in standing.lanes {
        assert!(world.store.release(lane, epoch).await.unwrap());
    }
    world.store.leave(a).await.unwrap();
    assert!(world.heard().iter().all(|heard| *heard == Heeded::Lanes));
    assert_eq!(world.lease(&b, false, 2).await.take.len(), 64, "no lease is waited for");
}

async fn silence_counts_only_if_no_node_died_and_all_were_heard_of_since(world: World) {
    let (a, b) = (node("world", 1), node("b", 2));
    world.lease(&b, true, 0).await;
    let standing = world.lease(&a, true, 0).await;
    for lane in Lane::all() {
        world.acquire(lane, START).await;
    }
    assert_eq!(standing.nodes, ["b", "world"]);
    let lose = async |number: u32, seconds: u64| {
        world.subscribe(&user(number), 1).await;
        let lost = world.send(world.message(&user(number), after(seconds))).await;
        world.settle(World::silence(&lost, after(seconds + 1))).await;
        lost.id
    };
    let silence = async |id, from: u64, to: u64| {
        let listened = Listened { node: "world".into(), from: after(from), to: after(to) };
        let order = ResolveOrder {
            id,
            verdict: Verdict::NotSent { then: Then::Send },
            attempt: Some(1),
            witness: Witness::Silence,
            listened: Some(listened),
            now: after(to),
        };
        world.store.resolve(order).await.unwrap()
    };
    let first = lose(1, 1).await;
    // The other node may have died, and a push with it: its next renewal will tell.
    assert_eq!(silence(first, 1, 10).await, Resolved::EventPending);
    world.lease(&b, false, 10).await;
    assert_eq!(silence(first, 1, 10).await, Resolved::Done { state: S::Ready, reason: None });

    let second = lose(2, 11).await;
    world.lease(&a, false, 26).await;
    assert_eq!(
        silence(second, 11, 26).await,
        Resolved::MayHaveMissed,
        "the other node may have died in that time"
    );
    let third = lose(3, 27).await;
    assert_eq!(silence(third, 27, 40).await, Resolved::Done { state: S::Ready, reason: None });
    let fourth = lose(4, 41).await;
    world.store.listening_broke(after(42)).await.unwrap();
    assert_eq!(silence(fourth, 41, 50).await, Resolved::MayHaveMissed, "a node was suspended");
}

async fn an_app_s_token_is_asked_for_by_one_node_at_a_time(world: World) {
    let turn = async |node: &str, now: u64| {
        let lease = TokenLease {
            appid: super::world::appid(),
            node: node.into(),
            machine_now: after(now),
            until: after(now + 30),
        };
        world.store.lease_token(lease).await.unwrap()
    };
    assert!(turn("a", 0).await && !turn("b", 1).await && turn("a", 2).await);
    world.store.end_token_lease(super::world::appid(), "b".into()).await.unwrap();
    assert!(!turn("b", 3).await, "only the node that has the turn ends it");
    world.store.end_token_lease(super::world::appid(), "a".into()).await.unwrap();
    assert!(turn("b", 4).await);
    assert!(!turn("a", 33).await && turn("a", 34).await, "or the turn ends by its time");
}
