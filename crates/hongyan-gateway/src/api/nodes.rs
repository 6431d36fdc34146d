//! `GET /v1/nodes`.

use axum::extract::State;
use hongyan_clock::UnixMillis;
use hongyan_store::types::NodeView;
use serde::Serialize;
use utoipa::ToSchema;

use super::openapi::Refusals;
use crate::api::caller::Caller;
use crate::context::Context;
use crate::problem::Problem;
use crate::schemas;

/// All nodes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NodeList)]
pub(super) struct NodesAnswer {
    nodes: Vec<NodeJson>,
}

/// One running gateway, and the lanes that it works for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Node)]
struct NodeJson {
    /// Its `node_id`. Absent: these lanes are nobody's at the moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    name: Option<String>,
    /// The node that answers this request.
    this: bool,
    /// When it renewed its lease last. Absent: its lease is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    seen_at: Option<UnixMillis>,
    lanes: Vec<LaneJson>,
}

/// A lane: one of 64 slices of all users.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OwnedLane)]
struct LaneJson {
    lane: u8,
    /// How often the lane has changed hands.
    epoch: u64,
}

/// List the nodes and their lanes.
///
/// A single gateway is one node, and has all lanes.
#[utoipa::path(
    get,
    path = "/v1/nodes",
    operation_id = "list_nodes",
    tag = "nodes",
    security(("api_key" = ["messages"])),
    responses((status = 200, description = "All nodes.", body = NodesAnswer), Refusals),
)]
pub(super) async fn list(
    State(context): State<Context>,
    _caller: Caller,
) -> Result<axum::Json<NodesAnswer>, Problem> {
    let here = context.settings.node_id.as_str();
    let nodes = context.store.nodes().await?.into_iter().map(|node| node_json(node, here)).collect();
    Ok(axum::Json(NodesAnswer { nodes }))
}

fn node_json(node: NodeView, here: &str) -> NodeJson {
    NodeJson {
        this: node.name.as_deref() == Some(here),
        name: node.name,
        seen_at: node.seen_at,
        lanes: node
            .lanes
            .into_iter()
            .map(|(lane, epoch)| LaneJson { lane: lane.number(), epoch: epoch.0 })
            .collect(),
    }
}
