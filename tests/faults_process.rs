//! The process and its machine: two processes on one database, and little memory.
//!
//! The effects of a kill are in `restart`, and in every round of `cargo xtask crash`.

use std::collections::HashSet;
use std::path::Path;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use hongyan_clock::Clock;
use http::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::process::{Gateway, Server, create_key, run, serve};
use crate::world::{Http, Platform, eventually};

const MIB: usize = 1024 * 1024;

/// A gateway, a caller, and a simulated WeChat.
struct Scene {
    wechat: Platform,
    dir: tempfile::TempDir,
    http: Http,
    bearer: String,
}

impl Scene {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let bearer = format!("Bearer {}", create_key(dir.path()).await);
        Self { wechat: Platform::start(Clock::system()).await, dir, http: Http::new(), bearer }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The body of a successful answer, if there was one.
    async fn ask(&self, method: Method, url: &str, body: &Value) -> Option<Value> {
        let headers = [("authorization", self.bearer.as_str()), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.http.try_send(method, url, &headers, body).await?;
        answer.status.is_success().then_some(answer.body)
    }

    async fn post(&self, url: &str, body: &Value) -> Value {
        self.ask(Method::POST, url, body).await.unwrap_or_else(|| panic!("no successful answer of {url}"))
    }

    async fn register(&self, url: &str) {
        let app = json!({ "appid": self.wechat.seed.appid, "secret": self.wechat.seed.app_secret });
        self.post(&format!("{url}/v1/apps"), &app).await;
    }

    fn message(&self, user: &str, text: &str) -> Value {
        json!({
            "app": self.wechat.seed.appid, "to": user, "template": self.wechat.seed.legacy_template,
            "data": { "keyword1": text, "keyword2": "b", "keyword3": "c" },
        })
    }

    /// The number of messages in a state.
    async fn count(&self, url: &str, state: &str) -> usize {
        let mut cursor = String::new();
        let mut count = 0;
        loop {
            let page = format!("{url}/v1/messages?state={state}&limit=1000{cursor}");
            let page = self.ask(Method::GET, &page, &Value::Null).await.unwrap();
            count += page["messages"].as_array().unwrap().len();
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return count,
            }
        }
    }
}

/// `hongyan serve` with a limit of its address space.
#[cfg(target_os = "linux")]
fn serve_within(bytes: usize, dir: &Path, wechat: &str) -> Command {
    let usual = serve(dir, wechat);
    let usual = usual.as_std();
    let mut command = Command::new("prlimit");
    command.arg(format!("--as={bytes}")).arg(usual.get_program()).args(usual.get_args()).kill_on_drop(true);
    for (name, value) in usual.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    // On machines with many cores, the stacks of threads would fill the address space.
    command.env("TOKIO_WORKER_THREADS", "2");
    // The allocator reserves 64 MiB of addresses for each arena of a thread; that is not memory in use.
    command.env("MALLOC_ARENA_MAX", "2");
    command.current_dir(dir).stdin(std::process::Stdio::null());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_is_refused_however_it_names_the_database() {
    let scene = Scene::new().await;
    let gateway = Gateway::start(scene.path(), &scene.wechat.url).await;
    scene.register(&gateway.url).await;
    let user = scene.wechat.user().await;
    let form = scene.wechat.form(&user).await;
    let permit = json!({ "app": scene.wechat.seed.appid, "openid": user, "kind": "form", "code": form });
    scene.post(&format!("{}/v1/permits", gateway.url), &permit).await;
    // In flight: a process that took the message for a message of a dead process would settle it as unanswered.
    let slow = json!({ "path": "/cgi-bin/message/*", "kind": "latency", "millis": 4_000, "times": 1 });
    scene.wechat.chaos(slow).await;
    let messages = format!("{}/v1/messages", gateway.url);
    let accepted = scene.post(&messages, &scene.message(&user, "once")).await;
    let path = format!("{messages}/{}", accepted["id"].as_str().unwrap());
    let look = async || scene.ask(Method::GET, &path, &Value::Null).await.unwrap();
    eventually(look, |message| message["state"] == "sending").await;

    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("link.db");
    std::os::unix::fs::symlink(scene.path().join("hongyan.db"), &link).unwrap();
    for database in [scene.path().join("hongyan.db"), link] {
        let mut second = serve(elsewhere.path(), &scene.wechat.url);
        second.env("HONGYAN_DATABASE", format!("sqlite:{}", database.display()));
        let refused = run(&mut second).await;
        let words = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{words}");
        assert!(words.contains("another hongyan process serves the database"), "{words}");
        assert!(words.contains("hongyan.db"), "the error names the file: {words}");
    }

    let sent = eventually(look, |message| message["state"] == "sent").await;
    assert_eq!(sent["attempt_count"], 1, "no other process changed the message");
    assert_eq!(scene.wechat.texts(&user).await, ["once"]);
    assert!(gateway.signal("TERM").await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_usual_build_has_no_fail_points() {
    let scene = Scene::new().await;
    let everywhere = hongyan_failpoints::ALL.iter().map(|point| format!("{}=return", point.name));
    let everywhere = everywhere.collect::<Vec<_>>().join(";");
    let mut command = serve(scene.path(), &scene.wechat.url);
    let server = Server::start(command.env("FAILPOINTS", everywhere)).await;
    let url = server.url("gateway");
    scene.register(&url).await;
    let user = scene.wechat.user().await;
    let form = scene.wechat.form(&user).await;
    let permit = json!({ "app": scene.wechat.seed.appid, "openid": user, "kind": "form", "code": form });
    scene.post(&format!("{url}/v1/permits"), &permit).await;
    let sent = scene.post(&format!("{url}/v1/messages?wait=20"), &scene.message(&user, "alive")).await;
    assert_eq!(sent["state"], "sent");
    assert!(server.signal("TERM").await.success());
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_large_backlog_and_a_load_fit_into_512_mib_of_address_space() {
    const BACKLOG: usize = 10_000;
    const LOAD: usize = 1_000;
    let scene = Scene::new().await;
    let server = Server::start(&mut serve_within(512 * MIB, scene.path(), &scene.wechat.url)).await;
    let url = server.url("gateway");
    scene.register(&url).await;
    let users = join_all((0..100).map(|_| scene.wechat.user())).await;

    let tomorrow = json!(Clock::system().now().plus(std::time::Duration::from_secs(86_400)).to_string());
    for _ in 0..BACKLOG / 1_000 {
        let later = |user: &String| {
            let mut message = scene.message(user, "tomorrow");
            message["send_at"] = tomorrow.clone();
            message
        };
        let batch: Vec<Value> = users.iter().cycle().take(1_000).map(later).collect();
        let answer = scene.post(&format!("{url}/v1/messages"), &json!({ "messages": batch })).await;
        assert_eq!(answer["accepted"], 1_000);
    }
    for user in &users {
        scene.wechat.control("forms", json!({ "openid": user, "count": LOAD / 100 })).await["form_ids"]
            .as_array()
            .map(|forms| {
                let app = &scene.wechat.seed.appid;
                let permit =
                    |form: &Value| json!({ "app": app, "openid": user, "kind": "form", "code": form });
                json!({ "permits": forms.iter().map(permit).collect::<Vec<_>>() })
            })
            .map(async |permits| scene.post(&format!("{url}/v1/permits"), &permits).await)
            .unwrap()
            .await;
    }
    let wait = format!("{url}/v1/messages?wait=30");
    let messages =
        users.iter().cycle().take(LOAD).enumerate().map(|(n, user)| scene.message(user, &n.to_string()));
    let sent = stream::iter(messages)
        .map(async |message| scene.post(&wait, &message).await)
        .buffer_unordered(64)
        .filter(|answer| std::future::ready(answer["state"] == "sent"))
        .count()
        .await;
    assert_eq!(sent, LOAD);
    assert_eq!(scene.count(&url, "scheduled").await, BACKLOG);
    let mut texts = HashSet::new();
    for user in &users {
        texts.extend(scene.wechat.texts(user).await);
    }
    assert_eq!(texts.len(), LOAD, "each message arrived once");
    assert!(server.signal("TERM").await.success());
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_accepted_before_its_memory_ended_is_kept() {
    /// The number of messages in a batch that fits into memory.
    const FIRST: usize = 10;
    let scene = Scene::new().await;
    // Little more than the gateway needs to start, and then large bodies from many callers at once.
    let server = Server::start(&mut serve_within(160 * MIB, scene.path(), &scene.wechat.url)).await;
    let url = server.url("gateway");
    scene.register(&url).await;
    let user = scene.wechat.user().await;
    let batch = |caller: usize, size: usize| {
        let message = |n: usize| {
            let mut message = scene.message(&user, &format!("{caller} {n}"));
            message["page"] = json!(format!("pages/index/index?{}", "x".repeat(1_000)));
            message["permit"] = json!("wait");
            message
        };
        json!({ "messages": (0..size).map(message).collect::<Vec<_>>() })
    };
    let endpoint = format!("{url}/v1/messages");
    let first = scene.post(&endpoint, &batch(100, FIRST)).await;
    assert_eq!(first["accepted"], FIRST);
    let answers = join_all((0..60).map(|caller| {
        let batch = batch(caller, 1_000);
        let (scene, endpoint) = (&scene, &endpoint);
        async move { scene.ask(Method::POST, endpoint, &batch).await }
    }))
    .await;
    assert!(answers.iter().any(Option::is_none), "the gateway ran out of memory");
    let accepted: HashSet<String> = answers
        .iter()
        .flatten()
        .chain([&first])
        .flat_map(|answer| answer["messages"].as_array().unwrap())
        .filter_map(|message| message["id"].as_str().map(str::to_owned))
        .collect();
    server.kill().await;

    let gateway = Gateway::start(scene.path(), &scene.wechat.url).await;
    let kept = scene.count(&gateway.url, "waiting").await;
    assert!(kept >= accepted.len(), "{} were accepted, {kept} are kept", accepted.len());
    for id in accepted.iter().step_by(97) {
        let path = format!("{}/v1/messages/{id}", gateway.url);
        let headers = [("authorization", scene.bearer.as_str())];
        // The explanation of a waiting message reads all data of its user, which is much here. On a busy machine that may
        // take longer than the request's timeout, so the request is repeated.
        let ask = async || {
            let answer = scene.http.send(Method::GET, &path, &headers, "").await;
            json!({ "status": answer.status.as_u16(), "message": answer.body })
        };
        let answer = eventually(ask, |answer| answer["status"] != 503).await;
        assert_eq!((&answer["status"], &answer["message"]["state"]), (&json!(200), &json!("waiting")));
    }
    assert!(kept % 1_000 == FIRST, "a batch is stored whole or not at all: {kept}");
    assert!(gateway.signal("TERM").await.success());
}
