//! How the lanes are shared out among nodes: evenly, with as few moves as possible.
//!
//! ```text
//! 64 lanes, 3 nodes ─▶ 22, 21, 21, in the order of the nodes' names
//! ```

use crate::lane::{LANES, Lane};

/// What one node does to reach its share.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Free lanes that this node needs for its share.
    pub take: Vec<Lane>,
    /// Lanes that this node has beyond its share.
    pub give: Vec<Lane>,
}

/// How many lanes the node at this place among so many nodes has in the end.
pub const fn share(place: usize, nodes: usize) -> usize {
    let lanes = LANES as usize;
    lanes / nodes + if place < lanes % nodes { 1 } else { 0 }
}

/// What the node at `place` does. `owner` says which of the `nodes` has a lane, by its place; `None`: no node has it.
///
/// # Panics
/// If `place` is not less than `nodes`.
pub fn plan(owner: impl Fn(Lane) -> Option<usize>, place: usize, nodes: usize) -> Plan {
    assert!(place < nodes, "a node plans for itself");
    let own: Vec<Lane> = Lane::all().filter(|&lane| owner(lane) == Some(place)).collect();
    let share = share(place, nodes);
    Plan {
        take: Lane::all()
            .filter(|&lane| owner(lane).is_none())
            .take(share.saturating_sub(own.len()))
            .collect(),
        give: own.into_iter().skip(share).collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Owners = [Option<usize>; LANES as usize];

    /// Each node in turn carries out its plan. Returns how many lanes moved.
    fn round(owners: &mut Owners, nodes: usize) -> usize {
        let mut moved = 0;
        for place in 0..nodes {
            let Plan { take, give } = plan(|lane| owners[lane.index()], place, nodes);
            moved += take.len();
            for lane in take {
                owners[lane.index()] = Some(place);
            }
            for lane in give {
                owners[lane.index()] = None;
            }
        }
        moved
    }

    proptest! {
        #[test]
        fn whatever_the_nodes_have_two_rounds_make_it_even_with_the_fewest_moves(
            given in prop::collection::vec(prop::option::of(0_usize..9), LANES as usize),
            nodes in 1_usize..9,
        ) {
            // Lanes of a node that is gone are free.
            let mut owners: Owners = std::array::from_fn(|at| given[at].filter(|&owner| owner < nodes));
            let count = |owners: &Owners, place| owners.iter().filter(|owner| **owner == Some(place)).count();
            let short: usize = (0..nodes).map(|place| share(place, nodes).saturating_sub(count(&owners, place))).sum();
            let moved = round(&mut owners, nodes) + round(&mut owners, nodes);
            for place in 0..nodes {
                prop_assert_eq!(count(&owners, place), share(place, nodes));
            }
            prop_assert_eq!(moved, short, "a lane moves only to a node that is short of a lane");
            prop_assert_eq!(round(&mut owners, nodes), 0, "then it rests");
        }
    }

    #[test]
    fn more_nodes_than_lanes_leave_some_without() {
        assert_eq!((share(63, 65), share(64, 65)), (1, 0));
        assert_eq!(plan(|_| None, 64, 65), Plan::default());
    }
}
