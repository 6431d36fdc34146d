//! Figures over time, by app and template.

use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::response::Response;
use axum::routing::get;
use hongyan_ui::texts;
use serde::Deserialize;

use crate::answers::Counted;
use crate::apps::{self, App, apps};
use crate::chart::Curves;
use crate::console::Console;
use crate::figures::{self, OfTemplate, Reason, Stats, duration};
use crate::format::At;
use crate::page::{Frame, Place, html};
use crate::refusal::Refusal;
use crate::visit::Visit;

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/console/stats", get(show))
}

/// How far back: the name in the address, and minutes.
const SPANS: [(&str, u64); 5] =
    [("1h", 60), ("24h", 1_440), ("7d", 10_080), ("30d", 43_200), ("365d", 525_600)];

texts! {
    struct Words;
    title = "统计", "Figures over time";
    span = "时间", "Time";
    last_1h = "最近 1 小时", "the last hour";
    last_24h = "最近 24 小时", "the last 24 hours";
    last_7d = "最近 7 天", "the last 7 days";
    last_30d = "最近 30 天", "the last 30 days";
    last_365d = "最近一年", "the last year";
    all_templates = "全部模板", "All templates";
    accepted = "受理", "Accepted";
    sent = "发出", "Sent";
    delivered = "送达", "Delivered";
    refused = "拒收", "Refused";
    failed = "失败", "Failed";
    unknown = "结果未知", "Unknown";
    expired = "过期", "Expired";
    cancelled = "取消", "Cancelled";
    lag = "从到期到微信受理", "From due to taken by WeChat";
    half = "一半在此之内", "half within";
    most = "95 %", "95 %";
    longest = "最长", "longest";
    why_failed = "失败与拒收的原因", "Why messages failed or were refused";
    reason = "原因", "Reason";
    count = "数量", "Count";
    by_template = "按模板", "By template";
    nothing = "这段时间内没有消息。", "No messages in this time.";
    none_failed = "没有失败的消息。", "None failed.";
    see = "查看", "Look at them";
}

#[derive(Deserialize)]
struct StatsQuery {
    #[serde(default)]
    app: String,
    #[serde(default)]
    template: String,
    #[serde(default)]
    span: String,
}

#[derive(Template)]
#[template(path = "pages/stats.html")]
struct StatsPage {
    frame: Frame,
    words: Words,
    query: StatsQuery,
    apps: Vec<App>,
    /// Nothing while they are counted.
    counted: Option<Figures>,
}

/// The figures of a span, at a moment.
struct Figures {
    at: At,
    stats: Stats,
    chart: Curves<'static>,
}

impl Figures {
    /// Why messages failed or were refused, each with the state that says so.
    fn reasons(&self) -> Vec<(&'static str, &Reason)> {
        let totals = &self.stats.totals;
        let failed = totals.failed_by.iter().map(|reason| ("failed", reason));
        failed.chain(totals.refused_by.iter().map(|reason| ("refused", reason))).collect()
    }
}

impl StatsPage {
    fn spans(&self) -> Vec<(&'static str, &'static str)> {
        let words = self.words;
        let names = [words.last_1h(), words.last_24h(), words.last_7d(), words.last_30d(), words.last_365d()];
        SPANS.iter().zip(names).map(|((span, _), name)| (*span, name)).collect()
    }

    fn title_of<'a>(&'a self, part: &'a OfTemplate) -> &'a str {
        apps::title(&self.apps, &part.app, &part.template)
    }

    fn app_of<'a>(&'a self, part: &'a OfTemplate) -> &'a str {
        apps::shown(&self.apps, &part.app)
    }

    fn duration(&self, millis: &u64) -> String {
        duration(*millis)
    }
}

async fn show(visit: Visit, Query(mut query): Query<StatsQuery>) -> Result<Response, Refusal> {
    let (span, minutes) = SPANS.into_iter().find(|(name, _)| *name == query.span).unwrap_or(SPANS[1]);
    span.clone_into(&mut query.span);
    let address = figures::of_the_last(minutes, visit.console.gateway.clock.now())
        .with("app", Some(&query.app))
        .with("template", Some(&query.template))
        .with("by", Some("template"));
    // The address moves with every minute.
    let name = format!("stats {span} {} {}", query.app, query.template);
    let counted = visit.get_slow::<Stats>(name, address).await?.map(|Counted { value: stats, at }| Figures {
        at: At(at.to_string()),
        chart: stats.chart(visit.words),
        stats,
    });
    Ok(html(&StatsPage {
        frame: Frame::live(&visit, Place::Stats),
        words: Words(visit.language()),
        apps: apps(&visit).await?,
        counted,
        query,
    }))
}
