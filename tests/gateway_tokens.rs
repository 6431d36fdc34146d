//! The tokens that the facade issues: who gets a token, and how a token ends.

use std::time::Duration;

use hongyan_gateway::keys::Scope;
use hongyan_store::Store as _;
use hongyan_store::sqlite::{SqliteConfig, SqliteStore};
use http::Method;
use serde_json::{Value, json};

use crate::world::{World, eventually};

impl World {
    async fn token_of(&self, service: &str) -> String {
        let (appid, secret) = (&self.wechat.seed.appid, &self.gateway_secret);
        let path = format!(
            "/cgi-bin/token?grant_type=client_credential&appid={appid}&secret={secret}&service={service}"
        );
        self.get(&path).await.text("access_token")
    }

    /// The answer to a call with this token.
    async fn errcode_with(&self, token: &str) -> Value {
        let path = format!("/wxaapi/newtmpl/gettemplate?access_token={token}");
        self.get(&path).await.expect(200)["errcode"].clone()
    }

    fn tokens_path(&self) -> String {
        format!("/v1/apps/{}/tokens", self.wechat.seed.appid)
    }

    async fn tokens(&self) -> Vec<Value> {
        self.get(&self.tokens_path()).await.expect(200)["tokens"].as_array().unwrap().clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_who_has_a_token_and_takes_it_away() {
    let world = World::start().await;
    let (orders, stock) = (world.token_of("orders").await, world.token_of("stock").await);
    assert_eq!(world.errcode_with(&orders).await, 0);
    let seen = eventually(
        async || Value::Array(world.tokens().await),
        |tokens| tokens[1]["last_used_at"].is_string(),
    )
    .await;
    let names: Vec<&Value> = seen.as_array().unwrap().iter().map(|token| &token["service"]).collect();
    assert_eq!(names, ["stock", "orders"], "newest first");
    assert!(seen[0]["last_used_at"].is_null(), "{seen}");
    for token in [&orders, &stock] {
        assert!(!seen.to_string().contains(token.as_str()), "the token itself is not shown");
    }

    // The token was just used and is in the cache; it is revoked all the same.
    let path = format!("{}/{}", world.tokens_path(), seen[1]["id"].as_str().unwrap());
    assert_eq!(world.delete(&path).await.status, 204);
    assert_eq!(world.errcode_with(&orders).await, 40001);
    assert_eq!(world.errcode_with(&stock).await, 0);
    world.delete(&path).await.problem(404, "not_found");
    world.delete(&format!("{}/nonsense", world.tokens_path())).await.problem(422, "invalid_field");

    assert_eq!(world.delete(&world.tokens_path()).await.expect(200), json!({ "revoked": 1 }));
    assert_eq!(world.errcode_with(&stock).await, 40001);
    assert!(world.tokens().await.is_empty());
    // Its owner fetches another token, as SDKs do.
    assert_eq!(world.errcode_with(&world.token_of("stock").await).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_looked_up_is_not_looked_up_again_for_a_while() {
    let world = World::start().await;
    let token = world.token_of("orders").await;
    assert_eq!(world.errcode_with(&token).await, 0);
    // As the command line does it, without telling this process.
    let appid = world.wechat.seed.appid.parse().unwrap();
    let path = world.gateway.settings.sqlite_path().unwrap();
    let command_line = SqliteStore::open(SqliteConfig::new(path)).unwrap();
    let revoked = command_line.revoke_gateway_tokens(appid, None, world.clock.now()).await.unwrap();
    assert_eq!(revoked, 1);
    command_line.close().await;
    assert_eq!(world.errcode_with(&token).await, 0, "the database is not asked for each call");
    world.advance(Duration::from_secs(10));
    assert_eq!(world.errcode_with(&token).await, 40001);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_an_api_key_has_its_name_and_a_token_of_another_app_opens_only_that() {
    let world = World::start().await;
    let key = world.new_key(Scope::Facade).await;
    let other = world.wechat.raw_control("apps", &json!({})).await;
    let app = json!({ "appid": other["appid"], "secret": other["app_secret"] });
    world.post("/v1/apps", app).await.expect(201);
    let body = json!({ "grant_type": "client_credential", "appid": other["appid"], "secret": key });
    let token = world.post("/cgi-bin/stable_token", body).await.text("access_token");
    let path = format!("/v1/apps/{}/tokens", other["appid"].as_str().unwrap());
    assert_eq!(world.get(&path).await.expect(200)["tokens"][0]["service"], "narrow");
    assert!(world.tokens().await.is_empty());

    // The token is for its own app only: it does not know the user and the template of the first app.
    let user = world.wechat.user().await;
    world.wechat.subscribe(&user, "accept").await;
    let message = json!({
        "touser": user,
        "template_id": world.wechat.seed.subscribe_template,
        "data": { "thing1": { "value": "x" }, "date2": { "value": "2026-05-01" }, "amount3": { "value": "¥1" } },
    });
    let answer = world.post(&format!("/cgi-bin/message/subscribe/send?access_token={token}"), message).await;
    let errcode = answer.expect(200)["errcode"].clone();
    assert!([40003, 40037].contains(&errcode.as_i64().unwrap()), "{errcode}");
    assert!(world.wechat.inbox(&user).await.is_empty());

    // The token is removed with its app.
    let appid = other["appid"].as_str().unwrap();
    assert_eq!(world.errcode_with(&token).await, 0);
    assert_eq!(world.delete(&format!("/v1/apps/{appid}")).await.status, 204);
    let app = json!({ "appid": other["appid"], "secret": other["app_secret"] });
    world.post("/v1/apps", app).await.expect(201);
    assert_eq!(world.errcode_with(&token).await, 40001, "an app that is registered again is a new app");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_a_little_after_it_is_said_to() {
    let world = World::start().await;
    let token = world.token_of("orders").await;
    world.advance(Duration::from_secs(7_200 + 290));
    assert_eq!(
        world.errcode_with(&token).await,
        0,
        "the token is accepted a little longer, because clocks differ"
    );
    // The token is in the cache, but is not accepted after its end.
    world.advance(Duration::from_secs(9));
    assert_eq!(world.errcode_with(&token).await, 0);
    world.advance(Duration::from_secs(2));
    assert_eq!(world.errcode_with(&token).await, 40001);
}

#[tokio::test(flavor = "multi_thread")]
async fn wechats_own_token_is_shown_only_by_name_and_setting() {
    let world = World::start().await;
    let path = format!("/v1/apps/{}/access_token", world.wechat.seed.appid);
    world.post(&path, json!({})).await.problem(403, "forbidden");
    let ask = async |world: &World, key: &str| {
        let bearer = format!("Bearer {key}");
        world.call(Method::POST, &path, &[("authorization", &bearer)], "").await
    };
    let key = world.new_key(Scope::AccessToken).await;
    ask(&world, &key).await.problem(403, "access_token_hidden");

    let world = World::start_with(|settings| settings.reveal_access_token = true).await;
    world.post(&path, json!({})).await.problem(403, "forbidden");
    let key = world.new_key(Scope::AccessToken).await;
    let shown = ask(&world, &key).await;
    let token = shown.text("access_token");
    let url = format!("{}/wxaapi/newtmpl/gettemplate?access_token={token}", world.wechat.url);
    assert_eq!(
        world.wechat.http.get(&url).await.expect(200)["errcode"],
        0,
        "WeChat itself accepts the token"
    );
    let bearer = format!("Bearer {key}");
    world
        .call(Method::GET, "/v1/messages", &[("authorization", &bearer)], "")
        .await
        .problem(403, "forbidden");
}
