//! Calls that the facade passes on: streamed both ways, with the real token inserted, and with nothing of the gateway's own.
//!
//! WeChat is a stub here, because these stories check byte by byte what it received, and when.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use hongyan_gateway::config::Settings;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use crate::world::{PATIENCE, World};

const MIB: u64 = 1024 * 1024;

/// A request after its end.
#[derive(Debug, Clone)]
struct Seen {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    /// The length of the body. Large bodies are not kept.
    length: u64,
    /// The body is complete.
    whole: bool,
}

#[derive(Clone)]
struct Stub {
    seen: mpsc::UnboundedSender<Seen>,
    /// The number of bytes received of the body in progress.
    arrived: watch::Sender<u64>,
    /// The number of fetched tokens.
    tokens: Arc<AtomicU64>,
    /// The only accepted token; other tokens are refused with 40001.
    wanted: Arc<Mutex<Option<String>>>,
    /// Pieces of the answer to `/wxa/slow`.
    answer: Arc<tokio::sync::Mutex<mpsc::Receiver<&'static str>>>,
}

/// The test's side of the stub.
struct Wechat {
    stub: Stub,
    seen: mpsc::UnboundedReceiver<Seen>,
    answer: mpsc::Sender<&'static str>,
    url: String,
}

impl Wechat {
    async fn start() -> Self {
        let (seen_sender, seen) = mpsc::unbounded_channel();
        let (answer, pieces) = mpsc::channel(1);
        let stub = Stub {
            seen: seen_sender,
            arrived: watch::Sender::new(0),
            tokens: Arc::default(),
            wanted: Arc::default(),
            answer: Arc::new(tokio::sync::Mutex::new(pieces)),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer_one).with_state(stub.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { stub, seen, answer, url }
    }

    /// The next request that the gateway did not make for itself.
    async fn next(&mut self) -> Seen {
        tokio::time::timeout(PATIENCE, self.seen.recv()).await.expect("the stub gets a request").unwrap()
    }

    fn was_not_asked(&mut self) {
        assert!(self.seen.try_recv().is_err());
    }
}

async fn answer_one(State(stub): State<Stub>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    if path == "/cgi-bin/stable_token" {
        let number = stub.tokens.fetch_add(1, Ordering::SeqCst) + 1;
        return axum::Json(json!({ "access_token": format!("REAL{number}"), "expires_in": 7200 }))
            .into_response();
    }
    if path == "/cgi-bin/wxopen/template/list" || path == "/wxaapi/newtmpl/gettemplate" {
        return axum::Json(json!({ "errcode": 0, "list": [], "data": [] })).into_response();
    }
    let (mut kept, mut length, mut whole) = (Vec::new(), 0, true);
    let mut pieces = body.into_data_stream();
    stub.arrived.send_replace(0);
    while let Some(piece) = pieces.next().await {
        let Ok(piece) = piece else {
            whole = false;
            break;
        };
        length += piece.len() as u64;
        if length <= MIB {
            kept.extend_from_slice(&piece);
        }
        stub.arrived.send_replace(length);
    }
    let path_and_query = head.uri.path_and_query().unwrap().to_string();
    let _ = stub.seen.send(Seen {
        method: head.method,
        path: path_and_query.clone(),
        headers: head.headers,
        body: kept.into(),
        length,
        whole,
    });
    let wanted = stub.wanted.lock().unwrap().clone();
    if wanted.is_some_and(|wanted| !path_and_query.contains(&format!("access_token={wanted}"))) {
        let words =
            format!("invalid credential, access_token is invalid or not latest: {path_and_query} rid: 1-2-3");
        return axum::Json(json!({ "errcode": 40001, "errmsg": words })).into_response();
    }
    match path.as_str() {
        "/wxa/slow" => {
            let pieces = futures_util::stream::unfold(stub, async |stub| {
                let piece = stub.answer.lock().await.recv().await?;
                Some((Ok::<_, std::io::Error>(Bytes::from(piece)), stub))
            });
            ([(header::CONTENT_TYPE, "image/jpeg")], Body::from_stream(pieces)).into_response()
        }
        "/wxa/image" => {
            let head = [
                (header::CONTENT_TYPE, "image/jpeg"),
                (header::CONTENT_DISPOSITION, "attachment; filename=\"code.jpg\""),
                (header::CONNECTION, "x-hop"),
                (header::HeaderName::from_static("x-hop"), "1"),
            ];
            (StatusCode::CREATED, head, "{\"errcode\":40001 is no refusal in an image").into_response()
        }
        _ => axum::Json(json!({ "errcode": 0, "errmsg": "ok", "bytes": length })).into_response(),
    }
}

async fn start() -> (World, Wechat, String) {
    start_with(|_| {}).await
}

async fn start_with(adjust: impl FnOnce(&mut Settings)) -> (World, Wechat, String) {
    let wechat = Wechat::start().await;
    let url = wechat.url.parse().unwrap();
    let world = World::start_with(|settings| {
        settings.wechat_base_url = url;
        adjust(settings);
    })
    .await;
    let token = world.facade_token().await;
    (world, wechat, token)
}

/// A request that the story writes by hand.
async fn raw(world: &World, head: &str) -> TcpStream {
    let address = world.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("{head}\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .expect("the gateway answers")
        .unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Waits until this many bytes of a body have arrived.
async fn arrived(wechat: &Wechat, bytes: u64) {
    let mut arrived = wechat.stub.arrived.subscribe();
    let waiting = arrived.wait_for(|there| *there >= bytes);
    tokio::time::timeout(PATIENCE, waiting).await.expect("the body arrives").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_reaches_wechat_as_it_was_but_for_its_token() {
    let (world, mut wechat, token) = start().await;
    let body = "--x\r\nContent-Disposition: form-data; name=\"media\"\r\n\r\n\u{1f}\r\n--x--\r\n";
    let headers = [
        ("content-type", "multipart/form-data; boundary=x"),
        ("wechatmp-signature", "abc"),
        ("authorization", "Bearer of something"),
        ("x-forwarded-for", "192.0.2.1"),
        ("accept-encoding", "gzip"),
    ];
    let path =
        format!("/cgi-bin/media/upload?type=image&access%5Ftoken={token}&appid=wx1&secret=s&b=%E4%BD%A0+1");
    world.call(Method::POST, &path, &headers, body).await.expect(200);
    let seen = wechat.next().await;
    assert_eq!(seen.method, Method::POST);
    assert_eq!(seen.path, "/cgi-bin/media/upload?access_token=REAL1&type=image&b=%E4%BD%A0+1");
    assert_eq!(seen.body, body);
    assert_eq!(seen.headers["content-type"], "multipart/form-data; boundary=x");
    assert_eq!(seen.headers["wechatmp-signature"], "abc");
    assert_eq!(seen.headers["content-length"], body.len().to_string());
    for name in ["authorization", "x-forwarded-for"] {
        assert!(!seen.headers.contains_key(name), "{name}");
    }
    assert_eq!(
        seen.headers["accept-encoding"], "identity",
        "the gateway could not read a compressed refusal"
    );
    // The token twice, and behind a second question mark.
    for query in [format!("access_token=&access_token={token}&b=1"), format!("b=1?access_token={token}")] {
        world.get(&format!("/wxa/x?{query}")).await.expect(200);
        assert_eq!(wechat.next().await.path, "/wxa/x?access_token=REAL1&b=1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_keeps_its_status_and_what_describes_its_body() {
    let (world, _wechat, token) = start().await;
    let answer = world.get(&format!("/wxa/image?access_token={token}")).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.text, "{\"errcode\":40001 is no refusal in an image");
    assert_eq!(answer.headers["content-type"], "image/jpeg");
    assert_eq!(answer.headers["content-disposition"], "attachment; filename=\"code.jpg\"");
    assert!(!answer.headers.contains_key("x-hop"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_goes_on_before_it_has_ended() {
    let (world, wechat, token) = start().await;
    let mut stream = raw(&world, &format!("GET /wxa/slow?access_token={token} HTTP/1.1")).await;
    let mut text = String::new();
    for piece in ["first", "second"] {
        wechat.answer.send(piece).await.unwrap();
        let reading = async {
            while !text.contains(piece) {
                let mut bytes = [0; 1024];
                let count = stream.read(&mut bytes).await.unwrap();
                assert_ne!(count, 0, "{text}");
                text.push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("the first part comes before the rest");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_huge_upload_is_never_held() {
    // More bytes cannot be in transit: the socket buffers of two connections, and some pieces.
    const AT_MOST: u64 = 64 * MIB;
    const SIZE: u64 = 192 * MIB;
    let (world, mut wechat, token) = start().await;
    let head = format!("POST /wxa/upload?access_token={token} HTTP/1.1\r\ncontent-length: {SIZE}");
    let mut stream = raw(&world, &head).await;
    let piece = vec![b'x'; MIB as usize];
    let mut written = 0;
    while written < SIZE {
        stream.write_all(&piece).await.unwrap();
        written += MIB;
        arrived(&wechat, written.saturating_sub(AT_MOST)).await;
    }
    let seen = wechat.next().await;
    assert_eq!((seen.length, seen.whole), (SIZE, true));
    let answer = rest(stream).await;
    assert!(answer.contains(&format!("\"bytes\":{SIZE}")), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_upload_in_chunks_is_refused_as_wechat_would_and_a_short_one_gets_a_length() {
    let (world, mut wechat, token) = start().await;
    let chunk = format!("{:x}\r\n{}\r\n", 300_000, "x".repeat(300_000));
    let mut answers = Vec::new();
    for chunks in [4, 2] {
        let head = format!("POST /wxa/upload?access_token={token} HTTP/1.1\r\ntransfer-encoding: chunked");
        let mut stream = raw(&world, &head).await;
        stream.write_all(chunk.repeat(chunks).as_bytes()).await.unwrap();
        stream.write_all(b"0\r\n\r\n").await.unwrap();
        answers.push(rest(stream).await);
    }
    assert!(answers[0].starts_with("HTTP/1.1 412") && answers[0].contains("880010"), "{}", answers[0]);
    assert!(answers[1].contains("\"bytes\":600000"), "{}", answers[1]);
    let seen = wechat.next().await;
    assert_eq!((seen.length, seen.headers["content-length"].as_bytes()), (600_000, &b"600000"[..]));
    wechat.was_not_asked();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_breaks_off_is_never_a_whole_request() {
    let (world, mut wechat, token) = start().await;
    let part = vec![b'x'; 3 * MIB as usize];
    let head = format!("POST /wxa/upload?access_token={token} HTTP/1.1\r\ncontent-length: {}", 9 * MIB);
    let mut stream = raw(&world, &head).await;
    stream.write_all(&part).await.unwrap();
    arrived(&wechat, 2 * MIB).await;
    drop(stream);
    let seen = wechat.next().await;
    assert!(!seen.whole && seen.length <= 3 * MIB, "{} bytes, whole: {}", seen.length, seen.whole);
    // A connection that is not kept open: its request does not reach WeChat at all.
    let head = format!("POST /wxa/upload?access_token={token} HTTP/1.1\r\ncontent-length: 100");
    let mut stream = raw(&world, &head).await;
    stream.write_all(b"half").await.unwrap();
    stream.shutdown().await.unwrap();
    rest(stream).await;
    wechat.was_not_asked();
    // The next calls still work.
    for _ in 0..3 {
        world.get(&format!("/wxa/x?access_token={token}")).await.expect(200);
        assert!(wechat.next().await.whole);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_refused_for_its_token_is_repeated_once_if_it_was_kept() {
    let (world, mut wechat, token) = start().await;
    let path = format!("/wxa/x?access_token={token}");
    *wechat.stub.wanted.lock().unwrap() = Some("REAL2".to_owned());
    let answer = world.call(Method::POST, &path, &[], "body").await.expect(200);
    assert_eq!(answer["errcode"], 0, "{answer}");
    let (first, second) = (wechat.next().await, wechat.next().await);
    assert_eq!(
        (first.path.as_str(), second.path.as_str()),
        ("/wxa/x?access_token=REAL1", "/wxa/x?access_token=REAL2")
    );
    assert_eq!((first.body, second.body), (Bytes::from("body"), Bytes::from("body")));

    // WeChat refuses again: the refusal is the answer, without the real token.
    *wechat.stub.wanted.lock().unwrap() = Some("none".to_owned());
    let answer = world.call(Method::POST, &path, &[], "body").await.expect(200);
    assert_eq!(answer["errcode"], 40001);
    let words = answer["errmsg"].as_str().unwrap();
    assert!(words.contains("access_token=***") && !words.contains("REAL"), "{words}");
    assert_eq!(wechat.next().await.path, "/wxa/x?access_token=REAL2");
    assert_eq!(wechat.next().await.path, "/wxa/x?access_token=REAL3");
    wechat.was_not_asked();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_went_by_is_not_repeated_but_the_next_has_a_fresh_token() {
    let (world, mut wechat, token) = start().await;
    let path = format!("/wxa/upload?access_token={token}");
    let upload = vec![b'x'; 2 * MIB as usize];
    *wechat.stub.wanted.lock().unwrap() = Some("REAL2".to_owned());
    let answer = world.call(Method::POST, &path, &[], upload.clone()).await.expect(200);
    assert_eq!(answer["errcode"], 40001, "{answer}");
    assert_eq!(wechat.next().await.path, "/wxa/upload?access_token=REAL1");
    let answer = world.call(Method::POST, &path, &[], upload).await.expect(200);
    assert_eq!((&answer["errcode"], &answer["bytes"]), (&json!(0), &json!(2 * MIB)));
    assert_eq!(wechat.next().await.path, "/wxa/upload?access_token=REAL2");
    wechat.was_not_asked();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_begins_with_a_token_that_lasts() {
    let (world, mut wechat, token) = start().await;
    // The token is valid for four more minutes, which is less than the upload of a film takes.
    world.advance(Duration::from_secs(7_200 - 240));
    let token_again = world.facade_token().await;
    assert_ne!(token, token_again);
    let path = format!("/wxa/upload?access_token={token_again}");
    world.call(Method::POST, &path, &[], vec![b'x'; 2 * MIB as usize]).await.expect(200);
    assert_eq!(wechat.next().await.path, "/wxa/upload?access_token=REAL2");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_appsecret_is_put_in_only_where_wechat_takes_it() {
    let (world, mut wechat, token) = start().await;
    let (appid, real) = (&world.wechat.seed.appid, &world.wechat.seed.app_secret);
    let secret = &world.gateway_secret;
    let body = json!({ "appid": appid, "appsecret": secret });
    assert_eq!(world.post("/cgi-bin/clear_quota/v2", body).await.expect(200)["errcode"], 0);
    let seen = wechat.next().await;
    assert_eq!(seen.path, "/cgi-bin/clear_quota/v2");
    let sent: Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(sent, json!({ "appid": appid, "appsecret": real }));
    world
        .post(&format!("/cgi-bin/clear_quota/v2?appid={appid}&appsecret={secret}"), json!({}))
        .await
        .expect(200);
    assert_eq!(wechat.next().await.path, format!("/cgi-bin/clear_quota/v2?appid={appid}&appsecret={real}"));
    world.get(&format!("/sns/oauth2/access_token?appid={appid}&secret={secret}&code=c")).await.expect(200);
    assert_eq!(
        wechat.next().await.path,
        format!("/sns/oauth2/access_token?appid={appid}&secret={real}&code=c")
    );

    // Not for a caller without the gateway secret, and not at other paths.
    let wrong = json!({ "appid": appid, "appsecret": real });
    assert_eq!(world.post("/cgi-bin/clear_quota/v2", wrong).await.expect(200)["errcode"], 40125);
    let other = format!("/cgi-bin/clear_quota/v3?appid={appid}&appsecret={secret}");
    assert_eq!(world.get(&other).await.expect(200)["errcode"], 41001);
    wechat.was_not_asked();
    world.get(&format!("{other}&access_token={token}")).await.expect(200);
    assert_eq!(wechat.next().await.path, "/cgi-bin/clear_quota/v3?access_token=REAL1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_call_is_said_in_wechats_form() {
    let (world, mut wechat, token) = start().await;
    let errcode = async |path: &str, body: &str| {
        let answer = world.call(Method::POST, path, &[], body.to_owned()).await;
        let has = |name: &str| answer.body[name].is_string();
        assert!(has("errmsg") && has("rid"), "{answer:?}");
        assert_eq!(answer.headers["content-type"], HeaderValue::from_static("application/json"));
        answer.expect(200)["errcode"].clone()
    };
    assert_eq!(errcode("/wxa/x", "").await, 41001);
    assert_eq!(errcode("/wxa/x?access_token=", "").await, 41001);
    assert_eq!(
        errcode("/wxa/x?access_token=REAL1", "").await,
        40001,
        "the facade does not accept the real token"
    );
    let send = format!("/cgi-bin/message/subscribe/send?access_token={token}");
    assert_eq!(errcode(&send, "{").await, 47001);
    let large = "x".repeat(5 * MIB as usize);
    assert_eq!(errcode(&send, &large).await, 880_005);
    assert_eq!(errcode("/cgi-bin/token", "").await, 40002);
    assert_eq!(world.get("/cgi-bin/stable_token").await.expect(200)["errcode"], 43002);
    for method in [Method::PUT, Method::DELETE] {
        for (path, errcode) in [
            ("/cgi-bin/stable_token", 43002),
            ("/cgi-bin/message/subscribe/send", 43002),
            ("/cgi-bin/message/wxopen/template/send", 43002),
            ("/cgi-bin/clear_quota/v2", 43002),
            ("/cgi-bin/openapi/rid/get", 43002),
            ("/cgi-bin/token", 43001),
            ("/sns/jscode2session", 43001),
            ("/sns/oauth2/access_token", 43001),
        ] {
            let answer = world.call(method.clone(), path, &[], "").await.expect(200);
            assert_eq!(answer["errcode"], errcode, "{method} {path}");
        }
    }
    wechat.was_not_asked();
    // Also at an unknown path. The API's own paths answer in the API's format.
    assert_eq!(errcode("/wxb/x", "").await, 880_008);
    world.get("/v1/x").await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_stands_still_is_broken_off_and_the_caller_is_told() {
    let (world, mut wechat, token) = start_with(|settings| settings.answer_timeout_ms = 500).await;
    let head = format!("POST /wxa/upload?access_token={token} HTTP/1.1\r\ncontent-length: {}", 9 * MIB);
    let mut stream = raw(&world, &head).await;
    stream.write_all(&vec![b'x'; 2 * MIB as usize]).await.unwrap();
    let answer = rest(stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("\"errcode\":880006"), "{answer}");
    assert!(!wechat.next().await.whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_means_perhaps_if_the_call_could_change_something() {
    let world = World::start_with(|settings| settings.answer_timeout_ms = 300).await;
    let token = world.facade_token().await;
    world.wechat.chaos(json!({ "path": "/cgi-bin/openapi/quota/get", "kind": "hang" })).await;
    world.wechat.chaos(json!({ "path": "/wxaapi/newtmpl/getcategory", "kind": "hang" })).await;
    let body = json!({ "cgi_path": "/cgi-bin/message/subscribe/send" });
    let answer =
        world.post(&format!("/cgi-bin/openapi/quota/get?access_token={token}"), body).await.expect(200);
    assert_eq!(answer["errcode"], 880_002);
    let words = answer["errmsg"].as_str().unwrap();
    assert!(words.contains("没有收到应答") && words.contains("did not answer"), "{words}");
    let answer = world.get(&format!("/wxaapi/newtmpl/getcategory?access_token={token}")).await.expect(200);
    assert_eq!(answer["errcode"], -1, "a read may be repeated");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_whose_secret_wechat_refuses_says_so_to_its_callers() {
    let world = World::start().await;
    let other = world.wechat.raw_control("apps", &json!({})).await;
    let app = json!({ "appid": other["appid"], "secret": "00000000000000000000000000000000" });
    let registered = world.post("/v1/apps", app).await;
    let secret = registered.text("gateway_secret");
    assert!(registered.expect(201)["paused"].is_object());
    let body = json!({ "grant_type": "client_credential", "appid": other["appid"], "secret": secret });
    let token = world.post("/cgi-bin/stable_token", body).await.text("access_token");
    let asked = world.wechat.asked("/cgi-bin/stable_token").await;
    let answer = world.get(&format!("/wxaapi/newtmpl/gettemplate?access_token={token}")).await.expect(200);
    assert_eq!(answer["errcode"], 880_007);
    assert!(answer["errmsg"].as_str().unwrap().contains("40125"), "{answer}");
    assert_eq!(world.wechat.asked("/cgi-bin/stable_token").await, asked, "WeChat is not asked again");
}
