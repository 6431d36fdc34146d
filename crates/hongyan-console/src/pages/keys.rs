//! API keys: made, shown once, revoked.

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use hongyan_gateway::keys::Scope;
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
use crate::pager::moment;
use crate::refusal::Refusal;
use crate::visit::Visit;

const PATH: &str = "/console/keys";

pub(super) fn routes() -> Router<Console> {
    Router::new().route(PATH, get(list).post(make)).route("/console/keys/{id}/revoke", post(revoke))
}

texts! {
    struct Words;
    title = "API 密钥", "API keys";
    name = "名称", "Name";
    scopes = "权限", "Scopes";
    apps = "小程序", "Apps";
    used = "最近使用", "Last used";
    expires = "到期", "Expires";
    revoked = "已撤销", "revoked";
    expired = "已过期", "expired";
    good = "有效", "works";
    revoke = "撤销", "Revoke";
    revoke_sure = "使用它的程序会立即被拒绝。确定撤销吗？", "Whatever uses it is refused at once. Revoke it?";
    is_revoked = "密钥已撤销。", "The key is revoked.";
    make = "创建密钥", "Make a key";
    made(name: &str) = "密钥 {name}", "The key {name}";
    use_it = "请求时带上请求头 Authorization: Bearer hyk_…", "Send it with each request: Authorization: Bearer hyk_…";
    empty = "还没有密钥。后端程序需要一个才能调用网关。", "There is no key yet. A back end needs one to call the gateway.";
    until = "到期时间（UTC+8，可不填）", "Works until (UTC+8; may be left out)";
    no_app_named = "不选则为全部小程序。", "None chosen: all apps.";
    messages = "发送、查看、取消消息", "send, read and cancel messages";
    permits = "额度、可触达、登录", "permits, reach and logins";
    scope_apps = "管理小程序", "register, change and remove apps";
    webhooks = "管理 webhook", "set up, change and remove webhooks";
    audit = "查看审计", "read the audit trail";
    facade = "作为兼容接口的 secret", "be the secret at the facade";
    access_token = "查看微信的 access_token", "see WeChat's own access tokens";
    scope_keys = "管理密钥", "list, make and revoke keys";
    people = "管理人员", "list, add, change and remove people";
    all = "后端需要的全部", "everything that a back end needs";
}

#[derive(Deserialize)]
struct Keys {
    keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    id: String,
    name: String,
    scopes: Vec<String>,
    apps: Option<Vec<String>>,
    created_at: At,
    expires_at: Option<At>,
    last_used_at: Option<At>,
    revoked_at: Option<At>,
}

#[derive(Template)]
#[template(path = "pages/keys.html")]
struct KeysPage {
    frame: Frame,
    words: Words,
    keys: Vec<Key>,
    apps: Vec<App>,
    now: At,
    /// A key that was just made, and its name.
    made: Option<(String, String)>,
    trouble: Option<Told>,
}

impl KeysPage {
    async fn read(visit: &Visit) -> Result<Self, Refusal> {
        let mut keys: Keys = visit.get(&Address::of(&["keys"])).await?;
        // Newest first, as everything else at the console; what works no more last.
        keys.keys.reverse();
        keys.keys.sort_by_key(|key| key.revoked_at.is_some());
        Ok(Self {
            frame: Frame::new(visit, Place::Keys),
            words: Words(visit.language()),
            keys: keys.keys,
            apps: apps(visit).await?,
            now: At(visit.console.gateway.clock.now().to_string()),
            made: None,
            trouble: None,
        })
    }

    fn is_over(&self, key: &Key) -> bool {
        // Both are RFC 3339 in UTC with milliseconds: their order is that of the texts.
        key.expires_at.as_ref().is_some_and(|at| *at <= self.now)
    }

    fn scopes(&self) -> Vec<(&'static str, &'static str)> {
        let about = |scope: Scope| match scope {
            Scope::Messages => self.words.messages(),
            Scope::Permits => self.words.permits(),
            Scope::Apps => self.words.scope_apps(),
            Scope::Webhooks => self.words.webhooks(),
            Scope::Audit => self.words.audit(),
            Scope::Facade => self.words.facade(),
            Scope::AccessToken => self.words.access_token(),
            Scope::Keys => self.words.scope_keys(),
            Scope::People => self.words.people(),
            Scope::All => self.words.all(),
        };
        let mut scopes = Scope::ALL.map(|scope| (scope.name(), about(scope))).to_vec();
        scopes.rotate_right(1);
        scopes
    }
}

#[derive(Deserialize)]
struct Done {
    #[serde(default)]
    done: String,
}

async fn list(visit: Visit, Query(query): Query<Done>) -> Result<Response, Refusal> {
    let mut page = KeysPage::read(&visit).await?;
    let done = (query.done == "revoked").then(|| page.words.is_revoked());
    page.frame = page.frame.done(done);
    Ok(html(&page))
}

#[derive(Deserialize)]
struct Make {
    name: String,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    apps: Vec<String>,
    #[serde(default)]
    until: String,
}

#[derive(Deserialize)]
struct Made {
    name: String,
    key: String,
}

/// The key stands in the answer itself: it is in no address, and a second look at the page does not have it.
async fn make(visit: Visit, Form(form): Form<Make>) -> Result<Response, Refusal> {
    let mut body = json!({ "name": form.name, "scopes": form.scopes });
    if !form.apps.is_empty() {
        body["apps"] = json!(form.apps);
    }
    if let Some(until) = moment(&form.until) {
        body["expires_at"] = json!(until);
    }
    let made = visit.send::<Made>(Method::POST, &Address::of(&["keys"]), &body).await;
    let mut page = KeysPage::read(&visit).await?;
    match made {
        Ok(made) => {
            page.made = Some((made.name, made.key));
            Ok(html(&page))
        }
        Err(refusal) => {
            page.trouble = Some(refusal.told(visit.words));
            Ok(with_status(refusal.status, &page))
        }
    }
}

async fn revoke(visit: Visit, Path(id): Path<String>, _: Form<Nothing>) -> Result<Response, Refusal> {
    visit.ask::<IgnoredAny>(Method::DELETE, &Address::of(&["keys", &id])).await?;
    Ok(Redirect::to("/console/keys?done=revoked").into_response())
}
