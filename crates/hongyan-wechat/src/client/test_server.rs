//! A server on loopback that follows a script, for the tests of the client.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use url::Url;

/// What the server does with the next request on a connection.
pub(super) enum Step {
    /// Reads the request and answers 200 with this JSON.
    Json(&'static str),
    /// Reads the request and answers with this status line and body.
    Http(&'static str, Vec<u8>),
    /// Waits until the request has arrived, leaves it unread and closes the connection.
    CloseUnread,
    /// Reads the request and resets the connection.
    Reset,
    /// Reads the request and announces a longer body than it sends.
    CutBody,
    /// Reads the request and does not answer until the client closes the connection.
    Hang,
    /// Closes the connection without waiting for a request, and waits until the client closes it too.
    HangUp,
}

/// The running server; it ends with its script or with the test's runtime.
pub(super) struct Server {
    pub(super) url: Url,
    seen: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<usize>,
}

impl Server {
    /// Serves one connection after another, each with its list of steps, and closes it after the last.
    pub(super) async fn start(connections: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut served = 0;
            for steps in connections {
                let (mut stream, _) = listener.accept().await.unwrap();
                served += 1;
                for step in steps {
                    act(&mut stream, step, &log).await;
                }
            }
            served
        });
        Self { url, seen, task }
    }

    /// The requests so far, head and body, as text.
    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until the script is finished: all its connections were made and used up.
    pub(super) async fn done(self) -> usize {
        let Self { task, .. } = self;
        task.await.unwrap()
    }
}

async fn act(stream: &mut TcpStream, step: Step, log: &Mutex<Vec<String>>) {
    match step {
        Step::CloseUnread => {
            stream.peek(&mut [0]).await.unwrap();
            // Closing a socket with unread bytes makes the operating system send a reset.
            stream.set_zero_linger().unwrap();
            return;
        }
        Step::HangUp => {
            stream.shutdown().await.unwrap();
            assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "nothing may be sent after a hang-up");
            return;
        }
        _ => {}
    }
    let request = read_request(stream).await;
    log.lock().unwrap().push(request);
    match step {
        Step::Json(body) => answer(stream, "200 OK", body.as_bytes(), body.len()).await,
        Step::Http(status, body) => answer(stream, status, &body, body.len()).await,
        Step::CutBody => answer(stream, "200 OK", b"{\"errcode\":0,", 100).await,
        Step::Reset => stream.set_zero_linger().unwrap(),
        Step::Hang => assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0),
        Step::CloseUnread | Step::HangUp => unreachable!("handled above"),
    }
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|l| l.strip_prefix("content-length: "))
                .map_or(0, |n| n.parse().unwrap());
            if body.len() >= length {
                return text;
            }
        }
        assert_ne!(
            stream.read_buf(&mut bytes).await.unwrap(),
            0,
            "the client hung up in the middle of a request"
        );
    }
}

async fn answer(stream: &mut TcpStream, status: &str, body: &[u8], length: usize) {
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    // The client may stop reading an answer that is too long.
    let _ = stream.write_all(body).await;
}
