//! What streaming does, against servers that are written out here byte by byte.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::{BoxError, Client, ClientConfig, Failure, Repeat, Upload};

type Piece = Result<Frame<Bytes>, BoxError>;

/// A body that is fed by hand.
fn fed() -> (mpsc::Sender<Piece>, StreamBody<impl futures_util::Stream<Item = Piece> + Send + 'static>) {
    let (feed, mut pieces) = mpsc::channel(1);
    let stream = futures_util::stream::poll_fn(move |context| pieces.poll_recv(context));
    (feed, StreamBody::new(stream))
}

async fn put(feed: &mpsc::Sender<Piece>, text: &'static str) {
    feed.send(Ok(Frame::data(Bytes::from(text)))).await.unwrap();
}

async fn listening() -> (TcpListener, Client) {
    listening_with(|_| {}).await
}

/// For a client that waits for half a second only.
async fn listening_with_little_patience() -> (TcpListener, Client) {
    listening_with(|config| config.answer_timeout = Duration::from_millis(500)).await
}

async fn listening_with(change: impl FnOnce(&mut ClientConfig)) -> (TcpListener, Client) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let mut config = ClientConfig::new(url);
    change(&mut config);
    config.proof = Duration::ZERO;
    (listener, Client::new(config).unwrap())
}

/// Reads until the text is there.
async fn read_to(stream: &mut TcpStream, end: &str) -> String {
    let mut bytes = Vec::new();
    while !String::from_utf8_lossy(&bytes).contains(end) {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "{}", String::from_utf8_lossy(&bytes));
    }
    String::from_utf8(bytes).unwrap()
}

/// Reads until the other end has hung up, however it does that.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

fn post(
    client: &Client,
    body: impl hyper::body::Body<Data = Bytes, Error = BoxError> + Send + 'static,
) -> Asked {
    upload(client, Upload::running(body))
}

fn upload(client: &Client, body: Upload) -> Asked {
    let client = client.clone();
    tokio::spawn(
        async move { client.stream(Method::POST, "/x", HeaderMap::new(), body, Repeat::Never).await },
    )
}

type Asked = tokio::task::JoinHandle<Result<super::StreamedAnswer, Failure>>;

#[tokio::test]
async fn both_bodies_go_on_before_they_have_ended() {
    let (listener, client) = listening().await;
    let (feed, body) = fed();
    let asked = post(&client, body);
    put(&feed, "first").await;
    let (mut stream, _) = listener.accept().await.unwrap();
    let head = read_to(&mut stream, "first").await;
    assert!(head.contains("transfer-encoding: chunked\r\n"), "{head}");
    put(&feed, "second").await;
    read_to(&mut stream, "second").await;
    drop(feed);
    read_to(&mut stream, "0\r\n\r\n").await;

    stream
        .write_all(b"HTTP/1.1 202 Accepted\r\nx-mine: 1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
        .await
        .unwrap();
    let mut answer = asked.await.unwrap().unwrap();
    assert_eq!((answer.status, &answer.headers["x-mine"]), (StatusCode::ACCEPTED, &"1".parse().unwrap()));
    let first = answer.body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, "abc");
    stream.write_all(b"1\r\nd\r\n0\r\n\r\n").await.unwrap();
    assert_eq!(answer.body.collect().await.unwrap().to_bytes(), "d");

    // The connection serves the next one.
    let asked = upload(&client, Upload::Whole(Bytes::from("again")));
    let head = read_to(&mut stream, "again").await;
    assert!(head.contains("content-length: 5\r\n"), "{head}");
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    assert_eq!(asked.await.unwrap().unwrap().body.collect().await.unwrap().to_bytes(), "ok");
}

#[tokio::test]
async fn a_kept_connection_is_kept_again_after_each_answer() {
    let (listener, client) = listening().await;
    let mut stream = None;
    for _ in 0..3 {
        let asked = upload(&client, Upload::Whole(Bytes::from("whole")));
        let stream = match &mut stream {
            Some(kept) => kept,
            None => stream.insert(listener.accept().await.unwrap().0),
        };
        read_to(stream, "whole").await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        assert_eq!(asked.await.unwrap().unwrap().body.collect().await.unwrap().to_bytes(), "ok");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_never_looks_whole_and_spoils_no_other_call() {
    let (listener, client) = listening().await;
    let (feed, body) = fed();
    let asked = post(&client, body);
    put(&feed, "first").await;
    let (mut stream, _) = listener.accept().await.unwrap();
    read_to(&mut stream, "first").await;
    feed.send(Err("the caller is gone".into())).await.unwrap();
    let failure = asked.await.unwrap().unwrap_err();
    assert!(matches!(failure, Failure::Unanswered(_)), "{failure}");
    assert!(!read_to_end(&mut stream).await.contains("0\r\n\r\n"));

    let asked = upload(&client, Upload::Whole(Bytes::from("next")));
    let (mut stream, _) = listener.accept().await.unwrap();
    read_to(&mut stream, "next").await;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    assert_eq!(asked.await.unwrap().unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn who_gives_up_in_the_middle_of_a_body_leaves_no_whole_request_behind() {
    let (listener, client) = listening().await;
    let (feed, body) = fed();
    let asked = post(&client, body);
    put(&feed, "first").await;
    let (mut stream, _) = listener.accept().await.unwrap();
    read_to(&mut stream, "first").await;
    asked.abort();
    assert!(asked.await.unwrap_err().is_cancelled());
    // It is closed although the body could go on.
    assert!(!read_to_end(&mut stream).await.contains("0\r\n\r\n"));
    drop(feed);
}

#[tokio::test]
async fn silence_ends_an_exchange_wherever_it_falls() {
    // In the request's body.
    let (listener, client) = listening_with_little_patience().await;
    let (feed, body) = fed();
    let asked = post(&client, body);
    put(&feed, "first").await;
    let failure = asked.await.unwrap().unwrap_err().to_string();
    assert!(failure.contains("the body did not move within 500ms"), "{failure}");
    drop(listener);

    // Before the answer.
    let (listener, client) = listening_with_little_patience().await;
    let asked = upload(&client, Upload::Whole(Bytes::from("all")));
    let (mut stream, _) = listener.accept().await.unwrap();
    let failure = asked.await.unwrap().unwrap_err().to_string();
    assert!(failure.contains("no answer within 500ms"), "{failure}");
    read_to_end(&mut stream).await;

    // In the answer's body.
    let asked = upload(&client, Upload::Whole(Bytes::from("all")));
    let (mut stream, _) = listener.accept().await.unwrap();
    read_to(&mut stream, "all").await;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await.unwrap();
    let error = asked.await.unwrap().unwrap().body.collect().await.unwrap_err();
    assert_eq!(error.to_string(), "no data arrived within 500ms");
    read_to_end(&mut stream).await;
}
