//! Lists: of messages, permits, events, nodes, figures, quotas and changes.

use serde_json::{Value, json};

use crate::daily::{at, stderr};
use crate::process::run;
use crate::pusher::{Pusher, as_json};
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_listed_page_by_page_filtered_and_written_for_a_spreadsheet() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let mut ids = Vec::new();
    for reference in ["=1+1", "咖啡, \"大\"", "third"] {
        let mut message = world.subscribe(&user, "Latte");
        message["reference"] = reference.into();
        message["permit"] = "wait".into();
        ids.push(world.accept(message).await);
    }
    let template = world.wechat.seed.subscribe_template.clone();
    let (table, said) = world.command(&["message", "list", "--limit", "2", "--since", "1h"]).await;
    assert!(table.contains(&ids[2]) && table.contains(&ids[1]) && !table.contains(&ids[0]), "{table}");
    assert!(said.contains("--all") && said.contains("--cursor msg_"), "{said}");
    let cursor = said.split_whitespace().find(|word| word.starts_with("msg_")).unwrap().to_owned();
    let rest = world.command_json(&["message", "list", "--cursor", &cursor]).await;
    assert_eq!(rest["messages"].as_array().unwrap().len(), 1);
    assert!(rest["messages"][0]["id"] == ids[0].as_str() && rest["next_cursor"].is_null(), "{rest}");
    let two = world.command_json(&["message", "list", "--limit", "2"]).await;
    assert!(two["messages"].as_array().unwrap().len() == 2 && two["next_cursor"].is_string(), "{two}");

    let (csv, said) =
        world.command(&["message", "list", "--all", "-o", "csv", "--template", &template]).await;
    assert!(said.is_empty(), "{said}");
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 4, "{csv}");
    assert!(lines[0].starts_with("id,app,to,template,channel,state,reason,errcode,"), "{csv}");
    assert!(lines[2].contains(",\"咖啡, \"\"大\"\"\","), "{csv}");
    assert!(lines[3].contains(",'=1+1,"), "a cell is no formula: {csv}");

    let count = async |filter: &[&str]| {
        let listed = world.command_json(&[&["message", "list"], filter].concat()).await;
        listed["messages"].as_array().unwrap().len()
    };
    assert_eq!(count(&["--state", "waiting,ready"]).await, 3);
    assert_eq!(count(&["--state", "sent"]).await, 0);
    assert_eq!(count(&["--reason", "no_permit"]).await, 3);
    assert_eq!(count(&["--reference", "third"]).await, 1);
    assert_eq!(count(&["--until", "2020-01-01T00:00:00Z"]).await, 0);
    assert_eq!(count(&["--errcode", "-1"]).await, 0);
    world.command(&["message", "cancel", &ids[0]]).await;
    assert_eq!(count(&["--state", "cancelled", "--app", &world.wechat.seed.appid, "--to", &user]).await, 1);
    let (shown, _) = world.command(&["message", "show", &ids[0]]).await;
    assert!(shown.contains("cancelled") && shown.contains("=1+1"), "{shown}");
    let refused = run(&mut at(&world.url, &world.key, &["message", "list", "--state", "lost"])).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("state"), "{}", stderr(&refused));
    for wrong in [&["--since", "yesterday"][..], &["--all", "--limit", "3"], &["-o", "csv", "--json"]] {
        let refused = run(&mut at(&world.url, &world.key, &[&["message", "list"], wrong].concat())).await;
        assert_eq!(refused.status.code(), Some(2), "{wrong:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn permits_and_who_can_be_reached_are_counted() {
    let world = World::start().await;
    let (appid, template) = (world.wechat.seed.appid.clone(), world.wechat.seed.subscribe_template.clone());
    let (_, said) = world.command(&["reach"]).await;
    assert!(said.contains("no permit can be used"), "{said}");
    for _ in 0..2 {
        let user = world.wechat.user().await;
        world.grant_subscription(&user).await;
        world.grant_form(&user).await;
        let (csv, _) =
            world.command(&["permit", "list", "--app", &appid, "--openid", &user, "-o", "csv"]).await;
        assert_eq!(csv.lines().count(), 3, "{csv}");
    }
    let (all, _) = world.command(&["reach"]).await;
    assert!(all.contains(&appid) && all.contains("subscribe_once") && all.contains("form"), "{all}");
    let parts = world.command_json(&["reach", "--app", &appid]).await;
    assert_eq!(parts["parts"].as_array().unwrap().len(), 2, "{parts}");
    let (table, _) = world.command(&["reach", "--app", &appid]).await;
    assert!(table.contains(&template) && table.contains("any"), "{table}");
    let sum = world.command_json(&["reach", "--app", &appid, "--template", &template]).await;
    assert_eq!(sum, json!({ "users": 2, "units": 2, "unlimited": 0 }));
    let (csv, _) = world.command(&["reach", "--app", &appid, "--kind", "form", "-o", "csv"]).await;
    assert_eq!(csv, "users,units,unlimited\n2,2,0\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_nodes_quotas_and_changes_are_shown() {
    let world = World::start().await;
    let appid = world.wechat.seed.appid.clone();
    let user = world.wechat.user().await;
    world.grant_subscription(&user).await;
    assert_eq!(world.send(world.subscribe(&user, "Latte")).await["state"], "sent");
    assert_eq!(world.send(world.subscribe(&user, "Mocha")).await["state"], "failed");

    let (table, _) = world.command(&["stats", "--since", "1h", "--step", "hour"]).await;
    let sums: Vec<&str> = table.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(&sums[..5], ["in", "all", "2", "1", "0"], "{table}");
    assert!(table.contains("1 no_permit"), "{table}");
    let (csv, _) = world.command(&["stats", "--by", "template", "--app", &appid, "-o", "csv"]).await;
    assert!(csv.starts_with("app,template,accepted,sent,") && csv.lines().count() == 2, "{csv}");
    let stats = world.command_json(&["stats", "--since", "24h"]).await;
    assert_eq!((&stats["totals"]["accepted"], &stats["step"]), (&json!(2), &json!("hour")));

    let (nodes, _) = world.command(&["node", "list"]).await;
    assert!(nodes.contains("node-1 (this node)") && nodes.contains("0-63"), "{nodes}");
    let quotas = world.command_json(&["quota"]).await;
    assert_eq!(quotas["apps"][0]["app"], appid.as_str());
    world.command(&["quota"]).await;

    let (audit, _) = world.command(&["audit", "list", "--since", "1h"]).await;
    assert!(audit.contains("POST /v1/apps") && audit.contains("key story"), "{audit}");
    assert!(audit.contains("appid secret"), "the fields that the call set: {audit}");
    let (csv, _) = world.command(&["audit", "list", "--all", "-o", "csv"]).await;
    assert!(csv.starts_with("at,actor_kind,actor_id,actor_name,call,app,object,result,fields\n"), "{csv}");
    let (apps, _) = world.command(&["app", "list", "-o", "csv"]).await;
    assert!(apps.contains(&appid) && apps.starts_with("appid,name,"), "{apps}");
    let (_, said) = world.command(&["event", "list"]).await;
    assert!(said.contains("WeChat pushed no such event"), "{said}");
    let pusher = Pusher::of(&world, false).await;
    pusher.push(&world.signed("a"), &as_json(&world.popup(&user, "accept"))).await;
    let name = world.worked_on().await["name"].as_str().unwrap().to_owned();
    let (events, _) = world.command(&["event", "list", "--since", "1h", "-o", "csv"]).await;
    assert!(events.lines().count() == 2 && events.contains(&name), "{events}");
    let (_, said) = world.command(&["event", "list", "--until", "1h"]).await;
    assert!(said.contains("WeChat pushed no such event"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_paused_for_a_time_and_its_gateway_secret_rotated() {
    let world = World::start().await;
    let appid = world.wechat.seed.appid.clone();
    world.command(&["app", "pause", &appid, "--until", "2099-01-01T00:00:00Z"]).await;
    assert_eq!(world.app().await["paused"]["until"], "2099-01-01T00:00:00.000Z");
    world.command(&["app", "resume", &appid]).await;
    let (secret, _) = world.command(&["app", "rotate", &appid]).await;
    assert!(secret.trim().starts_with("hyg_"), "{secret}");
    let removed: Value = world.command_json(&["app", "remove", &appid, "--yes"]).await;
    assert_eq!(removed["removed"], true);
}
