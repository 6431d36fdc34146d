//! What a running gateway says about itself. Each finding that is not ok says what a person can do.

use std::time::Duration;

use hongyan_clock::{Clock, UnixMillis};
use serde_json::Value;

use crate::findings::Findings;
use crate::http::Api;
use crate::version;

/// A message that is due for longer than this is late: the gateway is behind, or stuck.
const LATE: Duration = Duration::from_secs(60);

/// Events of a webhook that are pending for longer than this are late.
const WEBHOOK_LATE: Duration = Duration::from_secs(15 * 60);

/// Of a daily quota, this share must be left: one of so many.
const QUOTA_SHARE: u64 = 10;

/// Asks the gateway for everything that may need a person.
pub(super) async fn look(api: &Api, findings: &mut Findings) {
    let now = Clock::system().now();
    if !version(api, findings).await {
        return;
    }
    let mut paused = Vec::new();
    if let Some(answer) = ask(api, "/v1/apps", "apps", findings).await {
        paused = apps(&answer, findings);
    }
    if let Some(answer) = ask(api, "/v1/backlog", "messages", findings).await {
        messages(&answer, &paused, now, findings);
    }
    if let Some(answer) = ask(api, "/v1/reach/kinds", "permits", findings).await {
        permits(&answer, findings);
    }
    if let Some(answer) = ask(api, "/v1/webhooks", "webhooks", findings).await {
        webhooks(&answer, now, findings);
    }
    if let Some(answer) = ask(api, "/v1/quotas", "WeChat's quotas", findings).await {
        quotas(&answer, findings);
    }
    if let Some(answer) = ask(api, "/v1/nodes", "nodes", findings).await {
        nodes(&answer, findings);
    }
}

/// An answer; if there is no answer, a finding that was not looked at.
async fn ask(api: &Api, path: &str, what: &str, findings: &mut Findings) -> Option<Value> {
    match api.get(path).await {
        Ok(answer) => Some(answer),
        Err(why) => {
            findings.skipped(what, why.to_string());
            None
        }
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn list<'a>(answer: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    answer[name].as_array().into_iter().flatten()
}

fn moment(value: &Value, name: &str) -> Option<UnixMillis> {
    UnixMillis::parse_rfc3339(value[name].as_str()?).ok()
}

/// Whether the gateway answers at all.
async fn version(api: &Api, findings: &mut Findings) -> bool {
    let (what, url) = ("running gateway", api.url());
    let Some(description) = api.description().await else {
        findings.bad(
            what,
            format!("no gateway answers at {url}; start it with `hongyan serve`, or name it with --url or HONGYAN_URL"),
        );
        return false;
    };
    match version::of(&description) {
        None => {
            findings
                .bad(what, format!("{url} answers, but is not a Hongyan gateway; set --url or HONGYAN_URL"));
            return false;
        }
        Some(theirs) => findings.good(
            what,
            version::difference(theirs).map_or_else(
                || format!("{url} is version {theirs}, as this command line"),
                |difference| format!("warning: {difference}; use the command line of the gateway's version"),
            ),
        ),
    }
    true
}

/// Pauses that end by themselves need nobody. Returns the appids of paused apps.
fn apps(answer: &Value, findings: &mut Findings) -> Vec<String> {
    let mut paused = Vec::new();
    for app in list(answer, "apps") {
        let (appid, pause) = (text(app, "appid"), &app["paused"]);
        let what = format!("app {appid} at the gateway");
        if pause.is_object() {
            paused.push(appid.to_owned());
        }
        if let Some(why) = app["access_token"]["failure"]["detail"].as_str().filter(|_| pause.is_null()) {
            findings.bad(&what, format!("no access token can be fetched: {why}"));
        }
        if let Some(why) = app["template_sync_failure"]["detail"].as_str() {
            findings.bad(
                &what,
                format!("its templates cannot be read: {why}; then: hongyan app templates {appid} --sync"),
            );
        }
        let detail = text(pause, "detail");
        match (text(pause, "code"), pause["until"].as_str()) {
            ("", _) => findings.good(what, "sends messages"),
            ("day_quota" | "minute_quota" | "wechat_unavailable", Some(until)) => {
                findings.good(
                    what,
                    format!("warning: is paused, and tries again by itself at {until}: {detail}"),
                );
            }
            _ => findings.bad(
                what,
                format!("is paused: {detail}. After the cause is fixed: hongyan app resume {appid}"),
            ),
        }
    }
    paused
}

fn messages(answer: &Value, paused: &[String], now: UnixMillis, findings: &mut Findings) {
    let what = "messages";
    let mut is_well = true;
    for open in list(answer, "open") {
        let (app, count) = (text(open, "app"), &open["count"]);
        match text(open, "state") {
            "unknown" => {
                is_well = false;
                findings.bad(
                    what,
                    format!(
                        "{count} messages of {app} have an unknown outcome. List them with: hongyan message list --state \
                         unknown --app {app}; find out whether the users got them, and then: hongyan resolve"
                    ),
                );
            }
            "ready" if !paused.iter().any(|paused| paused == app) => {
                let late =
                    moment(open, "oldest_due_at").map(|due| now.since(due)).filter(|late| *late > LATE);
                if let Some(late) = late {
                    is_well = false;
                    findings.bad(
                        what,
                        format!(
                            "{count} messages of {app} are due, the oldest for {} s: the gateway is behind, or WeChat does not \
                             answer; see `hongyan stats --since 1h --app {app}` and the log",
                            late.as_secs()
                        ),
                    );
                }
            }
            _ => {}
        }
    }
    if is_well {
        findings.good(what, "no message is late, and no outcome is unknown");
    }
}

fn permits(answer: &Value, findings: &mut Findings) {
    let expiring: Vec<String> = list(answer, "kinds")
        .filter(|kind| kind["expiring"].as_u64().is_some_and(|units| units > 0))
        .map(|kind| format!("{} of kind {} of {}", kind["expiring"], text(kind, "kind"), text(kind, "app")))
        .collect();
    if expiring.is_empty() {
        findings.good("permits", "no permit expires within 24 hours");
    } else {
        let units = expiring.join(", ");
        findings.good(
            "permits",
            format!("warning: units expire within 24 hours: {units}. What is to be sent to these users must go out before"),
        );
    }
}

fn webhooks(answer: &Value, now: UnixMillis, findings: &mut Findings) {
    for webhook in list(answer, "webhooks") {
        let (id, url) = (text(webhook, "id"), text(webhook, "url"));
        let what = format!("webhook {id}");
        let last = &webhook["last_answer"];
        let status = last["status"].as_u64().map_or_else(String::new, |status| format!("{status} "));
        let said = format!("last answer: {status}{}", text(last, "text"));
        let late =
            moment(webhook, "oldest_pending_at").is_some_and(|oldest| now.since(oldest) > WEBHOOK_LATE);
        match (text(webhook, "disabled_reason"), webhook["failing_since"].as_str()) {
            ("operator", _) => findings.good(what, format!("warning: is disabled by an operator; {} events are kept", webhook["pending"])),
            ("", None) if late => findings.bad(
                what,
                format!(
                    "{} events are not delivered, the oldest since {}; is {url} fast enough?",
                    webhook["pending"],
                    text(webhook, "oldest_pending_at")
                ),
            ),
            ("", None) => findings.good(what, format!("{url} takes its events")),
            ("", Some(since)) => findings.bad(
                what,
                format!("{url} fails since {since} ({said}). Repair it, and then: hongyan webhook test {id} --wait 10"),
            ),
            (reason, _) => findings.bad(
                what,
                format!(
                    "is disabled ({reason}; {said}), {} events are kept. Repair {url}, and then: hongyan webhook set {id} \
                     --enable",
                    webhook["pending"]
                ),
            ),
        }
    }
}

fn quotas(answer: &Value, findings: &mut Findings) {
    let what = "WeChat's quotas";
    let mut is_well = true;
    for app in list(answer, "apps") {
        for quota in list(app, "quotas") {
            let (left, limit) =
                (quota["left"].as_u64().unwrap_or(0), quota["daily_limit"].as_u64().unwrap_or(0));
            if limit > 0 && left < limit / QUOTA_SHARE {
                is_well = false;
                let (app, path) = (text(app, "app"), text(quota, "path"));
                let detail = format!("{left} of {limit} calls of {path} are left for {app} today");
                if left == 0 {
                    findings.bad(what, format!("{detail}: WeChat refuses them until midnight in Beijing"));
                } else {
                    findings.good(what, format!("warning: {detail}"));
                }
            }
        }
    }
    if is_well {
        findings.good(what, "no known quota is nearly used up; see: hongyan quota");
    }
}

fn nodes(answer: &Value, findings: &mut Findings) {
    let orphans: usize = list(answer, "nodes")
        .filter(|node| node["seen_at"].is_null() || node["name"].is_null())
        .map(|node| node["lanes"].as_array().map_or(0, Vec::len))
        .sum();
    let count = list(answer, "nodes").filter(|node| node["name"].is_string()).count();
    if orphans == 0 {
        findings.good("nodes", format!("all users are served; nodes: {count}"));
    } else {
        findings.bad(
            "nodes",
            format!(
                "{orphans} of 64 lanes are served by no node, so their users get nothing; if this lasts longer than \
                 lease_seconds, see `hongyan node list` and the logs of the nodes"
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::findings::State;

    const NOW: UnixMillis = UnixMillis(1_790_000_000_000);

    fn found(look: impl FnOnce(&mut Findings)) -> Vec<(State, String)> {
        let mut findings = Findings::default();
        look(&mut findings);
        findings.0.into_iter().map(|finding| (finding.state, finding.detail)).collect()
    }

    #[test]
    fn a_pause_that_ends_by_itself_needs_nobody() {
        let app = |pause: Value| json!({ "apps": [{ "appid": "wx1", "paused": pause, "access_token": {} }] });
        let state = |pause: Value| found(|findings| drop(apps(&app(pause), findings)))[0].clone();
        assert_eq!(state(Value::Null).0, State::Ok);
        let quota = json!({ "code": "day_quota", "detail": "45009", "until": "2026-05-01T16:00:00.000Z" });
        assert_eq!(state(quota).0, State::Ok);
        let (wrong, detail) = state(json!({ "code": "misconfigured", "detail": "wrong secret" }));
        assert!(wrong == State::NotOk && detail.contains("hongyan app resume wx1"), "{detail}");
    }

    #[test]
    fn messages_of_a_paused_app_are_not_late() {
        let due = NOW.minus(LATE * 2);
        let open = json!({ "open": [{ "app": "wx1", "state": "ready", "count": 3, "oldest_due_at": due }] });
        let late = found(|findings| messages(&open, &[], NOW, findings));
        assert!(late[0].0 == State::NotOk && late[0].1.contains("120 s"), "{late:?}");
        assert_eq!(found(|findings| messages(&open, &["wx1".into()], NOW, findings))[0].0, State::Ok);
        let unknown = json!({ "open": [{ "app": "wx1", "state": "unknown", "count": 1 }] });
        assert!(found(|findings| messages(&unknown, &[], NOW, findings))[0].1.contains("hongyan resolve"));
    }

    #[test]
    fn a_webhook_that_fails_or_is_late_needs_somebody() {
        let state = |webhook: Value| {
            found(|findings| webhooks(&json!({ "webhooks": [webhook] }), NOW, findings))[0].clone()
        };
        let well = json!({ "id": "whk_1", "url": "https://x", "pending": 0 });
        assert_eq!(state(well.clone()).0, State::Ok);
        for (name, value) in [
            ("failing_since", json!(NOW)),
            ("disabled_reason", json!("failing")),
            ("oldest_pending_at", json!(NOW.minus(WEBHOOK_LATE * 2))),
        ] {
            let mut webhook = well.clone();
            webhook[name] = value;
            assert_eq!(state(webhook).0, State::NotOk, "{name}");
        }
        let mut webhook = well;
        webhook["disabled_reason"] = json!("operator");
        assert_eq!(state(webhook).0, State::Ok);
    }

    #[test]
    fn an_empty_quota_and_an_orphaned_lane_are_not_ok() {
        let quota = |left: u64| {
            let quota =
                json!({ "path": "/cgi-bin/token", "daily_limit": 100, "used": 100 - left, "left": left });
            let answer = json!({ "apps": [{ "app": "wx1", "quotas": [quota] }] });
            found(|findings| quotas(&answer, findings))[0].clone()
        };
        assert_eq!((quota(0).0, quota(5).0, quota(50).0), (State::NotOk, State::Ok, State::Ok));
        assert!(quota(5).1.starts_with("warning: 5 of 100"), "{}", quota(5).1);
        let orphan = json!({ "nodes": [{ "this": false, "lanes": [{ "lane": 1, "epoch": 2 }] }] });
        assert_eq!(found(|findings| nodes(&orphan, findings))[0].0, State::NotOk);
    }
}
