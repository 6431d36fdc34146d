//! Lists of messages, page by page.

use std::collections::HashSet;

use serde_json::json;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_page_has_a_next_one_too() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let messages: Vec<_> = (0..501).map(|n| world.legacy(&user, &n.to_string())).collect();
    for _ in 0..2 {
        world.post("/v1/messages", json!({ "messages": messages })).await.expect(202);
    }
    let first = world.get("/v1/messages?limit=1000").await.expect(200);
    let cursor = first["next_cursor"].as_str().expect("two messages are left");
    let second = world.get(&format!("/v1/messages?limit=1000&cursor={cursor}")).await.expect(200);
    assert!(second["next_cursor"].is_null());
    let pages = [&first, &second].map(|page| page["messages"].as_array().unwrap());
    assert_eq!(pages.map(Vec::len), [1_000, 2]);
    let ids: HashSet<_> =
        pages.into_iter().flatten().map(|message| message["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 1_002);
}
