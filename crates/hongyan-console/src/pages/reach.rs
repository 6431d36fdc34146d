//! Reach: how many users can be sent a message now.

use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::response::Response;
use axum::routing::get;
use hongyan_ledger::PermitKind;
use hongyan_ui::texts;
use serde::Deserialize;

use crate::Console;
use crate::api::{Address, Refusal};
use crate::apps::{App, apps, one_app};
use crate::chart::Bars;
use crate::page::{Frame, Place, html};
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
    by_template = "按模板", "By template";
    by_kind = "按种类", "By kind";
    kind = "种类", "Kind";
    no_app = "还没有小程序。请先添加一个。", "There is no app yet. Add one first.";
    no_template = "该小程序没有模板。", "This app has no templates.";
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

#[derive(Template)]
#[template(path = "pages/reach.html")]
struct ReachPage {
    frame: Frame,
    words: Words,
    query: ReachQuery,
    apps: Vec<App>,
    all: Option<Reach>,
    by_template: Vec<(String, String, Reach)>,
    by_kind: Vec<(&'static str, Reach)>,
    chart: Bars,
}

async fn show(visit: Visit, Query(mut query): Query<ReachQuery>) -> Result<Response, Refusal> {
    let apps = apps(&visit).await?;
    query.app = one_app(&apps, &query.app);
    let of = async |name: &str, value: Option<&str>| {
        let address = Address::of(&["reach"]).with("app", Some(&query.app)).with(name, value);
        visit.get::<Reach>(&address).await
    };
    let (mut all, mut by_template, mut by_kind) = (None, Vec::new(), Vec::new());
    if let Some(app) = apps.iter().find(|app| app.appid == query.app) {
        all = Some(of("", None).await?);
        for template in &app.templates {
            let reach = of("template", Some(&template.id)).await?;
            by_template.push((template.id.clone(), template.title.clone(), reach));
        }
        for kind in PermitKind::ALL.into_iter().filter(|kind| *kind != PermitKind::ServiceCard) {
            by_kind.push((kind.name(), of("kind", Some(kind.name())).await?));
        }
    }
    let words = Words(visit.language());
    let bars = by_template.iter().map(|(_, title, reach)| (title.clone(), reach.users)).collect();
    Ok(html(&ReachPage {
        chart: Bars { label: words.by_template().to_owned(), bars },
        frame: Frame::new(&visit, Place::Reach),
        words,
        query,
        apps,
        all,
        by_template,
        by_kind,
    }))
}
