//! The stream that says when a page is to be drawn anew (server-sent events): at most two ticks a second, each after a
//! commit.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::time::{Instant, sleep, sleep_until};

use crate::console::Console;
use crate::visit::Visit;

/// The shortest time between two ticks.
const PAUSE: Duration = Duration::from_millis(500);

/// A page is drawn anew also when nothing was written for so long: times pass.
const LONGEST_REST: Duration = Duration::from_secs(10);

/// After a tick for a commit the next rest is this short: the page may have been drawn from an answer that was read for
/// another page just before the commit, and kept for a second.
const REST_AFTER_COMMIT: Duration = Duration::from_secs(1);

/// A stream ends after so long; the browser opens the next one, and must be logged in for it.
const LONGEST_STREAM: Duration = Duration::from_secs(300);

/// `GET /console/live`.
pub(super) async fn ticks(State(console): State<Console>, _: Visit) -> Response {
    let end = Instant::now() + LONGEST_STREAM;
    let begin = (console.live.hear(), LONGEST_REST);
    let ticks = stream::unfold(begin, move |(mut commits, rest)| async move {
        sleep(PAUSE).await;
        let next_rest = tokio::select! {
            changed = commits.changed() => { changed.ok()?; REST_AFTER_COMMIT }
            () = sleep(rest) => LONGEST_REST,
            () = sleep_until(end) => return None,
        };
        // A browser drops an event without data.
        Some((Ok::<_, Infallible>(Event::default().event("tick").data("now")), (commits, next_rest)))
    });
    Sse::new(ticks).keep_alive(KeepAlive::default()).into_response()
}
