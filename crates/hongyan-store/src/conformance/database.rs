//! The databases that a backend provides for the checks.

use std::sync::Arc;

use async_trait::async_trait;

use crate::Store;

/// An empty database for one check. It is removed when this is dropped.
#[async_trait]
pub trait Database: Send + Sync + 'static {
    /// Opens a store on it, when no other store is open on it. What was stored before is there again.
    async fn open(&self) -> Arc<dyn Store>;

    /// Opens a second store on it beside an open one, like a second node would. Both may be called at the same time. A
    /// backend that allows only one process per database returns another handle of the same store.
    async fn open_beside(&self, first: &Arc<dyn Store>) -> Arc<dyn Store>;
}

/// Makes databases.
pub(super) type Make = Arc<dyn Fn() -> Arc<dyn Database> + Send + Sync>;
