//! Tasks: the parts that run as long as the gateway does, and work that nobody may interrupt.

use std::future::Future;

use crate::stop::Stop;

/// Runs to its end even if nobody waits for it any more: a request whose client hangs up must not leave the
/// snapshot behind the store, or a token fetched and forgotten.
pub(crate) async fn uncancelled<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    match tokio::spawn(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only the end of the runtime cancels it, and that ends the waiting, too.
            Err(_) => std::future::pending().await,
        },
    }
}

/// The running parts.
pub(crate) struct Tasks {
    pub(crate) stop: Stop,
    pub(crate) running: Vec<tokio::task::JoinHandle<()>>,
}

impl Tasks {
    /// Sets a part going that ends when it is told to stop.
    pub(crate) fn spawn<F: Future<Output = ()> + Send + 'static>(&mut self, part: impl FnOnce(Stop) -> F) {
        self.running.push(tokio::spawn(part(self.stop.clone())));
    }
}
