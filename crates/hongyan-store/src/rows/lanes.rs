//! Nodes, the owners of lanes, and the turns to ask for a token.

use hongyan_clock::UnixMillis;
use hongyan_ledger::Lane;
use hongyan_wechat::AppId;

use crate::row_error::RowResult;
use crate::types::{Epoch, TokenLease};

/// A lane and its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The lane.
    pub(crate) lane: Lane,
    /// The epoch of its last change of hands.
    pub(crate) epoch: Epoch,
    /// The node that owns it; `None`: the lane is free.
    pub(crate) node: Option<String>,
}

/// A node as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeRow {
    /// Its name.
    pub(crate) name: String,
    /// The number of the process that has this name now.
    pub(crate) incarnation: u64,
    /// The end of its lease, by the machine's clock.
    pub(crate) expires_at: UnixMillis,
    /// When it last renewed its lease, by the clock of messages.
    pub(crate) seen_at: UnixMillis,
}

/// Questions about lanes and nodes, and writes of them.
pub(crate) trait LaneRows {
    /// A lane's epoch. This is asked for every message.
    fn epoch(&self, lane: Lane) -> RowResult<Epoch>;

    /// All lanes with their owners, in order.
    fn owners(&self) -> RowResult<Vec<Owner>>;

    /// The node that owns a lane.
    fn owner(&self, lane: Lane) -> RowResult<Option<String>>;

    /// Writes which node owns a lane under this epoch; `None` frees the lane.
    fn set_owner(&self, lane: Lane, epoch: Epoch, node: Option<&str>) -> RowResult<()>;

    /// All nodes, by name.
    fn nodes(&self) -> RowResult<Vec<NodeRow>>;

    /// Writes a node, replacing a node of the same name.
    fn put_node(&self, node: &NodeRow) -> RowResult<()>;

    /// Removes a node.
    fn delete_node(&self, name: &str) -> RowResult<()>;

    /// Since when, as far as is known, a node that listened has received every push of WeChat's.
    fn listening_since(&self) -> RowResult<UnixMillis>;

    /// Writes since when no push can have been missed.
    fn set_listening_since(&self, since: UnixMillis) -> RowResult<()>;

    /// Which node has the turn to ask for an app's token, and until when.
    fn token_lease(&self, appid: &AppId) -> RowResult<Option<(String, UnixMillis)>>;

    /// Writes a turn to ask for an app's token.
    fn put_token_lease(&self, lease: &TokenLease) -> RowResult<()>;

    /// Ends a node's turn to ask for an app's token, if the node has it.
    fn delete_token_lease(&self, appid: &AppId, node: &str) -> RowResult<()>;
}
