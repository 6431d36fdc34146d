//! Users: found by the start of an openid or by unionid; one user's permits, messages and sessions.

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use hongyan_ledger::PermitKind;
use hongyan_ui::texts;
use http::Method;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use crate::api::Address;
use crate::apps::{App, apps, one_app};
use crate::console::Console;
use crate::form::{Form, Nothing};
use crate::format::At;
use crate::page::{Frame, Place, html};
use crate::pager::Pager;
use crate::refusal::Refusal;
use crate::visit::Visit;

/// How many permits of a user are shown at once: the form that grants a permit stands below them.
const PERMITS: &str = "20";

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/console/users", get(list))
        .route("/console/users/{appid}/{openid}", get(show))
        .route("/console/users/{appid}/{openid}/grant", post(grant))
        .route("/console/users/{appid}/{openid}/sessions", post(end_sessions))
}

texts! {
    struct Words;
    title = "用户", "Users";
    one = "用户", "User";
    look_for = "openid 的开头，或 unionid", "The start of an openid, or a unionid";
    unionid = "unionid", "unionid";
    logged_in = "最近登录", "Last login";
    sessions = "会话", "Sessions";
    empty = "该小程序还没有用户通过网关登录。", "No user of this app has logged in through the gateway yet.";
    nothing_of(what: &str) = "没有找到“{what}”：没有登录过的用户以此开头，也没有这个 unionid。", "Nothing was found for “{what}”: no openid of a user that has logged in begins so, and no unionid is this.";
    look_anyway = "仍然查看这个 openid 的额度和消息", "Look at the permits and messages of this openid all the same";
    no_app = "还没有小程序。请先添加一个。", "There is no app yet. Add one first.";
    permits = "下发额度", "Permits";
    no_permits = "没有额度。用户提交表单、支付或接受订阅之后才能发消息。", "No permits. A user can be sent a message after submitting a form, paying, or accepting a subscription.";
    kind = "种类", "Kind";
    all_permits = "全部额度", "All permits";
    granted = "授予", "Granted";
    available = "可用", "Available";
    reserved = "预留", "Reserved";
    spent = "消耗", "Spent";
    expired = "过期", "Expired";
    revoked = "撤销", "Revoked";
    unlimited = "不限", "unlimited";
    granted_at = "授予时间", "Granted at";
    expires_at = "到期", "Expires";
    messages = "消息", "Messages";
    all_messages = "全部消息", "All messages";
    no_messages = "没有消息。", "No messages.";
    end_sessions = "结束全部会话", "End all sessions";
    end_sessions_sure = "用户需要重新登录（小程序会自动完成）。确定吗？", "The user has to log in again (the mini program does that by itself). Go on?";
    sessions_ended = "会话已结束。", "The sessions are ended.";
    grant = "授予额度", "Grant a permit";
    grant_lead = "只有用户确实授权过才有用：微信会拒绝不存在的授权。", "It helps only if the user did allow it: WeChat refuses a permit that does not exist there.";
    code = "form_id 或 prepay_id", "form_id or prepay_id";
    count = "数量", "Count";
    granted_now = "额度已授予；等待它的消息会立即发出。", "The permit is granted. A message that waited for it goes out at once.";
    any_template = "（表单和支付不需要）", "(not for forms and payments)";
}

#[derive(Deserialize)]
struct ListQuery {
    #[serde(default)]
    app: String,
    #[serde(default)]
    q: String,
    #[serde(default)]
    cursor: String,
}

#[derive(Deserialize)]
struct Users {
    users: Vec<User>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct User {
    openid: String,
    unionid: Option<String>,
    logged_in_at: At,
    sessions: u32,
}

#[derive(Template)]
#[template(path = "pages/users.html")]
struct ListPage {
    frame: Frame,
    words: Words,
    query: ListQuery,
    apps: Vec<App>,
    users: Vec<User>,
    pager: Pager,
}

impl ListPage {
    /// Whether what was looked for has the form of a whole openid.
    fn may_be_openid(&self) -> bool {
        self.query.q.parse::<hongyan_wechat::OpenId>().is_ok() && self.query.q.len() >= 20
    }
}

async fn list(visit: Visit, Query(mut query): Query<ListQuery>) -> Result<Response, Refusal> {
    let apps = apps(&visit).await?;
    query.app = one_app(&apps, &query.app);
    query.q = query.q.trim().to_owned();
    let answer = if query.app.is_empty() {
        Users { users: Vec::new(), next_cursor: None }
    } else {
        let address = Address::of(&["users"])
            .with("app", Some(&query.app))
            .with("q", Some(&query.q))
            .with("cursor", Some(&query.cursor));
        visit.get(&address).await?
    };
    Ok(html(&ListPage {
        frame: Frame::new(&visit, Place::Users),
        words: Words(visit.language()),
        apps,
        users: answer.users,
        pager: Pager::new(&visit, answer.next_cursor),
        query,
    }))
}

#[derive(Deserialize)]
struct Permits {
    #[serde(rename = "permits")]
    list: Vec<Permit>,
    totals: Totals,
    unlimited: u32,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Permit {
    id: String,
    kind: String,
    template: Option<String>,
    unlimited: bool,
    #[serde(flatten)]
    counts: Totals,
    granted_at: At,
    expires_at: Option<At>,
}

#[derive(Deserialize)]
struct Totals {
    granted: u64,
    available: u64,
    reserved: u64,
    spent: u64,
    expired: u64,
    revoked: u64,
}

#[derive(Deserialize)]
struct Messages {
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    id: String,
    template: String,
    state: String,
    reference: Option<String>,
    accepted_at: At,
}

#[derive(Template)]
#[template(path = "pages/user.html")]
struct ShowPage {
    frame: Frame,
    words: Words,
    app: App,
    openid: String,
    /// What is known of the user's logins.
    user: Option<User>,
    permits: Permits,
    messages: Vec<Message>,
    pager: Pager,
}

impl ShowPage {
    fn title_of<'a>(&'a self, template: &'a str) -> &'a str {
        self.app.title_of(template).unwrap_or(template)
    }

    fn kinds(&self) -> Vec<&'static str> {
        PermitKind::ALL
            .into_iter()
            .filter(|kind| *kind != PermitKind::ServiceCard)
            .map(PermitKind::name)
            .collect()
    }
}

#[derive(Deserialize)]
struct ShowQuery {
    #[serde(default)]
    done: String,
    #[serde(default)]
    cursor: String,
}

async fn show(
    visit: Visit,
    Path((appid, openid)): Path<(String, String)>,
    Query(query): Query<ShowQuery>,
) -> Result<Response, Refusal> {
    let words = Words(visit.language());
    let apps = apps(&visit).await?;
    let app = apps.into_iter().find(|app| app.appid == appid).ok_or_else(Refusal::not_found)?;
    let permits = Address::of(&["permits"])
        .with("app", Some(&appid))
        .with("openid", Some(&openid))
        .with("limit", Some(PERMITS))
        .with("cursor", Some(&query.cursor));
    let permits: Permits = visit.get(&permits).await?;
    let messages = Address::of(&["messages"]).with("app", Some(&appid)).with("to", Some(&openid));
    let messages: Messages = visit.get(&messages.with("limit", Some("20"))).await?;
    let users = Address::of(&["users"]).with("app", Some(&appid)).with("q", Some(&openid));
    let users: Users = visit.get(&users.with("limit", Some("10"))).await?;
    let done = match query.done.as_str() {
        "granted" => Some(words.granted_now()),
        "sessions" => Some(words.sessions_ended()),
        _ => None,
    };
    Ok(html(&ShowPage {
        frame: Frame::live(&visit, Place::Users).done(done),
        words,
        user: users.users.into_iter().find(|user| user.openid == openid),
        pager: Pager::new(&visit, permits.next_cursor.clone()),
        permits,
        messages: messages.messages,
        app,
        openid,
    }))
}

fn back(appid: &str, openid: &str, done: &str) -> Response {
    let path = Address::of(&["users", appid, openid]);
    Redirect::to(&format!("/console{}?done={done}", path.behind_v1())).into_response()
}

#[derive(Deserialize)]
struct Grant {
    kind: String,
    #[serde(default)]
    template: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    count: String,
}

async fn grant(
    visit: Visit,
    Path((appid, openid)): Path<(String, String)>,
    Form(form): Form<Grant>,
) -> Result<Response, Refusal> {
    let mut body = json!({ "app": appid, "openid": openid, "kind": form.kind });
    for (name, value) in [("template", form.template.trim()), ("code", form.code.trim())] {
        if !value.is_empty() {
            body[name] = json!(value);
        }
    }
    let count = form.count.trim();
    if !count.is_empty() {
        // What is no number goes as it is: the API says what is wrong with it.
        body["count"] = count.parse::<u32>().map_or_else(|_| json!(count), |count| json!(count));
    }
    visit.send::<IgnoredAny>(Method::POST, &Address::of(&["permits"]), &body).await?;
    Ok(back(&appid, &openid, "granted"))
}

async fn end_sessions(
    visit: Visit,
    Path((appid, openid)): Path<(String, String)>,
    _: Form<Nothing>,
) -> Result<Response, Refusal> {
    let address = Address::of(&["apps", &appid, "sessions"]).with("openid", Some(&openid));
    visit.ask::<IgnoredAny>(Method::DELETE, &address).await?;
    Ok(back(&appid, &openid, "sessions"))
}
