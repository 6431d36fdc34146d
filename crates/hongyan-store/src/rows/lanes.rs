//! Who serves, who owns a lane, who may ask for a token.

use hongyan_clock::UnixMillis;
use hongyan_ledger::Lane;
use hongyan_wechat::AppId;

use crate::row_error::RowResult;
use crate::types::{Epoch, TokenLease};

/// A lane, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    /// Which.
    pub(crate) lane: Lane,
    /// Since this change of hands.
    pub(crate) epoch: Epoch,
    /// `None`: nobody's.
    pub(crate) node: Option<String>,
}

/// A node, as it stands in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeRow {
    /// Its name.
    pub(crate) name: String,
    /// Which process of this name.
    pub(crate) incarnation: u64,
    /// The end of its lease, by the machine's clock.
    pub(crate) expires_at: UnixMillis,
    /// When it renewed its lease last, by the clock that messages have.
    pub(crate) seen_at: UnixMillis,
}

/// Questions about lanes and nodes, and writes.
pub(crate) trait LaneRows {
    /// A lane's epoch. Asked for every message.
    fn epoch(&self, lane: Lane) -> RowResult<Epoch>;

    /// All lanes, in order, and whose they are.
    fn owners(&self) -> RowResult<Vec<Owner>>;

    /// Whose a lane is.
    fn owner(&self, lane: Lane) -> RowResult<Option<String>>;

    /// Writes who has a lane under this epoch; `None`: nobody.
    fn set_owner(&self, lane: Lane, epoch: Epoch, node: Option<&str>) -> RowResult<()>;

    /// All nodes, by name.
    fn nodes(&self) -> RowResult<Vec<NodeRow>>;

    /// Writes a node, in the place of one of its name.
    fn put_node(&self, node: &NodeRow) -> RowResult<()>;

    /// Removes a node.
    fn delete_node(&self, name: &str) -> RowResult<()>;

    /// Since when every push of WeChat's has met a node that listened, as far as is known.
    fn listening_since(&self) -> RowResult<UnixMillis>;

    /// Writes it.
    fn set_listening_since(&self, since: UnixMillis) -> RowResult<()>;

    /// Which node may ask for an app's token, and until when.
    fn token_lease(&self, appid: &AppId) -> RowResult<Option<(String, UnixMillis)>>;

    /// Writes it.
    fn put_token_lease(&self, lease: &TokenLease) -> RowResult<()>;

    /// Ends a node's turn to ask for an app's token, if it is its turn.
    fn delete_token_lease(&self, appid: &AppId, node: &str) -> RowResult<()>;
}
