//! The signals that stop the process.

use std::sync::Arc;

use hongyan_gateway::tls::Tls;
use tokio::task::JoinHandle;

use crate::failure::Failure;
use crate::output::remark;

/// Starts to listen for SIGTERM and SIGINT (Ctrl-C), and returns a future that resolves at the first signal.
///
/// From this call on the first signal does not kill the process. A second signal while the process finishes its work ends
/// it at once.
///
/// # Errors
/// When the system does not allow listening for signals.
pub(crate) fn stop() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let mut signals =
        Signals::listen().map_err(|error| Failure::run(format!("cannot listen for signals: {error}")))?;
    Ok(async move {
        signals.next().await;
        tokio::spawn(async move {
            signals.next().await;
            remark("stopped before everything was finished");
            std::process::exit(1);
        });
    })
}

/// Reads the TLS certificate again at each SIGHUP, until the task is aborted.
///
/// # Errors
/// When the system does not allow listening for signals.
#[cfg(unix)]
pub(crate) fn hangups(tls: Arc<Tls>) -> Result<JoinHandle<()>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangup = signal(SignalKind::hangup())
        .map_err(|error| Failure::run(format!("cannot listen for signals: {error}")))?;
    Ok(tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            if let Err(error) = tls.reload() {
                tracing::error!(%error, "the TLS certificate cannot be reloaded; the old certificate stays in use");
            }
        }
    }))
}

/// This system has no SIGHUP; the gateway notices changed files anyway.
#[cfg(not(unix))]
pub(crate) fn hangups(_: Arc<Tls>) -> Result<JoinHandle<()>, Failure> {
    Ok(tokio::spawn(std::future::ready(())))
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            // Without signals the process runs until it is killed.
            std::future::pending::<()>().await;
        }
    }
}
