//! What becomes of a request whose kept connection dies, against a server that the tests play themselves.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::{Answering, Connection, Habit, Lost, Patience, Repeat, Watching, connect, converse, with_causes};

type Body = Full<Bytes>;

/// A server, and how it is connected to.
struct Server {
    listener: TcpListener,
    how: How,
}

impl Server {
    async fn start(how: How) -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap(), how }
    }

    async fn connect(&self) -> Result<Connection<Body>, String> {
        let to: Uri = format!("http://{}", self.listener.local_addr().unwrap()).parse().unwrap();
        let tcp = HttpConnector::new();
        match self.how {
            How::TaskAndLook => {
                let tcp = Watching::new(tcp, Arc::new(Habit::new(Duration::ZERO)));
                let (connection, work) = connect(tcp, to).await?;
                tokio::spawn(work);
                Ok(connection)
            }
            How::Asker => {
                let (connection, work) = connect(Watching::counting(tcp), to).await?;
                Ok(connection.driven(work))
            }
        }
    }

    /// Asks on a kept connection, or on a new one, to its answer's end.
    async fn ask(
        &self,
        kept: Option<Connection<Body>>,
        spare: Option<&'static str>,
        repeat: Repeat,
    ) -> Result<Connection<Body>, Lost<Body>> {
        let spare = || spare.map(get);
        let asked = converse(kept, get("/it"), spare, repeat, || self.connect(), &Never).await;
        let Answering { response, mut connection } = asked?;
        assert_eq!(connection.drive(response.into_body().collect()).await.unwrap().to_bytes(), "ok");
        Ok(connection)
    }

    /// Takes a new connection, and answers one request on it; gives the connection, and what was asked for.
    async fn answer(&self) -> (TcpStream, String) {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        let path = read(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        (stream, path)
    }

    /// Both ends of a connection that was used once.
    async fn kept(&self) -> (Connection<Body>, TcpStream) {
        let (asked, (stream, _)) = tokio::join!(self.ask(None, None, Repeat::Never), self.answer());
        (asked.map_err(Lost::into_words).unwrap().rested(Duration::from_secs(1)), stream)
    }
}

/// Reads a request; the path that it is about.
async fn read(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "hung up in the middle of a request");
    }
    let head = String::from_utf8(bytes).unwrap();
    head.split(' ').nth(1).unwrap().to_owned()
}

/// As WeChat's client has its connections, and as workers of webhooks have theirs.
#[derive(Clone, Copy)]
enum How {
    TaskAndLook,
    Asker,
}

/// Waits for as long as a test may run.
struct Never;

impl Patience for Never {
    fn until(&self, began: Instant) -> Instant {
        began + Duration::from_secs(60)
    }

    fn ready_until(&self) -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    fn is_over(&self) -> String {
        "no answer".to_owned()
    }
}

fn get(path: &'static str) -> Request<Body> {
    Request::get(path).body(Full::default()).unwrap()
}

#[tokio::test]
async fn a_request_goes_out_again_when_nothing_of_it_was_written() {
    for how in [How::TaskAndLook, How::Asker] {
        let server = Server::start(how).await;
        let (kept, stream) = server.kept().await;
        drop(stream);
        // Turns in which the operating system tells of the end.
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        // The kept connection gives it back whole, so that no spare one is needed.
        let (asked, (_, path)) = tokio::join!(server.ask(Some(kept), None, Repeat::Never), server.answer());
        assert!(asked.is_ok());
        assert_eq!(path, "/it");
    }
}

#[tokio::test]
async fn a_look_keeps_a_request_from_being_written_where_nobody_has_noticed_the_end() {
    let server = Server::start(How::TaskAndLook).await;
    let (kept, stream) = server.kept().await;
    // No task has a turn between this and the request.
    drop(stream);
    let lost = server.ask(Some(kept), None, Repeat::Never).await.err();
    assert!(matches!(lost, Some(Lost::NotWritten { request: None, .. })), "nothing else could be asked");

    let (kept, stream) = server.kept().await;
    drop(stream);
    let asking = server.ask(Some(kept), Some("/spare"), Repeat::Never);
    let (asked, (_, path)) = tokio::join!(asking, server.answer());
    assert!(asked.is_ok());
    assert_eq!(path, "/spare");
}

#[tokio::test]
async fn a_request_that_was_written_goes_out_again_only_if_it_may_be_repeated() {
    for how in [How::TaskAndLook, How::Asker] {
        let server = Server::start(how).await;
        let hang_up = async |mut stream| assert_eq!(read(&mut stream).await, "/it");

        let (kept, stream) = server.kept().await;
        let asking = server.ask(Some(kept), Some("/spare"), Repeat::Never);
        let (asked, ()) = tokio::join!(asking, hang_up(stream));
        assert!(matches!(asked, Err(Lost::HungUp(_))));

        let (kept, stream) = server.kept().await;
        let asking = server.ask(Some(kept), Some("/spare"), Repeat::IfHungUp);
        let (asked, (), (_, path)) = tokio::join!(asking, hang_up(stream), server.answer());
        assert!(asked.is_ok());
        assert_eq!(path, "/spare");

        // On a new connection, nobody knows.
        let hang_up = async || hang_up(server.listener.accept().await.unwrap().0).await;
        let (asked, ()) = tokio::join!(server.ask(None, Some("/spare"), Repeat::IfHungUp), hang_up());
        assert!(matches!(asked, Err(Lost::Unanswered(_))));
    }
}

#[tokio::test]
async fn an_error_is_said_with_its_causes() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let to: Uri = format!("http://{free}").parse().unwrap();
    let why = connect::<_, Body>(Watching::counting(HttpConnector::new()), to).await.err().unwrap();
    assert!(why.contains("tcp connect error: Connection refused"), "{why}");
    let inner = std::io::Error::other("the disk is full");
    assert_eq!(with_causes(&std::io::Error::other(inner)), "the disk is full");
}
