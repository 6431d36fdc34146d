//! An app's templates: listed, added from WeChat's public library, deleted, and read again when they change.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::process::{hongyan, run};
use crate::world::{World, eventually};

impl World {
    fn templates_path(&self) -> String {
        format!("/v1/apps/{}/templates", self.wechat.seed.appid)
    }

    async fn templates(&self) -> Vec<Value> {
        self.get(&self.templates_path()).await.expect(200)["templates"].as_array().unwrap().clone()
    }

    /// Adds a template at WeChat without the gateway.
    async fn made_elsewhere(&self, title: &str) -> String {
        let body = json!({ "family": "once", "title": title, "content": "物品:{{thing1.DATA}}" });
        self.wechat.control("templates", body).await["template_id"].as_str().unwrap().to_owned()
    }
}

fn titles(templates: &[Value]) -> Vec<&str> {
    templates.iter().map(|template| template["title"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_of_every_template_can_be_posted_as_it_is() {
    let world = World::start().await;
    let templates = world.templates().await;
    let mut kinds: Vec<&str> = templates.iter().map(|template| template["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["legacy", "long_term", "once"]);
    let user = world.wechat.user().await;
    for template in &templates {
        let path = format!("{}/{}", world.templates_path(), template["template"].as_str().unwrap());
        assert_eq!(world.get(&path).await.expect(200), *template);
        let mut message = template["message"].clone();
        let valid = world.post("/v1/messages?validate=true", message.clone()).await.expect(200);
        assert_eq!(valid["valid"], true);
        message["to"] = json!(user);
        message["permit"] = json!("wait");
        assert_eq!(world.post("/v1/messages", message).await.expect(202)["state"], "waiting", "{template}");
        for field in template["fields"].as_array().unwrap() {
            assert!(field["rule"].is_string() && field["rule_zh"].is_string() && field["kind"].is_string());
        }
    }
    world.get(&format!("{}/nonesuch", world.templates_path())).await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_is_chosen_used_and_given_back() {
    let world = World::start().await;
    let library = format!("/v1/apps/{}/library", world.wechat.seed.appid);
    let page = world.get(&format!("{library}?limit=2")).await.expect(200);
    assert_eq!((page["titles"].as_array().unwrap().len(), &page["next_start"]), (2, &json!(2)));
    assert!(page["categories"].as_array().unwrap().contains(&json!({ "id": 616, "name": "餐饮" })), "{page}");
    let last = world.get(&format!("{library}?category=616&start=1")).await.expect(200);
    assert_eq!((last["total"].as_u64(), last.get("next_start")), (Some(2), None), "{last}");
    let keywords = world.get(&format!("{library}?tid=818")).await.expect(200);
    assert_eq!(keywords["keywords"][0]["kind"], "enum");

    let chosen = json!({ "tid": "818", "keywords": [1, 4], "scene": "审核结果" });
    let added = world.post(&world.templates_path(), chosen.clone()).await.expect(201);
    let id = added["template"].as_str().unwrap();
    assert_eq!(
        added["sync"]["changes"],
        json!([{ "change": "added", "template": id, "title": "审核结果通知" }])
    );
    assert_eq!(added["details"]["fields"][0]["values"], json!(["待审核", "审核通过", "审核不通过"]));

    // The template can be used at once. The refusal of a value outside its list names the allowed values.
    let user = world.wechat.user().await;
    let mut message = added["details"]["message"].clone();
    message["to"] = json!(user);
    message["permit"] = json!("try");
    message["data"]["enum1"] = json!("大概通过");
    let problem = world.post("/v1/messages", message.clone()).await.problem(422, "invalid_field");
    assert!(problem["detail"].as_str().unwrap().contains("审核不通过"), "{problem}");
    message["data"]["enum1"] = json!("审核通过");
    let sent = world.send(message).await;
    assert_eq!(
        sent["reason"]["errcode"], 43101,
        "WeChat knows the template, the user accepted nothing: {sent}"
    );

    let problem = world.post(&world.templates_path(), chosen).await.problem(409, "template_exists");
    assert_eq!(problem["errcode"], 200_022);
    let path = format!("{}/{id}", world.templates_path());
    assert_eq!(world.delete(&path).await.status, 204);
    world.delete(&path).await.problem(404, "not_found");
    assert_eq!(world.templates().await.len(), 3);
    let asked = world.post(&format!("{}/sync", world.templates_path()), json!({})).await.expect(200);
    assert_eq!(asked["changes"], json!([]), "WeChat does not have the template any more either");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_library_works_in_the_same_way() {
    let world = World::start().await;
    let library = format!("/v1/apps/{}/library?channel=legacy", world.wechat.seed.appid);
    let page = world.get(&format!("{library}&limit=1")).await.expect(200);
    assert_eq!((page["titles"].as_array().unwrap().len(), &page["next_start"]), (1, &json!(1)));
    let keywords = world.get(&format!("{library}&tid=AT0002")).await.expect(200);
    assert_eq!(keywords["keywords"][0]["keyword"], 1);
    let chosen = json!({ "channel": "legacy", "tid": "AT0002", "keywords": [3, 1] });
    let added = world.post(&world.templates_path(), chosen).await.expect(201);
    assert_eq!(added["details"]["kind"], "legacy");
    assert_eq!(added["details"]["fields"][0]["name"], "keyword1");
    let path = format!("{}/{}", world.templates_path(), added["template"].as_str().unwrap());
    assert_eq!(world.delete(&path).await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_wechat_refuses_is_a_problem_with_its_errcode_and_the_field() {
    let world = World::start().await;
    let path = world.templates_path();
    let cases = [
        (json!({ "tid": "99999", "keywords": [1, 2], "scene": "x" }), 200_014, "tid"),
        (json!({ "tid": "250", "keywords": [1, 9], "scene": "x" }), 200_020, "keywords"),
    ];
    for (body, errcode, field) in cases {
        let problem = world.post(&path, body).await.problem(422, "template_refused");
        assert_eq!((&problem["errcode"], &problem["field"]), (&json!(errcode), &json!(field)));
    }
    let library = format!("/v1/apps/{}/library", world.wechat.seed.appid);
    let problem = world.get(&format!("{library}?category=1")).await.problem(422, "template_refused");
    assert_eq!((&problem["errcode"], &problem["field"]), (&json!(200_019), &json!("category")));
    // WeChat is not asked about errors that the gateway can see.
    let asked = world.wechat.asked("/wxaapi/newtmpl/addtemplate").await;
    let one = json!({ "tid": "250", "keywords": [1], "scene": "x" });
    assert_eq!(world.post(&path, one).await.problem(422, "invalid_field")["field"], "keywords");
    assert_eq!(world.wechat.asked("/wxaapi/newtmpl/addtemplate").await, asked);
    // The errcodes that the sandbox returns only on demand.
    for (errcode, status, code) in [
        (200_011, 422, "template_refused"),
        (200_012, 409, "template_limit"),
        (200_013, 422, "template_refused"),
        (200_021, 422, "template_refused"),
        (200_100, 422, "template_refused"),
        (-1, 503, "wechat_unavailable"),
        (45_011, 429, "wechat_busy"),
    ] {
        let rule = json!({ "path": "/wxaapi/newtmpl/addtemplate", "kind": "errcode", "errcode": errcode, "times": 1 });
        world.wechat.chaos(rule).await;
        let body = json!({ "tid": "250", "keywords": [1, 2], "scene": "x" });
        let problem = world.post(&path, body).await.problem(status, code);
        assert_eq!(problem["errcode"], errcode);
        assert!(problem["explanation_zh"].is_string());
    }
    assert_eq!(world.templates().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_answer_is_lost_a_synchronisation_finds_out_whether_the_template_is_there() {
    let world = World::start().await;
    let rule = json!({ "path": "/wxaapi/newtmpl/addtemplate", "kind": "reset_after", "times": 1 });
    world.wechat.chaos(rule).await;
    let chosen = json!({ "tid": "250", "keywords": [1, 2], "scene": "取餐" });
    let problem = world.post(&world.templates_path(), chosen).await.problem(503, "wechat_unavailable");
    assert!(problem["detail"].as_str().unwrap().contains("templates/sync"), "{problem}");
    let report = world.post(&format!("{}/sync", world.templates_path()), json!({})).await.expect(200);
    assert_eq!(
        (&report["changes"][0]["change"], &report["changes"][0]["title"]),
        (&json!("added"), &json!("取餐提醒"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_is_gone_at_wechat_can_be_deleted_and_is_found_to_be_gone() {
    let world = World::start().await;
    let id = world.made_elsewhere("新品上架提醒").await;
    let sync = format!("{}/sync", world.templates_path());
    let delete = async || {
        // Without the gateway's API: through the facade, as another program would.
        let token = format!(
            "{}/cgi-bin/token?grant_type=client_credential&appid={}&secret={}",
            world.url, world.wechat.seed.appid, world.gateway_secret
        );
        let token =
            world.wechat.http.get(&token).await.expect(200)["access_token"].as_str().unwrap().to_owned();
        let url = format!("{}/wxaapi/newtmpl/deltemplate?access_token={token}", world.url);
        let id = world.templates().await;
        let id = id.iter().find(|template| template["title"] == "新品上架提醒").unwrap()["template"].clone();
        world.wechat.http.post(&url, &json!({ "priTmplId": id })).await.expect(200)
    };
    world.post(&sync, json!({})).await.expect(200);
    assert_eq!(delete().await["errcode"], 0);
    assert_eq!(world.delete(&format!("{}/{id}", world.templates_path())).await.status, 204);
    assert_eq!(world.templates().await.len(), 3);

    world.made_elsewhere("新品上架提醒").await;
    world.post(&sync, json!({})).await.expect(200);
    assert_eq!(delete().await["errcode"], 0);
    let report = world.post(&sync, json!({})).await.expect(200);
    assert_eq!(report["changes"][0]["change"], "removed", "{report}");
    assert_eq!(world.templates().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_and_a_reason_lead_to_the_page_that_explains_the_errcode() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let mut message = world.subscribe(&user, "Latte");
    message["permit"] = json!("try");
    let failed = world.send(message).await;
    let chosen = json!({ "tid": "99999", "keywords": [1, 2], "scene": "x" });
    let problem = world.post(&world.templates_path(), chosen).await.problem(422, "template_refused");
    let page = world.get("/errcodes?lang=zh").await;
    assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    for help in [&failed["reason"]["help"], &problem["help"]] {
        let anchor = help.as_str().unwrap().strip_prefix("/errcodes#").unwrap();
        assert!(page.text.contains(&format!("id=\"{anchor}\"")), "{help}");
    }
    assert!(world.get("/problems?lang=en").await.text.contains("id=\"template_refused\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_at_wechat_is_found_by_itself_and_counted() {
    let world = World::start_with(|settings| settings.template_sync_seconds = 3_600).await;
    world.made_elsewhere("新品上架提醒").await;
    world.advance(Duration::from_secs(2 * 3600));
    let templates = eventually(
        async || world.templates().await.into(),
        |templates| titles(templates.as_array().unwrap()).contains(&"新品上架提醒"),
    );
    assert_eq!(templates.await.as_array().unwrap().len(), 4);
    let metrics = world.get("/metrics").await.text;
    assert!(metrics.contains("hongyan_template_changes_total{change=\"added\"} 4"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_synchronisation_is_shown_on_the_app_and_keeps_what_is_known() {
    let world = World::start_with(|settings| settings.template_sync_seconds = 3_600).await;
    assert_eq!(world.app().await.get("template_sync_failure"), None);
    let rule = json!({ "path": "/wxaapi/newtmpl/gettemplate", "kind": "errcode", "errcode": -1 });
    world.wechat.chaos(rule).await;
    world.advance(Duration::from_secs(2 * 3600));
    let app =
        world.app_when("unable to read its templates", |app| app["template_sync_failure"].is_object()).await;
    assert_eq!((&app["template_sync_failure"]["errcode"], &app["templates"]), (&json!(-1), &json!(3)));
    world.wechat.end_chaos().await;
    // The next try after a failure comes earlier than the regular synchronisation.
    world.advance(Duration::from_secs(700));
    world.app_when("well again", |app| app.get("template_sync_failure").is_none()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_app_is_left_alone() {
    let world = World::start_with(|settings| settings.template_sync_seconds = 3_600).await;
    let path = format!("/v1/apps/{}/pause", world.wechat.seed.appid);
    world.post(&path, json!({})).await.expect(200);
    let asked = world.wechat.asked("/wxaapi/newtmpl/gettemplate").await;
    // Another app shows that the time of the synchronisation has come.
    let other = world.wechat.raw_control("apps", &json!({})).await;
    let body = json!({ "appid": other["appid"], "secret": other["app_secret"] });
    world.post("/v1/apps", body).await.expect(201);
    world.advance(Duration::from_secs(2 * 3600));
    let others = asked + 2;
    eventually(
        async || world.wechat.asked("/wxaapi/newtmpl/gettemplate").await.into(),
        |count| count.as_u64() >= Some(others as u64),
    )
    .await;
    let own = world.app().await;
    world.resume().await;
    let again =
        world.app_when("synchronised", |app| app["templates_synced_at"] != own["templates_synced_at"]).await;
    assert!(again["templates_synced_at"].as_str() > own["templates_synced_at"].as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_send_may_look_but_not_choose() {
    let world = World::start().await;
    let key = world.new_key(hongyan_gateway::keys::Scope::Messages).await;
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    let path = world.templates_path();
    world.call(Method::GET, &path, &headers, "").await.expect(200);
    let body = json!({ "tid": "250", "keywords": [1, 2], "scene": "x" }).to_string();
    world.call(Method::POST, &path, &headers, body).await.problem(403, "forbidden");
    let own = format!("{path}/{}", world.wechat.seed.subscribe_template);
    world.call(Method::DELETE, &own, &headers, "").await.problem(403, "forbidden");
    let library = format!("/v1/apps/{}/library", world.wechat.seed.appid);
    world.call(Method::GET, &library, &headers, "").await.problem(403, "forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_lists_asks_again_and_gives_a_message_to_edit() {
    let world = World::start().await;
    let id = world.made_elsewhere("新品上架提醒").await;
    let appid = world.wechat.seed.appid.as_str();
    let command = async |args: &[&str]| {
        let mut command = hongyan(args);
        let output = run(command.env("HONGYAN_URL", &world.url).env("HONGYAN_API_KEY", &world.key)).await;
        let (out, err) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        (output.status.code(), out, err)
    };
    let (code, out, err) = command(&["app", "templates", appid, "--sync"]).await;
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("新品上架提醒") && out.contains("keyword1 keyword2 keyword3"), "{out}");
    assert!(err.contains(&format!("added: {id} 新品上架提醒")), "{err}");
    let (code, out, err) = command(&["app", "templates", appid, "--sample", &id]).await;
    assert_eq!(code, Some(0), "{err}");
    let message: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(message["template"], *id);
    // A message is checked without being sent.
    let send = |thing: &str| {
        let (data, template) = (format!("thing1={thing}"), id.clone());
        ["send", "--app", appid, "--to", "oSomebody", "--template", &template, "--validate", "--data", &data]
            .map(str::to_owned)
    };
    let valid = send("拿铁咖啡");
    let (code, out, err) = command(&valid.each_ref().map(String::as_str)).await;
    assert_eq!((code, out.trim()), (Some(0), "valid"), "{err}");
    assert!(err.contains("no permit"), "{err}");
    let long = send(&"长".repeat(21));
    let (code, _, err) = command(&long.each_ref().map(String::as_str)).await;
    assert_eq!(code, Some(1));
    assert!(err.contains("21 characters, 20 are allowed"), "{err}");
}
