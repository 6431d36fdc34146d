//! API keys: what strangers learn, which apps a key sees, and what a key may grant.

use std::time::Duration;

use hongyan_gateway::keys::{self, NewKey, Scope};
use http::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{Answer, World};

/// A key with these scopes, for these apps.
pub async fn key(world: &World, scopes: &[Scope], apps: &[&str]) -> String {
    let apps = (!apps.is_empty()).then(|| apps.iter().map(|appid| appid.parse().unwrap()).collect());
    let new = NewKey { apps, ..NewKey::new("test", scopes) };
    let (_, key) =
        keys::create_key(&*world.gateway.store, &world.gateway.ids, &world.clock, new).await.unwrap();
    key.expose_secret().to_owned()
}

/// A call with this key.
pub async fn call_with(world: &World, key: &str, method: Method, path: &str, body: Value) -> Answer {
    let bearer = format!("Bearer {key}");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    world.call(method, path, &[("authorization", &bearer)], body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_strangers_body_is_read() {
    let world = World::start().await;
    for (path, content_type, body) in [
        ("/v1/messages", "text/plain", "x"),
        ("/v1/messages", "application/json", "{"),
        ("/v1/apps", "application/json", r#"{"nonsense":1}"#),
        ("/v1/keys", "application/json", "[]"),
    ] {
        let headers = [("authorization", "Bearer hyk_guess"), ("content-type", content_type)];
        world.call(Method::POST, path, &headers, body).await.problem(401, "unauthorized");
    }
    // A client that announces a large body is not asked to send it.
    let address = world.url.strip_prefix("http://").unwrap();
    let mut socket = TcpStream::connect(address).await.unwrap();
    let head = "POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4000000\r\n\
                Expect: 100-continue\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(std::str::from_utf8(&answer).unwrap(), "HTTP/1.1 401");
    let metrics = world.get("/metrics").await.text;
    assert!(metrics.contains("hongyan_refused_keys_total{reason=\"unknown\"} 4"), "{metrics}");
    assert!(metrics.contains("hongyan_refused_keys_total{reason=\"missing\"} 1"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_for_another_app_sees_and_touches_nothing_of_this_one() {
    let world = World::start().await;
    let (appid, user) = (world.wechat.seed.appid.clone(), world.wechat.user().await);
    world.grant_form(&user).await;
    let id = world.send(world.legacy(&user, "x")).await["id"].as_str().unwrap().to_owned();
    let hook = json!({ "url": "https://example.com/hook" });
    let hook = world.post("/v1/webhooks", hook).await.text("id");
    let other = key(
        &world,
        &[Scope::All, Scope::AccessToken, Scope::Keys],
        &["wxffffffffffffffff", "wxeeeeeeeeeeeeeeee"],
    )
    .await;
    let app = format!("/v1/apps/{appid}");
    let login = json!({ "app": appid, "code": "c" });
    let permit = json!({ "app": appid, "openid": user, "kind": "form", "code": "f" });
    let decrypt = json!({ "app": appid, "openid": user, "encrypted_data": "x", "iv": "y" });
    let calls = [
        (Method::GET, app.clone(), Value::Null),
        (Method::PATCH, app.clone(), json!({ "name": "mine now" })),
        (Method::DELETE, app.clone(), Value::Null),
        (Method::POST, format!("{app}/pause"), json!({})),
        (Method::POST, format!("{app}/resume"), json!({})),
        (Method::GET, format!("{app}/templates"), Value::Null),
        (Method::POST, format!("{app}/templates/sync"), Value::Null),
        (Method::GET, format!("{app}/library"), Value::Null),
        (Method::GET, format!("{app}/tokens"), Value::Null),
        (Method::DELETE, format!("{app}/tokens"), Value::Null),
        (Method::DELETE, format!("{app}/sessions"), Value::Null),
        (Method::POST, format!("{app}/access_token"), Value::Null),
        (Method::GET, format!("/v1/permits?app={appid}&openid={user}"), Value::Null),
        (Method::GET, format!("/v1/reach?app={appid}"), Value::Null),
        (Method::GET, format!("/v1/messages?app={appid}"), Value::Null),
        (Method::GET, format!("/v1/events?app={appid}"), Value::Null),
        (Method::POST, "/v1/messages".into(), world.legacy(&user, "y")),
        (Method::POST, "/v1/messages?validate=true".into(), world.legacy(&user, "y")),
        (Method::POST, "/v1/permits".into(), permit.clone()),
        (Method::POST, "/v1/login".into(), login),
        (Method::POST, "/v1/users/decrypt".into(), decrypt),
    ];
    for (method, path, body) in calls {
        let what = format!("{method} {path}");
        let answer = call_with(&world, &other, method, &path, body).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["code"]),
            (404, &json!("unknown_app")),
            "{what}: {answer:?}"
        );
    }
    let things = [
        (Method::GET, format!("/v1/messages/{id}"), Value::Null),
        (Method::DELETE, format!("/v1/messages/{id}"), Value::Null),
        (Method::POST, format!("/v1/messages/{id}/resolve"), json!({ "outcome": "sent", "attempt": 1 })),
        (Method::GET, format!("/v1/webhooks/{hook}"), Value::Null),
        (Method::PATCH, format!("/v1/webhooks/{hook}"), json!({ "description": "mine" })),
        (Method::POST, format!("/v1/webhooks/{hook}/secret"), Value::Null),
        (Method::POST, format!("/v1/webhooks/{hook}/test"), Value::Null),
        (Method::POST, format!("/v1/webhooks/{hook}/enable"), Value::Null),
        (Method::POST, format!("/v1/webhooks/{hook}/replay"), json!({ "since": "2026-01-01T00:00:00Z" })),
        (Method::GET, format!("/v1/webhooks/{hook}/deliveries"), Value::Null),
        (Method::DELETE, format!("/v1/webhooks/{hook}"), Value::Null),
    ];
    for (method, path, body) in things {
        let what = format!("{method} {path}");
        let answer = call_with(&world, &other, method, &path, body).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["code"]),
            (404, &json!("not_found")),
            "{what}: {answer:?}"
        );
    }
    let batch = call_with(&world, &other, Method::POST, "/v1/permits", json!({ "permits": [permit] }))
        .await
        .expect(201);
    assert_eq!(batch["permits"][0]["error"]["code"], "unknown_app", "{batch}");
    let batch = json!({ "messages": [world.legacy(&user, "z")] });
    let batch = call_with(&world, &other, Method::POST, "/v1/messages", batch).await.expect(202);
    assert_eq!(batch["messages"][0]["error"]["code"], "unknown_app", "{batch}");
    for (path, list) in
        [("/v1/apps", "apps"), ("/v1/webhooks", "webhooks"), ("/v1/keys", "keys"), ("/v1/audit", "audit")]
    {
        let answer = call_with(&world, &other, Method::GET, path, Value::Null).await.expect(200);
        let shown = answer[list].as_array().unwrap();
        // The key sees only itself among the keys.
        assert_eq!(shown.len(), usize::from(list == "keys"), "{answer}");
    }
    let listed = call_with(&world, &other, Method::GET, "/v1/messages", Value::Null).await.expect(200);
    assert_eq!(listed["messages"], json!([]), "the list is of the key's own apps");
    let register = json!({ "appid": "wx0000000000000009", "secret": "s" });
    call_with(&world, &other, Method::POST, "/v1/apps", register).await.problem(403, "forbidden");
    let all = json!({ "url": "https://example.com/hook", "apps": [appid] });
    call_with(&world, &other, Method::POST, "/v1/webhooks", all).await.problem(403, "forbidden");
    assert_eq!(world.app().await["name"], appid, "nothing was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_for_one_app_does_everything_with_that_one() {
    let world = World::start().await;
    let (appid, user) = (world.wechat.seed.appid.clone(), world.wechat.user().await);
    let own = key(&world, &[Scope::All], &[&appid]).await;
    let form = world.wechat.form(&user).await;
    let permit = json!({ "app": appid, "openid": user, "kind": "form", "code": form });
    call_with(&world, &own, Method::POST, "/v1/permits", permit).await.expect(201);
    let sent = call_with(&world, &own, Method::POST, "/v1/messages?wait=15", world.legacy(&user, "x"))
        .await
        .expect(202);
    let path = format!("/v1/messages/{}", sent["id"].as_str().unwrap());
    assert_eq!(call_with(&world, &own, Method::GET, &path, Value::Null).await.expect(200)["state"], "sent");
    let list = call_with(&world, &own, Method::GET, "/v1/messages", Value::Null).await.expect(200);
    assert_eq!(list["messages"].as_array().unwrap().len(), 1, "a key with one app need not name the app");
    // A webhook of this key gets events of this app only, even if the request names no app.
    let hook = json!({ "url": "https://example.com/hook" });
    let hook = call_with(&world, &own, Method::POST, "/v1/webhooks", hook).await.expect(201);
    assert_eq!(hook["apps"], json!([appid]), "{hook}");
    let path = format!("/v1/webhooks/{}", hook["id"].as_str().unwrap());
    let changed = call_with(&world, &own, Method::PATCH, &path, json!({ "apps": [] })).await.expect(200);
    assert_eq!(changed["apps"], json!([appid]), "{changed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_gives_away_no_more_than_it_has() {
    let world = World::start().await;
    let appid = world.wechat.seed.appid.clone();
    world.post("/v1/keys", json!({ "name": "x", "scopes": ["messages"] })).await.problem(403, "forbidden");
    let keeper = key(&world, &[Scope::Messages, Scope::Permits, Scope::Keys], &[&appid]).await;
    let make = async |wish: Value| call_with(&world, &keeper, Method::POST, "/v1/keys", wish).await;
    for scope in ["all", "apps", "facade", "access_token", "audit", "webhooks"] {
        make(json!({ "name": "x", "scopes": ["messages", scope] })).await.problem(403, "forbidden");
    }
    make(json!({ "name": "x", "scopes": ["messages"], "apps": ["wxffffffffffffffff"] }))
        .await
        .problem(403, "forbidden");
    make(json!({ "name": "", "scopes": ["messages"] })).await.problem(422, "invalid_field");
    make(json!({ "name": "x", "scopes": [] })).await.problem(422, "invalid_field");
    make(json!({ "name": "x", "scopes": ["messages"], "expires_at": "2020-01-01T00:00:00Z" }))
        .await
        .problem(422, "invalid_field");
    let made = make(json!({ "name": "shop", "scopes": ["messages"] })).await.expect(201);
    assert_eq!(made["apps"], json!([appid]), "the new key has the apps of the key that created it: {made}");
    assert_eq!((&made["created_by"]["kind"], &made["created_by"]["name"]), (&json!("key"), &json!("test")));
    let (id, made) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    call_with(&world, made, Method::GET, "/v1/messages", Value::Null).await.expect(200);
    call_with(&world, made, Method::GET, "/v1/apps", Value::Null).await.problem(403, "forbidden");
    let listed = call_with(&world, &keeper, Method::GET, "/v1/keys", Value::Null).await.expect(200);
    let names: Vec<_> =
        listed["keys"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["test", "shop"], "this key does not see the key of all apps");
    assert_eq!(listed["keys"][1]["created_by"]["id"], listed["keys"][0]["id"], "{listed}");
    assert_eq!(listed["keys"][0]["created_by"], json!({ "kind": "system" }), "{listed}");
    assert!(!listed.to_string().contains("hyk_"), "{listed}");

    // A key cannot revoke a key that it could not have created.
    let stronger = key(&world, &[Scope::All], &[&appid]).await;
    let all = world.gateway.store.keys().await.unwrap();
    let stronger_id = all.last().unwrap().id.to_string();
    let path = format!("/v1/keys/{stronger_id}");
    call_with(&world, &keeper, Method::DELETE, &path, Value::Null).await.problem(403, "forbidden");
    call_with(&world, &stronger, Method::GET, "/v1/messages", Value::Null).await.expect(200);
    let path = format!("/v1/keys/{id}");
    assert_eq!(call_with(&world, &keeper, Method::DELETE, &path, Value::Null).await.status, 204);
    call_with(&world, made, Method::GET, "/v1/messages", Value::Null).await.problem(401, "unauthorized");
    call_with(&world, &keeper, Method::DELETE, &path, Value::Null).await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_ends_when_it_was_said_to_end_and_what_it_makes_ends_with_it() {
    let world = World::start().await;
    let end = world.clock.now().plus(Duration::from_secs(3_600));
    let new = NewKey { expires_at: Some(end), ..NewKey::new("short", &[Scope::Messages, Scope::Keys]) };
    let (_, short) =
        keys::create_key(&*world.gateway.store, &world.gateway.ids, &world.clock, new).await.unwrap();
    let short = short.expose_secret();
    let made = json!({ "name": "heir", "scopes": ["messages"] });
    let made = call_with(&world, short, Method::POST, "/v1/keys", made).await.expect(201);
    assert_eq!(made["expires_at"], json!(end.to_string()));
    let longer = json!({ "name": "x", "scopes": ["messages"], "expires_at": "2099-01-01T00:00:00Z" });
    call_with(&world, short, Method::POST, "/v1/keys", longer).await.problem(422, "invalid_field");
    world.advance(Duration::from_secs(3_600));
    call_with(&world, short, Method::GET, "/v1/messages", Value::Null).await.problem(401, "key_expired");
    let heir = made["key"].as_str().unwrap();
    call_with(&world, heir, Method::GET, "/v1/messages", Value::Null).await.problem(401, "key_expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_facade_key_is_the_secret_of_its_apps_alone_and_takes_its_tokens_along() {
    let world = World::start().await;
    let appid = world.wechat.seed.appid.clone();
    let fetch = async |secret: &str| {
        world
            .get(&format!("/cgi-bin/token?grant_type=client_credential&appid={appid}&secret={secret}"))
            .await
            .body
    };
    assert_eq!(fetch(&world.key).await["errcode"], 40125, "the scope all does not include facade");
    let elsewhere = key(&world, &[Scope::Facade], &["wxffffffffffffffff"]).await;
    assert_eq!(fetch(&elsewhere).await["errcode"], 40125);
    let own = key(&world, &[Scope::Facade], &[&appid]).await;
    let token = fetch(&own).await["access_token"].as_str().unwrap().to_owned();
    let by_secret = fetch(&world.gateway_secret).await["access_token"].as_str().unwrap().to_owned();
    let works = async |token: &str| {
        let answer = world.get(&format!("/cgi-bin/getcallbackip?access_token={token}")).await;
        answer.body["errcode"] != 40001
    };
    assert!(works(&token).await && works(&by_secret).await);
    let id = world.gateway.store.keys().await.unwrap().last().unwrap().id;
    let keeper = key(&world, &[Scope::Facade, Scope::Keys], &[]).await;
    let path = format!("/v1/keys/{id}");
    assert_eq!(call_with(&world, &keeper, Method::DELETE, &path, Value::Null).await.status, 204);
    assert!(!works(&token).await, "the token ended with the key");
    assert!(works(&by_secret).await, "the token of the gateway secret stays valid");
}
