//! The same import again after the file was edited: accepted lines are not sent a second time, and all other lines are sent
//! or refused, never skipped.

use std::path::Path;

use serde_json::{Value, json};

use crate::import::{counts, import, summary, write};
use crate::process::run;
use crate::world::World;

/// The line that is wrong at first.
const WRONG: usize = 20;

/// Thirty messages to a user, one of them with an invalid date. More than 4 KB come before it.
fn lines(world: &World, user: &str) -> Vec<Value> {
    let line = |n: usize| {
        let mut message = world.subscribe(user, &format!("no {n}"));
        message["reference"] = format!("{user}-{n}").into();
        message
    };
    let mut lines: Vec<Value> = (0..30).map(line).collect();
    lines[WRONG]["data"]["date2"] = "not a date".into();
    assert!(lines[..WRONG].iter().map(|line| line.to_string().len()).sum::<usize>() > 4_096);
    lines
}

async fn again(world: &World, file: &Path, flags: &[&str], code: i32) -> Value {
    let args = [&[file.to_str().unwrap(), "--batch", "7"], flags].concat();
    summary(&run(&mut import(&world.url, &world.key, &args)).await, code)
}

/// The references of all messages to a user, sorted.
async fn references(world: &World, user: &str) -> Vec<String> {
    let path = format!("/v1/messages?app={}&to={user}&limit=100", world.wechat.seed.appid);
    let found = world.get(&path).await.expect(200);
    let messages = found["messages"].as_array().unwrap();
    let mut references: Vec<String> =
        messages.iter().map(|message| message["reference"].as_str().unwrap().to_owned()).collect();
    references.sort_unstable();
    references
}

#[track_caller]
fn assert_sent(found: &[String], lines: &[Value], beside: &[&str]) {
    let named = lines.iter().filter_map(|line| line["reference"].as_str());
    let mut expected: Vec<String> = named.chain(beside.iter().copied()).map(str::to_owned).collect();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_line_is_sent_wherever_the_file_was_edited_beside_it() {
    type Edit = fn(&mut Vec<Value>);
    let world = World::start().await;
    let dir = tempfile::tempdir().unwrap();
    let edits: [(&str, Edit); 5] = [
        ("shorter", |lines| lines[WRONG]["data"]["date2"] = "2026-05-01".into()),
        ("longer", |lines| lines[WRONG]["data"]["date2"] = "2026年05月01日 12:30".into()),
        ("lines before it", |lines| {
            lines[WRONG]["data"]["date2"] = "2026-05-01".into();
            for n in 0..2 {
                let mut new = lines[0].clone();
                new["reference"] = format!("{}-new-{n}", new["to"].as_str().unwrap()).into();
                lines.insert(n, new);
            }
        }),
        ("lines taken out", |lines| {
            lines[WRONG]["data"]["date2"] = "2026-05-01".into();
            lines.drain(3..9);
            lines.truncate(20);
        }),
        ("turned round", |lines| {
            lines[WRONG]["data"]["date2"] = "2026-05-01".into();
            lines.reverse();
        }),
    ];
    for (number, (name, edit)) in edits.into_iter().enumerate() {
        let user = world.wechat.user().await;
        let mut lines = lines(&world, &user);
        let file = write(dir.path(), &format!("{number}.ndjson"), &lines);
        assert_eq!(counts(&again(&world, &file, &[], 1).await), [29, 0, 1], "{name}");
        let all_but_one: Vec<Value> =
            lines.iter().enumerate().filter(|(n, _)| *n != WRONG).map(|(_, line)| line.clone()).collect();
        let taken_out: Vec<String> = {
            edit(&mut lines);
            let kept: Vec<&Value> = lines.iter().map(|line| &line["reference"]).collect();
            let gone = all_but_one.iter().filter(|line| !kept.contains(&&line["reference"]));
            gone.map(|line| line["reference"].as_str().unwrap().to_owned()).collect()
        };
        write(dir.path(), &format!("{number}.ndjson"), &lines);
        let new = lines.len() + taken_out.len() - 29;
        let said = again(&world, &file, &[], 0).await;
        assert_eq!(counts(&said), [new as u64, 0, 0], "{name}: {said}");
        assert_eq!(said["known"], lines.len() - new, "{name}: {said}");
        let beside: Vec<&str> = taken_out.iter().map(String::as_str).collect();
        assert_sent(&references(&world, &user).await, &lines, &beside);
        assert_eq!(counts(&again(&world, &file, &[], 0).await), [0, 0, 0], "{name}: no line is left");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_stays_wrong_is_refused_each_time_and_one_that_was_accepted_cannot_be_changed() {
    let world = World::start().await;
    let dir = tempfile::tempdir().unwrap();
    let user = world.wechat.user().await;
    let mut lines = lines(&world, &user);
    let (file, errors) = (write(dir.path(), "all.ndjson", &lines), dir.path().join("refused.ndjson"));
    let flags = ["--errors", errors.to_str().unwrap()];
    for expected in [[29, 0, 1], [0, 0, 1], [0, 0, 1]] {
        assert_eq!(counts(&again(&world, &file, &flags, 1).await), expected);
        let refused = std::fs::read_to_string(&errors).unwrap();
        assert_eq!(refused.lines().count(), 1, "only this line is refused now: {refused}");
        assert_eq!(serde_json::from_str::<Value>(&refused).unwrap()["line"], WRONG + 1);
    }
    lines[WRONG]["data"]["date2"] = "2026-05-01".into();
    lines[3]["data"]["thing1"] = "another text".into();
    write(dir.path(), "all.ndjson", &lines);
    let said = again(&world, &file, &[], 1).await;
    assert_eq!(counts(&said), [1, 0, 1], "{said}");
    assert_eq!(said["codes"], json!({ "idempotency_key_reused": 1 }));
    assert_sent(&references(&world, &user).await, &lines, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_without_a_reference_are_sent_when_the_flag_is_given_and_keep_their_names() {
    let world = World::start().await;
    let dir = tempfile::tempdir().unwrap();
    let user = world.wechat.user().await;
    let mut lines = lines(&world, &user);
    lines[WRONG]["data"]["date2"] = "2026-05-01".into();
    for line in [2, 3, 25] {
        lines[line].as_object_mut().unwrap().remove("reference");
    }
    lines[3] = lines[2].clone();
    let file = write(dir.path(), "all.ndjson", &lines);
    let said = again(&world, &file, &[], 1).await;
    assert_eq!((counts(&said), &said["codes"]), ([27, 0, 3], &json!({ "missing_reference": 3 })));
    let flag = ["--reference-from-line"];
    assert_eq!(counts(&again(&world, &file, &flag, 0).await), [3, 0, 0], "two equal lines make two messages");
    let sent = references(&world, &user).await;
    assert_eq!(sent.len(), 30);
    // Every line has another number now, and still makes the same message.
    lines.insert(0, {
        let mut new = lines[2].clone();
        new["data"]["thing1"] = "the newest".into();
        new
    });
    write(dir.path(), "all.ndjson", &lines);
    assert_eq!(counts(&again(&world, &file, &flag, 0).await), [1, 0, 0]);
    let restarted = again(&world, &file, &["--reference-from-line", "--restart"], 0).await;
    assert_eq!(counts(&restarted), [0, 31, 0]);
    assert_eq!(references(&world, &user).await.len(), 31);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_file_of_the_same_name_is_noticed_and_nothing_of_it_is_left_out() {
    let world = World::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (world.wechat.user().await, world.wechat.user().await);
    let file = write(dir.path(), "latest.ndjson", &lines(&world, &first));
    again(&world, &file, &[], 1).await;
    let mut others = lines(&world, &second);
    others[WRONG]["data"]["date2"] = "2026-05-01".into();
    write(dir.path(), "latest.ndjson", &others);
    let refused = run(&mut import(&world.url, &world.key, &[file.to_str().unwrap()])).await;
    assert_eq!(refused.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(stderr.contains("another file") && stderr.contains("--restart"), "{stderr}");
    assert!(references(&world, &second).await.is_empty());
    assert_eq!(counts(&again(&world, &file, &["--restart"], 0).await), [30, 0, 0]);
    assert_sent(&references(&world, &second).await, &others, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_version_had_begun_goes_on_and_says_what_it_does_not_know() {
    let world = World::start().await;
    let dir = tempfile::tempdir().unwrap();
    let user = world.wechat.user().await;
    let lines = lines(&world, &user);
    let file = write(dir.path(), "all.ndjson", &lines);
    // The older version had processed 25 lines and had refused one of them. The hash covers the first 4,096 bytes.
    let begins = std::process::Command::new("sh")
        .args(["-c", "head -c 4096 \"$0\" | sha256sum | cut -c1-16", file.to_str().unwrap()])
        .output()
        .unwrap();
    let begins = json!({ "bytes": 4096, "hash": String::from_utf8(begins.stdout).unwrap().trim() });
    let mut older = json!({ "what": "messages", "begins": begins, "line": 25, "offset": 1, "sending": 25 });
    let state = dir.path().join("all.ndjson.import-state");
    std::fs::write(&state, older.to_string()).unwrap();
    let output = run(&mut import(&world.url, &world.key, &[file.to_str().unwrap()])).await;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.contains("line 25") && stderr.contains("not tried again"), "{stderr}");
    assert_eq!(counts(&summary(&output, 0)), [5, 0, 0]);
    assert_sent(&references(&world, &user).await, &lines[25..], &[]);
    older["begins"]["hash"] = "0000000000000000".into();
    std::fs::write(&state, older.to_string()).unwrap();
    let other = run(&mut import(&world.url, &world.key, &[file.to_str().unwrap()])).await;
    assert_eq!(other.status.code(), Some(1), "{other:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_count_once_however_the_file_is_edited() {
    let world = World::start().await;
    let dir = tempfile::tempdir().unwrap();
    let user = world.wechat.user().await;
    let (app, template) = (&world.wechat.seed.appid, &world.wechat.seed.subscribe_template);
    let subscription = json!({ "app": app, "openid": user, "kind": "subscribe_once", "template": template });
    let mut wrong = subscription.clone();
    wrong["kind"] = "subscribe_twice".into();
    let mut lines = vec![subscription.clone(), wrong, subscription.clone(), subscription.clone()];
    let file = write(dir.path(), "permits.ndjson", &lines);
    let flags = ["--permits"];
    assert_eq!(counts(&again(&world, &file, &flags, 1).await), [3, 0, 1]);
    assert_eq!(world.totals(&user).await["granted"], 3);
    lines[1] = subscription.clone();
    lines.insert(0, json!({ "app": app, "openid": user, "kind": "form", "code": "a-form" }));
    // Formatted differently: the same lines all the same.
    let spaced: Vec<String> = lines.iter().map(|line| format!("{line:#}").replace('\n', " ")).collect();
    std::fs::write(&file, spaced.join("\r\n")).unwrap();
    let said = again(&world, &file, &flags, 0).await;
    assert_eq!((counts(&said), &said["known"]), ([2, 0, 0], &json!(3)));
    assert_eq!(world.totals(&user).await["granted"], 5);
    assert_eq!(counts(&again(&world, &file, &flags, 0).await), [0, 0, 0]);
    assert_eq!(world.totals(&user).await["granted"], 5);
}
