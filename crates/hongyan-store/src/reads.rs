//! What people ask of the store beside messages and permits: users, nodes.

use async_trait::async_trait;

use crate::Result;
use crate::types::{NodeView, UserFilter, UserView};

/// Reads for people; a part of [`crate::Store`]. Each has a time limit, so that none holds up a message.
#[async_trait]
pub trait Reads {
    /// Users of an app that have logged in, by openid.
    async fn users(&self, filter: UserFilter) -> Result<Vec<UserView>>;

    /// All nodes with their lanes, by name; lanes that nobody has stand under no node.
    async fn nodes(&self) -> Result<Vec<NodeView>>;
}
