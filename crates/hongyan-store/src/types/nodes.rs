//! Nodes: who serves, who has which lane, who may ask for a token.

use std::sync::Arc;

use hongyan_clock::UnixMillis;
use hongyan_ledger::Lane;
use hongyan_wechat::AppId;

use super::{Claimed, Epoch};

/// A node: one running gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What operators call it. No two that run at once have the same.
    pub name: Arc<str>,
    /// A number of chance: tells this process from an earlier one of the same name.
    pub incarnation: u64,
}

/// A node wants to go on being one.
#[derive(Debug, Clone)]
pub struct LeaseOrder {
    /// Which.
    pub node: Node,
    /// It has just started: what an earlier process of its name had is free.
    pub is_first: bool,
    /// Now, by the machine's clock.
    pub machine_now: UnixMillis,
    /// When this lease ends, by the machine's clock.
    pub until: UnixMillis,
    /// Now, by the clock that messages have.
    pub now: UnixMillis,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leased {
    /// It is a node until the end of its lease.
    Held(Standing),
    /// Another process has started under its name since. This one has nothing any more.
    Replaced,
}

/// Where a node stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The lanes that it has.
    pub lanes: Vec<(Lane, Epoch)>,
    /// Lanes that nobody has and that its share is short of.
    pub take: Vec<Lane>,
    /// Of its lanes, those that it has too many of.
    pub give: Vec<Lane>,
    /// The names of all nodes, in order.
    pub nodes: Vec<String>,
}

/// A lane that a node has acquired.
#[derive(Debug, Clone)]
pub struct Acquired {
    /// The node's epoch.
    pub epoch: Epoch,
    /// The messages that are `sending`: the owner before did not live to see, or to store, their outcome.
    pub sending: Vec<Claimed>,
    /// The lane's earliest timer.
    pub next_wake: Option<UnixMillis>,
}

/// A node wants to ask WeChat for an app's access token.
#[derive(Debug, Clone)]
pub struct TokenLease {
    /// Which app's.
    pub appid: AppId,
    /// Which node.
    pub node: Arc<str>,
    /// Now, by the machine's clock.
    pub machine_now: UnixMillis,
    /// When its turn ends if it does not end it itself, by the machine's clock.
    pub until: UnixMillis,
}
