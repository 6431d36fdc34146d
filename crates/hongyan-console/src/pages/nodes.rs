//! Nodes and lanes.

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use hongyan_ui::texts;
use serde::Deserialize;

use crate::api::Address;
use crate::console::Console;
use crate::format::At;
use crate::page::{Frame, Place, html};
use crate::refusal::Refusal;
use crate::visit::Visit;

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/console/nodes", get(list))
}

texts! {
    struct Words;
    title = "节点", "Nodes";
    lead = "用户分为 64 个分道，每个分道由一个节点负责。", "All users are divided into 64 lanes, and one node works for each lane.";
    name = "节点", "Node";
    this = "本节点", "this node";
    seen = "最近续约", "Lease renewed";
    lanes = "分道", "Lanes";
    over = "租约已结束", "its lease is over";
    nobody = "无人负责", "nobody";
    epoch(number: u64) = "第 {number} 任", "epoch {number}";
}

#[derive(Deserialize)]
struct Nodes {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    name: Option<String>,
    this: bool,
    seen_at: Option<At>,
    lanes: Vec<Lane>,
}

#[derive(Deserialize)]
struct Lane {
    lane: u8,
    epoch: u64,
}

#[derive(Template)]
#[template(path = "pages/nodes.html")]
struct NodesPage {
    frame: Frame,
    words: Words,
    nodes: Vec<Node>,
}

async fn list(visit: Visit) -> Result<Response, Refusal> {
    let nodes: Nodes = visit.get(&Address::of(&["nodes"])).await?;
    let frame = Frame::live(&visit, Place::Nodes);
    Ok(html(&NodesPage { frame, words: Words(visit.language()), nodes: nodes.nodes }))
}
