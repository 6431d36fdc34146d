//! When a page is to be drawn anew: a stream of ticks (server-sent events), at most two a second, each after a commit.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use hongyan_store::Store;
use hongyan_store::signals::{Listener, Signals};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::Console;
use crate::visit::Visit;

/// The shortest time between two ticks.
const PAUSE: Duration = Duration::from_millis(500);

/// A page is drawn anew also when nothing was written for so long: times pass.
const LONGEST_REST: Duration = Duration::from_secs(10);

/// A stream ends after so long; the browser opens the next one, and must be logged in for it.
const LONGEST_STREAM: Duration = Duration::from_secs(300);

/// Hears of commits.
#[derive(Clone)]
pub(crate) struct Live(watch::Receiver<()>);

struct Commits(watch::Sender<()>);

impl Live {
    pub(crate) fn start(store: &dyn Store) -> Self {
        let (commits, live) = watch::channel(());
        store.listen(Arc::new(Commits(commits)));
        Self(live)
    }
}

impl Listener for Commits {
    fn hear(&self, _: &Signals) {
        self.0.send_replace(());
    }
}

/// `GET /console/live`.
pub(crate) async fn ticks(State(console): State<Console>, _: Visit) -> Response {
    let end = Instant::now() + LONGEST_STREAM;
    let ticks = stream::unfold(console.live.0.clone(), move |mut commits| async move {
        sleep(PAUSE).await;
        tokio::select! {
            changed = commits.changed() => changed.ok()?,
            () = sleep(LONGEST_REST) => {}
            () = sleep_until(end) => return None,
        }
        Some((Ok::<_, Infallible>(Event::default().event("tick").data("")), commits))
    });
    Sse::new(ticks).keep_alive(KeepAlive::default()).into_response()
}
