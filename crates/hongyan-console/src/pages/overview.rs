//! The overview: first what somebody must do, then how it goes.

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use hongyan_clock::UnixMillis;
use hongyan_ui::texts;
use serde::Deserialize;

use crate::api::Address;
use crate::apps::{self, App, Apps};
use crate::chart::Curves;
use crate::console::Console;
use crate::figures::{self, Stats, age, duration};
use crate::format::{At, Count};
use crate::page::{Frame, Place, html};
use crate::pages::overview_apps::{self, Open, PermitsByKind, Quotas, Standing, standings};
use crate::refusal::Refusal;
use crate::visit::Visit;

/// How many of the latest messages, and of those that failed, are shown.
const SHOWN: &str = "8";

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/console", get(show))
}

texts! {
    struct Words;
    title = "总览", "Overview";
    all_well = "没有需要处理的事情。", "There is nothing that somebody must do.";
    since = "自", "since";
    until = "到", "until";
    resume = "恢复", "Resume";
    see_messages = "查看消息", "Look at the messages";
    templates_of(app: &str) = "{app} 的模板读取失败", "The templates of {app} cannot be read";
    unknown = "有消息结果未知", "Messages of unknown outcome";
    unknown_lead = "请求已发出，但没有收到微信的回答。收到推送会自动确定；也可以人工确定。最早的一条：", "The request was written and no answer came. An event of WeChat's settles it, or somebody who finds out. The oldest:";
    settle = "逐条处理", "Settle them";
    webhook_disabled(url: &str) = "webhook 已停用：{url}", "A webhook is disabled: {url}";
    webhook_failing(url: &str) = "webhook 正在失败：{url}", "A webhook is failing: {url}";
    pending(count: u64) = "{count} 个事件等待送达", "{count} events wait for it";
    look = "查看", "Look at it";
    no_app = "还没有小程序。添加之后就可以发消息。", "There is no app yet. Register one, and messages can be sent.";
    register = "添加小程序", "Register an app";
    per_minute = "最近一小时", "The last hour";
    sent = "已发出", "sent";
    failed_share(count: String) = "失败、拒收、过期 {count}", "failed, refused, expired {count}";
    lag = "从到期到微信受理", "From due to taken by WeChat";
    lag_95 = "95 %", "95 %";
    oldest = "最久的待发", "The oldest that is due";
    is_due(count: &str, flying: &str) = "待发 {count} · 发送中 {flying}", "ready {count} · sending {flying}";
    waiting = "等待额度", "Wait for a permit";
    scheduled = "定时", "Scheduled";
    next_at = "下一条", "The next one";
    oldest_at = "最早的一条", "The oldest";
    figures = "更多统计", "More figures";
    recent = "最近的消息", "The latest messages";
    failures = "最近的失败", "The latest failures";
    all_failures = "全部失败", "All that failed";
    all_messages = "全部消息", "All messages";
    nothing_sent = "还没有消息。", "No messages yet.";
    nothing_failed = "没有失败的消息。", "No message has failed.";
}

#[derive(Deserialize)]
struct Webhooks {
    webhooks: Vec<Webhook>,
}

#[derive(Deserialize)]
struct Webhook {
    id: String,
    url: String,
    state: String,
    failing_since: Option<At>,
    pending: u64,
}

#[derive(Deserialize)]
struct Messages {
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    id: String,
    app: String,
    to: String,
    state: String,
    reason: Option<Reason>,
    accepted_at: At,
}

#[derive(Deserialize)]
struct Reason {
    code: String,
    errcode: Option<i64>,
}

#[derive(Template)]
#[template(path = "pages/overview.html")]
struct OverviewPage {
    frame: Frame,
    words: Words,
    apps: Vec<App>,
    webhooks: Vec<Webhook>,
    recent: Vec<Message>,
    failed: Vec<Message>,
    stats: Stats,
    chart: Curves<'static>,
    open: Vec<Open>,
    permits: PermitsByKind,
    quotas: Quotas,
    now: UnixMillis,
}

#[derive(Deserialize)]
struct Backlog {
    open: Vec<Open>,
}

/// The open messages of one state in all apps.
struct OfState {
    count: String,
    oldest: Option<At>,
}

impl OverviewPage {
    fn standing(&self, state: &str) -> OfState {
        let of_state: Vec<&Open> = self.open.iter().filter(|open| open.state == state).collect();
        let more = if of_state.iter().any(|open| open.more) { "+" } else { "" };
        let count = of_state.iter().map(|open| open.count).sum();
        let oldest = of_state.iter().map(|open| &open.oldest_due_at).min().cloned();
        OfState { count: format!("{}{more}", Count(count)), oldest }
    }

    /// How far behind the oldest message is that is due.
    fn behind(&self) -> Option<String> {
        age(&self.standing("ready").oldest?, self.now)
    }

    /// How each app stands.
    fn each_app(&self) -> Vec<Standing<'_>> {
        let words = overview_apps::Words(self.frame.visit.language());
        standings(&self.apps, &self.stats.apps, &self.open, &self.permits, &self.quotas.apps, words, self.now)
    }

    fn lost(&self) -> String {
        Count(self.stats.totals.lost()).to_string()
    }

    fn duration(&self, millis: &u64) -> String {
        duration(*millis)
    }

    fn is_all_well(&self) -> bool {
        self.standing("unknown").oldest.is_none()
            && self.apps.iter().all(|app| app.paused.is_none() && app.template_sync_failure.is_none())
            && self.webhooks.is_empty()
    }

    fn name_of<'a>(&'a self, message: &'a Message) -> &'a str {
        apps::shown(&self.apps, &message.app)
    }
}

async fn show(visit: Visit) -> Result<Response, Refusal> {
    let apps: Apps = visit.get_shared(&Address::of(&["apps"])).await?;
    let webhooks: Webhooks = visit.get_shared(&Address::of(&["webhooks"])).await?;
    let list = async |state: Option<&str>| {
        let address = Address::of(&["messages"]).with("state", state).with("limit", Some(SHOWN));
        visit.get_shared::<Messages>(&address).await.map(|page| page.messages)
    };
    let (recent, failed) = (list(None).await?, list(Some("failed")).await?);
    let now = visit.console.gateway.clock.now();
    let stats: Stats = visit.get_shared(&figures::of_the_last(60, now).with("by", Some("app"))).await?;
    let backlog: Backlog = visit.get_shared(&Address::of(&["backlog"])).await?;
    let is_trouble = |webhook: &Webhook| webhook.state != "enabled" || webhook.failing_since.is_some();
    Ok(html(&OverviewPage {
        frame: Frame::live(&visit, Place::Overview),
        words: Words(visit.language()),
        apps: apps.apps,
        webhooks: webhooks.webhooks.into_iter().filter(is_trouble).collect(),
        recent,
        failed,
        chart: stats.chart(visit.words),
        stats,
        open: backlog.open,
        permits: PermitsByKind::read(&visit).await?,
        quotas: visit.get_shared(&Address::of(&["quotas"])).await?,
        now,
    }))
}
