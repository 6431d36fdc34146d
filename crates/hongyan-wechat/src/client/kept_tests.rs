//! Kept connections, against servers that hang up without a word: nothing that such a server never saw may count as asked.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Client, ClientConfig, Failure, Repeat};

/// How long a connection is kept by the server after the answer of this number.
type Patience = fn(usize) -> Option<Duration>;

/// A server that answers, waits as long as it pleases, and hangs up without reading what came meanwhile.
struct Server {
    config: ClientConfig,
    seen: Arc<AtomicUsize>,
}

impl Server {
    async fn start(patience: Patience) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let seen = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, patience, Arc::clone(&count)));
            }
        });
        Self { config: ClientConfig::new(url), seen }
    }

    fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, patience: Patience, seen: Arc<AtomicUsize>) -> io::Result<()> {
    loop {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
        }
        let number = seen.fetch_add(1, Ordering::SeqCst);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await?;
        if let Some(patience) = patience(number) {
            tokio::time::sleep(patience).await;
            return Ok(());
        }
    }
}

async fn ask(client: &Client, repeat: Repeat) -> Result<(), Failure> {
    client.exchange_or_repeat(Method::GET, "/x", None, Bytes::new(), repeat).await.map(drop)
}

/// Asks so often, six at a time, and gives what counts as asked without an answer.
async fn asked_without_an_answer(client: &Client, times: usize) -> Vec<Failure> {
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                let mut failures = Vec::new();
                for _ in 0..times / 6 {
                    failures.extend(ask(&client, Repeat::Never).await.err());
                }
                failures
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_that_hangs_up_never_saw_does_not_count_as_asked() {
    let at_once: Patience = |_| Some(Duration::ZERO);
    let soon: Patience = |number| Some(Duration::from_millis(1 + number as u64 * 7 % 20));
    for patience in [at_once, soon] {
        let server = Server::start(patience).await;
        let client = Client::new(server.config.clone()).unwrap();
        assert_eq!(asked_without_an_answer(&client, 300).await, []);
        assert_eq!(server.seen(), 300, "each was seen once");
    }
}

#[tokio::test]
async fn a_connection_on_which_the_server_has_hung_up_is_not_written_to() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let (closed, is_closed) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = std::io::Read::read(&mut stream, &mut [0; 1024]).unwrap();
            std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                .unwrap();
            drop(stream);
            closed.send(()).unwrap();
        }
    });
    let mut config = ClientConfig::new(url);
    config.proof = Duration::ZERO;
    let client = Client::new(config).unwrap();
    ask(&client, Repeat::Never).await.unwrap();
    // The only thread of this runtime waits here, so that nothing in it can have noticed the end.
    is_closed.recv().unwrap();
    ask(&client, Repeat::Never).await.unwrap();
}

#[tokio::test]
async fn what_may_be_asked_twice_is_asked_again_when_a_kept_connection_dies_under_it() {
    // It takes a second request on its first connection, and hangs up in the place of an answer.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = ClientConfig::new(format!("http://{}", listener.local_addr().unwrap()).parse().unwrap());
    config.proof = Duration::ZERO;
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 1024];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
            let _ = stream.read(&mut buffer).await;
        }
    });
    let client = Client::new(config).unwrap();
    for round in 0..2 {
        ask(&client, Repeat::IfHungUp).await.unwrap_or_else(|failure| panic!("{round}: {failure}"));
    }
    // What may not is left unanswered, and not asked again.
    let failure = ask(&client, Repeat::Never).await.unwrap_err();
    assert!(matches!(failure, Failure::Unanswered(_)), "{failure}");
}

#[tokio::test]
async fn a_server_that_keeps_its_connections_is_trusted_after_a_while() {
    let server = Server::start(|_| None).await;
    let client_after = |proof| {
        let mut config = server.config.clone();
        config.proof = proof;
        Client::new(config).unwrap()
    };
    let client = client_after(Duration::from_secs(3_600));
    ask(&client, Repeat::Never).await.unwrap();
    assert!(client.inner.pool.take().is_none(), "nothing was seen of it yet");

    let client = client_after(Duration::from_millis(50));
    ask(&client, Repeat::Never).await.unwrap();
    tokio::time::sleep(Duration::from_millis(60)).await;
    // The first one has stayed open; the next one is young enough to be used again, unless the machine is too busy.
    let mut is_used_again = false;
    for _ in 0..100 {
        ask(&client, Repeat::Never).await.unwrap();
        is_used_again = is_used_again || client.inner.pool.take().is_some();
    }
    assert!(is_used_again);
}
