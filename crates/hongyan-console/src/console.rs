//! What the pages work with.

use std::sync::Arc;

use hongyan_gateway::Context;
use hongyan_gateway::api::{InsideApi, inside};

use crate::answers::Answers;
use crate::live::Live;

/// What the pages work with. Clones share everything.
#[derive(Clone)]
pub(crate) struct Console(Arc<Parts>);

/// The parts of the console.
pub(crate) struct Parts {
    /// The gateway: its people, its clock, its settings.
    pub(crate) gateway: Context,
    /// `/v1`, in this process.
    pub(crate) api: InsideApi,
    /// When pages are to be drawn anew.
    pub(crate) live: Live,
    /// Answers that all viewers share.
    pub(crate) answers: Answers,
}

impl std::ops::Deref for Console {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Console {
    /// Begins to hear of commits.
    pub(crate) fn start(gateway: &Context) -> Self {
        Self(Arc::new(Parts {
            gateway: gateway.clone(),
            api: inside(gateway.clone()),
            live: Live::start(&*gateway.store),
            answers: Answers::default(),
        }))
    }
}
