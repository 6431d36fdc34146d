//! Reach: how many users can be sent a message now.

use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::response::Response;
use axum::routing::get;
use hongyan_ui::texts;
use serde::Deserialize;

use crate::answers::Counted;
use crate::api::Address;
use crate::apps::{self, App, apps, one_app};
use crate::chart::Bars;
use crate::console::Console;
use crate::format::{At, Count};
use crate::page::{Frame, Place, html};
use crate::refusal::Refusal;
use crate::visit::Visit;

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/console/reach", get(show))
}

texts! {
    struct Words;
    title = "可触达", "Reach";
    lead = "现在可以收到消息的用户。没有额度的用户收不到。", "The users who can be sent a message now. A user without a permit cannot.";
    users = "用户", "Users";
    units = "可用次数", "Units";
    unlimited = "不限次数", "Unlimited";
    parts = "按模板和种类", "By template and kind";
    any_template = "任意模板消息模板", "any legacy template";
    expiring = "未来 7 天内到期的次数", "Units that expire within the next 7 days";
    within_a_day = "24 h", "24 h";
    soon = "24 小时内到期", "Expire in 24 h";
    none = "没有可用的额度。", "There are no permits that can be used.";
    kind = "种类", "Kind";
    no_app = "还没有小程序。请先添加一个。", "There is no app yet. Add one first.";
}

#[derive(Deserialize)]
struct ReachQuery {
    #[serde(default)]
    app: String,
}

#[derive(Clone, Copy, Deserialize)]
struct Reach {
    users: u64,
    units: u64,
    unlimited: u64,
}

/// Permits of one kind, for one template.
#[derive(Deserialize)]
struct Part {
    kind: String,
    template: Option<String>,
    users: u64,
    units: u64,
    unlimited: u64,
    expiring: Vec<u64>,
}

#[derive(Deserialize)]
struct Parts {
    totals: Reach,
    parts: Vec<Part>,
}

#[derive(Template)]
#[template(path = "pages/reach.html")]
struct ReachPage {
    frame: Frame,
    words: Words,
    query: ReachQuery,
    apps: Vec<App>,
    /// Nothing while they are counted.
    counted: Option<ReachFigures>,
}

/// Who can be reached, at a moment.
struct ReachFigures {
    at: At,
    totals: Reach,
    parts: Vec<Part>,
    chart: Bars,
}

impl ReachPage {
    fn title_of<'a>(&'a self, part: &'a Part) -> &'a str {
        let Some(template) = &part.template else { return self.words.any_template() };
        apps::title(&self.apps, &self.query.app, template)
    }

    fn soon(&self, part: &Part) -> Count {
        Count(part.expiring.first().copied().unwrap_or(0))
    }
}

async fn show(visit: Visit, Query(mut query): Query<ReachQuery>) -> Result<Response, Refusal> {
    let apps = apps(&visit).await?;
    query.app = one_app(&apps, &query.app);
    let words = Words(visit.language());
    let counted = if query.app.is_empty() { None } else { figures(&visit, words, &query.app).await? };
    Ok(html(&ReachPage { frame: Frame::live(&visit, Place::Reach), words, query, apps, counted }))
}

/// The figures of an app. Counting them is a walk over all of its permits.
async fn figures(visit: &Visit, words: Words, app: &str) -> Result<Option<ReachFigures>, Refusal> {
    let address = Address::of(&["reach", "parts"]).with("app", Some(app));
    let counted = visit.get_slow(address.behind_v1().to_owned(), address).await?;
    let Some(Counted { value: Parts { totals, parts }, at }) = counted else { return Ok(None) };
    let days = (0..7).map(|day| {
        let units = parts.iter().filter_map(|part| part.expiring.get(day)).sum();
        (if day == 0 { words.within_a_day().to_owned() } else { format!("+{day} d") }, units)
    });
    let chart = Bars { label: words.expiring().to_owned(), bars: days.collect() };
    Ok(Some(ReachFigures { at: At(at.to_string()), totals, parts, chart }))
}
