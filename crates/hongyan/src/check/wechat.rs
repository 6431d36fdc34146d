//! Checks of WeChat from this machine: whether WeChat answers, whether the clocks agree, whether WeChat accepts each
//! app's AppSecret.

use std::time::Duration;

use ::http::header::DATE;
use ::http::{HeaderMap, Method};
use bytes::Bytes;
use hongyan_clock::{Clock, UnixMillis};
use hongyan_gateway::config::Settings;
use hongyan_gateway::vault::{Purpose, Vault};
use hongyan_store::types::AppRecord;
use hongyan_wechat::{CallError, Client, ClientConfig, Repeat, Upload};

use crate::findings::Findings;
use crate::text::{Text, say};

/// How far this machine's clock may be off. A `Date` is exact to a second, and an answer takes some seconds.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// A client for WeChat, if WeChat answers.
pub(super) async fn reach(settings: &Settings, findings: &mut Findings) -> Option<Client> {
    let (what, clock) = (&say!("微信", "WeChat"), say!("时钟", "clock"));
    let url = &settings.wechat_base_url;
    let config = ClientConfig {
        proxy: settings.wechat_proxy.clone(),
        connect_timeout: Duration::from_millis(settings.connect_timeout_ms),
        answer_timeout: Duration::from_millis(settings.answer_timeout_ms),
        ..ClientConfig::new(url.clone())
    };
    let client = match Client::new(config) {
        Ok(client) => client,
        Err(error) => {
            findings.wrong_setting(what, Text::same(error.to_string()));
            return None;
        }
    };
    // Any answer shows that WeChat is there: WeChat refuses this call, because it has no access token.
    let asked = client.stream(
        Method::GET,
        "/cgi-bin/getcallbackip",
        HeaderMap::new(),
        Upload::Whole(Bytes::new()),
        Repeat::IfHungUp,
    );
    match asked.await {
        Ok(answer) => {
            findings.good(what, say!("{url} 有应答", "{url} answers"));
            let date = answer.headers.get(DATE).and_then(|date| date.to_str().ok());
            look_at_the_clock(date, Clock::system().now(), findings);
            Some(client)
        }
        Err(failure) => {
            findings.bad(
                what,
                say!(
                    "{url}：{failure}；请检查网络、wechat_base_url 和 wechat_proxy",
                    "{url}: {failure}; check the network, wechat_base_url and wechat_proxy"
                ),
            );
            findings.skipped(
                clock,
                say!(
                    "微信没有应答，没有可以比较的时间",
                    "WeChat does not answer, so there is no time to compare with"
                ),
            );
            None
        }
    }
}

/// Compares this machine's clock with the `Date` of an answer.
fn look_at_the_clock(date: Option<&str>, now: UnixMillis, findings: &mut Findings) {
    let what = say!("时钟", "clock");
    let there = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    let Some(there) = there else {
        findings.skipped(
            what,
            say!("应答里没有可以比较的 `Date` 响应头", "the answer has no `Date` header to compare with"),
        );
        return;
    };
    let seconds = (now.0 - there.timestamp().as_millisecond()) / 1_000;
    if seconds.unsigned_abs() <= CLOCK_TOLERANCE.as_secs() {
        let found = say!(
            "与微信的时钟相差不超过 {} 秒",
            "agrees with WeChat's clock to within {} s",
            seconds.unsigned_abs().max(1)
        );
        findings.good(what, found);
        return;
    }
    let way = if seconds > 0 { say!("快", "ahead of") } else { say!("慢", "behind") };
    let off = seconds.unsigned_abs();
    findings.bad(
        what,
        say!(
            "本机时钟比微信{way} {off} 秒；请校准时钟（NTP）。时钟不准时，消息会在错误的时间发出，微信的推送会被拒绝",
            "this machine's clock is {off} s {way} WeChat's; set the clock (NTP). With a wrong clock messages are sent at the \
             wrong time, and WeChat's pushes are refused";
            way
        ),
    );
}

/// The name of the check of an app.
pub(super) fn name(record: &AppRecord) -> Text {
    say!("小程序 {}", "app {}", record.appid)
}

/// Checks an app's AppSecret, access token and templates.
///
/// The access token always comes from `stable_token` without force. That call returns the current token if there is one
/// and leaves other tokens valid, so the check never invalidates a token that a running gateway uses.
pub(super) async fn app(record: &AppRecord, vault: &Vault, wechat: &Client, findings: &mut Findings) {
    let what = &name(record);
    let secret = match vault.open_sealed(Purpose::AppSecret, &record.appid, &record.settings.secret) {
        Ok(secret) => secret,
        // The finding of the master key says this already.
        Err(error) => {
            findings.wrong_setting(
                what,
                say!("它的 AppSecret 解不开：{error}", "its AppSecret cannot be decrypted: {error}"),
            );
            return;
        }
    };
    let token = match wechat.stable_token(&record.appid, &secret, false).await {
        Ok(answer) => answer.access_token,
        Err(error) => {
            let why = advice(&error);
            findings.bad(what, say!("没有 access_token：{why}", "no access token: {why}"; why));
            return;
        }
    };
    match wechat.subscribe_templates(&token).await {
        Ok(templates) => {
            let count = templates.len();
            findings.good(
                what,
                say!(
                    "已取得 access_token，{count} 个订阅消息模板",
                    "access token fetched, {count} subscribe templates"
                ),
            );
        }
        Err(error) => {
            let why = advice(&error);
            findings.bad(what, say!("不能读取它的模板：{why}", "its templates cannot be read: {why}"; why));
        }
    }
    if let Some(paused) = &record.paused {
        findings.bad(
            what,
            say!(
                "自 {} 起暂停：{}；排除原因后恢复：hongyan app resume {}",
                "is paused since {}: {}; after the cause is fixed: hongyan app resume {}",
                paused.since,
                paused.detail,
                record.appid
            ),
        );
    }
}

fn advice(error: &CallError) -> Text {
    match error {
        CallError::Refused { errcode, errmsg, .. } => {
            let what = match errcode.info() {
                Some(info) => Text { zh: info.explanation_zh(), en: info.explanation_en() },
                None => Text::same(errmsg.as_str()),
            };
            say!("微信返回 {errcode}：{what}", "WeChat says {errcode}: {what}"; what)
        }
        CallError::Failed(failure) => Text::same(failure.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::State;

    #[test]
    fn a_clock_that_is_more_than_a_minute_off_is_not_ok_and_one_without_a_measure_not_looked_at() {
        let date = "Fri, 01 May 2026 01:30:00 GMT";
        let there = UnixMillis::parse_rfc3339("2026-05-01T01:30:00Z").unwrap();
        let look = |date: Option<&str>, seconds: i64| {
            let mut findings = Findings::default();
            look_at_the_clock(date, UnixMillis(there.0 + seconds * 1_000), &mut findings);
            let finding = findings.0.remove(0);
            (finding.state, finding.detail.en)
        };
        for near in [0, 1, -59, 60] {
            assert_eq!(look(Some(date), near).0, State::Ok, "{near}");
        }
        for (far, words) in [(61, "61 s ahead of"), (-10_800, "10800 s behind"), (-61, "61 s behind")] {
            let (state, detail) = look(Some(date), far);
            assert_eq!(state, State::NotOk, "{far}");
            assert!(detail.contains(words), "{detail}");
        }
        for none in [None, Some(""), Some("yesterday")] {
            assert_eq!(look(none, 0).0, State::NotLookedAt, "{none:?}");
        }
    }
}
