//! Who changed what.

use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::response::Response;
use axum::routing::get;
use hongyan_ui::texts;
use serde::Deserialize;

use crate::api::Address;
use crate::console::Console;
use crate::format::At;
use crate::page::{Frame, Place, html};
use crate::pager::{Pager, moment};
use crate::refusal::Refusal;
use crate::visit::Visit;

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/console/audit", get(list))
}

texts! {
    struct Words;
    title = "审计", "Audit";
    lead = "谁在什么时候改了什么，包括人员在控制台发送的消息和授予的额度。后端用 API 密钥发送和授予的不在其中：它们有自己的记录。", "Who changed what, and when; also what people have sent and granted here. What back ends send and grant with an API key is not in it: messages and permits are their own record.";
    who = "谁", "Who";
    call = "操作", "Call";
    object = "对象", "Object";
    result = "结果", "Result";
    fields = "所设字段", "Fields set";
    done = "完成", "done";
    not_known = "未知（进程在此期间结束）", "not known (the process ended meanwhile)";
    command_line = "命令行", "command line";
    configuration = "配置", "configuration";
    system = "网关自身", "the gateway itself";
    key = "密钥", "key";
    person = "人员", "person";
    empty = "这段时间内没有任何改动。", "Nothing was changed in this time.";
}

#[derive(Deserialize)]
struct AuditQuery {
    #[serde(default)]
    since: String,
    #[serde(default)]
    until: String,
    #[serde(default)]
    cursor: String,
}

#[derive(Deserialize)]
struct Answer {
    audit: Vec<Line>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Line {
    at: At,
    actor: Actor,
    call: String,
    app: Option<String>,
    object: Option<String>,
    #[serde(default)]
    fields: Vec<String>,
    result: Option<String>,
}

#[derive(Deserialize)]
struct Actor {
    kind: String,
    name: Option<String>,
}

impl Actor {
    fn kind(&self, words: Words) -> &'static str {
        match self.kind.as_str() {
            "key" => words.key(),
            "person" => words.person(),
            "cli" => words.command_line(),
            "configuration" => words.configuration(),
            _ => words.system(),
        }
    }
}

#[derive(Template)]
#[template(path = "pages/audit.html")]
struct AuditPage {
    frame: Frame,
    words: Words,
    query: AuditQuery,
    lines: Vec<Line>,
    pager: Pager,
}

async fn list(visit: Visit, Query(query): Query<AuditQuery>) -> Result<Response, Refusal> {
    let address = Address::of(&["audit"])
        .with("since", moment(&query.since))
        .with("until", moment(&query.until))
        .with("cursor", Some(&query.cursor));
    let answer: Answer = visit.get(&address).await?;
    Ok(html(&AuditPage {
        frame: Frame::new(&visit, Place::Audit),
        words: Words(visit.language()),
        pager: Pager::new(&visit, answer.next_cursor),
        lines: answer.audit,
        query,
    }))
}
