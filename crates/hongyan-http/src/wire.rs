//! One TCP stream, watched: how much of a request was written, and whether the other end has hung up.
//!
//! Servers close kept connections without a word, WeChat among them. What the HTTP library knows of that is what its task was last told by
//! the operating system; a request that is written a moment later is lost, and nobody can say whether it was read. So
//! the first write of a request on a kept connection looks into the kernel first ([`Watched::look`]): if anything has
//! arrived, be it the end of the stream or what nobody asked for, nothing is written.

use std::io::{self, ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::Uri;
use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tower::Service;

use crate::habit::Habit;

/// What is known of a stream, for those who do not hold it.
#[derive(Debug)]
pub struct Wire {
    /// Bytes written since the last request began.
    written: AtomicU64,
    /// The next write is the first of a request, on a connection that was idle.
    looks_first: AtomicBool,
    /// It looked, and must not be written to any more.
    is_dead: AtomicBool,
    /// Since when the connection has been idle, while it is.
    idle_since: Mutex<Option<Instant>>,
    /// What hang-ups are reported to. Without one, nobody looks before a request is written either.
    habit: Option<Arc<Habit>>,
}

impl Wire {
    fn new(habit: Option<Arc<Habit>>) -> Arc<Self> {
        Arc::new(Self {
            written: AtomicU64::new(0),
            looks_first: AtomicBool::new(false),
            is_dead: AtomicBool::new(false),
            idle_since: Mutex::new(None),
            habit,
        })
    }

    /// A request begins; `is_kept`: on a connection that was idle.
    pub(crate) fn begin(&self, is_kept: bool) {
        self.written.store(0, Ordering::Release);
        self.looks_first.store(is_kept && self.habit.is_some(), Ordering::Release);
    }

    /// Whether anything of the request was written.
    pub(crate) fn has_written(&self) -> bool {
        self.written.load(Ordering::Acquire) > 0
    }

    /// The connection is idle from now on.
    pub(crate) fn rest(&self, now: Instant) {
        *self.idle_since.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// It is in use again; for how long it was idle.
    pub(crate) fn wake(&self, now: Instant) -> Duration {
        let since = self.idle_since.lock().unwrap_or_else(PoisonError::into_inner).take();
        since.map_or(Duration::ZERO, |since| now.duration_since(since))
    }

    /// The connection broke on its first request after it was idle for so long.
    pub(crate) fn broke_after(&self, rested: Duration) {
        if let Some(habit) = &self.habit {
            habit.hung_up_after(rested);
        }
    }

    /// The other end has hung up. If that was while the connection was idle, it says something about the next ones.
    fn hung_up(&self) {
        let since = *self.idle_since.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(since) = since {
            self.broke_after(since.elapsed());
        }
    }
}

/// A TCP stream and what is known of it.
pub struct Watched {
    tcp: TcpStream,
    wire: Arc<Wire>,
}

/// A stream that has a watched one at its bottom.
pub trait OnWire {
    /// What is known of the watched one.
    fn wire(&self) -> Arc<Wire>;
}

impl OnWire for TokioIo<Watched> {
    fn wire(&self) -> Arc<Wire> {
        Arc::clone(&self.inner().wire)
    }
}

impl OnWire for MaybeHttpsStream<TokioIo<Watched>> {
    fn wire(&self) -> Arc<Wire> {
        match self {
            Self::Http(tcp) => tcp.wire(),
            Self::Https(tls) => tls.inner().get_ref().0.inner().wire(),
        }
    }
}

impl Watched {
    /// Before the first write of a request on a connection that was idle: whether it is as quiet as it should be.
    fn look(&self) -> io::Result<()> {
        if self.wire.looks_first.swap(false, Ordering::AcqRel) {
            let mut byte = [MaybeUninit::uninit(); 1];
            let seen = SockRef::from(&self.tcp).peek(&mut byte);
            if !seen.is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
                self.wire.is_dead.store(true, Ordering::Release);
            }
        }
        if self.wire.is_dead.load(Ordering::Acquire) {
            return Err(io::Error::new(ErrorKind::NotConnected, "the other end has hung up"));
        }
        Ok(())
    }

    fn note(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = &written {
            self.wire.written.fetch_add(*bytes as u64, Ordering::AcqRel);
        }
        written
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.tcp).poll_read(context, buffer);
        if let Poll::Ready(result) = &read
            && (result.is_err() || (buffer.filled().len() == before && buffer.remaining() > 0))
        {
            self.wire.hung_up();
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.look()?;
        let written = Pin::new(&mut self.tcp).poll_write(context, bytes);
        self.note(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.look()?;
        let written = Pin::new(&mut self.tcp).poll_write_vectored(context, slices);
        self.note(written)
    }
}

impl Connection for Watched {
    fn connected(&self) -> Connected {
        self.tcp.connected()
    }
}

/// Makes watched streams of a connector's.
#[derive(Clone)]
pub struct Watching<C> {
    tcp: C,
    habit: Option<Arc<Habit>>,
}

impl<C> Watching<C> {
    /// Reports hang-ups to the habit, and looks whether a kept connection is still there before a request is written on
    /// it.
    pub fn new(tcp: C, habit: Arc<Habit>) -> Self {
        Self { tcp, habit: Some(habit) }
    }

    /// Counts what is written, and does nothing else: for requests that may reach the other end twice. A look costs a
    /// system call.
    pub fn counting(tcp: C) -> Self {
        Self { tcp, habit: None }
    }
}

impl<C> Service<Uri> for Watching<C>
where
    C: Service<Uri, Response = TokioIo<TcpStream>>,
    C::Future: Send + 'static,
{
    type Response = TokioIo<Watched>;
    type Error = C::Error;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<Watched>, C::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.tcp.poll_ready(context)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connecting = self.tcp.call(to);
        let wire = Wire::new(self.habit.clone());
        Box::pin(async move { Ok(TokioIo::new(Watched { tcp: connecting.await?.into_inner(), wire })) })
    }
}
