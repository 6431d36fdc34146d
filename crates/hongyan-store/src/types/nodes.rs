//! Nodes: which node has which lane, and which node may ask for a token.

use std::sync::Arc;

use hongyan_clock::UnixMillis;
use hongyan_ledger::Lane;
use hongyan_wechat::AppId;

use super::{Claimed, Epoch};

/// A node: one running gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The node's name, chosen by the operator. No two running nodes have the same name.
    pub name: Arc<str>,
    /// A random number that tells this process from an earlier process of the same name.
    pub incarnation: u64,
}

/// A node, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// Its name; `None`: the lanes here are nobody's.
    pub name: Option<String>,
    /// When it renewed its lease last.
    pub seen_at: Option<UnixMillis>,
    /// The lanes that it has, and under which epoch.
    pub lanes: Vec<(Lane, Epoch)>,
}

/// A node's request to renew its lease.
#[derive(Debug, Clone)]
pub struct LeaseOrder {
    /// The node.
    pub node: Node,
    /// The node has just started: lanes that an earlier process of its name had are free.
    pub is_first: bool,
    /// Now, by the machine's clock.
    pub machine_now: UnixMillis,
    /// When this lease ends, by the machine's clock.
    pub until: UnixMillis,
    /// Now, by the clock of messages.
    pub now: UnixMillis,
}

/// The answer to that request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leased {
    /// The node has its lease.
    Held(Standing),
    /// Another process has started under the node's name since. This process owns nothing any more.
    Replaced,
}

/// The lanes of a node, and how they must change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The lanes that the node has.
    pub lanes: Vec<(Lane, Epoch)>,
    /// Free lanes that the node needs for its share.
    pub take: Vec<Lane>,
    /// Lanes that the node has beyond its share.
    pub give: Vec<Lane>,
    /// The names of all nodes, in order.
    pub nodes: Vec<String>,
}

/// A lane that a node has acquired.
#[derive(Debug, Clone)]
pub struct Acquired {
    /// The node's epoch.
    pub epoch: Epoch,
    /// The messages that are `sending`: the previous owner ended before it stored their outcome.
    pub sending: Vec<Claimed>,
    /// The lane's earliest timer.
    pub next_wake: Option<UnixMillis>,
}

/// A node's request for the turn to ask WeChat for an app's access token.
#[derive(Debug, Clone)]
pub struct TokenLease {
    /// The app.
    pub appid: AppId,
    /// The node.
    pub node: Arc<str>,
    /// Now, by the machine's clock.
    pub machine_now: UnixMillis,
    /// When the turn ends at the latest, by the machine's clock.
    pub until: UnixMillis,
}
