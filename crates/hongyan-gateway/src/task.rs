//! Tasks: the parts that run as long as the gateway, and work that must not be interrupted.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tracing::Instrument;

use crate::stop::Stop;

/// Runs to its end even if the caller stops waiting: a client that hangs up must not leave the snapshot behind the store, or
/// lose a fetched token.
pub(crate) async fn uncancelled<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    match tokio::spawn(work.in_current_span()).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only the end of the runtime cancels the task, and that ends this wait too.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Also runs to its end, but becomes a task only when the caller stops waiting: for code that every message runs. A caller
/// that stops waiting leaves the rest to a new task.
pub(crate) fn finished<F>(work: F) -> Finished<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    Finished(Some(Box::pin(work)))
}

/// See [`finished`].
pub(crate) struct Finished<F: Future<Output: Send> + Send + 'static>(Option<Pin<Box<F>>>);

impl<F: Future<Output: Send> + Send + 'static> Future for Finished<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Some(work) = &mut self.0 else { return Poll::Pending };
        let polled = work.as_mut().poll(context);
        if polled.is_ready() {
            self.0 = None;
        }
        polled
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for Finished<F> {
    fn drop(&mut self) {
        // Without a runtime the process is ending.
        if let (Some(work), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(async move { drop(work.await) });
        }
    }
}

/// The running parts.
pub(crate) struct Tasks {
    pub(crate) stop: Stop,
    pub(crate) running: Vec<tokio::task::JoinHandle<()>>,
}

impl Tasks {
    /// Starts a part, which ends at the stop.
    pub(crate) fn spawn<F: Future<Output = ()> + Send + 'static>(&mut self, part: impl FnOnce(Stop) -> F) {
        self.running.push(tokio::spawn(part(self.stop.clone())));
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_finished_all_the_same() {
        let ((go, gone), (tell, told)) = (oneshot::channel::<()>(), oneshot::channel());
        let mut work = Box::pin(finished(async move {
            gone.await.unwrap();
            tell.send("finished").unwrap();
        }));
        tokio::select! {
            biased;
            () = &mut work => panic!("the work waits"),
            () = std::future::ready(()) => {}
        }
        drop(work);
        go.send(()).unwrap();
        assert_eq!(told.await, Ok("finished"));
        assert_eq!(finished(async { 7 }).await, 7);
    }
}
