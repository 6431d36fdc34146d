//! The metrics, as Prometheus gets them: what an alarm reads during an outage, and what never becomes a label.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use http::Method;
use serde_json::json;

use crate::breaker::{is_open, messages, outage};
use crate::world::{World, eventually};

/// The value of a series in a scrape.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} is not in\n{text}")).parse().unwrap()
}

/// The same, of a series whose values are whole numbers.
fn count(text: &str, series: &str) -> u64 {
    value(text, series).to_string().parse().unwrap()
}

/// The series of a scrape, without their values.
fn series(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

async fn scrape(world: &World) -> String {
    world.get("/metrics").await.text
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_shows_as_unavailable_attempts_a_backlog_and_a_paused_app() {
    let world = World::start().await;
    let app = world.wechat.seed.appid.clone();
    let mut later = world.legacy(&world.wechat.user().await, "waits for a permit");
    later["permit"] = json!("wait");
    world.accept(later).await;
    outage(&world, "errcode").await;
    let (_, ids) = messages(&world, 8).await;
    world.app_when("paused", is_open).await;
    for id in &ids {
        eventually(|| world.message(id), |message| message["state"] == "ready").await;
    }
    let text = scrape(&world).await;
    let attempts = |outcome: &str| format!("hongyan_attempts_total{{app=\"{app}\",outcome=\"{outcome}\"}}");
    let asked = world.wechat.asked(crate::breaker::SEND).await;
    assert_eq!(count(&text, &attempts("unavailable")), asked as u64);
    assert_eq!(count(&text, &attempts("refused")), 0);
    let errcodes = format!("hongyan_attempt_errcodes_total{{app=\"{app}\",errcode=\"-1\"}}");
    assert_eq!(count(&text, &errcodes), asked as u64);
    let paused = |reason: &str| format!("hongyan_app_paused{{app=\"{app}\",reason=\"{reason}\"}}");
    assert_eq!(count(&text, &paused("wechat_unavailable")), 1);
    assert_eq!(count(&text, &paused("operator")), 0);
    let open = |state: &str| format!("hongyan_open_messages{{app=\"{app}\",state=\"{state}\"}}");
    assert_eq!((count(&text, &open("ready")), count(&text, &open("waiting"))), (8, 1));
    assert_eq!((count(&text, &open("sending")), count(&text, &open("unknown"))), (0, 0));
    let token = format!("hongyan_token_expires_seconds{{app=\"{app}\"}}");
    let left = value(&text, &token);
    assert!(left > 3_600.0 && left <= 7_200.0, "{left}");

    // The messages that WeChat refused are due at their next attempt, within a second.
    world.advance(Duration::from_secs(601));
    let text = scrape(&world).await;
    let due = value(&text, &format!("hongyan_oldest_due_seconds{{app=\"{app}\"}}"));
    assert!((600.0..700.0).contains(&due), "{due}");
    assert!(value(&text, &token) <= left - 600.0, "{text}");

    world.wechat.end_chaos().await;
    world.resume().await;
    for id in &ids {
        assert_eq!(world.settled(id).await["state"], "sent");
    }
    // The count of open messages is some seconds old.
    eventually(
        async || json!(scrape(&world).await),
        |text| count(text.as_str().unwrap(), &open("ready")) == 0,
    )
    .await;
    let text = scrape(&world).await;
    assert_eq!(count(&text, &paused("wechat_unavailable")), 0);
    assert_eq!(count(&text, &attempts("ok")), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_and_no_scrape_makes_a_new_label() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    world.grant_form(&user).await;
    let ask = async |number: u32| {
        world.get(&format!("/v1/messages/msg_{number}")).await;
        world.get(&format!("/v1/users/{user}/{number}")).await;
        world.get(&format!("/wxa/unknown{number}?access_token=x")).await;
        world.get(&format!("/nothing/{number}")).await;
        world.get(&format!("/console/messages/{number}")).await;
        world.call(Method::PATCH, "/v1/messages", &[], "").await;
        world.call(Method::from_bytes(b"PURGE").unwrap(), &format!("/{number}"), &[], "").await;
    };
    ask(0).await;
    scrape(&world).await;
    let before = series(&scrape(&world).await);
    for number in 1..50 {
        ask(number).await;
        scrape(&world).await;
    }
    let text = scrape(&world).await;
    assert_eq!(series(&text), before);
    let route = |route: &str, status: u16| {
        format!("hongyan_http_requests_total{{route=\"{route}\",status=\"{status}\"}}")
    };
    assert_eq!(count(&text, &route("/v1/messages", 405)), 50);
    assert_eq!(count(&text, &route("/wxa/{*path}", 200)), 50);
    assert!(count(&text, &route("/v1/messages/{id}", 404)) >= 50, "{text}");
    assert!(count(&text, &route("other", 404)) >= 50, "{text}");
    // The scrape that is being answered is not counted yet.
    assert_eq!(count(&text, &route("/metrics", 200)), 51);
    assert!(!text.contains(&user), "an openid is in\n{text}");
    assert_eq!(count(&text, concat!("hongyan_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}")), 1);
    assert!(value(&text, "hongyan_database_bytes{file=\"database\"}") > 0.0);
    assert!(value(&text, "hongyan_disk_free_bytes") > 0.0);
    if cfg!(target_os = "linux") {
        assert!(value(&text, "process_resident_memory_bytes") > 1e6, "{text}");
        assert!(value(&text, "process_start_time_seconds") > 1.7e9, "{text}");
    }
    check_by_promtool(&text);

    let app = world.wechat.seed.appid.clone();
    world.delete(&format!("/v1/apps/{app}")).await;
    let text = scrape(&world).await;
    assert!(!text.contains(&app), "a removed app is in\n{text}");
}

/// Prometheus' own checks of names, help texts and syntax, if its tool is installed.
fn check_by_promtool(text: &str) {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut promtool) = command.spawn() else { return };
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let checked = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success() && said.is_empty(), "{said}\n{text}");
}
