//! Who may use the console.

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use hongyan_gateway::people::Role;
use hongyan_ui::texts;
use http::Method;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use crate::api::Address;
use crate::apps::{App, apps};
use crate::console::Console;
use crate::form::{Form, Nothing};
use crate::format::At;
use crate::page::{Frame, Place, Told, html, with_status};
use crate::refusal::Refusal;
use crate::visit::Visit;

const PATH: &str = "/console/people";

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route(PATH, get(list).post(add))
        .route("/console/people/{id}", post(change))
        .route("/console/people/{id}/password", post(reset))
        .route("/console/people/{id}/remove", post(remove))
}

texts! {
    struct Words;
    title = "人员", "People";
    name = "用户名", "Name";
    role = "角色", "Role";
    apps = "可见的小程序", "Apps";
    last_login = "最近登录", "Last login";
    new = "尚未修改初始口令", "has not chosen a password yet";
    factor = "第二因素", "second factor";
    add = "添加人员", "Add a person";
    add_lead = "口令只显示一次，首次登录时必须修改。", "The password is shown once, and must be changed at the first login.";
    password_of(name: &str) = "{name} 的口令", "The password of {name}";
    reset = "重置口令", "Reset the password";
    reset_sure = "旧口令立即失效，该人员的会话全部结束。确定吗？", "The old password stops working, and the person's sessions end. Go on?";
    remove = "删除", "Remove";
    remove_sure = "确定删除该人员吗？其会话立即结束。", "Remove this person? The person's sessions end at once.";
    removed = "人员已删除。", "The person is removed.";
    changed = "已修改，立即生效。", "It is changed, and holds from now on.";
    viewer = "查看者：查看消息、用户、额度、小程序、推送和 webhook", "viewer: looks at messages, users, permits, apps, events and webhooks";
    operator = "操作员：还可以发送、取消、确定结果，授予额度，暂停和恢复，查看审计", "operator: also sends, cancels and settles messages, grants permits, pauses and resumes, reads the audit trail";
    admin = "管理员：全部", "admin: everything";
    no_app_named = "不选则为全部小程序。", "None chosen: all apps.";
}

#[derive(Deserialize)]
struct People {
    people: Vec<Person>,
}

#[derive(Deserialize)]
struct Person {
    id: String,
    name: String,
    role: String,
    apps: Option<Vec<String>>,
    must_change_password: bool,
    second_factor: bool,
    logged_in_at: Option<At>,
}

#[derive(Template)]
#[template(path = "pages/people.html")]
struct PeoplePage {
    frame: Frame,
    words: Words,
    people: Vec<Person>,
    apps: Vec<App>,
    /// A password that was just made, and whose it is.
    password: Option<(String, String)>,
    trouble: Option<Told>,
}

impl PeoplePage {
    async fn read(visit: &Visit) -> Result<Self, Refusal> {
        let people: People = visit.get(&Address::of(&["people"])).await?;
        Ok(Self {
            frame: Frame::new(visit, Place::People),
            words: Words(visit.language()),
            people: people.people,
            apps: apps(visit).await?,
            password: None,
            trouble: None,
        })
    }

    fn roles(&self) -> [&'static str; 3] {
        Role::ALL.map(Role::name)
    }

    fn about(&self, role: &str) -> &'static str {
        match role {
            "viewer" => self.words.viewer(),
            "operator" => self.words.operator(),
            _ => self.words.admin(),
        }
    }
}

#[derive(Deserialize)]
struct Done {
    #[serde(default)]
    done: String,
}

async fn list(visit: Visit, Query(query): Query<Done>) -> Result<Response, Refusal> {
    let mut page = PeoplePage::read(&visit).await?;
    let done = match query.done.as_str() {
        "removed" => Some(page.words.removed()),
        "changed" => Some(page.words.changed()),
        _ => None,
    };
    page.frame = page.frame.done(done);
    Ok(html(&page))
}

#[derive(Deserialize)]
struct Add {
    name: String,
    role: String,
    #[serde(default)]
    apps: Vec<String>,
}

#[derive(Deserialize)]
struct Added {
    name: String,
    password: String,
}

/// The password stands in the answer itself: it is in no address, and a second look at the page does not have it.
async fn add(visit: Visit, Form(form): Form<Add>) -> Result<Response, Refusal> {
    let mut body = json!({ "name": form.name, "role": form.role });
    if !form.apps.is_empty() {
        body["apps"] = json!(form.apps);
    }
    let added = visit.send::<Added>(Method::POST, &Address::of(&["people"]), &body).await;
    let mut page = PeoplePage::read(&visit).await?;
    match added {
        Ok(added) => {
            page.password = Some((added.name, added.password));
            Ok(html(&page))
        }
        Err(refusal) => {
            page.trouble = Some(refusal.told(visit.words));
            Ok(with_status(refusal.status, &page))
        }
    }
}

#[derive(Deserialize)]
struct Change {
    role: String,
}

async fn change(visit: Visit, Path(id): Path<String>, Form(form): Form<Change>) -> Result<Response, Refusal> {
    let body = json!({ "role": form.role });
    visit.send::<IgnoredAny>(Method::PATCH, &Address::of(&["people", &id]), &body).await?;
    Ok(Redirect::to("/console/people?done=changed").into_response())
}

#[derive(Deserialize)]
struct Password {
    password: String,
}

async fn reset(visit: Visit, Path(id): Path<String>, _: Form<Nothing>) -> Result<Response, Refusal> {
    let made: Password = visit.ask(Method::POST, &Address::of(&["people", &id, "password"])).await?;
    let mut page = PeoplePage::read(&visit).await?;
    let name = page.people.iter().find(|person| person.id == id).map_or(id, |person| person.name.clone());
    page.password = Some((name, made.password));
    Ok(html(&page))
}

async fn remove(visit: Visit, Path(id): Path<String>, _: Form<Nothing>) -> Result<Response, Refusal> {
    visit.ask::<IgnoredAny>(Method::DELETE, &Address::of(&["people", &id])).await?;
    Ok(Redirect::to("/console/people?done=removed").into_response())
}
