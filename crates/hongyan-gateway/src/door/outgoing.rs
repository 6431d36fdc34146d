//! Limits the calls to WeChat that are not sends, so that they leave connections and WeChat's quota to the sends, and so
//! that calls caused by strangers leave places to callers.
//!
//! Calls for access tokens and templates need no place: each app makes one such call at a time, and nothing works without
//! it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::limits::{Limit, Limits};

/// The longest time that a caller waits for a place.
const PATIENCE: Duration = Duration::from_secs(2);

/// On whose behalf WeChat is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behalf {
    /// A caller with a key, a gateway secret or a gateway token.
    Caller,
    /// Anyone who knows an appid.
    Stranger,
}

/// The places for these calls.
pub struct Outgoing {
    callers: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    patience: Duration,
    limits: Limits,
}

/// All places are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPlace;

impl Outgoing {
    /// Creates this many places for callers, and half as many for strangers.
    pub fn new(wechat_calls: u32, limits: Limits) -> Self {
        let places = |count: u32| Arc::new(Semaphore::new(count as usize));
        Self {
            callers: places(wechat_calls),
            strangers: places(wechat_calls.div_ceil(2)),
            patience: PATIENCE,
            limits,
        }
    }

    /// Whether strangers have taken all of their places.
    pub fn is_full_of_strangers(&self) -> bool {
        self.strangers.available_permits() == 0
    }

    /// A place, held for as long as the call is under way.
    ///
    /// # Errors
    /// When no place becomes free in time.
    pub async fn place(&self, behalf: Behalf) -> Result<OwnedSemaphorePermit, NoPlace> {
        let places = match behalf {
            Behalf::Caller => &self.callers,
            Behalf::Stranger => &self.strangers,
        };
        let place = tokio::time::timeout(self.patience, Arc::clone(places).acquire_owned()).await;
        place.ok().and_then(Result::ok).ok_or_else(|| {
            let who = match behalf {
                Behalf::Caller => "callers",
                Behalf::Stranger => "mini programs",
            };
            self.limits.bit(Limit::WechatCalls, who);
            NoPlace
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Report;

    #[tokio::test]
    async fn strangers_take_no_place_of_callers() {
        let mut outgoing = Outgoing::new(2, Limits::new(&Report::new()));
        outgoing.patience = Duration::ZERO;
        let held = outgoing.place(Behalf::Stranger).await.unwrap();
        assert_eq!(outgoing.place(Behalf::Stranger).await.unwrap_err(), NoPlace);
        let _first = outgoing.place(Behalf::Caller).await.unwrap();
        let _second = outgoing.place(Behalf::Caller).await.unwrap();
        assert_eq!(outgoing.place(Behalf::Caller).await.unwrap_err(), NoPlace);
        drop(held);
        drop(outgoing.place(Behalf::Stranger).await.unwrap());
    }
}
