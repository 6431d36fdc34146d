//! Spans on their way to the collector: gathered, exported together, and dropped when the collector does not keep up.
//!
//! The SDK has such a processor, with a thread of its own; this one runs in the gateway's runtime, limits the time of an
//! export, and counts what it drops.

use std::fmt;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::door::limits::{Limit, Limits};

/// The most spans that wait for their export. More are dropped.
const MAX_WAITING: usize = 4_096;

/// The most spans in one request.
const MAX_BATCH: usize = 512;

/// How long spans are gathered.
const GATHER: Duration = Duration::from_secs(1);

/// How long the collector may take for a batch.
const EXPORT: Duration = Duration::from_secs(5);

/// How long a stop waits for the last export.
const LAST: Duration = Duration::from_secs(2);

/// The task that exports.
pub(super) struct Batches {
    closing: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Batches {
    /// Starts the task. Also returns the processor that feeds it.
    pub(super) fn start(
        mut exporter: impl SpanExporter + 'static,
        resource: &Resource,
        limits: Limits,
    ) -> (Self, Processor) {
        exporter.set_resource(resource);
        let (sender, waiting) = mpsc::channel(MAX_WAITING);
        let closing = CancellationToken::new();
        let task = tokio::spawn(run(exporter, waiting, closing.clone(), limits.clone()));
        (Self { closing, task: Mutex::new(Some(task)) }, Processor { sender, limits })
    }

    /// Exports what is left. A collector that does not answer does not hold up the stop.
    pub(super) async fn close(&self) {
        self.closing.cancel();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && timeout(LAST, task).await.is_err()
        {
            tracing::warn!("the collector of traces did not answer in time; the last spans are lost");
        }
    }
}

async fn run(
    exporter: impl SpanExporter,
    mut waiting: mpsc::Receiver<SpanData>,
    closing: CancellationToken,
    limits: Limits,
) {
    loop {
        let mut batch = Vec::with_capacity(MAX_BATCH);
        tokio::select! {
            biased;
            received = waiting.recv_many(&mut batch, MAX_BATCH) => if received == 0 { return },
            () = closing.cancelled() => return,
        }
        let until = Instant::now() + GATHER;
        while batch.len() < MAX_BATCH {
            let room = MAX_BATCH - batch.len();
            tokio::select! {
                biased;
                more = timeout_at(until, waiting.recv_many(&mut batch, room)) => match more {
                    Ok(more) if more > 0 => {}
                    _ => break,
                },
                () = closing.cancelled() => break,
            }
        }
        let count = batch.len();
        let why = match timeout(EXPORT, exporter.export(batch)).await {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", EXPORT.as_secs()),
        };
        for _ in 0..count {
            limits.bit(Limit::Traces, format_args!("spans were not exported: {why}"));
        }
    }
}

/// Takes the spans that end.
pub(super) struct Processor {
    sender: mpsc::Sender<SpanData>,
    limits: Limits,
}

impl fmt::Debug for Processor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Processor")
    }
}

impl SpanProcessor for Processor {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.sender.try_send(span).is_err() {
            self.limits
                .bit(Limit::Traces, format_args!("more than {MAX_WAITING} spans wait for their export"));
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    /// [`Batches::close`] ends the task.
    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}
