//! What a running gateway says about itself. Each finding that is not ok says what a person can do.

use std::time::Duration;

use hongyan_clock::{Clock, UnixMillis};
use serde_json::Value;

use crate::findings::Findings;
use crate::http::Api;
use crate::text::{Both, Text, both, say};
use crate::version;

/// A message that is due for longer than this is late: the gateway is behind, or stuck.
const LATE: Duration = Duration::from_secs(60);

/// Events of a webhook that are pending for longer than this are late.
const WEBHOOK_LATE: Duration = Duration::from_secs(15 * 60);

/// Of a daily quota, this share must be left: one of so many.
const QUOTA_SHARE: u64 = 10;

/// The name of the finding about quotas.
const QUOTAS: Both = both("微信的额度", "WeChat's quotas");

/// Asks the gateway for everything that may need a person.
pub(super) async fn look(api: &Api, findings: &mut Findings) {
    let now = Clock::system().now();
    if !version(api, findings).await {
        return;
    }
    let mut paused = Vec::new();
    if let Some(answer) = ask(api, "/v1/apps", both("小程序", "apps"), findings).await {
        paused = apps(&answer, findings);
    }
    if let Some(answer) = ask(api, "/v1/backlog", both("消息", "messages"), findings).await {
        messages(&answer, &paused, now, findings);
    }
    if let Some(answer) = ask(api, "/v1/reach/kinds", both("下发额度", "permits"), findings).await {
        permits(&answer, findings);
    }
    if let Some(answer) = ask(api, "/v1/webhooks", both("webhook", "webhooks"), findings).await {
        webhooks(&answer, now, findings);
    }
    if let Some(answer) = ask(api, "/v1/quotas", QUOTAS, findings).await {
        quotas(&answer, findings);
    }
    if let Some(answer) = ask(api, "/v1/nodes", both("节点", "nodes"), findings).await {
        nodes(&answer, findings);
    }
}

/// An answer; if there is no answer, a finding that was not looked at.
async fn ask(api: &Api, path: &str, what: Both, findings: &mut Findings) -> Option<Value> {
    match api.get(path).await {
        Ok(answer) => Some(answer),
        Err(why) => {
            findings.skipped(what, why.into_text());
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
    let (what, url) = (both("运行中的网关", "running gateway"), api.url());
    let Some(description) = api.description().await else {
        findings.bad(
            what,
            say!(
                "{url} 的网关没有应答；请用 `hongyan serve` 启动，或用 --url 或 HONGYAN_URL 指定地址",
                "no gateway answers at {url}; start it with `hongyan serve`, or name it with --url or HONGYAN_URL"
            ),
        );
        return false;
    };
    match version::of(&description) {
        None => {
            let found = say!(
                "{url} 有应答，但它不是鸿雁网关；地址用 --url 或 HONGYAN_URL 设置",
                "{url} answers, but is not a Hongyan gateway; set --url or HONGYAN_URL"
            );
            findings.bad(what, found);
            return false;
        }
        Some(theirs) => findings.good(
            what,
            version::difference(theirs).map_or_else(
                || {
                    say!(
                        "{url} 的版本是 {theirs}，与本程序相同",
                        "{url} is version {theirs}, as this command line"
                    )
                },
                |difference| {
                    say!(
                        "警告：{difference}；请使用与网关版本相同的命令行",
                        "warning: {difference}; use the command line of the gateway's version";
                        difference
                    )
                },
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
        let what = say!("网关上的小程序 {appid}", "app {appid} at the gateway");
        if pause.is_object() {
            paused.push(appid.to_owned());
        }
        if let Some(why) = app["access_token"]["failure"]["detail"].as_str().filter(|_| pause.is_null()) {
            findings
                .bad(&what, say!("不能获取 access_token：{why}", "no access token can be fetched: {why}"));
        }
        if let Some(why) = app["template_sync_failure"]["detail"].as_str() {
            findings.bad(
                &what,
                say!(
                    "不能读取它的模板：{why}；之后执行 hongyan app templates {appid} --sync",
                    "its templates cannot be read: {why}; then: hongyan app templates {appid} --sync"
                ),
            );
        }
        let detail = text(pause, "detail");
        match (text(pause, "code"), pause["until"].as_str()) {
            ("", _) => findings.good(what, say!("正常发送消息", "sends messages")),
            ("day_quota" | "minute_quota" | "wechat_unavailable", Some(until)) => {
                findings.good(
                    what,
                    say!(
                        "警告：已暂停，{until} 自动重试：{detail}",
                        "warning: is paused, and tries again by itself at {until}: {detail}"
                    ),
                );
            }
            _ => findings.bad(
                what,
                say!(
                    "已暂停：{detail}。排除原因后恢复：hongyan app resume {appid}",
                    "is paused: {detail}. After the cause is fixed: hongyan app resume {appid}"
                ),
            ),
        }
    }
    paused
}

fn messages(answer: &Value, paused: &[String], now: UnixMillis, findings: &mut Findings) {
    let what = both("消息", "messages");
    let mut is_well = true;
    for open in list(answer, "open") {
        let (app, count) = (text(open, "app"), &open["count"]);
        match text(open, "state") {
            "unknown" => {
                is_well = false;
                findings.bad(
                    what,
                    say!(
                        "{app} 有 {count} 条消息结果未知。列出它们：hongyan message list --state unknown --app {app}；\
                         查明用户是否收到，再执行 hongyan resolve",
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
                        say!(
                            "{app} 有 {count} 条消息已到时间，最早的已等 {} 秒：网关忙不过来，或微信没有应答；见 \
                             `hongyan stats --since 1h --app {app}` 和日志",
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
        findings.good(
            what,
            say!("没有迟发的消息，也没有结果未知的消息", "no message is late, and no outcome is unknown"),
        );
    }
}

fn permits(answer: &Value, findings: &mut Findings) {
    let what = both("下发额度", "permits");
    let expiring: Vec<Text> = list(answer, "kinds")
        .filter(|kind| kind["expiring"].as_u64().is_some_and(|units| units > 0))
        .map(|kind| {
            let (units, app, kind) = (&kind["expiring"], text(kind, "app"), text(kind, "kind"));
            say!("{app} 的 {kind} {units} 条", "{units} of kind {kind} of {app}")
        })
        .collect();
    if expiring.is_empty() {
        findings.good(what, say!("24 小时内没有额度到期", "no permit expires within 24 hours"));
    } else {
        let (zh, en): (Vec<_>, Vec<_>) = expiring.into_iter().map(|units| (units.zh, units.en)).unzip();
        let units = Text { zh: zh.join("、"), en: en.join(", ") };
        findings.good(
            what,
            say!(
                "警告：24 小时内有额度到期：{units}。要发给这些用户的消息，请在此之前发出",
                "warning: units expire within 24 hours: {units}. What is to be sent to these users must go out before";
                units
            ),
        );
    }
}

fn webhooks(answer: &Value, now: UnixMillis, findings: &mut Findings) {
    for webhook in list(answer, "webhooks") {
        let (id, url) = (text(webhook, "id"), text(webhook, "url"));
        let what = Text::same(format!("webhook {id}"));
        let last = &webhook["last_answer"];
        let status = last["status"].as_u64().map_or_else(String::new, |status| format!("{status} "));
        let said = say!("最近的应答：{status}{}", "last answer: {status}{}", text(last, "text"));
        let pending = &webhook["pending"];
        let late =
            moment(webhook, "oldest_pending_at").is_some_and(|oldest| now.since(oldest) > WEBHOOK_LATE);
        match (text(webhook, "disabled_reason"), webhook["failing_since"].as_str()) {
            ("operator", _) => findings.good(what, say!(
                "警告：已由运维人员停用；保留了 {pending} 个事件",
                "warning: is disabled by an operator; {pending} events are kept"
            )),
            ("", None) if late => findings.bad(
                what,
                say!(
                    "{pending} 个事件还没有投递，最早的自 {} 起；{url} 够快吗？",
                    "{pending} events are not delivered, the oldest since {}; is {url} fast enough?",
                    text(webhook, "oldest_pending_at")
                ),
            ),
            ("", None) => findings.good(what, say!("{url} 正常接收事件", "{url} takes its events")),
            ("", Some(since)) => findings.bad(
                what,
                say!(
                    "{url} 自 {since} 起出错（{said}）。请修复，再执行 hongyan webhook test {id} --wait 10",
                    "{url} fails since {since} ({said}). Repair it, and then: hongyan webhook test {id} --wait 10";
                    said
                ),
            ),
            (reason, _) => findings.bad(
                what,
                say!(
                    "已停用（{reason}；{said}），保留了 {pending} 个事件。请修复 {url}，再执行 hongyan webhook set {id} --enable",
                    "is disabled ({reason}; {said}), {pending} events are kept. Repair {url}, and then: hongyan webhook set {id} \
                     --enable";
                    said
                ),
            ),
        }
    }
}

fn quotas(answer: &Value, findings: &mut Findings) {
    let what = QUOTAS;
    let mut is_well = true;
    for app in list(answer, "apps") {
        for quota in list(app, "quotas") {
            let (left, limit) =
                (quota["left"].as_u64().unwrap_or(0), quota["daily_limit"].as_u64().unwrap_or(0));
            if limit > 0 && left < limit / QUOTA_SHARE {
                is_well = false;
                let (app, path) = (text(app, "app"), text(quota, "path"));
                let detail = say!(
                    "{app} 今天还可以调用 {path} {left} 次，共 {limit} 次",
                    "{left} of {limit} calls of {path} are left for {app} today"
                );
                if left == 0 {
                    let found = say!(
                        "{detail}：北京时间零点之前，微信会拒绝这个调用",
                        "{detail}: WeChat refuses them until midnight in Beijing";
                        detail
                    );
                    findings.bad(what, found);
                } else {
                    findings.good(what, say!("警告：{detail}", "warning: {detail}"; detail));
                }
            }
        }
    }
    if is_well {
        findings.good(
            what,
            say!(
                "没有快用完的额度；见 hongyan quota",
                "no known quota is nearly used up; see: hongyan quota"
            ),
        );
    }
}

fn nodes(answer: &Value, findings: &mut Findings) {
    let orphans: usize = list(answer, "nodes")
        .filter(|node| node["seen_at"].is_null() || node["name"].is_null())
        .map(|node| node["lanes"].as_array().map_or(0, Vec::len))
        .sum();
    let count = list(answer, "nodes").filter(|node| node["name"].is_string()).count();
    let what = both("节点", "nodes");
    if orphans == 0 {
        findings
            .good(what, say!("所有用户都有节点服务；节点数 {count}", "all users are served; nodes: {count}"));
    } else {
        findings.bad(
            what,
            say!(
                "64 个分道中有 {orphans} 个没有节点服务，其中的用户收不到消息；超过 lease_seconds 仍如此时，见 `hongyan node list` 和各节点的日志",
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
        findings.0.into_iter().map(|finding| (finding.state, finding.detail.en)).collect()
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
