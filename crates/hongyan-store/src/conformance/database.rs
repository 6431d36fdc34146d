//! What a backend gives the checks: databases.

use std::sync::Arc;

use async_trait::async_trait;

use crate::Store;

/// An empty database, for one check alone. It is gone when this is dropped.
#[async_trait]
pub trait Database: Send + Sync + 'static {
    /// Opens a store on it: the first one, or one after all others were closed. What was stored is there again.
    async fn open(&self) -> Arc<dyn Store>;

    /// A second store on it beside an open one, as a second node would have it. Both may be asked for anything at once.
    /// Where one process must have the database for itself, it is another handle of the same store.
    async fn open_beside(&self, first: &Arc<dyn Store>) -> Arc<dyn Store>;
}

/// Makes databases.
pub(super) type Make = Arc<dyn Fn() -> Arc<dyn Database> + Send + Sync>;
