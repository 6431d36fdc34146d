//! `hongyan doctor`: what needs a person, here and at the running gateway.

use hongyan_clock::Clock;
use http::Method;
use serde_json::{Value, json};

use crate::daily::{at, stderr, stdout};
use crate::process::{Gateway, create_key, run};
use crate::world::{Http, Platform, World};

/// The findings of which the subject begins like this.
fn found<'a>(report: &'a Value, what: &str) -> Vec<&'a Value> {
    let checks = report["checks"].as_array().unwrap().iter();
    checks.filter(|check| check["what"].as_str().unwrap().starts_with(what)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_looks_at_this_machine_and_at_the_gateway() {
    let wechat = Platform::start(Clock::system()).await;
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(dir.path(), &wechat.url).await;
    let key = create_key(dir.path()).await;
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let app = json!({ "appid": wechat.seed.appid, "secret": wechat.seed.app_secret });
    let apps = format!("{}/v1/apps", gateway.url);
    Http::new().send(Method::POST, &apps, &headers, app.to_string()).await.expect(201);
    let address = gateway.url.strip_prefix("http://").unwrap();
    let doctor = async |key: &str, flags: &[&str]| {
        let mut command = at("", key, &[&["doctor", "--json"], flags].concat());
        command.env("HONGYAN_DATA_DIR", dir.path()).env("HONGYAN_LISTEN", address).current_dir(dir.path());
        let output = run(command.env("HONGYAN_WECHAT_BASE_URL", &wechat.url)).await;
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {} {}", stdout(&output), stderr(&output)));
        (output.status.code(), report)
    };
    let (code, report) = doctor(&key, &[]).await;
    let modes = found(&report, "owners and modes");
    let is_well = modes.iter().all(|check| check["ok"] == true);
    assert_eq!(code, Some(if is_well { 0 } else { 78 }), "{report:#}");
    for what in ["database", "master key", "running gateway", "messages", "permits", "nodes", "app "] {
        let checks = found(&report, what);
        assert!(!checks.is_empty() && checks.iter().all(|check| check["ok"] == true), "{what}: {report:#}");
    }
    // Without a key the gateway is not looked at, which is not well.
    let (code, report) = doctor("", &["--remote"]).await;
    assert_eq!((code, &report["not_looked_at"]), (Some(1), &json!(1)), "{report:#}");
    assert!(gateway.signal("TERM").await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_names_what_a_person_must_do() {
    let world = World::start().await;
    let appid = world.wechat.seed.appid.clone();
    let doctor = async || run(&mut at(&world.url, &world.key, &["doctor", "--remote"])).await;
    let well = doctor().await;
    assert_eq!(well.status.code(), Some(0), "{}{}", stdout(&well), stderr(&well));
    world.command(&["app", "pause", &appid, "--detail", "stocktaking"]).await;
    let paused = doctor().await;
    assert_eq!(paused.status.code(), Some(1));
    let said = stdout(&paused);
    assert!(said.contains("stocktaking") && said.contains(&format!("hongyan app resume {appid}")), "{said}");
    let nowhere = run(&mut at("http://127.0.0.1:9", &world.key, &["doctor", "--remote"])).await;
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(stdout(&nowhere).contains("no gateway answers at http://127.0.0.1:9"), "{}", stdout(&nowhere));
}
