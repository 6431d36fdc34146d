//! Work on a database that shows its progress and can be stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hongyan_store::sqlite::Watcher;

use crate::failure::Failure;
use crate::text::say;
use crate::{progress, signals};

/// Does work on a database on a separate thread, shows its progress, and stops it at SIGTERM or SIGINT.
pub(crate) async fn stoppable<T: Send + 'static, E: Into<Failure> + Send + 'static>(
    work: impl FnOnce(&Watcher) -> Result<T, E> + Send + 'static,
) -> Result<T, Failure> {
    let stop = signals::stop()?;
    let stopped = Arc::new(AtomicBool::new(false));
    let watcher = progress::watcher(&stopped);
    let mut working = tokio::task::spawn_blocking(move || work(&watcher));
    let done = tokio::select! {
        done = &mut working => done,
        () = stop => {
            stopped.store(true, Ordering::Relaxed);
            working.await
        }
    };
    done.map_err(|error| Failure::run(say!("工作线程出错：{error}", "the work panicked: {error}")))?
        .map_err(Into::into)
}
