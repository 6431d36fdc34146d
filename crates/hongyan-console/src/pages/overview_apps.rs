//! How each app stands, on the overview: its figures, open messages, permits and access token.

use hongyan_clock::UnixMillis;
use hongyan_ui::texts;
use http::StatusCode;
use serde::Deserialize;

use crate::api::Address;
use crate::apps::App;
use crate::figures::{Figures, OfApp, age, duration};
use crate::format::{At, Count};
use crate::refusal::Refusal;
use crate::visit::Visit;

texts! {
    pub(super) struct Words;
    details = "详情", "Details";
    is_paused = "已暂停", "paused";
    last_hour = "最近一小时", "The last hour";
    sent(count: String, rate: String) = "发出 {count}（每分钟 {rate}）", "{count} sent ({rate} per minute)";
    delivered(count: String, rate: String) = "送达 {count}（每分钟 {rate}）", "{count} delivered ({rate} per minute)";
    lost(count: String) = "失败、拒收、过期 {count}", "{count} failed, refused, expired";
    nothing_happened = "没有消息", "No messages";
    lag = "从到期到微信受理", "From due to taken by WeChat";
    lag_is(half: String, most: String) = "50 % 不超过 {half}，95 % 不超过 {most}", "half within {half}, 95 % within {most}";
    open = "未完成", "Open messages";
    nothing_open = "无", "None";
    due_since(age: String) = "最早的一条已到期 {age}", "the oldest due {age} ago";
    next_at = "下一条", "the next one";
    permits = "可用额度", "Usable permits";
    no_permits = "无", "None";
    units(count: String) = "{count} 份", "{count}";
    unlimited(count: String) = "不限次数 {count} 份", "{count} unlimited";
    expiring(count: String) = "24 小时内到期 {count} 份", "{count} expire within 24 h";
    or_more = "额度很多，只统计了前 20,000 份：", "There are many permits, and the first 20,000 were counted:";
    exact = "全部统计", "Count all";
    permits_unknown = "还没有统计出来，完成后自动显示", "Not counted yet. They appear here when they are ready";
    token = "接口调用凭证", "Access token";
    no_token = "尚未获取", "None was fetched yet";
    fetched = "获取于", "Fetched";
    refreshed = "下次更新", "refreshed";
    ends = "失效于", "ends";
    has_ended = "已失效于", "ended";
    token_failure = "获取失败", "It cannot be fetched";
    quotas = "微信今日调用额度", "WeChat's quotas of today";
    quotas_asked = "正在询问微信", "WeChat is being asked";
    quota(used: String, limit: String, left: String) = "已用 {used} / {limit}，剩余 {left}", "{used} of {limit} used, {left} left";
    quotas_unknown = "无法得知", "They cannot be asked for";
    tried_again = "下次尝试", "tried again";
}

/// The open messages of an app in one state.
#[derive(Deserialize)]
pub(super) struct Open {
    pub(super) app: String,
    pub(super) state: String,
    pub(super) count: u64,
    pub(super) oldest_due_at: At,
    pub(super) more: bool,
}

impl Open {
    /// The number, with a sign that there are more.
    pub(super) fn number(&self) -> String {
        format!("{}{}", Count(self.count), if self.more { "+" } else { "" })
    }

    /// Whether the oldest of them has been due, and is still open.
    fn was_due(&self) -> bool {
        self.state != "scheduled"
    }
}

/// What can be used now of all permits.
#[derive(Deserialize)]
struct Permits {
    kinds: Vec<OfKind>,
    more: bool,
}

/// What can be used now of an app's permits of one kind.
#[derive(Clone, Deserialize)]
pub(super) struct OfKind {
    app: String,
    pub(super) kind: String,
    units: u64,
    unlimited: u64,
    expiring: u64,
}

impl OfKind {
    /// How many there are, and how many of them expire soon.
    pub(super) fn counts(&self, words: &Words) -> String {
        let told =
            |count: u64, tell: &dyn Fn(String) -> String| (count > 0).then(|| tell(Count(count).to_string()));
        let counts = [
            told(self.units, &|count| words.units(count)),
            told(self.unlimited, &|count| words.unlimited(count)),
            told(self.expiring, &|count| words.expiring(count)),
        ];
        counts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// The permits of all apps, or nothing while they are counted, and if the database was too busy to count them.
pub(super) struct PermitsByKind(Option<Permits>);

impl PermitsByKind {
    pub(super) async fn read(visit: &Visit) -> Result<Self, Refusal> {
        match visit.get_slow("permits by kind".to_owned(), Address::of(&["reach", "kinds"])).await {
            Ok(permits) => Ok(Self(permits.map(|counted| counted.value))),
            Err(refusal) if refusal.status == StatusCode::SERVICE_UNAVAILABLE => Ok(Self(None)),
            Err(refusal) => Err(refusal),
        }
    }

    /// Those of an app by kind; `None`: they were not counted.
    fn of(&self, app: &str) -> Option<Vec<&OfKind>> {
        Some(self.0.as_ref()?.kinds.iter().filter(|of| of.app == app).collect())
    }

    fn are_more(&self) -> bool {
        self.0.as_ref().is_some_and(|permits| permits.more)
    }
}

/// WeChat's daily quotas of all apps.
#[derive(Deserialize)]
pub(super) struct Quotas {
    pub(super) apps: Vec<QuotasOfApp>,
}

/// WeChat's daily quotas of an app.
#[derive(Deserialize)]
pub(super) struct QuotasOfApp {
    app: String,
    pub(super) quotas: Vec<Quota>,
    pub(super) failure: Option<String>,
}

/// The daily quota of a call.
#[derive(Deserialize)]
pub(super) struct Quota {
    pub(super) path: String,
    daily_limit: u64,
    used: u64,
    left: u64,
}

impl Quota {
    pub(super) fn told(&self, words: &Words) -> String {
        let [used, limit, left] =
            [self.used, self.daily_limit, self.left].map(|count| Count(count).to_string());
        words.quota(used, limit, left)
    }

    /// Less than a tenth is left.
    pub(super) fn is_short(&self) -> bool {
        self.left < self.daily_limit / 10
    }
}

/// How an app stands.
pub(super) struct Standing<'a> {
    pub(super) app: &'a App,
    figures: Option<&'a Figures>,
    pub(super) open: Vec<&'a Open>,
    pub(super) permits: Option<Vec<&'a OfKind>>,
    pub(super) are_more: bool,
    pub(super) quotas: Option<&'a QuotasOfApp>,
    pub(super) words: Words,
    now: UnixMillis,
}

/// How all apps stand, in the order of the apps.
pub(super) fn standings<'a>(
    apps: &'a [App],
    figures: &'a [OfApp],
    open: &'a [Open],
    permits: &'a PermitsByKind,
    quotas: &'a [QuotasOfApp],
    words: Words,
    now: UnixMillis,
) -> Vec<Standing<'a>> {
    let of = |app: &'a App| Standing {
        app,
        figures: figures.iter().find(|of| of.app == app.appid).map(|of| &of.figures),
        open: open.iter().filter(|open| open.app == app.appid).collect(),
        permits: permits.of(&app.appid),
        are_more: permits.are_more(),
        quotas: quotas.iter().find(|of| of.app == app.appid),
        words,
        now,
    };
    apps.iter().map(of).collect()
}

impl Standing<'_> {
    /// What happened in the last hour.
    pub(super) fn hour(&self) -> String {
        let Some(figures) = self.figures else { return self.words.nothing_happened().to_owned() };
        let count = |count: u64| Count(count).to_string();
        let mut told = vec![self.words.sent(count(figures.sent), per_minute(figures.sent))];
        if figures.delivered > 0 {
            told.push(self.words.delivered(count(figures.delivered), per_minute(figures.delivered)));
        }
        if figures.lost() > 0 {
            told.push(self.words.lost(count(figures.lost())));
        }
        told.join(" · ")
    }

    pub(super) fn lag(&self) -> Option<String> {
        let lag = self.figures?.lag.as_ref()?;
        Some(self.words.lag_is(duration(lag.p50_ms), duration(lag.p95_ms)))
    }

    /// Since when the oldest message of a state is due.
    pub(super) fn due_since(&self, open: &Open) -> Option<String> {
        let age = age(&open.oldest_due_at, self.now).filter(|_| open.was_due())?;
        Some(self.words.due_since(age))
    }

    pub(super) fn has_ended(&self, at: &At) -> bool {
        at.0 <= self.now.to_string()
    }
}

/// How many a minute, of so many in an hour.
fn per_minute(count: u64) -> String {
    let tenths = (count + 3) / 6;
    format!("{}.{}", Count(tenths / 10), tenths % 10)
}

#[cfg(test)]
mod tests {
    use hongyan_ui::Language;

    use super::*;

    #[test]
    fn a_rate_is_rounded_to_a_tenth() {
        assert_eq!([0, 1, 6, 120, 90_000].map(per_minute), ["0.0", "0.0", "0.1", "2.0", "1,500.0"]);
    }

    #[test]
    fn of_permits_no_zero_is_told() {
        let of = |units, unlimited, expiring| {
            let of = OfKind { app: "wx1".into(), kind: "form".into(), units, unlimited, expiring };
            of.counts(&Words(Language::En))
        };
        assert_eq!(of(1_200, 0, 3), "1,200, 3 expire within 24 h");
        assert_eq!(of(0, 5, 0), "5 unlimited");
    }
}
