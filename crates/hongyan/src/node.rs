//! `hongyan node`: the running gateways that share one database.

use serde_json::Value;

use crate::cli::{NodeArgs, NodeCommand};
use crate::failure::Failure;
use crate::http::Api;
use crate::listing::{self, Column, Shape, text};
use crate::text::{both, word};

/// What `node list` shows.
const NODES: Shape = Shape {
    member: "nodes",
    table: &[
        Column::of("NODE", name),
        Column::at("SEEN", "/seen_at"),
        Column::of("LANES", count),
        Column::of("WHICH", lanes),
    ],
    csv: &[
        Column::at("name", "/name"),
        Column::at("this", "/this"),
        Column::at("seen_at", "/seen_at"),
        Column::of("lane_count", count),
        Column::of("lanes", lanes),
    ],
    nothing: both("没有节点服务任何分道", "no node works for any lane"),
};

/// Runs the command.
pub(crate) async fn run(args: NodeArgs) -> Result<(), Failure> {
    let NodeCommand::List(args) = args.command;
    let answer = Api::remote(&args.remote)?.get("/v1/nodes").await?;
    listing::print(&args, &NODES, &answer)
}

fn name(node: &Value) -> String {
    match node["name"].as_str() {
        None => word("（没有节点）", "(no node)").to_owned(),
        Some(name) if node["this"] == true => format!("{name}{}", word("（本节点）", " (this node)")),
        Some(name) => name.to_owned(),
    }
}

fn count(node: &Value) -> String {
    node["lanes"].as_array().map_or(0, Vec::len).to_string()
}

/// Numbers of lanes; neighbours are joined, as in `0-31 40`.
fn lanes(node: &Value) -> String {
    let numbers = node["lanes"].as_array().into_iter().flatten().filter_map(|lane| lane["lane"].as_u64());
    let mut numbers: Vec<u64> = numbers.collect();
    numbers.sort_unstable();
    let runs = numbers.chunk_by(|one, next| one + 1 == *next);
    let run = |run: &[u64]| match run {
        [first, .., last] => format!("{first}-{last}"),
        _ => text(&run[0].into()),
    };
    runs.map(run).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn neighbours_are_joined() {
        let node = |lanes: &[u8]| json!({ "lanes": lanes.iter().map(|lane| json!({ "lane": lane, "epoch": 1 })).collect::<Vec<_>>() });
        assert_eq!(lanes(&node(&[3, 0, 1, 2, 9, 20, 21])), "0-3 9 20-21");
        assert_eq!(lanes(&node(&[])), "");
    }
}
