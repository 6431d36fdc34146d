use serde_json::{Value, json};

use crate::testing::Platform;

#[tokio::test]
async fn a_form_id_brings_one_card_to_the_phone() {
    let platform = Platform::new();
    let (token, form_id) = (platform.token().await, platform.form_id().await);
    let sent = platform.send_template(&token, platform.template_message(&form_id)).await;
    assert_eq!((&sent["errcode"], &sent["errmsg"]), (&json!(0), &json!("ok")));
    let again = platform.send_template(&token, platform.template_message(&form_id)).await;
    assert_eq!(again["errcode"], 41029);

    let inbox = platform.inbox().await;
    assert_eq!(inbox.len(), 1);
    let card = &inbox[0];
    assert_eq!(card["msgid"], sent["msgid"].as_u64().unwrap().to_string());
    assert_eq!(card["title"], "订单提交成功通知");
    assert_eq!(card["emphasis"], "keyword1");
    assert_eq!(card["page"], "pages/index/index?from=card");
    assert_eq!(
        card["fields"][0],
        json!({ "name": "keyword1", "label": "订单内容", "value": "拿铁", "color": "#173177" })
    );
}

/// Spoils a message.
type Mistake = fn(&mut Value);

#[tokio::test]
async fn every_mistake_has_its_errcode_and_costs_no_form_id() {
    let platform = Platform::new();
    let (token, form_id) = (platform.token().await, platform.form_id().await);
    let mistakes: [(i32, Mistake); 13] = [
        (40037, |m| m["template_id"] = json!("nonsense")),
        (40003, |m| m["touser"] = json!("oNobody")),
        (47003, |m| drop(m["data"].as_object_mut().unwrap().remove("keyword2"))),
        (47003, |m| m["data"]["keyword2"]["value"] = json!("")),
        (40037, |m| m["template_id"] = json!(7)),
        (40003, |m| m["touser"] = json!(null)),
        (41028, |m| m["form_id"] = json!(null)),
        (47003, |m| m["data"]["keyword2"]["value"] = json!(true)),
        (47003, |m| m["data"]["keyword2"] = json!(null)),
        (41030, |m| m["page"] = json!("https://example.com/pages/index")),
        (47001, |m| m["page"] = json!({})),
        (41028, |m| m["form_id"] = json!("the formId is a mock one")),
        (47001, |m| m["data"] = json!("text")),
    ];
    for (errcode, make) in mistakes {
        let mut message = platform.template_message(&form_id);
        make(&mut message);
        let answer = platform.send_template(&token, message.clone()).await;
        assert_eq!(answer["errcode"], errcode, "{message}");
    }
    let right = platform.send_template(&token, platform.template_message(&form_id)).await;
    assert_eq!(right["errcode"], 0);
}

#[tokio::test]
async fn a_form_id_is_too_old_after_seven_days_and_belongs_to_its_user() {
    let platform = Platform::new();
    let form_id = platform.form_id().await;
    let stranger = platform.post("/_sandbox/users", json!({ "appid": platform.seed.appid })).await;
    let mut message = platform.template_message(&form_id);
    message["touser"] = stranger["openid"].clone();
    assert_eq!(platform.send_template(&platform.token().await, message).await["errcode"], 41028);

    platform.post("/_sandbox/clock", json!({ "advance_seconds": 7 * 86_400 })).await;
    let token = platform.token().await;
    let late = platform.send_template(&token, platform.template_message(&form_id)).await;
    assert_eq!(late["errcode"], 41028);
}

#[tokio::test]
async fn a_payment_can_be_made_for_three_sends() {
    let platform = Platform::new();
    let token = platform.token().await;
    let paid = platform.user_does("/_sandbox/payments", json!({ "uses": 3 })).await;
    let prepay_id = paid["prepay_id"].as_str().unwrap();
    for expected in [0, 0, 0, 41029] {
        let answer = platform.send_template(&token, platform.template_message(prepay_id)).await;
        assert_eq!(answer["errcode"], expected);
    }
}

#[tokio::test]
async fn a_subscribe_message_costs_an_acceptance() {
    let platform = Platform::new();
    let token = platform.token().await;
    let send =
        async || platform.send_subscribe(&token, platform.subscribe_message()).await["errcode"].clone();
    assert_eq!(send().await, 43101);
    platform.accept(&platform.seed.subscribe_template).await;
    platform.accept(&platform.seed.subscribe_template).await;
    assert_eq!(send().await, 0);
    let refused = json!({ "template_id": platform.seed.subscribe_template, "result": "reject" });
    platform.user_does("/_sandbox/subscriptions", refused).await;
    assert_eq!(send().await, 43101, "a no ends what was accepted before");
    assert_eq!(platform.inbox().await.len(), 1);
}

#[tokio::test]
async fn a_long_term_template_is_accepted_once_for_all() {
    let platform = Platform::new();
    let token = platform.token().await;
    platform.accept(&platform.seed.long_term_template).await;
    let message = json!({
        "touser": platform.seed.openid, "template_id": platform.seed.long_term_template,
        "data": { "thing1": { "value": "北京" }, "time2": { "value": "09:30" } },
    });
    for _ in 0..3 {
        assert_eq!(platform.send_subscribe(&token, message.clone()).await["errcode"], 0);
    }
}

#[tokio::test]
async fn a_field_that_breaks_its_rule_is_named() {
    let platform = Platform::new();
    let token = platform.token().await;
    platform.accept(&platform.seed.subscribe_template).await;
    let mut message = platform.subscribe_message();
    message["data"]["thing1"]["value"] = json!("二十一个字太长了".repeat(3));
    let answer = platform.send_subscribe(&token, message).await;
    assert_eq!(answer["errcode"], 47003);
    let errmsg = answer["errmsg"].as_str().unwrap();
    assert!(errmsg.starts_with("argument invalid! data.thing1.value invalid rid: "), "{errmsg}");

    let mut message = platform.subscribe_message();
    message["miniprogram_state"] = json!("released");
    assert_eq!(platform.send_subscribe(&token, message).await["errcode"], 47003);
    let right = platform.send_subscribe(&token, platform.subscribe_message()).await;
    assert_eq!(right["errcode"], 0, "the mistakes cost no acceptance");
}

#[tokio::test]
async fn a_day_quota_is_kept_shown_and_cleared() {
    let platform = Platform::new();
    let token = platform.token().await;
    let path = "/cgi-bin/message/subscribe/send";
    let quota = json!({ "appid": platform.seed.appid, "path": path, "daily_limit": 1 });
    platform.post("/_sandbox/quotas", quota).await;
    let send =
        async || platform.send_subscribe(&token, platform.subscribe_message()).await["errcode"].clone();
    assert_eq!(send().await, 43101);
    assert_eq!(send().await, 45009);
    let get = format!("/cgi-bin/openapi/quota/get?access_token={token}");
    let shown = platform.post(&get, json!({ "cgi_path": path })).await;
    assert_eq!(shown["quota"], json!({ "daily_limit": 1, "used": 1, "remain": 0 }));
    let clear = format!("/cgi-bin/clear_quota?access_token={token}");
    assert_eq!(platform.post(&clear, json!({ "appid": platform.seed.appid })).await["errcode"], 0);
    assert_eq!(send().await, 43101);
}
