//! What people ask of the store beside messages and permits: stories, users, nodes.

use async_trait::async_trait;
use hongyan_clock::UnixMillis;
use hongyan_ledger::MessageId;
use hongyan_wechat::AppId;

use crate::Result;
use crate::types::{MessageStory, NodeView, OpenMessages, ReachParts, UsablePermits, UserFilter, UserView};

/// Reads for people; a part of [`crate::Store`]. Each has a time limit, so that none holds up a message.
#[async_trait]
pub trait Reads {
    /// A message with the events about it, the deliveries of its webhook events, and the messages that it replaced.
    async fn story(&self, id: MessageId) -> Result<Option<MessageStory>>;

    /// Users of an app that have logged in, by openid.
    async fn users(&self, filter: UserFilter) -> Result<Vec<UserView>>;

    /// How many messages are open, by app and state, and since when the oldest is due. It counts at most
    /// [`crate::types::MAX_OPEN_COUNTED`] of a state.
    async fn open_messages(&self) -> Result<Vec<OpenMessages>>;

    /// How many units can be used now, by app and kind, and how many of them expire within 24 hours. It looks at no more than
    /// [`crate::types::MAX_PERMITS_COUNTED`] permits.
    async fn usable_permits(&self, now: UnixMillis) -> Result<UsablePermits>;

    /// Who of an app can be reached now, by kind and template of the permits, and how many units expire in each of the
    /// next days.
    async fn reach_parts(&self, appid: AppId, now: UnixMillis) -> Result<ReachParts>;

    /// All nodes with their lanes, by name; lanes that nobody has stand under no node.
    async fn nodes(&self) -> Result<Vec<NodeView>>;
}
