//! Strangers have limits: their requests use up neither the limits of others nor WeChat's quota, and strangers learn nothing
//! internal.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use serde_json::json;
use tokio::time::Instant;

use crate::pusher::Pusher;
use crate::world::{Answer, Http, World, eventually};

const LOGIN: &str = "/sns/jscode2session";
const ONE: &str = "203.0.113.1";
const OTHER: &str = "203.0.113.2";

/// A mini program at this address logs in with a code.
async fn log_in_with(world: &World, address: &str, code: &str) -> Answer {
    let url = format!("{}/mp/{}/login", world.url, world.wechat.seed.appid);
    let headers = [("content-type", "application/json"), ("x-forwarded-for", address)];
    Http::new().send(Method::POST, &url, &headers, json!({ "code": code }).to_string()).await
}

async fn log_in(world: &World, address: &str) -> Answer {
    let user = world.wechat.user().await;
    let code = world.wechat.login_code(&user).await;
    log_in_with(world, address, &code).await
}

fn retry_after(answer: &Answer) -> u64 {
    answer.headers["retry-after"].to_str().unwrap().parse().unwrap()
}

async fn count_of(world: &World, limit: &str) -> u64 {
    let text = world.get("/metrics").await.text;
    let name = format!("hongyan_limits_total{{limit=\"{limit}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_may_log_in_so_often_and_others_are_not_concerned() {
    let world = World::start_with(|settings| settings.login_rate_per_address = 3).await;
    for _ in 0..3 {
        log_in(&world, ONE).await.expect(200);
    }
    let refused = log_in(&world, ONE).await;
    assert_eq!(retry_after(&refused), 20);
    refused.problem(429, "too_many_requests");
    // An address that the client itself adds to the header is not trusted.
    log_in(&world, &format!("{OTHER}, {ONE}")).await.problem(429, "too_many_requests");
    log_in(&world, OTHER).await.expect(200);
    assert_eq!(world.wechat.asked(LOGIN).await, 4, "WeChat was not asked");
    world.advance(Duration::from_secs(20));
    log_in(&world, ONE).await.expect(200);
    log_in(&world, ONE).await.problem(429, "too_many_requests");
    assert_eq!(count_of(&world, "logins_per_address").await, 3);
    // A back end with a key has no such limit.
    let code = world.wechat.login_code(&world.wechat.user().await).await;
    world.post("/v1/login", json!({ "app": world.wechat.seed.appid, "code": code })).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_and_all_apps_may_be_logged_in_to_so_often() {
    let of_app = World::start_with(|settings| settings.login_rate_per_app = 1).await;
    log_in(&of_app, ONE).await.expect(200);
    log_in(&of_app, OTHER).await.problem(429, "too_many_requests");
    assert_eq!(count_of(&of_app, "logins_per_app").await, 1);
    let in_all = World::start_with(|settings| settings.login_rate = 1).await;
    // A login of an unknown app uses up nothing.
    let url = format!("{}/mp/wx0000000000000000/login", in_all.url);
    Http::new().post(&url, &json!({ "code": "x" })).await.problem(404, "unknown_app");
    log_in(&in_all, ONE).await.expect(200);
    log_in(&in_all, OTHER).await.problem(429, "too_many_requests");
    assert_eq!(count_of(&in_all, "logins").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_may_report_so_many_permits_in_however_many_sessions() {
    let world = World::start_with(|settings| settings.permit_rate = 6).await;
    let session = async |user: &str| {
        let code = world.wechat.login_code(user).await;
        log_in_with(&world, ONE, &code).await.text("session")
    };
    let report = async |session: &str, scheme: &str, codes: &[&str]| {
        let url = format!("{}/mp/{}/permits", world.url, world.wechat.seed.appid);
        let bearer = format!("{scheme} {session}");
        let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
        let form = |code: &&str| json!({ "kind": "form", "code": code });
        let body = json!({ "permits": codes.iter().map(form).collect::<Vec<_>>() }).to_string();
        Http::new().send(Method::POST, &url, &headers, body).await
    };
    let (user, other) = (world.wechat.user().await, world.wechat.user().await);
    let first = session(&user).await;
    report(&first, "Bearer", &["a-1", "a-2", "a-3"]).await.expect(202);
    // RFC 9110: the scheme's case does not matter.
    report(&first, "bearer", &["a-4"]).await.expect(202);
    // Two permits are left. A new login does not add permits, and a request for three permits gets none.
    let second = session(&user).await;
    let refused = report(&second, "BEARER", &["a-5", "a-6", "a-7"]).await;
    assert_eq!(retry_after(&refused), 600);
    refused.problem(429, "too_many_requests");
    assert_eq!(world.totals(&user).await["granted"], 4, "no permit of the refused request was stored");
    report(&second, "Bearer", &["a-5", "a-6"]).await.expect(202);
    for _ in 0..3 {
        report(&session(&user).await, "Bearer", &["a-7"]).await.problem(429, "too_many_requests");
    }
    assert_eq!(world.totals(&user).await["granted"], 6);
    // Another user of the same app is not affected, and the rate recovers with time.
    report(&session(&other).await, "Bearer", &["b-1"]).await.expect(202);
    world.advance(Duration::from_secs(600));
    report(&first, "Bearer", &["a-7"]).await.expect(202);
    assert_eq!(count_of(&world, "permit_reports").await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_is_slowed_and_who_knows_is_not() {
    let world = World::start_with(|settings| settings.wrong_credential_rate = 4).await;
    let (appid, http) = (&world.wechat.seed.appid, Http::new());
    let get = async |path: &str, bearer: &str| {
        let url = format!("{}{path}", world.url);
        http.send(Method::GET, &url, &[("authorization", bearer), ("x-forwarded-for", ONE)], "").await
    };
    let token = format!("/cgi-bin/token?grant_type=client_credential&appid={appid}&secret=");
    let _ = Pusher::of(&world, false).await;
    let now = world.clock.now().as_seconds();
    let push = format!("/callback/{appid}?signature=wrong&timestamp={now}&nonce=1&echostr=1");
    // Each kind of credential counts as a guess.
    get("/v1/apps", "Bearer hyk_wrong").await.problem(401, "unauthorized");
    assert_eq!(get(&format!("{token}wrong"), "").await.expect(200)["errcode"], 40125);
    assert_eq!(get("/cgi-bin/x?access_token=hyt_wrong", "").await.expect(200)["errcode"], 40001);
    get(&push, "").await.expect(403);
    assert_eq!(count_of(&world, "wrong_credentials").await, 0);
    let began = Instant::now();
    get("/v1/apps", "Bearer hyk_wrong").await.problem(401, "unauthorized");
    assert!(began.elapsed() >= Duration::from_secs(1));
    get(&push, "").await.expect(403);
    assert!(began.elapsed() >= Duration::from_secs(2));
    assert_eq!(count_of(&world, "wrong_credentials").await, 2);
    // Valid credentials are not counted, from any address.
    get("/v1/apps", &format!("Bearer {}", world.key)).await.expect(200);
    get(&format!("{token}{}", world.gateway_secret), "").await.expect(200);
    assert_eq!(count_of(&world, "wrong_credentials").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_of_strangers_take_few_connections_and_none_from_callers() {
    let world = World::start_with(|settings| {
        settings.wechat_calls = 4;
        settings.answer_timeout_ms = 60_000;
    })
    .await;
    world.wechat.chaos(json!({ "path": LOGIN, "kind": "latency", "millis": 4_000, "times": 2 })).await;
    let codes: Vec<String> = (0..30).map(|number| format!("code-{number}")).collect();
    let strangers = join_all(codes.iter().map(|code| log_in_with(&world, ONE, code)));
    let callers = async {
        // Two calls are with WeChat, and no more.
        let busy = async || json!(world.gateway.outgoing.is_full_of_strangers());
        eventually(busy, |is_full| *is_full == json!(true)).await;
        let code = world.wechat.login_code(&world.wechat.user().await).await;
        let began = Instant::now();
        world.post("/v1/login", json!({ "app": world.wechat.seed.appid, "code": code })).await.expect(200);
        began.elapsed()
    };
    let (answers, took) = tokio::join!(strangers, callers);
    assert!(took < Duration::from_secs(2), "{took:?}: strangers do not delay a caller");
    let turned_away = answers.iter().filter(|answer| answer.status == 503).count();
    assert_eq!(turned_away, 28, "all but two requests are refused");
    assert_eq!(count_of(&world, "wechat_calls").await, 28);
    assert_eq!(world.wechat.asked(LOGIN).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_hears_nothing_of_the_inside() {
    let world = World::start().await;
    let told = async |code: &str| log_in_with(&world, ONE, code).await;
    world.wechat.chaos(json!({ "path": LOGIN, "kind": "errcode", "errcode": 40164, "times": 1 })).await;
    let problem = told("code-1").await.problem(409, "app_paused");
    assert_eq!(problem["detail"], "The app is paused.");
    assert_eq!(problem["errcode"], 40164);
    assert!(problem.get("errmsg").is_none(), "{problem}");
    // Also when the stored pause answers.
    let problem = told("code-2").await.problem(409, "app_paused");
    assert_eq!(problem["detail"], "The app is paused.");
    world.resume().await;
    let nowhere = World::start_with(|settings| {
        settings.wechat_base_url = "http://inside.invalid:9/".parse().unwrap();
    })
    .await;
    let answer = log_in_with(&nowhere, ONE, "code").await;
    assert!(!answer.text.contains("inside.invalid"), "{answer:?}");
    answer.problem(503, "wechat_unavailable");
    // Errors of the request itself are reported.
    let problem = told("two words").await.problem(422, "invalid_field");
    assert!(problem["detail"].as_str().unwrap().contains("visible ASCII"), "{problem}");
}
