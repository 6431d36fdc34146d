//! The counts of HTTP requests, by route and status.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

/// The label of requests that no route serves.
const OTHER: &str = "other";

/// The counts of all routes. A route is the pattern of its paths, so the number of routes does not depend on requests.
#[derive(Default)]
pub(super) struct Routes(RwLock<HashMap<Box<str>, BTreeMap<u16, AtomicU64>>>);

impl Routes {
    /// Counts an answer. `None`: no route serves the path.
    pub(super) fn answered(&self, route: Option<&str>, status: u16) {
        let route = route.unwrap_or(OTHER);
        let is_counted = {
            let routes = self.0.read().unwrap_or_else(PoisonError::into_inner);
            let counter = routes.get(route).and_then(|statuses| statuses.get(&status));
            counter.map(|counter| counter.fetch_add(1, Ordering::Relaxed)).is_some()
        };
        if !is_counted {
            let mut routes = self.0.write().unwrap_or_else(PoisonError::into_inner);
            let statuses = routes.entry(route.into()).or_default();
            statuses.entry(status).or_default().fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Route, status and count, in order.
    pub(super) fn all(&self) -> Vec<(String, u16, u64)> {
        let routes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = routes
            .iter()
            .flat_map(|(route, statuses)| {
                statuses
                    .iter()
                    .map(|(status, count)| (route.to_string(), *status, count.load(Ordering::Relaxed)))
            })
            .collect();
        all.sort_unstable();
        all
    }
}
