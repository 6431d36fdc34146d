//! What stops the process: signals, and the end of the parent process.

use std::future::pending;
use std::sync::Arc;

use hongyan_gateway::tls::Tls;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::failure::Failure;
use crate::output::remark;
use crate::text::say;

/// Starts to listen for SIGTERM and SIGINT (Ctrl-C), and returns a future that logs the first signal and resolves.
///
/// From this call on the first signal does not kill the process. A second signal while the process finishes its work ends
/// it at once.
///
/// # Errors
/// When the system does not allow listening for signals.
pub(crate) fn stop() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    stop_or(pending())
}

/// As [`stop()`]. With `exit_with_parent` the end of standard input stops the process, too: a parent that holds the other
/// end of the pipe closes the pipe when the parent ends, even when the parent is killed.
///
/// # Errors
/// As [`stop()`].
pub(crate) fn stop_with_parent(
    exit_with_parent: bool,
) -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    stop_or(async move {
        if exit_with_parent {
            standard_input_ended().await;
        } else {
            pending::<()>().await;
        }
    })
}

fn stop_or(
    other: impl Future<Output = ()> + Send + 'static,
) -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let mut signals = Signals::listen()
        .map_err(|error| Failure::run(say!("不能接收信号：{error}", "cannot listen for signals: {error}")))?;
    Ok(async move {
        let why = tokio::select! {
            signal = signals.next() => signal,
            () = other => "the end of standard input",
        };
        tracing::info!(why, "stopping");
        tokio::spawn(async move {
            signals.next().await;
            remark(say!("没有全部做完就停止了", "stopped before everything was finished"));
            std::process::exit(1);
        });
    })
}

/// Reads standard input to its end.
async fn standard_input_ended() {
    let (ended, wait) = oneshot::channel();
    // This is a thread of its own, because a read that tokio started would keep the runtime from ending.
    std::thread::spawn(move || {
        if let Err(error) = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink()) {
            tracing::warn!(%error, "standard input cannot be read, and counts as ended");
        }
        // Nobody waits if a signal came first.
        let _ = ended.send(());
    });
    // The thread sends in any case.
    let _ = wait.await;
}

/// Reads the TLS certificate again at each SIGHUP, until the task is aborted.
///
/// # Errors
/// When the system does not allow listening for signals.
#[cfg(unix)]
pub(crate) fn hangups(tls: Arc<Tls>) -> Result<JoinHandle<()>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangup = signal(SignalKind::hangup())
        .map_err(|error| Failure::run(say!("不能接收信号：{error}", "cannot listen for signals: {error}")))?;
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

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
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

    async fn next(&mut self) -> &'static str {
        if tokio::signal::ctrl_c().await.is_err() {
            // Without signals the process runs until it is killed.
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}
