//! Callers who may see some apps: no list needs the name of an app from them, and no answer has anything of another app.

use hongyan_gateway::keys::Scope;
use hongyan_gateway::people::Role;
use http::Method;
use serde_json::{Value, json};

use crate::console::visitor;
use crate::keys::{call_with, key};
use crate::world::World;

/// An app with a user and a message to the user.
struct Known {
    appid: String,
    user: String,
    message: String,
}

impl Known {
    /// Whether a text has nothing of this app.
    fn is_hidden_in(&self, text: &str) -> bool {
        ![&self.appid, &self.user, &self.message].into_iter().any(|mine| text.contains(mine.as_str()))
    }
}

/// Three apps. A message in each was sent by somebody who may see all of them.
async fn three_apps(world: &World) -> [Known; 3] {
    let mut known = Vec::new();
    for n in 0..3 {
        let (appid, template) = if n == 0 {
            (world.wechat.seed.appid.clone(), world.wechat.seed.subscribe_template.clone())
        } else {
            let other = world.wechat.raw_control("apps", &json!({})).await;
            let app = json!({ "appid": other["appid"], "secret": other["app_secret"] });
            world.post("/v1/apps", app).await.expect(201);
            let text = |name: &str| other[name].as_str().unwrap().to_owned();
            (text("appid"), text("subscribe_template"))
        };
        let user = world.wechat.control("users", json!({ "appid": appid })).await["openid"].clone();
        let user = user.as_str().unwrap().to_owned();
        let code = world.wechat.control("login", json!({ "appid": appid, "openid": user })).await;
        world.post("/v1/login", json!({ "app": appid, "code": code["code"] })).await.expect(200);
        let mut message = world.subscribe(&user, "x");
        (message["app"], message["template"]) = (json!(appid), json!(template));
        message["reference"] = json!("order-7");
        let message = world.send(message).await["id"].as_str().unwrap().to_owned();
        known.push(Known { appid, user, message });
    }
    known.try_into().unwrap_or_else(|_| panic!("three apps"))
}

fn ids(answer: &Value) -> Vec<&str> {
    answer["messages"].as_array().unwrap().iter().map(|message| message["id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_for_two_of_three_apps_lists_what_is_of_the_two_without_naming_one() {
    let world = World::start().await;
    let [first, second, third] = three_apps(&world).await;
    let scopes = [Scope::All, Scope::Keys];
    let own = key(&world, &scopes, &[&first.appid, &second.appid]).await;
    let get = async |path: &str| call_with(&world, &own, Method::GET, path, Value::Null).await;

    let newest_first = [second.message.as_str(), first.message.as_str()];
    for path in ["/v1/messages", "/v1/messages?state=failed", "/v1/messages?reference=order-7"] {
        assert_eq!(ids(&get(path).await.expect(200)), newest_first, "{path}");
    }
    let of_user = get(&format!("/v1/messages?to={}", second.user)).await.expect(200);
    assert_eq!(ids(&of_user), [second.message.as_str()]);
    let of_third = get(&format!("/v1/messages?to={}", third.user)).await.expect(200);
    assert!(ids(&of_third).is_empty(), "{of_third}");
    let page = get("/v1/messages?limit=1").await.expect(200);
    assert_eq!(ids(&page), newest_first[..1]);
    let next = format!("/v1/messages?limit=1&cursor={}", page["next_cursor"].as_str().unwrap());
    assert_eq!(ids(&get(&next).await.expect(200)), newest_first[1..]);
    let stats = get("/v1/stats?by=app").await.expect(200);
    assert_eq!(stats["totals"]["accepted"], 2, "{stats}");

    // All calls that read, as the description has them.
    let description = world.get("/openapi.json").await.expect(200);
    let mut asked = 0;
    for (path, item) in description["paths"].as_object().unwrap() {
        let Some(call) = item.get("get").filter(|_| path.starts_with("/v1/") && !path.contains('{')) else {
            continue;
        };
        // People are nobody's app, and what back ends need a scope of its own for is not theirs.
        if path == "/v1/people" {
            continue;
        }
        let parameters = call["parameters"].as_array().into_iter().flatten();
        let required: Vec<_> = parameters
            .filter(|parameter| parameter["in"] == "query" && parameter["required"] == true)
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        let query = |of: &Known| {
            let value = |name: &str| match name {
                "app" => of.appid.clone(),
                "openid" => of.user.clone(),
                name => panic!("{path} needs {name}"),
            };
            let pairs: Vec<_> = required.iter().map(|name| format!("{name}={}", value(name))).collect();
            pairs.join("&")
        };
        let answer = get(&format!("{path}?{}", query(&second))).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert!(third.is_hidden_in(&answer.text), "{path}: {}", answer.text);
        if !required.is_empty() {
            get(&format!("{path}?{}", query(&third))).await.problem(404, "unknown_app");
        }
        asked += 1;
    }
    assert!(asked >= 12, "{asked}");
    for path in ["/v1/messages", "/v1/events", "/v1/stats"] {
        get(&format!("{path}?app={}", third.appid)).await.problem(404, "unknown_app");
    }
    get(&format!("/v1/messages/{}", third.message)).await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_for_two_of_three_apps_sees_the_two_on_every_page_and_nothing_of_the_third() {
    let world = World::start().await;
    let [first, second, third] = three_apps(&world).await;
    let person = visitor(&world, "lihua", Role::Operator, Some(&[&first.appid, &second.appid])).await;
    let both = ["/console", "/console/messages", "/console/messages?state=failed", "/console/apps"];
    for path in both {
        let page = person.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        for known in [&first, &second] {
            assert!(page.text.contains(if path == "/console/apps" { &known.appid } else { &known.message }));
        }
        assert!(third.is_hidden_in(&page.text), "{path}: {}", page.text);
    }
    for path in
        ["users", "reach", "stats", "events", "webhooks", "nodes", "audit", "messages/export?format=csv"]
    {
        let page = person.get(&format!("/console/{path}")).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(third.is_hidden_in(&page.text), "{path}: {}", page.text);
    }
    let export = person.get("/console/messages/export?format=csv").await.text;
    assert!(export.contains(&first.message) && export.contains(&second.message), "{export}");
    let named = format!("/console/messages?app={}", third.appid);
    for path in
        [named, format!("/console/messages/{}", third.message), format!("/console/apps/{}", third.appid)]
    {
        assert_eq!(person.get(&path).await.status, 404, "{path}");
    }
}
