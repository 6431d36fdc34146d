//! The audit trail: who changed what, and what is never written to it.

use hongyan_clock::Clock;
use hongyan_gateway::keys::Scope;
use hongyan_gateway::people::Role;
use http::Method;
use serde_json::{Value, json};

use crate::console::visitor;
use crate::keys::{call_with, key};
use crate::process::{Server, create_key, serve};
use crate::world::{Answer, Http, Platform, World};

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_in_the_audit_trail_with_who_made_it() {
    let world = World::start().await;
    let appid = world.wechat.seed.appid.clone();
    let app = format!("/v1/apps/{appid}");
    let hook = world.post("/v1/webhooks", json!({ "url": "https://example.com/hook" })).await.expect(201);
    let hook_id = hook["id"].as_str().unwrap();
    let rotated = world.post(&format!("/v1/webhooks/{hook_id}/secret"), Value::Null).await.expect(200);
    world
        .call(Method::PATCH, &app, &[], json!({ "rotate_gateway_secret": true }).to_string())
        .await
        .expect(200);
    world.post(&format!("{app}/pause"), json!({ "detail": "lunch" })).await.expect(200);
    world.delete(&format!("{app}/tokens")).await.expect(200);
    world.post(&format!("{app}/access_token"), Value::Null).await.problem(403, "forbidden");
    let revealer = key(&world, &[Scope::AccessToken], &[]).await;
    call_with(&world, &revealer, Method::POST, &format!("{app}/access_token"), Value::Null)
        .await
        .problem(403, "access_token_hidden");
    world
        .post("/v1/apps", json!({ "appid": "not an appid", "secret": "s" }))
        .await
        .problem(422, "invalid_field");

    world
        .call(Method::PATCH, &app, &[], json!({ "callback": { "token": "s3cretToken" } }).to_string())
        .await
        .expect(200);

    let answer = world.get("/v1/audit").await.expect(200);
    let fields: Vec<&Value> =
        answer["audit"].as_array().unwrap().iter().rev().map(|line| &line["fields"]).collect();
    assert_eq!(
        fields,
        [
            &json!(["appid", "secret"]),
            &json!(["url"]),
            &Value::Null,
            &json!(["rotate_gateway_secret"]),
            &json!(["detail"]),
            &Value::Null,
            &Value::Null,
            &json!(["appid", "secret"]),
            &json!(["callback.token"]),
        ]
    );
    let seen: Vec<_> = answer["audit"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|line| {
            assert_eq!(
                (&line["actor"]["kind"], line["actor"]["id"].as_str().unwrap().starts_with("key_")),
                (&json!("key"), true)
            );
            (
                line["call"].as_str().unwrap(),
                line["object"].as_str().unwrap_or_default(),
                line["result"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("POST /v1/apps", appid.as_str(), "ok"),
            ("POST /v1/webhooks", hook_id, "ok"),
            ("POST /v1/webhooks/{id}/secret", hook_id, "ok"),
            ("PATCH /v1/apps/{appid}", appid.as_str(), "ok"),
            ("POST /v1/apps/{appid}/pause", appid.as_str(), "ok"),
            ("DELETE /v1/apps/{appid}/tokens", appid.as_str(), "ok"),
            ("POST /v1/apps/{appid}/access_token", appid.as_str(), "access_token_hidden"),
            ("POST /v1/apps", "", "invalid_field"),
            ("PATCH /v1/apps/{appid}", appid.as_str(), "ok"),
        ]
    );
    let text = answer.to_string();
    for secret in [
        &world.key,
        &world.gateway_secret,
        &revealer,
        hook["secret"].as_str().unwrap(),
        rotated["secret"].as_str().unwrap(),
        "s3cretToken",
    ] {
        assert!(!text.contains(secret), "{text}");
    }
    // All pages, newest first, each line once.
    let (mut lines, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.get(&format!("/v1/audit?limit=3{cursor}")).await.expect(200);
        lines.extend(page["audit"].as_array().unwrap().clone());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(Value::Array(lines), answer["audit"]);
    let narrow = world.new_key(Scope::Messages).await;
    call_with(&world, &narrow, Method::GET, "/v1/audit", Value::Null).await.problem(403, "forbidden");
    let of_app = key(&world, &[Scope::Audit], &[&appid]).await;
    let answer = call_with(&world, &of_app, Method::GET, "/v1/audit", Value::Null).await.expect(200);
    assert_eq!(answer["audit"].as_array().unwrap().len(), 6, "the lines about its app: {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_in_a_path_or_in_the_place_of_an_appid_is_not_in_the_audit_trail() {
    let world = World::start().await;
    let appid = world.wechat.seed.appid.clone();
    let hook = world.post("/v1/webhooks", json!({ "url": "https://example.com/hook" })).await.expect(201);
    let secret = &world.gateway_secret;
    let token = format!("/cgi-bin/token?grant_type=client_credential&appid={appid}&secret={secret}");
    let token = world.get(&token).await.text("access_token");
    let user = world.wechat.user().await;
    let code = world.wechat.login_code(&user).await;
    let login = format!("/mp/{appid}/login");
    let session = world.post(&login, json!({ "code": code })).await.text("session");
    let credentials = [
        world.key.as_str(),
        world.gateway_secret.as_str(),
        token.as_str(),
        session.as_str(),
        hook["secret"].as_str().unwrap(),
        world.wechat.seed.app_secret.as_str(),
    ];
    for credential in credentials {
        let in_path = credential.replace('/', "%2F");
        for path in [
            format!("/v1/webhooks/{in_path}"),
            format!("/v1/messages/{in_path}"),
            format!("/v1/apps/{in_path}"),
            format!("/v1/apps/{appid}/tokens/{in_path}"),
            format!("/v1/apps/{appid}/templates/{in_path}"),
        ] {
            let status = world.call(Method::DELETE, &path, &[], String::new()).await.status.as_u16();
            assert!((400..500).contains(&status), "{path}: {status}");
        }
    }
    // Only a key with this scope may revoke keys.
    let keeper = key(&world, &[Scope::Keys], &[]).await;
    for credential in &credentials[..4] {
        let path = format!("/v1/keys/{credential}");
        call_with(&world, &keeper, Method::DELETE, &path, Value::Null).await.problem(422, "invalid_field");
    }
    // WeChat's AppSecret looks like an appid; the gateway's own secrets have prefixes.
    for credential in &credentials[..5] {
        let app = json!({ "appid": credential, "secret": "0123456789abcdef0123456789abcdef" });
        world.post("/v1/apps", app).await.problem(422, "invalid_field");
    }
    let trail = world.get("/v1/audit?limit=100").await.expect(200);
    let lines = trail["audit"].as_array().unwrap();
    assert!(lines.len() >= credentials.len() * 5 + 4 + 5, "each call has its line: {}", lines.len());
    let text = trail.to_string();
    for credential in credentials {
        // Nor the beginning of the credential.
        assert!(!text.contains(&credential[..20]), "{text}");
    }
    let of_app = lines.iter().find(|line| line["call"] == "DELETE /v1/apps/{appid}/tokens/{id}").unwrap();
    assert_eq!(
        (&of_app["app"], &of_app["object"]),
        (&json!(appid), &json!(appid)),
        "the line names the app and the object"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_the_gateway_begins_by_itself_is_in_the_audit_trail() {
    let send = "/cgi-bin/message/wxopen/template/send";
    for (errcode, code) in [(45009, "day_quota"), (50007, "misconfigured")] {
        let world = World::start().await;
        let user = world.wechat.user().await;
        world.grant_form(&user).await;
        world.wechat.chaos(json!({ "path": send, "kind": "errcode", "errcode": errcode, "times": 1 })).await;
        world.send(world.legacy(&user, code)).await;
        world.app_when(code, |app| app["paused"]["code"] == code).await;
        let trail = world.get("/v1/audit").await.expect(200);
        let line = &trail["audit"][0];
        let said = ["call", "app", "object", "result"].map(|name| line[name].as_str().unwrap().to_owned());
        let appid = &world.wechat.seed.appid;
        assert_eq!(said, [&format!("pause: {code}, errcode {errcode}"), appid, appid, "ok"], "{trail}");
        assert_eq!(line["actor"], json!({ "kind": "system" }), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_says_from_where_a_wrong_key_secret_or_token_came_and_not_what_it_was() {
    let wechat = Platform::start(Clock::system()).await;
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log.json");
    let mut command = serve(dir.path(), &wechat.url);
    command
        .env("HONGYAN_LOG", "off,audit=warn")
        .env("HONGYAN_LOG_FORMAT", "json")
        .stderr(std::fs::File::create(&log).unwrap());
    let server = Server::start(&mut command).await;
    let (url, http) = (server.url("gateway"), Http::new());
    let bearer = format!("Bearer {}", create_key(dir.path()).await);
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let appid = &wechat.seed.appid;
    let app = json!({ "appid": appid, "secret": wechat.seed.app_secret });
    http.send(Method::POST, &format!("{url}/v1/apps"), &headers, app.to_string()).await.expect(201);

    // A trusted proxy forwards a stranger's request.
    let stranger = ("x-forwarded-for", "203.0.113.9");
    let token = |secret: &str| {
        format!("{url}/cgi-bin/token?grant_type=client_credential&appid={appid}&secret={secret}")
    };
    let wrong = [("authorization", "Bearer hyk_gUeSs1"), stranger];
    http.send(Method::GET, &format!("{url}/v1/apps"), &wrong, "").await.problem(401, "unauthorized");
    for (address, errcode) in [
        (token("gUeSs2"), 40125),
        (token("hyk_gUeSs3"), 40125),
        (format!("{url}/cgi-bin/message/subscribe/send?access_token=gUeSs4"), 40001),
        (format!("{url}/wxa/business/getuserphonenumber?access_token=gUeSs5"), 40001),
    ] {
        let answer = http.send(Method::POST, &address, &[stranger], "{}").await.expect(200);
        assert_eq!(answer["errcode"], errcode, "{answer}");
    }
    // Without a proxy, and so often that the log is limited.
    for _ in 0..20 {
        http.send(Method::GET, &token("gUeSs6"), &[], "").await.expect(200);
    }
    assert!(server.signal("TERM").await.success());

    let text = std::fs::read_to_string(&log).unwrap();
    assert!(!text.contains("gUeSs"), "{text}");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said = |line: &Value| {
        let name = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        format!("{} {} {} {}", name("reason"), name("address"), name("app"), name("path"))
    };
    let said: Vec<_> = lines.iter().map(said).collect();
    let first = [
        "unknown 203.0.113.9  /v1/apps".to_owned(),
        format!("secret 203.0.113.9 {appid} /cgi-bin/token"),
        format!("unknown 203.0.113.9 {appid} /cgi-bin/token"),
        "token 203.0.113.9  /cgi-bin/message/subscribe/send".to_owned(),
        "token 203.0.113.9  /wxa/{*path}".to_owned(),
    ];
    assert_eq!(said[..5], first, "{text}");
    assert!(
        said[5..].iter().all(|line| *line == format!("secret 127.0.0.1 {appid} /cgi-bin/token")),
        "{text}"
    );
    // Twenty lines of the facade in a minute; a second minute may have begun.
    assert!((20..=25).contains(&lines.len()), "{text}");
    assert!(lines.iter().all(|line| line["target"] == "audit"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_sends_grants_cancels_and_settles_is_in_the_audit_trail() {
    let world = World::start().await;
    let (appid, user) = (world.wechat.seed.appid.clone(), world.wechat.user().await);
    let template = world.wechat.seed.subscribe_template.clone();
    let failed = world.send(world.subscribe(&user, "x")).await["id"].as_str().unwrap().to_owned();
    let operator = visitor(&world, "wang", Role::Operator, Some(&[&appid])).await;
    let fields = [("to", user.as_str()), ("thing1", "y"), ("date2", "2026-05-01"), ("amount3", "¥12.50")];
    let form = |more: &[(&'static str, &'static str)]| [&fields[..], more].concat();
    let test = format!("/console/apps/{appid}/templates/{template}");
    let checked = operator.post(&test, &form(&[("policy", "wait"), ("do", "check")])).await;
    assert_eq!(checked.status, 200, "a message that is only checked: {}", checked.text);
    let sent = operator.post(&test, &form(&[("policy", "wait"), ("once", "test")])).await;
    assert_eq!(sent.status, 303, "{}", sent.text);
    let of = |answer: &Answer| {
        let place = answer.headers["location"].to_str().unwrap().strip_prefix("/console/messages/").unwrap();
        place.split('?').next().unwrap().to_owned()
    };
    let sent = of(&sent);
    let again = operator.post(&format!("/console/messages/{failed}/send"), &[("once", "again")]).await;
    let again = of(&again);
    assert_eq!(operator.post(&format!("/console/messages/{sent}/cancel"), &[]).await.status, 303);
    let settle = [("verdict", "sent"), ("attempt", "1")];
    assert_eq!(operator.post(&format!("/console/messages/{failed}/resolve"), &settle).await.status, 409);
    let grant = [("kind", "subscribe_once"), ("template", template.as_str())];
    let grant = operator.post(&format!("/console/users/{appid}/{user}/grant"), &grant).await;
    assert_eq!(grant.status, 303, "{}", grant.text);
    let permits = world.get(&format!("/v1/permits?app={appid}&openid={user}")).await.expect(200);
    let permit = permits["permits"][0]["id"].as_str().unwrap();

    let audit = world.get("/v1/audit?limit=100").await.expect(200);
    let lines = audit["audit"].as_array().unwrap().iter().rev();
    let of_wang: Vec<_> = lines
        .filter(|line| line["actor"]["kind"] == "person")
        .map(|line| {
            assert_eq!((&line["actor"]["name"], &line["app"]), (&json!("wang"), &json!(appid)), "{line}");
            ["call", "object", "result"].map(|name| line[name].as_str().unwrap().to_owned())
        })
        .collect();
    assert_eq!(
        of_wang,
        [
            ["POST /v1/messages", sent.as_str(), "ok"],
            ["POST /v1/messages", again.as_str(), "ok"],
            ["DELETE /v1/messages/{id}", sent.as_str(), "ok"],
            ["POST /v1/messages/{id}/resolve", failed.as_str(), "not_unknown"],
            ["POST /v1/permits", permit, "ok"],
        ]
    );
    let of_keys = audit["audit"].as_array().unwrap().iter().filter(|line| line["actor"]["kind"] == "key");
    let is_traffic = |line: &&Value| line["call"] == "POST /v1/messages";
    assert_eq!(of_keys.filter(is_traffic).count(), 0, "what back ends send all day has no lines");
    assert!(!audit.to_string().contains(&user), "no openid is in the trail");
    let page = operator.get("/console/audit").await;
    assert!(page.text.contains(&again) && page.text.contains("wang"), "{}", page.text);
    assert!(page.text.contains("Fields set: ") && page.text.contains("outcome"), "{}", page.text);
}
