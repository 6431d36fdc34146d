//! The console over HTTP: which role may do what, and which requests are refused.

use hongyan_gateway::people::Role;
use hongyan_gateway::people::admin::{self, NewPerson};
use http::{HeaderMap, Method};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::world::{Answer, World};

/// An app that is registered nowhere.
const UNKNOWN_APP: &str = "wx00000000000000ff";

/// The least role that may send a form, its path, its fields.
type Change<'a> = (Role, String, &'a [(&'a str, &'a str)]);

/// A person who is logged in.
pub struct Visitor<'a> {
    world: &'a World,
    name: String,
    pub password: String,
    /// The cookie, with its name.
    pub cookie: String,
}

/// Adds a person, who has the password that the answer has.
pub async fn add(world: &World, name: &str, role: Role, apps: Option<&[&str]>) -> String {
    let apps = apps.map(|apps| apps.iter().map(|appid| appid.parse().unwrap()).collect());
    let gateway = &world.gateway;
    let new = NewPerson { name, role, apps, must_change_password: true };
    let added = admin::add(&*gateway.store, &gateway.ids, &world.clock, new).await;
    added.unwrap().1.expose_secret().to_owned()
}

/// A person who has chosen a password.
pub async fn visitor<'a>(world: &'a World, name: &str, role: Role, apps: Option<&[&str]>) -> Visitor<'a> {
    let first = add(world, name, role, apps).await;
    let mut visitor = log_in(world, name, &first).await;
    let own = "correct horse battery";
    let changed =
        visitor.post("/console/account", &[("old", first.as_str()), ("new", own), ("again", own)]).await;
    assert_eq!(changed.status, 303, "{}", changed.text);
    own.clone_into(&mut visitor.password);
    visitor
}

pub async fn log_in<'a>(world: &'a World, name: &str, password: &str) -> Visitor<'a> {
    let answer = try_log_in(world, name, password, &[]).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    let cookie = cookie(&answer.headers).split(';').next().unwrap().to_owned();
    Visitor { world, name: name.to_owned(), password: password.to_owned(), cookie }
}

pub async fn try_log_in(world: &World, name: &str, password: &str, headers: &[(&str, &str)]) -> Answer {
    let form = form(&[("name", name), ("password", password)]);
    send(world, Method::POST, "/console/login", headers, form).await
}

fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// A browser's request: no API key.
pub async fn send(
    world: &World,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: String,
) -> Answer {
    let mut all = vec![
        ("authorization", ""),
        ("content-type", "application/x-www-form-urlencoded"),
        ("accept-language", "en"),
    ];
    all.retain(|(name, _)| !headers.iter().any(|(other, _)| other == name));
    all.extend(headers);
    world.call(method, path, &all, body).await
}

/// The cookie that an answer sets, with its attributes.
pub fn cookie(headers: &HeaderMap) -> &str {
    headers["set-cookie"].to_str().unwrap()
}

impl Visitor<'_> {
    pub async fn get(&self, path: &str) -> Answer {
        send(self.world, Method::GET, path, &[("cookie", &self.cookie)], String::new()).await
    }

    /// What the forms of this session bring.
    async fn token(&self) -> String {
        let page = self.get("/console/account").await.text;
        let from = page.find("name=\"csrf\" value=\"").expect(&page) + 19;
        page[from..from + 64].to_owned()
    }

    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.token().await;
        self.post_with(path, fields, Some(&token)).await
    }

    pub async fn post_with(&self, path: &str, fields: &[(&str, &str)], token: Option<&str>) -> Answer {
        let mut fields = fields.to_vec();
        fields.extend(token.map(|token| ("csrf", token)));
        send(self.world, Method::POST, path, &[("cookie", &self.cookie)], form(&fields)).await
    }

    /// Whether the session is still good.
    pub async fn is_in(&self) -> bool {
        let answer = self.get("/console/account").await;
        assert!(matches!(answer.status.as_u16(), 200 | 303), "{answer:?}");
        answer.status == 200
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_may_do_what_it_may_do_and_nothing_else() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let appid = world.wechat.seed.appid.clone();
    let failed = world.send(world.subscribe(&user, "x")).await["id"].as_str().unwrap().to_owned();
    let hook = world.post("/v1/webhooks", json!({ "url": "https://example.com/hook" })).await.text("id");
    let viewer = visitor(&world, "viewer", Role::Viewer, None).await;
    let operator = visitor(&world, "operator", Role::Operator, None).await;
    let boss = visitor(&world, "boss", Role::Admin, None).await;
    let nobody = format!("per_{}", "0123456789abcdef".repeat(2));
    let no_key = format!("key_{}", "0123456789abcdef".repeat(2));

    let reads = [
        (Role::Viewer, "/console".to_owned()),
        (Role::Viewer, "/console/messages".to_owned()),
        (Role::Viewer, format!("/console/messages/{failed}")),
        (Role::Viewer, "/console/users".to_owned()),
        (Role::Viewer, format!("/console/users/{appid}/{user}")),
        (Role::Viewer, "/console/reach".to_owned()),
        (Role::Viewer, "/console/stats".to_owned()),
        (Role::Viewer, "/console/apps".to_owned()),
        (Role::Viewer, format!("/console/apps/{appid}")),
        (Role::Viewer, "/console/events".to_owned()),
        (Role::Viewer, "/console/webhooks".to_owned()),
        (Role::Viewer, format!("/console/webhooks/{hook}")),
        (Role::Viewer, "/console/nodes".to_owned()),
        (Role::Viewer, "/console/account".to_owned()),
        (Role::Operator, "/console/audit".to_owned()),
        (Role::Admin, "/console/keys".to_owned()),
        (Role::Admin, "/console/people".to_owned()),
    ];
    for (least, path) in reads {
        for (role, visitor) in [(Role::Viewer, &viewer), (Role::Operator, &operator), (Role::Admin, &boss)] {
            let status = visitor.get(&path).await.status.as_u16();
            assert_eq!(status, if role >= least { 200 } else { 403 }, "{path}, {}", visitor.name);
        }
    }

    let settings = [
        ("token", "stable"),
        ("on_unknown", "hold"),
        ("payment_units", "1"),
        ("waiting_order", "oldest_first"),
    ];
    let new_person = [("name", "new"), ("role", "viewer")];
    let changes: Vec<Change<'_>> = vec![
        (Role::Operator, format!("/console/messages/{failed}/cancel"), &[]),
        (
            Role::Operator,
            format!("/console/messages/{failed}/resolve"),
            &[("verdict", "sent"), ("attempt", "1")],
        ),
        (Role::Operator, format!("/console/messages/{failed}/send"), &[("once", "table")]),
        (Role::Operator, format!("/console/users/{appid}/{user}/grant"), &[("kind", "form"), ("code", "f")]),
        (Role::Operator, format!("/console/users/{appid}/{user}/sessions"), &[]),
        (Role::Operator, format!("/console/apps/{appid}/pause"), &[]),
        (Role::Operator, format!("/console/apps/{appid}/resume"), &[]),
        (Role::Operator, format!("/console/apps/{appid}/sync"), &[]),
        (Role::Operator, format!("/console/webhooks/{hook}/test"), &[]),
        (Role::Operator, format!("/console/webhooks/{hook}/enable"), &[]),
        (Role::Operator, format!("/console/webhooks/{hook}/replay"), &[("event", "none")]),
        (Role::Admin, "/console/apps".to_owned(), &[("appid", "x"), ("secret", "y")]),
        (Role::Admin, format!("/console/apps/{appid}/settings"), &settings),
        (Role::Admin, format!("/console/apps/{appid}/callback"), &[("token", "token")]),
        (Role::Admin, format!("/console/apps/{appid}/rotate"), &[]),
        (Role::Admin, format!("/console/apps/{UNKNOWN_APP}/remove"), &[]),
        (Role::Admin, "/console/webhooks".to_owned(), &[("url", "https://example.com/other")]),
        (Role::Admin, format!("/console/webhooks/{hook}/rotate"), &[]),
        (Role::Admin, "/console/keys".to_owned(), &[("name", "k"), ("scopes", "messages")]),
        (Role::Admin, format!("/console/keys/{no_key}/revoke"), &[]),
        (Role::Admin, "/console/people".to_owned(), &new_person),
        (Role::Admin, format!("/console/people/{nobody}"), &[("role", "admin")]),
        (Role::Admin, format!("/console/people/{nobody}/password"), &[]),
        (Role::Admin, format!("/console/people/{nobody}/remove"), &[]),
        (Role::Admin, format!("/console/webhooks/{hook}/remove"), &[]),
    ];
    for (least, path, fields) in &changes {
        for (role, visitor) in [(Role::Viewer, &viewer), (Role::Operator, &operator), (Role::Admin, &boss)] {
            let answer = visitor.post(path, fields).await;
            let status = answer.status.as_u16();
            let what = format!("{path}, {}: {}", visitor.name, answer.text);
            assert!(status < 500 && (status == 403) == (role < *least), "{status} {what}");
        }
    }
    // Each refused try has a line in the audit trail, with who made it.
    let audit = world.get("/v1/audit?limit=200").await.expect(200);
    let lines = audit["audit"].as_array().unwrap();
    for (name, refused) in [("viewer", changes.len()), ("operator", 14)] {
        let of = |line: &&serde_json::Value| line["actor"]["name"] == name && line["result"] == "forbidden";
        assert_eq!(lines.iter().filter(of).count(), refused, "{name}: {audit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_without_the_token_of_its_session_changes_nothing() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let later = json!({ "send_at": "2099-01-01T00:00:00Z", "permit": "wait" });
    let mut message = world.subscribe(&user, "x");
    message.as_object_mut().unwrap().extend(later.as_object().unwrap().clone());
    let id = world.accept(message).await;
    let operator = visitor(&world, "operator", Role::Operator, None).await;
    let other = visitor(&world, "other", Role::Operator, None).await;
    let path = format!("/console/messages/{id}/cancel");
    let foreign = other.token().await;
    for token in [None, Some(""), Some("0"), Some(foreign.as_str())] {
        let answer = operator.post_with(&path, &[], token).await;
        assert_eq!(answer.status, 403, "{answer:?}");
        assert!(answer.text.contains("The form has expired"), "{}", answer.text);
    }
    let token = operator.token().await;
    let json = json!({ "csrf": token }).to_string();
    let headers = [("cookie", operator.cookie.as_str()), ("content-type", "application/json")];
    assert_eq!(send(&world, Method::POST, &path, &headers, json).await.status, 415);
    assert_eq!(operator.get(&path).await.status, 405);
    // The cookie opens no call of the API.
    send(&world, Method::GET, "/v1/messages", &headers, String::new()).await.problem(401, "unauthorized");
    assert_eq!(world.message(&id).await["state"], "scheduled");
    // A page of another site does not log anybody in or out.
    let of_page = |value| [("host", "gateway.example.com"), value];
    for foreign in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        // Over plain HTTP a browser says where a form comes from, and nothing else.
        ("origin", "http://evil.example.com"),
        ("origin", "http://gateway.example.com.evil.example.com"),
        ("origin", "null"),
    ] {
        let answer = try_log_in(&world, "operator", &operator.password, &of_page(foreign)).await;
        assert_eq!(answer.status, 403, "{foreign:?}: {answer:?}");
    }
    for own in [("sec-fetch-site", "same-origin"), ("origin", "http://gateway.example.com")] {
        assert_eq!(try_log_in(&world, "operator", &operator.password, &of_page(own)).await.status, 303);
    }
    assert_eq!(operator.post_with("/console/logout", &[], None).await.status, 403);
    assert!(operator.is_in().await);
    assert_eq!(operator.post(&path, &[]).await.status, 303);
    assert_eq!(world.message(&id).await["state"], "cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_is_out_of_reach_of_scripts_and_of_other_sites() {
    let world = World::start().await;
    let password = add(&world, "lihua", Role::Viewer, None).await;
    let cases = [
        (&[][..], "__Host-hongyan_session=hyc_", true),
        (
            &[("host", "gateway.example.com"), ("x-forwarded-proto", "https")][..],
            "__Host-hongyan_session=hyc_",
            true,
        ),
        (
            &[("host", "gateway.example.com"), ("origin", "https://gateway.example.com")][..],
            "__Host-hongyan_session=hyc_",
            true,
        ),
        (&[("host", "gateway.example.com")][..], "hongyan_session=hyc_", false),
    ];
    for (headers, begin, is_secure) in cases {
        let answer = try_log_in(&world, "lihua", &password, headers).await;
        let cookie = cookie(&answer.headers);
        assert!(cookie.starts_with(begin), "{cookie}");
        for attribute in ["; Path=/", "; HttpOnly", "; SameSite=Lax"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        assert_eq!(cookie.contains("; Secure"), is_secure, "{cookie}");
        // A browser refuses a `__Host-` cookie with a domain; the cookie ends with the browser.
        assert!(!cookie.contains("Domain") && !cookie.contains("Max-Age"), "{cookie}");
    }
    // Over TLS a cookie that any host beside this one can set is no session.
    let lihua = log_in(&world, "lihua", &password).await;
    let tossed = lihua.cookie.replace("__Host-", "");
    for (proto, status) in [("https", 303), ("http", 200)] {
        let headers =
            [("host", "gateway.example.com"), ("x-forwarded-proto", proto), ("cookie", tossed.as_str())];
        let answer = send(&world, Method::GET, "/console/account", &headers, String::new()).await;
        assert_eq!(answer.status, status, "{proto}: {answer:?}");
    }
    let wrong = try_log_in(&world, "lihua", "wrong", &[]).await;
    assert_eq!((wrong.status.as_u16(), wrong.headers.get("set-cookie")), (401, None));
    let page = log_in(&world, "lihua", &password).await.get("/console/account").await;
    assert_eq!(page.headers["cache-control"], "no-store");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_password_or_role_holds_at_once_and_the_last_admin_stays() {
    let world = World::start().await;
    let boss = visitor(&world, "boss", Role::Admin, None).await;
    let person = visitor(&world, "person", Role::Operator, None).await;
    let id = world.gateway.store.person("person").await.unwrap().unwrap().id;
    assert_eq!(person.get("/console/audit").await.status, 200);
    assert_eq!(boss.post(&format!("/console/people/{id}"), &[("role", "viewer")]).await.status, 303);
    assert_eq!(person.get("/console/audit").await.status, 403, "the role holds from the next request");

    // A person who changes the own password ends the other sessions.
    let other = log_in(&world, "person", &person.password).await;
    let new = "another horse battery";
    let fields = [("old", person.password.as_str()), ("new", new), ("again", new)];
    assert_eq!(person.post("/console/account", &fields).await.status, 303);
    assert!(person.is_in().await && !other.is_in().await);

    let reset = boss.post(&format!("/console/people/{id}/password"), &[]).await;
    assert_eq!(reset.status, 200, "{}", reset.text);
    assert!(!person.is_in().await, "a reset password ends the sessions");
    assert_eq!(try_log_in(&world, "person", new, &[]).await.status, 401);
    let from = reset.text.find("id=\"secret\">").expect(&reset.text) + 12;
    let password = reset.text[from..].split('<').next().unwrap();
    let person = log_in(&world, "person", password).await;
    let elsewhere = person.get("/console/messages").await;
    assert_eq!(
        (elsewhere.status.as_u16(), &elsewhere.headers["location"]),
        (303, &"/console/account".parse().unwrap())
    );

    let own = world.gateway.store.person("boss").await.unwrap().unwrap().id;
    for (path, fields) in [
        (format!("/console/people/{own}/remove"), &[][..]),
        (format!("/console/people/{own}"), &[("role", "viewer")][..]),
    ] {
        let answer = boss.post(&path, fields).await;
        assert_eq!(answer.status, 409, "{answer:?}");
        assert!(answer.text.contains("boss is the only admin left"), "{}", answer.text);
    }
    assert_eq!(boss.post(&format!("/console/people/{id}/remove"), &[]).await.status, 303);
    assert!(!person.is_in().await, "a removed person is out");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_for_one_app_sees_nothing_of_another_app() {
    let world = World::start().await;
    let (appid, user) = (world.wechat.seed.appid.clone(), world.wechat.user().await);
    let id = world.send(world.subscribe(&user, "x")).await["id"].as_str().unwrap().to_owned();
    let insider = visitor(&world, "insider", Role::Admin, Some(&[&appid])).await;
    let outsider = visitor(&world, "outsider", Role::Operator, Some(&[UNKNOWN_APP])).await;
    for path in [
        format!("/console/messages/{id}"),
        format!("/console/apps/{appid}"),
        format!("/console/users/{appid}/{user}"),
    ] {
        assert_eq!(insider.get(&path).await.status, 200, "{path}");
        assert_eq!(outsider.get(&path).await.status, 404, "{path}");
    }
    for path in [
        "/console",
        "/console/messages",
        "/console/apps",
        "/console/users",
        "/console/events",
        "/console/reach",
    ] {
        assert!(!outsider.get(path).await.text.contains(&appid), "{path}");
        assert!(!outsider.get(path).await.text.contains(&id), "{path}");
    }
    assert!(insider.get("/console/messages").await.text.contains(&id));
    for (path, fields) in [
        (format!("/console/messages/{id}/send"), &[("once", "x")][..]),
        (format!("/console/apps/{appid}/pause"), &[][..]),
        (format!("/console/users/{appid}/{user}/grant"), &[("kind", "form"), ("code", "f")][..]),
    ] {
        assert_eq!(outsider.post(&path, fields).await.status, 404, "{path}");
    }
    // Who sees some apps alone does not decide who sees which.
    assert_eq!(insider.get("/console/people").await.status, 403);
    let new = [("name", "friend"), ("role", "admin")];
    assert_eq!(insider.post("/console/people", &new).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_is_away_every_page_says_so_and_no_session_is_lost() {
    let world = World::start().await;
    let viewer = visitor(&world, "lihua", Role::Viewer, None).await;
    world.gateway.store.close().await;
    for path in ["/console", "/console/messages", "/console/reach", "/console/account"] {
        let away = viewer.get(path).await;
        assert_eq!(away.status, 503, "{path}");
        assert!(away.text.contains("The database is not available at the moment"), "{}", away.text);
        assert!(!away.headers.contains_key("set-cookie"), "the browser keeps its session");
    }
    let login = try_log_in(&world, "lihua", &viewer.password, &[]).await;
    assert_eq!(login.status, 503);
    assert!(login.text.contains("The database is not available at the moment"), "{}", login.text);
}
