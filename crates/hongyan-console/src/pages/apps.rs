//! Apps: registered, set, paused and resumed; their templates, with a form that sends a test.

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use hongyan_ui::texts;
use http::Method;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::api::Address;
use crate::apps::{App, Template as MessageTemplate, templates};
use crate::console::Console;
use crate::form::{Form, Nothing};
use crate::format::At;
use crate::page::{Frame, Place, Told, html, with_status};
use crate::refusal::Refusal;
use crate::visit::Visit;

const PATH: &str = "/console/apps";

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route(PATH, get(list).post(register))
        .route("/console/apps/{appid}", get(show))
        .route("/console/apps/{appid}/settings", post(settings))
        .route("/console/apps/{appid}/callback", post(callback))
        .route("/console/apps/{appid}/pause", post(pause))
        .route("/console/apps/{appid}/resume", post(resume))
        .route("/console/apps/{appid}/sync", post(sync))
        .route("/console/apps/{appid}/rotate", post(rotate))
        .route("/console/apps/{appid}/remove", post(remove))
}

texts! {
    pub(super) struct Words;
    title = "小程序", "Apps";
    empty = "还没有小程序。", "There is no app yet.";
    appid = "AppID", "AppID";
    name = "名称", "Name";
    paused = "已暂停", "paused";
    works = "正常", "works";
    templates = "模板", "Templates";
    pushes = "微信推送", "WeChat's pushes";
    register = "添加小程序", "Register an app";
    register_lead = "AppSecret 在微信公众平台“开发管理”中获取；加密保存，不再显示。添加时立即用它读取模板。", "The AppSecret stands at mp.weixin.qq.com, in the development settings. It is stored encrypted and never shown again. It is tried at once: the templates are read with it.";
    secret = "AppSecret", "AppSecret";
    gateway_secret = "gateway secret（兼容接口的 secret）", "The gateway secret (clients of the facade use it as secret)";
    registered = "小程序已添加。", "The app is registered.";
    since = "自", "since";
    until = "到", "until";
    resume = "恢复", "Resume";
    resumed = "已恢复，等待的消息会立即发出。", "It is resumed. What has waited goes out now.";
    pause = "暂停", "Pause";
    pause_sure = "暂停期间消息会保留，恢复后发出。确定吗？", "Messages are kept while it is paused, and go out afterwards. Pause it?";
    is_paused = "已暂停。", "It is paused.";
    settings = "设置", "Settings";
    token = "接口调用凭证", "Access token";
    stable = "stable_token：与他人互不影响", "stable_token: others may fetch tokens, too";
    plain = "token：每次获取都使前一个失效", "token: each fetch makes the one before void";
    on_unknown = "结果未知时", "When an outcome is unknown";
    hold = "保留，等待确定", "hold: wait until it is found out";
    resend = "重新发送（用户可能收到两次）", "resend: the user may get it twice";
    payment_units = "一次支付可发几条", "Messages for a payment";
    waiting_order = "等待额度的顺序", "Which waiting message goes first";
    oldest_first = "最早的先发", "the oldest";
    newest_first = "最新的先发", "the newest";
    truncate = "字段太长时自动截断", "Cut text that is too long for its field";
    new_secret = "新的 AppSecret（不填则不变）", "A new AppSecret (left out: it stays)";
    saved = "设置已保存。", "The settings are saved.";
    rotate = "更换 gateway secret", "Rotate the gateway secret";
    rotate_sure = "旧的 gateway secret 立即失效。确定更换吗？", "The old gateway secret stops working at once. Rotate it?";
    callback = "接收微信推送", "Receiving WeChat's pushes";
    callback_lead = "在微信公众平台“开发管理 → 消息推送”中填写：", "Enter at mp.weixin.qq.com, development settings, message push:";
    callback_url = "服务器地址", "Server address";
    callback_verified = "微信检查过地址", "WeChat has checked the address";
    callback_heard = "最近收到推送", "The last push";
    callback_none = "未设置：收不到发送结果，也不知道用户的订阅。", "Not set: no outcome of a message and no subscription is heard of.";
    callback_token = "Token（令牌）", "Token";
    callback_key = "EncodingAESKey（明文模式不填）", "EncodingAESKey (left out in plain mode)";
    callback_set = "设置", "Set";
    callback_saved = "已保存。现在可以在微信后台提交。", "It is saved. Now submit it at WeChat.";
    sync = "重新读取模板", "Read the templates again";
    synced = "模板已重新读取。", "The templates were read again.";
    synced_at = "读取于", "Read at";
    sync_failing = "读取失败", "They cannot be read";
    no_templates = "该小程序没有模板。", "This app has no templates.";
    test = "发送测试", "Send a test";
    users = "用户", "Users";
    messages = "消息", "Messages";
    reach = "可触达", "Reach";
    remove = "删除小程序", "Remove the app";
    remove_sure = "未发出的消息会被取消；历史保留。确定删除吗？", "Messages that were not sent are cancelled. What is past stays. Remove it?";
    is_removed = "小程序已删除。", "The app is removed.";
    channel = "通道", "Channel";
}

#[derive(Deserialize)]
struct Apps {
    apps: Vec<AppDetail>,
}

#[derive(Deserialize)]
struct AppDetail {
    #[serde(flatten)]
    app: App,
    token: String,
    on_unknown: String,
    payment_units: u32,
    waiting_order: String,
    truncate: bool,
    callback: Option<Callback>,
    #[serde(rename = "templates")]
    template_count: u32,
    templates_synced_at: Option<At>,
}

#[derive(Deserialize)]
struct Callback {
    path: String,
    mode: String,
    verified_at: Option<At>,
    #[serde(rename = "last_event_at")]
    heard_at: Option<At>,
}

#[derive(Template)]
#[template(path = "pages/apps.html")]
struct ListPage {
    frame: Frame,
    words: Words,
    apps: Vec<AppDetail>,
    /// Of the app that was just registered.
    secret: Option<String>,
    trouble: Option<Told>,
}

impl ListPage {
    async fn read(visit: &Visit) -> Result<Self, Refusal> {
        let apps: Apps = visit.get(&Address::of(&["apps"])).await?;
        let (frame, words) = (Frame::live(visit, Place::Apps), Words(visit.language()));
        Ok(Self { frame, words, apps: apps.apps, secret: None, trouble: None })
    }
}

#[derive(Deserialize)]
struct Done {
    #[serde(default)]
    done: String,
}

async fn list(visit: Visit, Query(query): Query<Done>) -> Result<Response, Refusal> {
    let mut page = ListPage::read(&visit).await?;
    let done = (query.done == "removed").then(|| page.words.is_removed());
    page.frame = page.frame.done(done);
    Ok(html(&page))
}

#[derive(Deserialize)]
struct Register {
    appid: String,
    secret: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct WithSecret {
    gateway_secret: Option<String>,
}

/// The gateway secret stands in the answer itself: it is in no address, and a second look at the page does not have it.
async fn register(visit: Visit, Form(form): Form<Register>) -> Result<Response, Refusal> {
    let mut body = json!({ "appid": form.appid.trim(), "secret": form.secret });
    if !form.name.trim().is_empty() {
        body["name"] = json!(form.name.trim());
    }
    let made = visit.send::<WithSecret>(Method::POST, &Address::of(&["apps"]), &body).await;
    let mut page = ListPage::read(&visit).await?;
    match made {
        Ok(made) => {
            let done = Some(page.words.registered());
            page.frame = page.frame.done(done);
            page.secret = made.gateway_secret;
            Ok(html(&page))
        }
        Err(refusal) => {
            page.trouble = Some(refusal.told(visit.words));
            Ok(with_status(refusal.status, &page))
        }
    }
}

#[derive(Template)]
#[template(path = "pages/app.html")]
struct ShowPage {
    frame: Frame,
    words: Words,
    detail: AppDetail,
    templates: Vec<MessageTemplate>,
    secret: Option<String>,
}

async fn page_of(visit: &Visit, appid: &str, secret: Option<String>) -> Result<ShowPage, Refusal> {
    Ok(ShowPage {
        frame: Frame::live(visit, Place::Apps),
        words: Words(visit.language()),
        detail: visit.get(&Address::of(&["apps", appid])).await?,
        templates: templates(visit, appid).await?,
        secret,
    })
}

async fn show(
    visit: Visit,
    Path(appid): Path<String>,
    Query(query): Query<Done>,
) -> Result<Response, Refusal> {
    let mut page = page_of(&visit, &appid, None).await?;
    let words = page.words;
    let done = match query.done.as_str() {
        "paused" => Some(words.is_paused()),
        "resumed" => Some(words.resumed()),
        "saved" => Some(words.saved()),
        "callback" => Some(words.callback_saved()),
        "synced" => Some(words.synced()),
        _ => None,
    };
    page.frame = page.frame.done(done);
    Ok(html(&page))
}

fn back(appid: &str, done: &str) -> Response {
    let address = Address::of(&["apps", appid]);
    Redirect::to(&format!("/console{}?done={done}", address.behind_v1())).into_response()
}

#[derive(Deserialize)]
struct Settings {
    #[serde(default)]
    name: String,
    token: String,
    on_unknown: String,
    payment_units: u32,
    waiting_order: String,
    #[serde(default)]
    truncate: Option<String>,
    #[serde(default)]
    secret: String,
}

async fn settings(
    visit: Visit,
    Path(appid): Path<String>,
    Form(form): Form<Settings>,
) -> Result<Response, Refusal> {
    let mut body = json!({
        "token": form.token,
        "on_unknown": form.on_unknown,
        "payment_units": form.payment_units,
        "waiting_order": form.waiting_order,
        "truncate": form.truncate.is_some(),
    });
    for (name, value) in [("name", form.name.trim()), ("secret", form.secret.trim())] {
        if !value.is_empty() {
            body[name] = json!(value);
        }
    }
    visit.send::<IgnoredAny>(Method::PATCH, &Address::of(&["apps", &appid]), &body).await?;
    Ok(back(&appid, "saved"))
}

#[derive(Deserialize)]
struct NewCallback {
    token: String,
    #[serde(default)]
    key: String,
}

async fn callback(
    visit: Visit,
    Path(appid): Path<String>,
    Form(form): Form<NewCallback>,
) -> Result<Response, Refusal> {
    let key = form.key.trim();
    let key = if key.is_empty() { Value::Null } else { json!(key) };
    let body = json!({ "callback": { "token": form.token.trim(), "encoding_aes_key": key } });
    visit.send::<IgnoredAny>(Method::PATCH, &Address::of(&["apps", &appid]), &body).await?;
    Ok(back(&appid, "callback"))
}

async fn pause(visit: Visit, Path(appid): Path<String>, _: Form<Nothing>) -> Result<Response, Refusal> {
    visit.send::<IgnoredAny>(Method::POST, &Address::of(&["apps", &appid, "pause"]), &json!({})).await?;
    Ok(back(&appid, "paused"))
}

async fn resume(visit: Visit, Path(appid): Path<String>, _: Form<Nothing>) -> Result<Response, Refusal> {
    visit.ask::<IgnoredAny>(Method::POST, &Address::of(&["apps", &appid, "resume"])).await?;
    Ok(back(&appid, "resumed"))
}

async fn sync(visit: Visit, Path(appid): Path<String>, _: Form<Nothing>) -> Result<Response, Refusal> {
    visit.ask::<IgnoredAny>(Method::POST, &Address::of(&["apps", &appid, "templates", "sync"])).await?;
    Ok(back(&appid, "synced"))
}

async fn rotate(visit: Visit, Path(appid): Path<String>, _: Form<Nothing>) -> Result<Response, Refusal> {
    let body = json!({ "rotate_gateway_secret": true });
    let made: WithSecret = visit.send(Method::PATCH, &Address::of(&["apps", &appid]), &body).await?;
    Ok(html(&page_of(&visit, &appid, made.gateway_secret).await?))
}

async fn remove(visit: Visit, Path(appid): Path<String>, _: Form<Nothing>) -> Result<Response, Refusal> {
    visit.ask::<IgnoredAny>(Method::DELETE, &Address::of(&["apps", &appid])).await?;
    Ok(Redirect::to("/console/apps?done=removed").into_response())
}
