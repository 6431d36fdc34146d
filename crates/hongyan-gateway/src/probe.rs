//! Probe: while the breaker of an app is open, sees to it that a message is there to find out whether WeChat
//! answers again.
//!
//! What rests because of the breaker has no timer, so that a backlog costs nothing for as long as the outage lasts.
//! So somebody must wake one at the end of each pause. Which of them becomes the probe is decided where it is
//! claimed, in the store; so it does not matter if a new message comes first.

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

/// Whoever was woken may have had no permit left, or have met its deadline; after this, others are woken.
const WAKE_OTHERS: Duration = Duration::from_secs(1);

/// What probing works with.
pub struct Prober {
    /// Where the messages are.
    pub store: Arc<dyn Store>,
    /// Whose breaker is open, and until when.
    pub apps: Apps,
    /// The time.
    pub clock: Clock,
    /// Which lanes are this node's: it probes for the apps whose lanes it has.
    pub owned: Owned,
}

/// What is known about one app whose breaker is open.
struct Search {
    /// The end of the pause that it is for.
    probe_at: UnixMillis,
    /// When to look next.
    at: UnixMillis,
    /// Where to look next.
    after: Option<ProbeWalk>,
}

impl Prober {
    /// Runs until it is told to stop.
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

    /// Wakes a few; says when to look again.
    async fn look(&self, appid: &AppId, after: &mut Option<ProbeWalk>, now: UnixMillis) -> UnixMillis {
        match self.store.probe(appid.clone(), after.clone(), now).await {
            Ok(Probing::Woken { walk, .. }) => {
                *after = Some(walk);
                now.plus(WAKE_OTHERS)
            }
            Ok(Probing::NotBefore(moment)) => moment,
            // Until the app's pause changes.
            Ok(Probing::NoneReady | Probing::Closed) => UnixMillis::MAX,
            Err(error) => {
                tracing::error!(%error, app = %appid, "no message can be woken to probe WeChat; trying again");
                pace::store_retry_at(now)
            }
        }
    }
}
