//! Probe: while the breaker of an app is open, provides a message that finds out whether WeChat answers again.
//!
//! Messages that rest because of the breaker have no timer, so a backlog costs nothing during the outage. So this task wakes
//! a message at the end of each pause. The claim in the store decides which message becomes the probe, so a new message may
//! also be the probe.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hongyan_clock::{Clock, UnixMillis};
use hongyan_store::Store;
use hongyan_store::types::{ProbeWalk, Probing};
use hongyan_wechat::AppId;

use crate::apps::Apps;
use crate::pace;
use crate::state::owned::Owned;
use crate::stop::Stop;

/// The messages that were woken may have had no permit, or may have passed their deadline. After this time others are woken.
const WAKE_OTHERS: Duration = Duration::from_secs(1);

/// Wakes probes.
pub struct Prober {
    /// The store of the messages.
    pub store: Arc<dyn Store>,
    /// The apps with their breakers.
    pub apps: Apps,
    /// The time.
    pub clock: Clock,
    /// The lanes of this node. The node probes for the apps whose lanes it has.
    pub owned: Owned,
}

/// The search for a probe of one app.
struct Search {
    /// The end of the pause that the search is for.
    probe_at: UnixMillis,
    /// When to search next.
    at: UnixMillis,
    /// Where to continue the search.
    after: Option<ProbeWalk>,
}

impl Prober {
    /// Runs until the stop.
    pub async fn run(self, stop: Stop) {
        tokio::select! {
            () = self.probe_for_ever() => {}
            () = stop.stopping() => {}
        }
    }

    async fn probe_for_ever(&self) {
        let mut searches = HashMap::new();
        let mut lanes = self.owned.watch();
        loop {
            lanes.mark_unchanged();
            let mut next = UnixMillis::MAX;
            let own = self.apps.list().into_iter().filter(|app| self.owned.has_app(&app.record.appid));
            let open = own.filter_map(|app| Some((app.probe_at()?, app)));
            let open: Vec<_> = open.map(|(probe_at, app)| (app.record.appid.clone(), probe_at)).collect();
            searches.retain(|appid, _| open.iter().any(|(other, _)| other == appid));
            for (appid, probe_at) in open {
                let search =
                    searches.entry(appid.clone()).or_insert(Search { probe_at, at: probe_at, after: None });
                if search.probe_at != probe_at {
                    (search.probe_at, search.at) = (probe_at, probe_at);
                }
                let now = self.clock.now();
                if search.at <= now {
                    search.at = self.look(&appid, &mut search.after, now).await;
                }
                next = next.min(search.at);
            }
            tokio::select! {
                () = self.clock.sleep_until(next) => {}
                () = self.apps.pauses_changed() => {}
                // The sender lives in `self`.
                _ = lanes.changed() => {}
            }
        }
    }

    /// Wakes a few messages. Returns when to search again.
    async fn look(&self, appid: &AppId, after: &mut Option<ProbeWalk>, now: UnixMillis) -> UnixMillis {
        match self.store.probe(appid.clone(), after.clone(), now).await {
            Ok(Probing::Woken { walk, .. }) => {
                *after = Some(walk);
                now.plus(WAKE_OTHERS)
            }
            Ok(Probing::NotBefore(moment)) => moment,
            // Wait until the app's pause changes.
            Ok(Probing::NoneReady | Probing::Closed) => UnixMillis::MAX,
            Err(error) => {
                tracing::error!(%error, app = %appid, "no message can be woken to probe WeChat; trying again");
                pace::store_retry_at(now)
            }
        }
    }
}
