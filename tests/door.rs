//! The door: strangers who hold connections, are slow, or request missing pages do not keep other clients out.

use std::net::SocketAddr;
use std::time::Duration;

use hongyan_clock::Clock;
use hongyan_gateway::Gateway;
use hongyan_gateway::door::Listeners;
use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use crate::process::{Server, create_key, serve, with_descriptors};
use crate::world::{Http, PATIENCE, Platform, World, settings};

/// The time limits in these stories.
const CLOCK: Duration = Duration::from_secs(1);

fn address_of(url: &str) -> SocketAddr {
    url.strip_prefix("http://").unwrap().parse().unwrap()
}

async fn connect(url: &str) -> TcpStream {
    TcpStream::connect(address_of(url)).await.unwrap()
}

/// Sends text on a new connection, and returns what comes until the other end closes.
async fn say(url: &str, words: &str) -> String {
    let mut stream = connect(url).await;
    stream.write_all(words.as_bytes()).await.unwrap();
    hear(&mut stream).await
}

async fn hear(stream: &mut TcpStream) -> String {
    let mut heard = Vec::new();
    // A reset also ends the connection.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut heard)).await.expect("the connection is closed");
    String::from_utf8(heard).unwrap()
}

/// Reads one answer on a connection that stays open: its head, and its body if that is short.
async fn hear_one(stream: &mut TcpStream) -> String {
    let mut heard = vec![0; 64 * 1024];
    let count = timeout(PATIENCE, stream.read(&mut heard)).await.expect("the request is answered").unwrap();
    String::from_utf8(heard[..count].to_vec()).unwrap()
}

async fn count_of(limit: &str, url: &str) -> u64 {
    let text = Http::new().get(&format!("{url}/metrics")).await.text;
    let name = format!("hongyan_limits_total{{limit=\"{limit}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_who_hold_every_descriptor_keep_neither_callers_nor_messages_out() {
    let dir = tempfile::tempdir().unwrap();
    let wechat = Platform::start(Clock::system()).await;
    let bearer = format!("Bearer {}", create_key(dir.path()).await);
    let mut command = serve(dir.path(), &wechat.url);
    command.env("HONGYAN_HEADER_SECONDS", CLOCK.as_secs().to_string());
    let server = Server::start(&mut with_descriptors(&command, 256)).await;
    let url = server.url("gateway");
    let http = Http::new();
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let post = async |path: &str, body: Value| {
        http.send(Method::POST, &format!("{url}{path}"), &headers, body.to_string()).await
    };
    let app = json!({ "appid": wechat.seed.appid, "secret": wechat.seed.app_secret });
    post("/v1/apps", app).await.expect(201);
    let user = wechat.user().await;
    for _ in 0..3 {
        let form = wechat.form(&user).await;
        let permit = json!({ "app": wechat.seed.appid, "openid": user, "kind": "form", "code": form });
        post("/v1/permits", permit).await.expect(201);
    }
    let message = json!({
        "app": wechat.seed.appid, "to": user, "template": wechat.seed.legacy_template,
        "data": { "keyword1": "a", "keyword2": "b", "keyword3": "c" },
    });

    let mut held = Vec::new();
    for number in 0..300 {
        let mut stream = connect(&url).await;
        if number % 2 == 0 {
            // Some of these connections are closed already to make room for the others.
            let _ = stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
        }
        held.push(stream);
    }
    // On new connections, while the strangers hold theirs: a caller's request, and a message until it is sent.
    let began = Instant::now();
    assert!(say(&url, "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.contains(" 200 "));
    let livez_at_once = began.elapsed();
    let sent = Http::new()
        .send(Method::POST, &format!("{url}/v1/messages?wait=10"), &headers, message.to_string())
        .await
        .expect(202);
    assert_eq!(sent["state"], "sent", "{sent}");
    let message_sent = began.elapsed();
    tokio::time::sleep_until(began + CLOCK).await;
    let began = Instant::now();
    assert!(say(&url, "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.contains(" 200 "));
    let livez_after = began.elapsed();
    assert!(livez_after < Duration::from_secs(1), "{livez_after:?}");
    for stream in &mut held {
        assert_eq!(hear(stream).await, "", "every stranger is closed");
    }
    let held_for = began.elapsed();
    assert!(count_of("connections", &url).await > 0);
    assert!(count_of("header_time", &url).await > 0);
    eprintln!(
        "300 silent sockets, 256 descriptors: /livez {livez_at_once:?}, message sent after {message_sent:?}; after the \
         clock /livez {livez_after:?}, all closed {held_for:?} later"
    );
    assert!(server.signal("TERM").await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_without_descriptors_says_so_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = serve(dir.path(), "http://127.0.0.1:9");
    command.env("HONGYAN_HEADER_SECONDS", CLOCK.as_secs().to_string());
    // Fewer descriptors than the gateway reserves: the gateway still serves its minimum of connections.
    let server = Server::start(&mut with_descriptors(&command, 32)).await;
    let url = server.url("gateway");
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(connect(&url).await);
    }
    for stream in &mut held {
        assert_eq!(hear(stream).await, "");
    }
    assert!(count_of("descriptors", &url).await > 0);
    assert!(server.signal("TERM").await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_and_a_body_must_come_in_time_and_a_kept_connection_may_rest() {
    let world = World::start_with(|settings| {
        settings.header_seconds = CLOCK.as_secs();
        settings.body_seconds = CLOCK.as_secs();
    })
    .await;
    let url = &world.url;
    let mut kept = connect(url).await;
    let request = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
    kept.write_all(request).await.unwrap();
    assert!(hear_one(&mut kept).await.contains(" 200 "));

    let began = Instant::now();
    assert_eq!(say(url, "").await, "");
    assert_eq!(say(url, "GET /livez HTTP/1.1\r\nHost:").await, "");
    // A head that comes byte by byte is too slow.
    let mut dribbling = connect(url).await;
    let (mut read, mut write) = dribbling.split();
    let drops = async {
        while write.write_all(b"G").await.is_ok() {
            tokio::time::sleep(CLOCK / 10).await;
        }
    };
    let mut heard = [0; 16];
    tokio::select! {
        ended = timeout(PATIENCE, read.read(&mut heard)) => {
            assert!(ended.expect("the connection is closed").unwrap_or(0) == 0);
        }
        () = drops => {}
    }
    assert!(began.elapsed() >= CLOCK * 3);
    assert!(count_of("header_time", url).await >= 3);

    let body = "POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let with_key = format!("{body}Authorization: Bearer {}\r\nContent-Length: 100\r\n\r\n{{", world.key);
    let answer = say(url, &with_key).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("body_too_slow"), "{answer}");
    assert!(count_of("body_time", url).await >= 1);

    // All this took longer than a head may; a kept connection may be idle for longer.
    kept.write_all(request).await.unwrap();
    assert!(hear_one(&mut kept).await.contains(" 200 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_come_together_are_answered_in_order() {
    let world = World::start().await;
    let words = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n\
                 HEAD /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let heard = say(&world.url, words).await;
    let statuses: Vec<&str> = heard.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "404", "200"], "{heard}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_says_which_host_it_is_for_and_the_host_may_have_to_be_ours() {
    let world = World::start_with(|settings| settings.hosts = Some(vec!["gateway.example.com".into()])).await;
    let ask = async |head: &str| {
        say(&world.url, &format!("GET /livez HTTP/1.1\r\nConnection: close\r\n{head}\r\n")).await
    };
    for good in ["localhost:8780", "127.0.0.1", "[::1]", "gateway.example.com", "Gateway.Example.com:80"] {
        let answer = ask(&format!("Host: {good}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{good}: {answer}");
    }
    for bad in ["", "Host: localhost\r\nHost: localhost\r\n", "Host: local host\r\n"] {
        let answer = ask(bad).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("invalid_host"), "{bad}: {answer}");
    }
    let answer = ask("Host: evil.example\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 421 ") && answer.contains("wrong_host"), "{answer}");
    assert_eq!(count_of("host", &world.url).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_says_what_a_browser_may_not_do_with_it() {
    let world = World::start().await;
    for path in ["/livez", "/v1/apps", "/nothing", "/openapi.json", "/", "/cgi-bin/token", "/callback/wx1"] {
        let headers = world.get(path).await.headers;
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        assert!(
            headers["content-security-policy"].to_str().unwrap().contains("default-src 'none'"),
            "{path}"
        );
        assert!(headers.contains_key("cache-control"), "{path}");
        assert!(!headers.contains_key("strict-transport-security"), "{path}: the header is only for TLS");
    }
    assert_eq!(world.get("/v1/apps").await.headers["cache-control"], "no-store");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_has_a_listener_of_its_own_if_that_is_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(dir.path(), "http://127.0.0.1:9");
    settings.admin_listen = Some("127.0.0.1:0".parse().unwrap());
    let (plain, admin) =
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let url = |listener: &TcpListener| format!("http://{}", listener.local_addr().unwrap());
    let (public, health) = (url(&plain), url(&admin));
    let gateway = Gateway::start(settings, Clock::system()).await.unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(gateway.serve(Listeners { plain, tls: None, admin: Some(admin) }, async {
        let _ = stopped.await;
    }));
    let http = Http::new();
    for path in ["/livez", "/readyz", "/metrics"] {
        http.get(&format!("{health}{path}")).await.expect(200);
        http.get(&format!("{public}{path}")).await.problem(404, "not_found");
    }
    http.get(&format!("{public}/openapi.json")).await.expect(200);
    for path in ["/openapi.json", "/v1/apps", "/", "/mp/wx1/login", "/cgi-bin/token"] {
        http.get(&format!("{health}{path}")).await.problem(404, "not_found");
    }
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_in_a_web_view_may_call_what_a_mini_program_calls() {
    let world = World::start().await;
    for path in ["login", "permits"] {
        let url = format!("{}/mp/{}/{path}", world.url, world.wechat.seed.appid);
        let headers = [
            ("origin", "https://servicewechat.com"),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization,content-type"),
        ];
        let answer = Http::new().send(Method::OPTIONS, &url, &headers, "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.headers["access-control-allow-origin"], "*");
        assert_eq!(answer.headers["access-control-allow-methods"], "POST");
        let allowed = answer.headers["access-control-allow-headers"].to_str().unwrap();
        assert!(allowed.contains("authorization") && allowed.contains("content-type"), "{allowed}");
        Http::new().get(&url).await.problem(405, "method_not_allowed");
    }
    let elsewhere = world.call(Method::OPTIONS, "/v1/messages", &[], "").await;
    assert!(!elsewhere.headers.contains_key("access-control-allow-origin"), "{elsewhere:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mini_program_says_little() {
    let world = World::start().await;
    let large = json!({ "code": "x".repeat(16 * 1024) });
    let path = format!("/mp/{}/login", world.wechat.seed.appid);
    world.post(&path, large.clone()).await.problem(413, "body_too_large");
    // Other paths accept as much as max_body_bytes.
    world.post("/v1/login", large).await.problem(422, "missing_field");
}

/// Holds a connection with a request whose body comes byte by byte. Connects again whenever it is disconnected.
async fn drip(url: String, head: &'static str, piece: &'static [u8]) {
    loop {
        let Ok(mut stream) = TcpStream::connect(address_of(&url)).await else { continue };
        let (mut read, mut write) = stream.split();
        let drops = async {
            let mut words = head.as_bytes();
            while write.write_all(words).await.is_ok() {
                tokio::time::sleep(CLOCK / 4).await;
                words = piece;
            }
        };
        let mut heard = [0; 1024];
        tokio::select! {
            _ = read.read(&mut heard) => {}
            () = drops => {}
        }
        tokio::time::sleep(CLOCK / 4).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_come_by_drops_keep_nobody_out() {
    const PLACES: u32 = 8;
    let heads: [(&str, &[u8]); 3] = [
        ("POST /cgi-bin/stable_token HTTP/1.1\r\nHost: x\r\nContent-Length: 15000\r\n\r\n{", b" "),
        (
            "POST /cgi-bin/stable_token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
            b"1\r\n \r\n",
        ),
        // Refused because of its length, but still read for a while.
        ("POST /cgi-bin/stable_token HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n{", b" "),
    ];
    for (head, piece) in heads {
        // Longer than the patience of this story.
        let world = World::start_with(|settings| {
            settings.max_connections = PLACES;
            settings.body_seconds = PATIENCE.as_secs() * 3;
        })
        .await;
        let mut dripping = tokio::task::JoinSet::new();
        for _ in 0..PLACES {
            dripping.spawn(drip(world.url.clone(), head, piece));
        }
        let livez = "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let is_answered_within_patience = async |wanted: bool| {
            let began = Instant::now();
            while say_in_vain(&world.url, livez).await.contains(" 200 ") != wanted {
                assert!(began.elapsed() < PATIENCE, "{head:?}: answered {wanted}");
                tokio::time::sleep(CLOCK / 10).await;
            }
        };
        is_answered_within_patience(false).await;
        is_answered_within_patience(true).await;
    }
}

/// As [`say`], for a client that may be disconnected before everything is sent.
async fn say_in_vain(url: &str, words: &str) -> String {
    let mut stream = connect(url).await;
    let _ = stream.write_all(words.as_bytes()).await;
    hear(&mut stream).await
}
