//! A file of JSON lines becomes messages or permits, each once, however often the import is interrupted.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use hongyan_clock::Clock;
use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::process::{Gateway, Server, create_key, hongyan, run};
use crate::world::{Http, PATIENCE, Platform, World};

pub fn write(dir: &Path, name: &str, lines: &[Value]) -> PathBuf {
    let file = dir.join(name);
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    std::fs::write(&file, lines.join("\n") + "\n").unwrap();
    file
}

pub fn import(url: &str, key: &str, args: &[&str]) -> Command {
    let mut command = hongyan(&["import", "--json"]);
    command.args(args).env("HONGYAN_URL", url).env("HONGYAN_API_KEY", key);
    command
}

#[track_caller]
pub fn summary(output: &Output, code: i32) -> Value {
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

pub fn counts(summary: &Value) -> [u64; 3] {
    ["accepted", "replayed", "refused"].map(|name| summary[name].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_is_one_message_in_the_files_order_however_often_it_is_imported() {
    let world = World::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (world.wechat.user().await, world.wechat.user().await);
    for user in [&first, &second] {
        for _ in 0..30 {
            world.grant_subscription(user).await;
        }
    }
    let mut lines: Vec<Value> = (0..60)
        .map(|n| {
            let user = if n % 2 == 0 { &first } else { &second };
            let mut message = world.subscribe(user, &format!("no {n}"));
            message["reference"] = format!("订单-{n}").into();
            message
        })
        .collect();
    lines.insert(7, json!("not an object"));
    lines.insert(20, world.subscribe(&first, "without a reference"));
    lines.insert(33, {
        let mut wrong = lines[0].clone();
        wrong["reference"] = "wrong".into();
        wrong["data"]["thing1"] = "much longer than the twenty characters that WeChat takes".into();
        wrong
    });
    lines.insert(50, {
        let mut other = lines[0].clone();
        other["data"]["thing1"] = "another text".into();
        other
    });
    let file = write(dir.path(), "may.ndjson", &lines);
    let (path, errors) = (file.to_str().unwrap(), dir.path().join("refused.ndjson"));
    let args = [path, "--batch", "7", "--errors", errors.to_str().unwrap()];

    let output = run(&mut import(&world.url, &world.key, &args)).await;
    let said = summary(&output, 1);
    assert_eq!(counts(&said), [60, 0, 4], "{said}");
    assert_eq!(
        said["codes"],
        json!({ "malformed_json": 1, "missing_reference": 1, "invalid_field": 1, "idempotency_key_reused": 1 })
    );
    assert_eq!(said["last_line"], 64);
    let refused: Vec<Value> = std::fs::read_to_string(&errors)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut numbers: Vec<_> = refused.iter().map(|entry| entry["line"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [8, 21, 34, 51]);
    let wrong = refused.iter().find(|entry| entry["line"] == 34).unwrap();
    assert_eq!((&wrong["reference"], &wrong["problem"]["field"]), (&json!("wrong"), &json!("data.thing1")));

    // Only refused lines are tried again. From the first line again, every line was accepted already.
    let again = summary(&run(&mut import(&world.url, &world.key, &args)).await, 1);
    assert_eq!((counts(&again), &again["known"], &again["last_line"]), ([0, 0, 4], &json!(60), &json!(64)));
    let restart: Vec<&str> = args.iter().copied().chain(["--restart"]).collect();
    let restarted = summary(&run(&mut import(&world.url, &world.key, &restart)).await, 1);
    assert_eq!(counts(&restarted), [0, 60, 4], "{restarted}");

    for (user, parity) in [(&first, 0), (&second, 1)] {
        // The last message of each user is settled last.
        let found =
            world.get(&format!("/v1/messages?app={}&to={user}&limit=1", world.wechat.seed.appid)).await;
        let found = found.expect(200);
        let id = found["messages"][0]["id"].as_str().unwrap().to_owned();
        assert_eq!(world.settled(&id).await["state"], "sent");
        let expected: Vec<_> = (0..60).filter(|n| n % 2 == parity).map(|n| format!("no {n}")).collect();
        assert_eq!(world.wechat.texts(user).await, expected);
    }
    let reference = "%E8%AE%A2%E5%8D%95-59";
    let found = world
        .call(
            Method::GET,
            &format!("/v1/messages?app={}&reference={reference}", world.wechat.seed.appid),
            &[],
            "",
        )
        .await
        .expect(200);
    assert_eq!(found["messages"].as_array().unwrap().len(), 1, "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_input_is_read_and_lines_may_name_themselves() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let lines = format!("{}\n", world.subscribe(&user, "the same")).repeat(3);
    for expected in [[3, 0, 0], [0, 3, 0]] {
        let mut command = import(&world.url, &world.key, &["-", "--reference-from-line"]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(lines.as_bytes()).await.unwrap();
        drop(stdin);
        let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
        assert_eq!(counts(&summary(&output, 0)), expected);
    }
    let refused = run(&mut import(&world.url, "hyk_wrong", &["-"])).await;
    assert_eq!(
        refused.status.code(),
        Some(0),
        "there is nothing to send, so no gateway is needed: {refused:?}"
    );
}

/// Waits until an import has made enough progress to lose some of it.
async fn is_under_way(state: &Path, child: &mut Child) {
    let looking = async {
        loop {
            let line = std::fs::read(state)
                .ok()
                .and_then(|text| serde_json::from_slice::<Value>(&text).ok())
                .and_then(|state| state["line"].as_u64());
            if line.is_some_and(|line| line > 50) {
                return;
            }
            assert!(child.try_wait().unwrap().is_none(), "the import ended too soon");
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.expect("the import makes progress");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_outlives_a_dead_gateway_and_goes_on_after_ctrl_c() {
    const LINES: usize = 3_000;
    let wechat = Platform::start(Clock::system()).await;
    let dir = tempfile::tempdir().unwrap();
    let key = create_key(dir.path()).await;
    let gateway = Gateway::start(dir.path(), &wechat.url).await;
    let (url, http) = (gateway.url.clone(), Http::new());
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let app = json!({ "appid": wechat.seed.appid, "secret": wechat.seed.app_secret });
    http.send(Method::POST, &format!("{url}/v1/apps"), &headers, app.to_string()).await.expect(201);
    let lines: Vec<Value> = (0..LINES)
        .map(|n| {
            json!({
                "app": wechat.seed.appid, "to": format!("oImported{:019}", n % 50), "permit": "wait",
                "template": wechat.seed.legacy_template, "reference": format!("r{n}"),
                "data": { "keyword1": format!("text {n}"), "keyword2": "b", "keyword3": "c" },
            })
        })
        .collect();
    let file = write(dir.path(), "all.ndjson", &lines);
    let state = dir.path().join("all.ndjson.import-state");
    let start = || {
        let mut command = import(&url, &key, &[file.to_str().unwrap(), "--batch", "10"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };

    // Ctrl-C: the import ends after a whole batch.
    let mut child = start();
    is_under_way(&state, &mut child).await;
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-s", "INT", &pid]).status().await.unwrap().success());
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
    let stopped = summary(&output, 1);
    let line = stopped["last_line"].as_u64().unwrap();
    assert!((50..LINES as u64).contains(&line) && line.is_multiple_of(10), "{stopped}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("continues from there"));

    // The gateway dies during the import, and another gateway replaces it.
    std::fs::remove_file(&state).unwrap();
    let mut child = start();
    is_under_way(&state, &mut child).await;
    gateway.kill().await;
    let address = url.strip_prefix("http://").unwrap();
    let mut command = hongyan(&["serve", "--json", "--listen", address]);
    command.env("HONGYAN_DATA_DIR", dir.path()).env("HONGYAN_WECHAT_BASE_URL", &wechat.url);
    command.env("HONGYAN_LOG", "error").current_dir(dir.path());
    let server = Server::start(&mut command).await;
    let output = tokio::time::timeout(PATIENCE * 2, child.wait_with_output()).await.unwrap().unwrap();
    let [accepted, replayed, refused] = counts(&summary(&output, 0));
    assert_eq!((accepted + replayed, refused), (LINES as u64, 0));
    assert!(replayed >= line, "the messages of the first run were stored");
    assert!(server.signal("TERM").await.success());
    let database = rusqlite::Connection::open(dir.path().join("hongyan.db")).unwrap();
    let stored: i64 = database.query_row("SELECT COUNT(*) FROM messages", [], |row| row.get(0)).unwrap();
    assert_eq!(stored, LINES as i64, "each line makes one message");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_stays_away_is_given_up_on_and_a_wrong_key_at_once() {
    let world = World::start().await;
    let dir = tempfile::tempdir().unwrap();
    let user = world.wechat.user().await;
    let mut message = world.subscribe(&user, "x");
    message["reference"] = "a".into();
    let file = write(dir.path(), "one.ndjson", &[message]);
    let path = file.to_str().unwrap();
    let away = run(&mut import("http://127.0.0.1:9", &world.key, &[path, "--give-up-after", "0"])).await;
    assert_eq!(summary(&away, 1)["last_line"], 0);
    assert!(String::from_utf8_lossy(&away.stderr).contains("gave up"), "{away:?}");
    let wrong = run(&mut import(&world.url, "hyk_wrong", &[path])).await;
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("unauthorized"), "{wrong:?}");
    let good = summary(&run(&mut import(&world.url, &world.key, &[path])).await, 0);
    assert_eq!(counts(&good), [1, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn permits_are_imported_and_a_code_is_one_permit() {
    let world = World::start().await;
    let dir = tempfile::tempdir().unwrap();
    let user = world.wechat.user().await;
    let app = &world.wechat.seed.appid;
    let mut lines: Vec<Value> = (0..40)
        .map(|n| json!({ "app": app, "openid": user, "kind": "form", "code": format!("code-{}", n % 30) }))
        .collect();
    let template = &world.wechat.seed.subscribe_template;
    lines.push(
        json!({ "app": app, "openid": user, "kind": "subscribe_once", "template": template, "count": 5 }),
    );
    lines.push(json!({ "app": app, "openid": user, "kind": "form", "code": "the formId is a mock one" }));
    let file = write(dir.path(), "permits.ndjson", &lines);
    let args = [file.to_str().unwrap(), "--permits", "--batch", "13"];
    let said = summary(&run(&mut import(&world.url, &world.key, &args)).await, 1);
    assert_eq!(counts(&said), [31, 10, 1], "{said}");
    assert_eq!(world.totals(&user).await["granted"], 35);
    let again = summary(&run(&mut import(&world.url, &world.key, &args)).await, 1);
    assert_eq!(counts(&again), [0, 0, 1], "only the mock code is tried again");
    assert_eq!(world.totals(&user).await["granted"], 35, "the progress in the file was remembered");
}

/// Answers like a gateway whose first answer is lost.
async fn loses_its_first_answer(listener: TcpListener) -> Vec<Value> {
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut text = Vec::new();
        let body = loop {
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).await.unwrap();
            text.extend_from_slice(&buffer[..read]);
            let all = String::from_utf8_lossy(&text);
            let body =
                all.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str::<Value>(body).ok());
            if let Some(body) = body {
                break body;
            }
        };
        let items = body["permits"].as_array().unwrap().len();
        seen.push(body);
        if seen.len() == 2 {
            let answers: Vec<_> = (0..items).map(|_| json!({ "id": "prm_1", "duplicate": true })).collect();
            let body = json!({ "permits": answers }).to_string();
            let head = "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\nconnection: close";
            let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_whose_answer_was_lost_is_reported_and_not_counted_twice() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let gateway = tokio::spawn(loses_its_first_answer(listener));
    let form = json!({ "app": "wx1", "openid": "o1", "kind": "form", "code": "c" });
    let subscription = json!({ "app": "wx1", "openid": "o1", "kind": "subscribe_once", "template": "t" });
    let file = write(dir.path(), "permits.ndjson", &[subscription.clone(), form.clone()]);
    let errors = dir.path().join("refused.ndjson");
    let args = [file.to_str().unwrap(), "--permits", "--errors", errors.to_str().unwrap()];
    let said = summary(&run(&mut import(&url, "hyk_x", &args)).await, 1);
    assert_eq!(counts(&said), [0, 1, 1], "{said}");
    let seen = gateway.await.unwrap();
    assert_eq!(seen[0]["permits"], json!([subscription, form]));
    assert_eq!(seen[1]["permits"], json!([form]), "only permits with a code are repeated");
    let refused: Value = serde_json::from_str(std::fs::read_to_string(&errors).unwrap().trim()).unwrap();
    assert_eq!((&refused["line"], &refused["problem"]["code"]), (&json!(1), &json!("no_answer")));

    // The permit stays in doubt and is reported each time, until an operator has checked it.
    let args = [args.as_slice(), &["--give-up-after", "0"]].concat();
    let again = run(&mut import("http://127.0.0.1:9", "hyk_x", &args)).await;
    let again = summary(&again, 1);
    assert_eq!((counts(&again), &again["codes"]), ([0, 0, 1], &json!({ "no_answer": 1 })), "{again}");
    write(dir.path(), "permits.ndjson", &[form]);
    let settled = summary(&run(&mut import("http://127.0.0.1:9", "hyk_x", &args)).await, 0);
    assert_eq!((counts(&settled), &settled["known"]), ([0, 0, 0], &json!(1)));
}
