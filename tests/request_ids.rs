//! A message keeps the id of the request that brought it, also where nobody sees the id in an answer.

use hongyan_gateway::people::Role;

use crate::console::visitor;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_message_from_the_console_keeps_the_id_of_its_request_and_its_page_shows_the_id() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let failed = world.send(world.subscribe(&user, "x")).await["id"].as_str().unwrap().to_owned();
    let operator = visitor(&world, "operator", Role::Operator, None).await;
    let sent = operator.post(&format!("/console/messages/{failed}/send"), &[("once", "x")]).await;
    assert_eq!(sent.status, 303, "{}", sent.text);
    let page = sent.headers["location"].to_str().unwrap();
    let id = page.split(['/', '?']).find(|part| part.starts_with("msg_")).unwrap();
    assert_ne!(id, failed);
    let request = world.message(id).await["request_id"].as_str().unwrap().to_owned();
    assert_eq!(request.len(), 32, "a new id: {request}");
    let shown = operator.get(page).await.text;
    assert!(shown.contains("Request id") && shown.contains(&request), "{shown}");
    assert!(!shown.contains("Trace id"), "the message is not traced");
}
