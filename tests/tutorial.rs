//! The five steps of the tutorial: keep a token, exchange a code for an openid, collect the form id (or the prepay id),
//! choose a template, send.

use serde_json::json;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_submitted_form_becomes_a_card() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let appid = world.wechat.seed.appid.clone();

    // The mini program logs in; the back end exchanges its code for the openid.
    let code = world.wechat.login_code(&user).await;
    let login = world.post("/v1/login", json!({ "app": appid, "code": code })).await.expect(200);
    assert_eq!(login["openid"], user);
    assert!(login["session"].as_str().is_some_and(|session| session.starts_with("hys_")));
    assert!(login.get("session_key").is_none(), "the session_key never leaves");

    // The user submits the form; the back end passes the form id on.
    let form = world.wechat.form(&user).await;
    world.grant(&user, "form", &form).await;

    // The back end chooses the template and sends.
    let templates = world.get(&format!("/v1/apps/{appid}/templates")).await.expect(200);
    let fields = templates["templates"].as_array().unwrap().iter();
    let legacy = fields.clone().find(|t| t["template"] == *world.wechat.seed.legacy_template).unwrap();
    assert_eq!(legacy["fields"][0]["name"], "keyword1");
    let mut message = world.legacy(&user, "hello from the form");
    message["data"]["keyword1"] = json!({ "value": "hello from the form", "color": "#173177" });
    message["emphasis_keyword"] = json!("keyword1.DATA");
    message["page"] = json!("pages/index/index?from=card");
    let sent = world.send(message).await;
    assert_eq!(sent["state"], "sent", "{sent}");
    assert_eq!(sent["attempts"].as_array().unwrap().len(), 1);

    // The user sees a card, and the card opens the page.
    let inbox = world.wechat.inbox(&user).await;
    assert_eq!(inbox.len(), 1);
    assert_eq!(inbox[0]["fields"][0]["value"], "hello from the form");
    assert_eq!(inbox[0]["fields"][0]["color"], "#173177");
    assert_eq!(inbox[0]["page"], "pages/index/index?from=card");
    assert!(inbox[0]["emphasis"].as_str().unwrap().starts_with("keyword1"));

    // One token was enough for all steps, and the permit is used.
    assert_eq!(world.wechat.asked("/cgi-bin/stable_token").await, 1);
    assert_eq!(world.totals(&user).await["spent"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_becomes_a_card() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let prepay = world.wechat.payment(&user).await;
    world.grant(&user, "payment", &prepay).await;
    let sent = world.send(world.legacy(&user, "paid")).await;
    assert_eq!(sent["state"], "sent", "{sent}");
    assert_eq!(world.wechat.texts(&user).await, ["paid"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mini_program_itself_logs_in_and_reports_what_the_user_tapped() {
    let world = World::start().await;
    let user = world.wechat.user().await;
    let appid = &world.wechat.seed.appid;
    let code = world.wechat.login_code(&user).await;
    let answer = world
        .call(
            http::Method::POST,
            &format!("/mp/{appid}/login"),
            &[("authorization", "")],
            json!({ "code": code }).to_string(),
        )
        .await;
    let session = answer.text("session");
    answer.expect(200);

    let form = world.wechat.form(&user).await;
    world.wechat.subscribe(&user, "accept").await;
    let template = &world.wechat.seed.subscribe_template;
    let taps = json!({ "permits": [
        { "kind": "form", "code": form },
        { "kind": "subscribe_once", "template": template, "result": "accept" },
        { "kind": "subscribe_once", "template": template, "result": "reject" },
        { "kind": "form", "code": "the formId is a mock one" },
    ]});
    let bearer = format!("Bearer {session}");
    let path = format!("/mp/{appid}/permits");
    let answer = world
        .call(http::Method::POST, &path, &[("authorization", &bearer)], taps.to_string())
        .await
        .expect(202);
    let permits = answer["permits"].as_array().unwrap();
    assert_eq!(permits.len(), 4);
    assert!(permits[0]["id"].is_string() && permits[1]["id"].is_string());
    assert_eq!(permits[2]["granted"], 0);
    assert_eq!(permits[3]["error"]["code"], "mock_form_id");
    assert_eq!(world.totals(&user).await["available"], 2);

    let other = world
        .call(
            http::Method::POST,
            "/mp/wx0000000000000000/permits",
            &[("authorization", &bearer)],
            taps.to_string(),
        )
        .await;
    other.problem(403, "session_of_another_app");
    let nobody = world
        .call(http::Method::POST, &path, &[("authorization", "Bearer hys_nonsense")], taps.to_string())
        .await;
    nobody.problem(401, "invalid_session");
}
