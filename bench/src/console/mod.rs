//! The console: how fast its pages are with millions of stored messages and a load, and what people who look at it cost
//! delivery.
//!
//! The times are those of a browser on the same machine: the load, the sink and the browser share the cores with the
//! gateway, so they are upper bounds of the gateway's own time.

mod browser;
mod stock;
mod viewers;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::time::sleep;

use self::browser::{Browser, files_of};
use self::viewers::Viewers;
use crate::Result;
use crate::bench::{Bench, Part, say};
use crate::figures::percentile_ms;
use crate::fill::Kind;
use crate::gateway::{Gateway, database};
use crate::history::{Filled, to_users};
use crate::message::{APPID, TEMPLATE, user};
use crate::process::command;

/// The person who looks.
const PERSON: &str = "bench";

/// Messages per second while pages are opened.
const PER_SECOND: u32 = 1_000;

/// Messages that are delivered while pages are opened: for a minute and a half.
const MESSAGES: u32 = 90 * PER_SECOND;

/// The pause of a reader between two pages.
const PAUSE: Duration = Duration::from_millis(20);

/// What came out.
#[derive(Debug, Serialize)]
pub(crate) struct Console {
    pub(crate) stored_messages: u32,
    pub(crate) messages_per_second: u32,
    /// Each page, in the order of the navigation.
    pub(crate) pages: Vec<Page>,
    pub(crate) viewers: Viewers,
}

/// What a page is called, in English and in Chinese.
type Name = (&'static str, &'static str);

/// How fast a page was.
#[derive(Debug, Serialize)]
pub(crate) struct Page {
    pub(crate) name: Name,
    /// How often it was opened.
    pub(crate) opened: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p95_ms: f64,
    pub(crate) max_ms: f64,
    /// The page itself, without compression.
    pub(crate) html_kib: f64,
    /// With the style sheet and the scripts, as a browser loads them that has never been here.
    pub(crate) first_paint_kib: f64,
}

/// Measures both.
pub(crate) async fn measure(bench: &Bench) -> Result<Console> {
    let filled = Filled::make(bench, bench.history, Kind::Sent).await?;
    let (path, users) = (database(filled.dir.path()), filled.users);
    let filling = tokio::task::spawn_blocking(move || stock::fill(&path, users)).await;
    filling.map_err(|error| format!("filling broke: {error}"))??;
    let password = add_person(&bench.hongyan, filled.dir.path()).await?;

    say(&format!("{}: pages", Part::Console.name()));
    let gateway = Gateway::restart(&bench.hongyan, filled.dir.path(), &bench.sink.url).await?;
    let mut browser = Browser::first_login(&gateway.target, PERSON, &password).await?;
    let pages = pages(bench, &gateway, &mut browser, users).await?;
    gateway.stop().await?;
    if let Some(slowest) = pages.iter().max_by(|one, other| one.p95_ms.total_cmp(&other.p95_ms)) {
        say(&format!("the slowest page: {}, p95 {:.1} ms", slowest.name.0, slowest.p95_ms));
    }

    let viewers = viewers::measure(bench, &filled, MESSAGES).await?;
    Ok(Console { stored_messages: bench.history, messages_per_second: PER_SECOND, pages, viewers })
}

/// Adds the person; the password for the first login.
async fn add_person(hongyan: &Path, dir: &Path) -> Result<String> {
    let mut add = command(hongyan, dir);
    add.env("HONGYAN_DATA_DIR", dir.join("data")).args(["user", "add", PERSON, "--role", "admin"]);
    let added =
        add.output().await.map_err(|error| format!("{} does not start: {error}", hongyan.display()))?;
    if added.status.success() {
        Ok(String::from_utf8_lossy(&added.stdout).trim().to_owned())
    } else {
        Err(format!("nobody was added: {}", String::from_utf8_lossy(&added.stderr)))
    }
}

/// The pages, each with what is hardest for it: the newest, the oldest, and what is not there.
async fn addresses(gateway: &Gateway) -> Result<Vec<(Name, String)>> {
    let openid = user(7);
    let of_user = format!("/v1/messages?app={APPID}&to={openid}&limit=100");
    let (status, answer) =
        gateway.target.connect().await?.ask(http::Method::GET, &of_user, None, bytes::Bytes::new()).await?;
    let answer: Value =
        serde_json::from_slice(&answer).map_err(|error| format!("{of_user}: {status}: {error}"))?;
    let messages = answer["messages"].as_array().ok_or_else(|| format!("{of_user}: {status}: {answer}"))?;
    let id =
        |message: Option<&Value>| message.and_then(|it| it["id"].as_str()).unwrap_or_default().to_owned();
    // The oldest of all may be removed at any moment: its time is up.
    let of_months_ago = messages.get(messages.len() / 2);
    let (newest, older) = (id(messages.first()), id(of_months_ago));
    let long_ago = of_months_ago.and_then(|it| it["accepted_at"].as_str()).unwrap_or_default().to_owned();
    let messages = |query: &str| format!("/console/messages?{query}");
    Ok(vec![
        (("overview", "总览"), "/console".to_owned()),
        (("messages: all", "消息：全部"), "/console/messages".to_owned()),
        (
            ("messages: of months ago", "消息：数月之前"),
            messages(&format!("until={}", long_ago.get(..16).unwrap_or_default())),
        ),
        (("messages: of a user", "消息：某个用户"), messages(&format!("q={openid}"))),
        (
            ("messages: of a template", "消息：某个模板"),
            messages(&format!("app={APPID}&template={TEMPLATE}")),
        ),
        (("messages: found by id", "消息：按编号查找"), messages(&format!("q={older}"))),
        (("messages: a reference that nobody used", "消息：不存在的业务单号"), messages("q=order-4711")),
        (("messages: failed, and there are none", "消息：失败（一条也没有）"), messages("state=failed")),
        (("messages: expired, and there are none", "消息：过期（一条也没有）"), messages("state=expired")),
        (("messages: a reason that no message has", "消息：没有消息有的原因"), messages("reason=given_up")),
        (("message: the newest of a user", "单条消息：最新"), format!("/console/messages/{newest}")),
        (("message: of months ago", "单条消息：数月之前"), format!("/console/messages/{older}")),
        (("users", "用户"), format!("/console/users?app={APPID}")),
        (
            ("users: by the start of an openid", "用户：按 openid 开头"),
            format!("/console/users?app={APPID}&q={}", &openid[..6]),
        ),
        (("user", "单个用户"), format!("/console/users/{APPID}/{openid}")),
        (("reach", "可触达"), format!("/console/reach?app={APPID}")),
        (("figures: an hour", "统计：一小时"), "/console/stats?span=1h".to_owned()),
        (("figures: a day", "统计：一天"), "/console/stats?span=24h".to_owned()),
        (("figures: 30 days", "统计：30 天"), "/console/stats?span=30d".to_owned()),
        (("figures: a year", "统计：一年"), "/console/stats?span=365d".to_owned()),
        (("apps", "小程序"), "/console/apps".to_owned()),
        (("app", "单个小程序"), format!("/console/apps/{APPID}")),
        (
            ("template, with the form that sends a test", "模板及发送测试的表单"),
            format!("/console/apps/{APPID}/templates/{}", stock::known_template()),
        ),
        (("events", "事件"), "/console/events".to_owned()),
        (("webhooks", "webhook"), "/console/webhooks".to_owned()),
        (("nodes", "节点"), "/console/nodes".to_owned()),
        (("keys", "密钥"), "/console/keys".to_owned()),
        (("people", "人员"), "/console/people".to_owned()),
        (("audit", "审计"), "/console/audit".to_owned()),
        (("account", "我的账号"), "/console/account".to_owned()),
    ])
}

/// Opens each page in turn while messages are delivered.
async fn pages(bench: &Bench, gateway: &Gateway, browser: &mut Browser, users: u32) -> Result<Vec<Page>> {
    let addresses = addresses(gateway).await?;
    let load = to_users(bench, gateway, users);
    let loading = tokio::spawn(async move { load.send_at(f64::from(PER_SECOND), 0, MESSAGES).await });

    let mut sizes = BTreeMap::new();
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); addresses.len()];
    while !loading.is_finished() {
        for ((_, path), times) in addresses.iter().zip(&mut times) {
            let opened = browser.open(path).await?;
            times.push(opened.took);
            sizes.insert(path.as_str(), opened.html);
            sleep(PAUSE).await;
        }
    }
    loading.await.map_err(|error| format!("the load broke: {error}"))??;

    let mut pages = Vec::new();
    for ((name, path), mut times) in addresses.iter().zip(times) {
        times.sort_unstable();
        let html = String::from_utf8_lossy(&sizes[path.as_str()]).into_owned();
        let mut files = 0;
        for file in files_of(&html) {
            files += browser.open(file).await?.html.len();
        }
        pages.push(Page {
            name: *name,
            opened: times.len(),
            p50_ms: percentile_ms(&times, 50),
            p95_ms: percentile_ms(&times, 95),
            max_ms: percentile_ms(&times, 100),
            html_kib: kib(html.len()),
            first_paint_kib: kib(html.len() + files),
        });
    }
    Ok(pages)
}

fn kib(bytes: usize) -> f64 {
    bytes as f64 / 1_024.0
}
