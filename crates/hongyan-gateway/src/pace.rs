//! The pace of background work: after the store has failed, and between the steps of a long walk.

use std::time::Duration;

use hongyan_clock::UnixMillis;

/// The wait before a failing store is asked again: a full disk or a lock does not disappear at once, and work that is due
/// should not wait much longer than it must.
const STORE_RETRY: Duration = Duration::from_millis(500);

/// The rest after a step of a walk, in times of the step's duration: the walk never takes more than a fifth of the writer's
/// time.
pub(crate) const REST: u32 = 4;

/// The bounds of a rest.
pub(crate) const REST_AT_LEAST: Duration = Duration::from_millis(2);
const REST_AT_MOST: Duration = Duration::from_secs(1);

/// Waits until a store that has just failed may be asked again.
pub(crate) async fn store_failed() {
    tokio::time::sleep(STORE_RETRY).await;
}

/// When a store that failed at this moment may be asked again.
pub(crate) fn store_retry_at(failed_at: UnixMillis) -> UnixMillis {
    failed_at.plus(STORE_RETRY)
}

/// The rest after a step of this duration: `times` that duration, within bounds.
pub(crate) fn rest_after(took: Duration, times: u32) -> Duration {
    (took * times).clamp(REST_AT_LEAST, REST_AT_MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_follows_the_step_and_keeps_its_bounds() {
        let millis = Duration::from_millis;
        assert_eq!(rest_after(millis(5), REST), millis(20));
        assert_eq!(rest_after(Duration::ZERO, REST), REST_AT_LEAST);
        assert_eq!(rest_after(millis(900), REST), REST_AT_MOST);
    }
}
