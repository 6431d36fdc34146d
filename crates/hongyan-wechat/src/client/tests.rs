//! What the client says, against servers that behave and servers that do not.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::test_server::{Server, Step};
use super::{CallError, Client, ClientConfig, Failure, MAX_ANSWER_BYTES};
use crate::{AppId, Errcode};

const TOKEN: &str = "71_t0k3n-t0k3n_t0k3n";
const OK: &str = r#"{"errcode":0,"errmsg":"ok","msgid":7}"#;

/// A client that trusts every server to keep its connections.
fn client(url: &Url) -> Client {
    let mut config = ClientConfig::new(url.clone());
    config.proof = Duration::ZERO;
    Client::new(config).unwrap()
}

fn token() -> SecretString {
    TOKEN.into()
}

fn appid() -> AppId {
    "wx1234567890abcdef".parse().unwrap()
}

async fn send(client: &Client) -> Result<crate::SendAnswer, Failure> {
    client.send_subscribe(&token(), Bytes::from_static(b"{}")).await
}

/// One send to a server that does one thing, which must leave it unanswered; in which words.
async fn unanswered_after(step: Step) -> String {
    unanswered_with(|_| {}, step).await
}

/// The same with another configuration of the client.
async fn unanswered_with(change: impl FnOnce(&mut ClientConfig), step: Step) -> String {
    let server = Server::start(vec![vec![step]]).await;
    let mut config = ClientConfig::new(server.url.clone());
    change(&mut config);
    let failure = send(&Client::new(config).unwrap()).await.unwrap_err();
    assert_eq!(server.done().await, 1, "it must not be sent a second time");
    assert!(!failure.to_string().contains(TOKEN), "{failure}");
    match failure {
        Failure::Unanswered(why) => why,
        Failure::NotSent(why) => panic!("it was written: {why}"),
    }
}

#[tokio::test]
async fn a_send_goes_out_as_it_was_built_and_its_verdict_comes_back() {
    let server = Server::start(vec![vec![Step::Json(OK)]]).await;
    let body = r#"{"touser":"o1", "data":{"b":1,"a":2}}"#;
    let answer =
        client(&server.url).send_template(&token(), Bytes::from_static(body.as_bytes())).await.unwrap();
    assert_eq!((answer.errcode, answer.errmsg.as_str(), answer.msgid), (Errcode::OK, "ok", Some(7)));
    let request = server.seen().remove(0);
    let line = format!("POST /cgi-bin/message/wxopen/template/send?access_token={TOKEN} HTTP/1.1\r\n");
    assert!(request.starts_with(&line), "{request}");
    assert!(request.contains(&format!("\r\nhost: {}\r\n", server.url.authority())), "{request}");
    assert!(request.contains("\r\ncontent-type: application/json\r\n"), "{request}");
    assert!(request.ends_with(&format!("\r\n\r\n{body}")), "{request}");
}

#[tokio::test]
async fn one_connection_serves_one_request_after_another() {
    let server = Server::start(vec![vec![Step::Json(OK), Step::Json(OK), Step::Json(OK)]]).await;
    let client = client(&server.url);
    for _ in 0..3 {
        send(&client).await.unwrap();
    }
    assert_eq!(server.done().await, 1);
}

#[tokio::test]
async fn a_connection_that_was_idle_too_long_is_not_used_again() {
    let server = Server::start(vec![vec![Step::Json(OK)], vec![Step::Json(OK)]]).await;
    let mut config = ClientConfig::new(server.url.clone());
    config.idle_timeout = Duration::ZERO;
    config.proof = Duration::ZERO;
    let client = Client::new(config).unwrap();
    send(&client).await.unwrap();
    send(&client).await.unwrap();
    assert_eq!(server.done().await, 2);
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_is_replaced() {
    let server = Server::start(vec![vec![Step::Json(OK), Step::HangUp], vec![Step::Json(OK)]]).await;
    let client = client(&server.url);
    send(&client).await.unwrap();
    send(&client).await.unwrap();
    assert_eq!(server.seen().len(), 2);
    assert_eq!(server.done().await, 2);
}

#[tokio::test]
async fn nobody_listening_means_not_sent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let failure = send(&client(&url)).await.unwrap_err();
    assert!(matches!(&failure, Failure::NotSent(why) if why.contains("cannot connect")), "{failure}");
    assert!(!failure.to_string().contains(TOKEN), "{failure}");
}

#[tokio::test]
async fn a_server_without_tls_means_not_sent() {
    let server = Server::start(vec![vec![Step::CloseUnread]]).await;
    let url: Url = server.url.as_str().replace("http:", "https:").parse().unwrap();
    assert!(matches!(send(&client(&url)).await, Err(Failure::NotSent(_))));
    assert_eq!(server.done().await, 1);
}

#[tokio::test]
async fn a_tls_handshake_that_takes_too_long_means_not_sent() {
    // A listener that never accepts: the operating system completes the connection, and that is all.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config =
        ClientConfig::new(format!("https://{}", listener.local_addr().unwrap()).parse().unwrap());
    config.connect_timeout = Duration::from_millis(50);
    let failure = send(&Client::new(config).unwrap()).await.unwrap_err();
    assert!(matches!(&failure, Failure::NotSent(why) if why.contains("not within 50ms")), "{failure}");
}

#[tokio::test]
async fn a_connection_closed_on_an_unread_request_leaves_it_unanswered() {
    unanswered_after(Step::CloseUnread).await;
}

#[tokio::test]
async fn a_reset_after_the_request_leaves_it_unanswered() {
    unanswered_after(Step::Reset).await;
}

#[tokio::test]
async fn a_cut_answer_leaves_it_unanswered() {
    unanswered_after(Step::CutBody).await;
}

#[tokio::test]
async fn a_server_that_hangs_leaves_it_unanswered_and_loses_the_connection() {
    // The script is over only when the client has closed the connection.
    let soon = |config: &mut ClientConfig| config.answer_timeout = Duration::from_millis(50);
    assert_eq!(unanswered_with(soon, Step::Hang).await, "no answer within 50ms");
}

#[tokio::test]
async fn what_is_not_wechats_answer_leaves_it_unanswered() {
    let bad_gateway = Step::Http("502 Bad Gateway", b"<html>".to_vec());
    assert_eq!(unanswered_after(bad_gateway).await, "HTTP 502 Bad Gateway");
    // Even if it looks like one: the status says that somebody in between speaks.
    unanswered_after(Step::Http("500 Internal Server Error", OK.into())).await;
    assert_eq!(unanswered_after(Step::Json("{}")).await, "JSON without an errcode");
    unanswered_after(Step::Json("<html>")).await;
    unanswered_after(Step::Json("")).await;
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_the_end() {
    let server = Server::start(vec![vec![Step::Http("200 OK", vec![b' '; MAX_ANSWER_BYTES + 1])]]).await;
    assert!(matches!(send(&client(&server.url)).await, Err(Failure::Unanswered(_))));
}

#[tokio::test]
async fn the_raw_exchange_leaves_the_judgement_to_the_caller() {
    let server = Server::start(vec![vec![Step::Http("404 Not Found", b"nothing".to_vec())]]).await;
    let answered = client(&server.url).exchange(Method::GET, "/x", None, Bytes::new()).await.unwrap();
    assert_eq!(answered.status, StatusCode::NOT_FOUND);
    assert_eq!(answered.body, "nothing");
    assert_eq!(answered.content_type.as_deref(), Some("application/json"));
    assert_eq!(format!("{answered:?}"), "Answered(404 Not Found, 7 bytes)");
}

#[tokio::test]
async fn a_path_that_is_none_is_not_sent_and_not_quoted() {
    let client = client(&"http://127.0.0.1:9".parse().unwrap());
    let failure = client.exchange(Method::GET, "/a b?secret=s3cr3t", None, Bytes::new()).await.unwrap_err();
    assert_eq!(failure, Failure::NotSent("the path is not a valid URL path".to_owned()));
}

#[tokio::test]
async fn a_refusal_of_a_send_is_an_answer() {
    let refusal =
        r#"{"errcode":40001,"errmsg":"invalid credential 71_t0k3n-t0k3n_t0k3n rid: 66a1-0d4e-7a8b"}"#;
    let server = Server::start(vec![vec![Step::Json(refusal)]]).await;
    let answer = send(&client(&server.url)).await.unwrap();
    assert_eq!(answer.errcode, Errcode::INVALID_CREDENTIAL);
    assert_eq!(answer.errmsg, "invalid credential *** rid: 66a1-0d4e-7a8b");
    assert_eq!(answer.rid.as_deref(), Some("66a1-0d4e-7a8b"));
}

#[tokio::test]
async fn both_token_calls_ask_as_wechat_wants_to_be_asked() {
    let answer = r#"{"access_token":"t1","expires_in":7200}"#;
    let server = Server::start(vec![vec![Step::Json(answer), Step::Json(answer), Step::Json(answer)]]).await;
    let (client, secret) = (client(&server.url), SecretString::from("s+/&="));
    let got = client.token(&appid(), &secret).await.unwrap();
    assert_eq!((got.access_token.expose_secret(), got.expires_in), ("t1", 7200));
    client.stable_token(&appid(), &secret, false).await.unwrap();
    client.stable_token(&appid(), &secret, true).await.unwrap();
    let seen = server.seen();
    let line = "GET /cgi-bin/token?grant_type=client_credential&appid=wx1234567890abcdef&secret=s%2B%2F%26%3D HTTP/1.1";
    assert!(seen[0].starts_with(line), "{}", seen[0]);
    assert!(seen[1].starts_with("POST /cgi-bin/stable_token HTTP/1.1"));
    let body = r#"{"grant_type":"client_credential","appid":"wx1234567890abcdef","secret":"s+/&=""#;
    assert!(seen[1].ends_with(&format!("{body}}}")), "{}", seen[1]);
    assert!(seen[2].ends_with(&format!("{body},\"force_refresh\":true}}")), "{}", seen[2]);
}

#[tokio::test]
async fn a_login_gives_the_user_or_wechats_refusal() {
    let server = Server::start(vec![vec![
        Step::Json(r#"{"session_key":"k==","openid":"oABC","unionid":"u1"}"#),
        Step::Json(r#"{"errcode":40163,"errmsg":"code been used, rid: 66a1-0d4e"}"#),
        Step::Json("<html>"),
    ]])
    .await;
    let (client, secret) = (client(&server.url), SecretString::from("s3cr3t"));
    let user = client.login(&appid(), &secret, "0a1 b").await.unwrap();
    assert_eq!((user.openid.as_str(), user.unionid.as_deref()), ("oABC", Some("u1")));
    assert!(server.seen()[0].contains("&js_code=0a1+b&grant_type=authorization_code HTTP"));
    let refused = client.login(&appid(), &secret, "0a1").await.unwrap_err();
    let expected = CallError::Refused {
        errcode: Errcode::CODE_USED,
        errmsg: "code been used, rid: 66a1-0d4e".to_owned(),
        rid: Some("66a1-0d4e".to_owned()),
    };
    assert_eq!(refused, expected);
    let failed = client.login(&appid(), &secret, "0a1").await.unwrap_err();
    assert!(matches!(failed, CallError::Failed(Failure::Unanswered(_))), "{failed}");
}

#[tokio::test]
async fn subscribe_templates_come_in_one_answer() {
    let server = Server::start(vec![vec![Step::Json(
        r#"{"errcode":0,"errmsg":"ok","data":[{"priTmplId":"T-1","title":"a","content":"b:{{thing1.DATA}}","type":3}]}"#,
    )]])
    .await;
    let templates = client(&server.url).subscribe_templates(&token()).await.unwrap();
    assert_eq!((templates.len(), templates[0].pri_tmpl_id.as_str(), templates[0].kind), (1, "T-1", 3));
}

#[tokio::test]
async fn legacy_templates_come_in_pages_until_one_is_not_full() {
    let page = |from: usize, to: usize| {
        let rows: Vec<_> = (from..to)
            .map(|n| format!(r#"{{"template_id":"T-{n}","title":"t","content":"c","example":"e"}}"#))
            .collect();
        Step::Http("200 OK", format!(r#"{{"errcode":0,"errmsg":"ok","list":[{}]}}"#, rows.join(",")).into())
    };
    // The second page repeats one of the first, as happens when a template is added in between.
    let server = Server::start(vec![vec![page(0, 20), page(19, 25)]]).await;
    let templates = client(&server.url).legacy_templates(&token()).await.unwrap();
    assert_eq!(templates.len(), 25);
    let seen = server.seen();
    assert!(
        seen[0].ends_with(r#"{"offset":0,"count":20}"#) && seen[1].ends_with(r#"{"offset":20,"count":20}"#)
    );
}

#[tokio::test]
async fn a_proxy_is_asked_for_the_whole_address() {
    let proxy = Server::start(vec![vec![Step::Json(OK)]]).await;
    let mut config = ClientConfig::new("http://sandbox.test:8790".parse().unwrap());
    let mut url = proxy.url.clone();
    url.set_username("u").unwrap();
    url.set_password(Some("p4ss")).unwrap();
    config.proxy = Some(url);
    assert!(!format!("{config:?}").contains("p4ss"));
    send(&Client::new(config).unwrap()).await.unwrap();
    let request = proxy.seen().remove(0);
    let line = "POST http://sandbox.test:8790/cgi-bin/message/subscribe/send?access_token=";
    assert!(request.starts_with(line), "{request}");
    assert!(request.contains("\r\nhost: sandbox.test:8790\r\n"), "{request}");
    assert!(request.contains("\r\nproxy-authorization: Basic dTpwNHNz\r\n"), "{request}");
}

#[tokio::test]
async fn a_tunnel_that_is_refused_means_not_sent() {
    let proxy = Server::start(vec![vec![Step::Http("403 Forbidden", Vec::new())]]).await;
    let mut config = ClientConfig::new("https://api.weixin.test".parse().unwrap());
    config.proxy = Some(format!("http://u:p@{}", proxy.url.authority()).parse().unwrap());
    let failure = send(&Client::new(config).unwrap()).await.unwrap_err();
    assert!(matches!(&failure, Failure::NotSent(why) if why.contains("tunnel")), "{failure}");
    let request = proxy.seen().remove(0);
    assert!(request.starts_with("CONNECT api.weixin.test:443 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("Proxy-Authorization: Basic dTpw\r\n"), "{request}");
    assert!(!request.contains(TOKEN), "the proxy must not see what is in the tunnel");
}
