//! The facade accepts and refuses the same bodies as WeChat, with the same errcodes: bodies of both sends, as SDKs and
//! people write them, go to the sandbox and to the facade, and the answers are compared.

use serde_json::{Map, Value, json};

use crate::world::World;

const SUBSCRIBE: &str = "/cgi-bin/message/subscribe/send";
const TEMPLATE: &str = "/cgi-bin/message/wxopen/template/send";

/// Odd values for a member; `None`: the member is missing.
fn odd_values() -> Vec<Option<Value>> {
    let values = [
        json!(null),
        json!(""),
        json!(5),
        json!(1.5),
        json!(true),
        json!({}),
        json!([]),
        json!("zh"),
        json!("  "),
    ];
    std::iter::once(None).chain(values.into_iter().map(Some)).collect()
}

/// The same random numbers in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// A change of one member.
#[derive(Clone, Debug)]
struct Change {
    /// A path: `data.thing1.value`.
    member: &'static str,
    to: Option<Value>,
}

impl Change {
    fn make(&self, body: &mut Value) {
        let (path, name) = self.member.rsplit_once('.').unwrap_or(("", self.member));
        let parts = path.split('.').filter(|part| !part.is_empty());
        let Some(object) =
            parts.into_iter().try_fold(body, |at, part| at.get_mut(part)).and_then(Value::as_object_mut)
        else {
            return;
        };
        match &self.to {
            Some(value) => object.insert(name.to_owned(), value.clone()),
            None => object.remove(name),
        };
    }
}

/// An app at the sandbox, and the same app behind the facade.
struct Both {
    world: World,
    path: &'static str,
    direct: String,
    token: String,
}

impl Both {
    async fn start(path: &'static str) -> Self {
        let world = World::start().await;
        let seed = &world.wechat.seed;
        let ask =
            json!({ "grant_type": "client_credential", "appid": seed.appid, "secret": seed.app_secret });
        let url = format!("{}/cgi-bin/stable_token", world.wechat.url);
        let direct = world.wechat.http.post(&url, &ask).await.text("access_token");
        let token = world.facade_token().await;
        Self { world, path, direct, token }
    }

    /// A body that both accept, with its own permit.
    async fn good(&self, user: &str) -> Value {
        let seed = &self.world.wechat.seed;
        if self.path == TEMPLATE {
            return json!({
                "touser": user, "template_id": seed.legacy_template, "page": "pages/index/index",
                "form_id": self.world.wechat.form(user).await, "emphasis_keyword": "keyword1.DATA",
                "data": { "keyword1": { "value": "a" }, "keyword2": { "value": "b" }, "keyword3": { "value": "c" } },
            });
        }
        self.world.wechat.subscribe(user, "accept").await;
        json!({
            "touser": user, "template_id": seed.subscribe_template, "page": "pages/index/index",
            "miniprogram_state": "formal", "lang": "zh_CN",
            "data": { "thing1": { "value": "x" }, "date2": { "value": "2026-05-01" }, "amount3": { "value": "¥1" } },
        })
    }

    async fn answers(&self, changes: &[Change]) -> (Value, Value, Value) {
        // Each side has its own user, because a send must not affect the other side.
        let (one, other) = (self.world.wechat.user().await, self.world.wechat.user().await);
        let (mut direct, mut passed) = (self.good(&one).await, self.good(&other).await);
        for change in changes {
            change.make(&mut direct);
            change.make(&mut passed);
        }
        let url = format!("{}{}?access_token={}", self.world.wechat.url, self.path, self.direct);
        let wechats = self.world.wechat.http.post(&url, &direct).await.expect(200);
        let path = format!("{}?access_token={}", self.path, self.token);
        let facades = self.world.post(&path, passed.clone()).await.expect(200);
        (wechats, facades, passed)
    }
}

fn errcode(answer: &Value) -> i64 {
    answer["errcode"].as_i64().unwrap_or_else(|| panic!("no errcode in {answer}"))
}

async fn the_same_is_taken(path: &'static str, members: &[&'static str]) {
    let both = Both::start(path).await;
    let mut changes: Vec<Change> = members
        .iter()
        .flat_map(|member| odd_values().into_iter().map(move |to| Change { member, to }))
        .collect();
    changes.push(Change { member: "unknown", to: Some(json!({ "of": ["SDKs"] })) });
    let mut alone = Map::new();
    let mut taken = 0;
    for change in &changes {
        let (wechats, facades, body) = both.answers(std::slice::from_ref(change)).await;
        assert_eq!(errcode(&facades), errcode(&wechats), "{body}\nWeChat: {wechats}\nfacade: {facades}");
        taken += usize::from(errcode(&wechats) == 0);
        alone.insert(format!("{change:?}"), wechats["errcode"].clone());
    }
    assert!(
        taken >= changes.len() / 4,
        "only {taken} of {} bodies are accepted, so this proves little",
        changes.len()
    );
    // Several changes at once: both sides accept or refuse, and a refusal concerns one of the changed members.
    let mut chance = Chance(20_261_126);
    for _ in 0..60 {
        let some: Vec<Change> =
            (0..2 + chance.below(2)).map(|_| changes[chance.below(changes.len())].clone()).collect();
        let (wechats, facades, body) = both.answers(&some).await;
        let (expected, got) = (errcode(&wechats), errcode(&facades));
        let possible = some.iter().any(|change| alone[&format!("{change:?}")] == got);
        assert!(
            expected == got || (expected != 0 && got != 0 && possible),
            "{body}\nWeChat: {wechats}\nfacade: {facades}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscribe_send_that_wechat_takes_is_taken_and_one_that_it_refuses_is_refused_alike() {
    let members = [
        "touser",
        "template_id",
        "page",
        "miniprogram_state",
        "lang",
        "data",
        "data.thing1",
        "data.thing1.value",
        "data.thing1.color",
    ];
    the_same_is_taken(SUBSCRIBE, &members).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_send_that_wechat_takes_is_taken_and_one_that_it_refuses_is_refused_alike() {
    let members = [
        "touser",
        "template_id",
        "page",
        "form_id",
        "color",
        "emphasis_keyword",
        "data",
        "data.keyword1",
        "data.keyword1.value",
        "data.keyword1.color",
    ];
    the_same_is_taken(TEMPLATE, &members).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_sdk_writes_without_being_told_is_taken() {
    let both = Both::start(SUBSCRIBE).await;
    let user = both.world.wechat.user().await;
    let mut body = both.good(&user).await;
    // As silenceper/wechat writes members that are not set.
    for member in
        ["page", "miniprogram_state", "lang", "data.thing1.color", "data.date2.color", "data.amount3.color"]
    {
        Change { member, to: Some(json!("")) }.make(&mut body);
    }
    let path = format!("{SUBSCRIBE}?access_token={}", both.token);
    let answer = both.world.post(&path, body).await.expect(200);
    assert_eq!(answer["errcode"], 0, "{answer}");
    assert_eq!(both.world.wechat.texts(&user).await, ["x"]);
    // WeChat's message id as a number, to the last digit.
    let listed = both.world.get("/v1/messages").await.expect(200);
    let id = listed["messages"][0]["id"].as_str().unwrap().to_owned();
    let detail = both.world.get(&format!("/v1/messages/{id}")).await.expect(200);
    let msgid: i64 = detail["attempts"][0]["msgid"].as_str().unwrap().parse().unwrap();
    assert_eq!(answer["msgid"], json!(msgid), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_no_json_object_is_malformed() {
    let both = Both::start(SUBSCRIBE).await;
    let errcode = async |body: &str| {
        let path = format!("{SUBSCRIBE}?access_token={}", both.token);
        both.world.call(http::Method::POST, &path, &[], body.to_owned()).await.expect(200)["errcode"].clone()
    };
    assert_eq!(errcode("").await, 44002);
    for bad in ["{", "[]", "null", "5", "\"{}\"", "{\"touser\":\"o\",}", "not json"] {
        assert_eq!(errcode(bad).await, 47001, "{bad}");
    }
    assert_eq!(errcode("{}").await, 40037);
    let template = &both.world.wechat.seed.subscribe_template;
    assert_eq!(errcode(&json!({ "template_id": template }).to_string()).await, 40003);
    assert_eq!(errcode(&"x".repeat(70_000)).await, 880_005);
}

#[tokio::test(flavor = "multi_thread")]
async fn token_and_login_are_taken_by_post_too() {
    let world = World::start().await;
    let (appid, secret) = (&world.wechat.seed.appid, &world.gateway_secret);
    let post = async |path: String| world.call(http::Method::POST, &path, &[], "").await.expect(200);
    let path = format!("/cgi-bin/token?grant_type=client_credential&appid={appid}&secret={secret}");
    assert!(post(path).await["access_token"].as_str().unwrap().starts_with("hyt_"));
    let user = world.wechat.user().await;
    let code = world.wechat.login_code(&user).await;
    let login = format!(
        "/sns/jscode2session?appid={appid}&secret={secret}&js_code={code}&grant_type=authorization_code"
    );
    assert_eq!(post(login).await["openid"], user);
    // The parameters are read where WeChat reads them: in the query.
    let form = format!("grant_type=client_credential&appid={appid}&secret={secret}");
    let answer = world.call(http::Method::POST, "/cgi-bin/token", &[], form).await.expect(200);
    assert_eq!(answer["errcode"], 40002);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_body_is_not_held_where_a_secret_is_looked_for() {
    let world = World::start().await;
    let hostile = format!("{{\"a\":[{}0]}}", "{\"\":0},".repeat(590_000));
    for path in ["/cgi-bin/clear_quota/v2", "/cgi-bin/stable_token"] {
        let answer = world.call(http::Method::POST, path, &[], hostile.clone()).await.expect(200);
        assert_eq!(answer["errcode"], 880_005, "{path}: {answer}");
    }
    // Only the two members of a small body are read.
    let small = format!("{{\"a\":[{}0]}}", "{\"\":0},".repeat(2_000));
    let answer = world.call(http::Method::POST, "/cgi-bin/clear_quota/v2", &[], small).await.expect(200);
    assert_eq!(answer["errcode"], 41002, "{answer}");
}
