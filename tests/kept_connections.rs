//! A WeChat that closes connections after its answers without notice, at once or a moment later. A request that WeChat never
//! read must not count as an attempt.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::world::World;

/// The number of requests of each kind.
#[derive(Default)]
struct Seen {
    sends: AtomicUsize,
    logins: AtomicUsize,
    passed: AtomicUsize,
    all: AtomicUsize,
}

/// How long the stub keeps a connection after the answer of this number.
type Patience = fn(usize) -> Duration;

async fn serve(mut stream: TcpStream, patience: Patience, seen: Arc<Seen>) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let path = loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                break head.split_whitespace().nth(1).unwrap_or_default().to_owned();
            }
        }
    };
    let number = seen.all.fetch_add(1, Ordering::SeqCst);
    let answer = match path.split('?').next().unwrap_or_default() {
        "/cgi-bin/stable_token" => json!({ "access_token": "REALTOKEN_1", "expires_in": 7200 }),
        "/wxaapi/newtmpl/gettemplate" => json!({ "errcode": 0, "data": [{
            "priTmplId": "T-1", "title": "t", "content": "a:{{thing1.DATA}}\n", "example": "a:b\n", "type": 2 }] }),
        "/cgi-bin/wxopen/template/list" => json!({ "errcode": 0, "list": [] }),
        "/sns/jscode2session" => {
            seen.logins.fetch_add(1, Ordering::SeqCst);
            json!({ "openid": "oUser00000000000000000000001", "session_key": "tiihtNczf5v6AKRyjwEUhQ==" })
        }
        "/cgi-bin/message/subscribe/send" => {
            let msgid = seen.sends.fetch_add(1, Ordering::SeqCst);
            json!({ "errcode": 0, "errmsg": "ok", "msgid": msgid })
        }
        _ => {
            seen.passed.fetch_add(1, Ordering::SeqCst);
            json!({ "errcode": 0, "errmsg": "ok" })
        }
    };
    let answer = answer.to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        answer.len()
    );
    stream.write_all(format!("{head}{answer}").as_bytes()).await?;
    tokio::time::sleep(patience(number)).await;
    Ok(())
}

async fn start(patience: Patience) -> (World, Arc<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Seen::default());
    let count = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, patience, Arc::clone(&count)));
        }
    });
    // Starting registers the app, which reads both lists of templates.
    let world = World::start_with(|settings| settings.wechat_base_url = url.parse().unwrap()).await;
    (world, seen)
}

/// Repeats an action, six at a time.
async fn often<F: Future<Output = Value>>(times: usize, one: impl Fn(usize) -> F) -> Vec<Value> {
    let rounds = (0..6).map(|line| {
        let one = &one;
        async move {
            let mut answers = Vec::new();
            for number in (line..times).step_by(6) {
                answers.push(one(number).await);
            }
            answers
        }
    });
    join_all(rounds).await.into_iter().flatten().collect()
}

async fn nothing_unseen_counts_as_asked(patience: Patience) {
    let (world, seen) = start(patience).await;
    let appid = &world.wechat.seed.appid;
    let registered = world.get(&format!("/v1/apps/{appid}/templates")).await.expect(200);
    assert_eq!(registered["templates"].as_array().map(Vec::len), Some(1), "{registered}");
    let token = &world.facade_token().await;

    let send = |number: usize| {
        let body = json!({ "touser": format!("oUser{number:023}"), "template_id": "T-1", "data": { "thing1": { "value": "x" } } });
        let path = format!("/cgi-bin/message/subscribe/send?access_token={token}");
        let world = &world;
        async move { world.post(&path, body).await.expect(200) }
    };
    let sent = often(300, send).await;
    assert!(sent.iter().all(|answer| answer["errcode"] == 0), "{sent:?}");
    assert_eq!(seen.sends.load(Ordering::SeqCst), 300, "the stub read each send once");

    let secret = &world.gateway_secret;
    let login = |number: usize| {
        let path = format!(
            "/sns/jscode2session?appid={appid}&secret={secret}&js_code=c{number}&grant_type=authorization_code"
        );
        let world = &world;
        async move { world.get(&path).await.expect(200) }
    };
    let logins = often(800, login).await;
    assert!(logins.iter().all(|answer| answer["openid"].is_string()), "{logins:?}");
    assert_eq!(seen.logins.load(Ordering::SeqCst), 800);

    let pass = |number: usize| {
        let method = if number.is_multiple_of(2) { Method::GET } else { Method::POST };
        let path = format!("/wxa/x?access_token={token}&n={number}");
        let world = &world;
        async move { world.call(method, &path, &[], "{}").await.expect(200) }
    };
    let passed = often(200, pass).await;
    assert!(passed.iter().all(|answer| answer["errcode"] == 0), "{passed:?}");
    assert_eq!(seen.passed.load(Ordering::SeqCst), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_at_a_wechat_that_hangs_up_at_once() {
    nothing_unseen_counts_as_asked(|_| Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_at_a_wechat_that_hangs_up_a_moment_later() {
    nothing_unseen_counts_as_asked(|number| Duration::from_millis(1 + number as u64 * 7 % 20)).await;
}
