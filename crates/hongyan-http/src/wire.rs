//! A watched TCP stream: how much of a request was written, and whether the server has closed the connection.
//!
//! Servers, including WeChat's, close kept connections without notice. The HTTP library only knows what the operating
//! system last told its task; a request that is written a moment later is lost, and nobody can say whether the server
//! read it. So the first write of a request on a kept connection checks the socket first ([`Watched::look`]): if anything
//! has arrived, such as the end of the stream or unexpected data, nothing is written.

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

/// The shared knowledge about a stream, for code that does not own the stream.
#[derive(Debug)]
pub struct Wire {
    /// The bytes written since the last request began.
    written: AtomicU64,
    /// The next write is the first write of a request, on a connection that was idle.
    looks_first: AtomicBool,
    /// The check failed: nothing may be written any more.
    is_dead: AtomicBool,
    /// When the connection became idle, while it is idle.
    idle_since: Mutex<Option<Instant>>,
    /// The habit that gets reports of closed connections. Without a habit there is no check before a request is written.
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

    /// A request begins; `is_kept` says that the connection was idle.
    pub(crate) fn begin(&self, is_kept: bool) {
        self.written.store(0, Ordering::Release);
        self.looks_first.store(is_kept && self.habit.is_some(), Ordering::Release);
    }

    /// Whether anything of the request was written.
    pub(crate) fn has_written(&self) -> bool {
        self.written.load(Ordering::Acquire) > 0
    }

    /// The connection becomes idle.
    pub(crate) fn rest(&self, now: Instant) {
        *self.idle_since.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// The connection is in use again; returns how long it was idle.
    pub(crate) fn wake(&self, now: Instant) -> Duration {
        let since = self.idle_since.lock().unwrap_or_else(PoisonError::into_inner).take();
        since.map_or(Duration::ZERO, |since| now.duration_since(since))
    }

    /// The connection broke on its first request after this idle time.
    pub(crate) fn broke_after(&self, rested: Duration) {
        if let Some(habit) = &self.habit {
            habit.hung_up_after(rested);
        }
    }

    /// The server has closed the connection. If the connection was idle, this says something about later connections.
    fn hung_up(&self) {
        let since = *self.idle_since.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(since) = since {
            self.broke_after(since.elapsed());
        }
    }
}

/// A TCP stream and the knowledge about it.
pub struct Watched {
    tcp: TcpStream,
    wire: Arc<Wire>,
}

/// A stream on top of a watched stream.
pub trait OnWire {
    /// The knowledge about the watched stream.
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
    /// Checks before the first write of a request on an idle connection that nothing has arrived.
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

/// Wraps the streams of a connector.
#[derive(Clone)]
pub struct Watching<C> {
    tcp: C,
    habit: Option<Arc<Habit>>,
}

impl<C> Watching<C> {
    /// Reports closed connections to the habit, and checks a kept connection before a request is written.
    pub fn new(tcp: C, habit: Arc<Habit>) -> Self {
        Self { tcp, habit: Some(habit) }
    }

    /// Only counts written bytes: for requests that may reach the server twice. The check would cost a system call.
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
