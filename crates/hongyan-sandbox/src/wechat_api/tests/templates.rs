use hongyan_wechat::templates::{LegacyTemplateList, SubscribeTemplateList};
use serde_json::json;

use crate::testing::Platform;

#[tokio::test]
async fn the_lists_are_read_by_wechats_types() {
    let platform = Platform::new();
    let token = platform.token().await;
    let listed = platform.get(&format!("/wxaapi/newtmpl/gettemplate?access_token={token}")).await;
    let subscribe: SubscribeTemplateList = serde_json::from_value(listed).unwrap();
    let once = &subscribe.data[0];
    assert_eq!((once.pri_tmpl_id.as_str(), once.kind), (platform.seed.subscribe_template.as_str(), 2));
    assert_eq!(
        once.content,
        "商品名称:{{thing1.DATA}}\n支付时间:{{date2.DATA}}\n支付金额:{{amount3.DATA}}\n"
    );
    assert_eq!(subscribe.data[1].kind, 3);

    let path = format!("/cgi-bin/wxopen/template/list?access_token={token}");
    let listed = platform.post(&path, json!({ "offset": 0, "count": 20 })).await;
    let legacy: LegacyTemplateList = serde_json::from_value(listed).unwrap();
    assert_eq!(legacy.list[0].template_id.as_str(), platform.seed.legacy_template);
    assert_eq!(platform.post(&path, json!({ "offset": 1, "count": 20 })).await["list"], json!([]));
    assert_eq!(platform.post(&path, json!({ "offset": 0, "count": 21 })).await["errcode"], 40097);
}

#[tokio::test]
async fn a_public_template_is_found_chosen_used_and_deleted() {
    let platform = Platform::new();
    let token = platform.token().await;
    let path = |call: &str| format!("/wxaapi/newtmpl/{call}?access_token={token}");
    let titles =
        platform.get(&format!("{}&ids=616,307&start=0&limit=30", path("getpubtemplatetitles"))).await;
    assert_eq!(titles["count"], 4);
    let keywords = platform.get(&format!("{}&tid=818", path("getpubtemplatekeywords"))).await;
    assert_eq!((&keywords["data"][0]["kid"], &keywords["data"][0]["rule"]), (&json!(1), &json!("enum")));

    let choice = json!({ "tid": "818", "kidList": [1, 4], "sceneDesc": "审核" });
    let added = platform.post(&path("addtemplate"), choice.clone()).await;
    let template_id = added["priTmplId"].as_str().unwrap();
    assert_eq!(platform.post(&path("addtemplate"), choice).await["errcode"], 200_022);

    platform.accept(template_id).await;
    let mut message = json!({
        "touser": platform.seed.openid, "template_id": template_id,
        "data": { "enum1": { "value": "也许" }, "thing4": { "value": "请携带证件" } },
    });
    assert_eq!(platform.send_subscribe(&token, message.clone()).await["errcode"], 47003);
    message["data"]["enum1"]["value"] = json!("审核通过");
    assert_eq!(platform.send_subscribe(&token, message.clone()).await["errcode"], 0);

    let deleted = platform.post(&path("deltemplate"), json!({ "priTmplId": template_id })).await;
    assert_eq!(deleted["errcode"], 0);
    assert_eq!(platform.send_subscribe(&token, message).await["errcode"], 40037);
}

#[tokio::test]
async fn a_choice_that_cannot_be_made_is_refused() {
    let platform = Platform::new();
    let path = format!("/wxaapi/newtmpl/addtemplate?access_token={}", platform.token().await);
    let wrong = [
        (200_014, json!({ "tid": "1", "kidList": [1, 2], "sceneDesc": "x" })),
        (200_020, json!({ "tid": "401", "kidList": [1], "sceneDesc": "x" })),
        (200_020, json!({ "tid": "401", "kidList": [1, 9], "sceneDesc": "x" })),
        (200_020, json!({ "tid": "401", "kidList": [1, 1], "sceneDesc": "x" })),
        (200_021, json!({ "tid": "401", "kidList": [1, 2], "sceneDesc": "" })),
        (200_021, json!({ "tid": 401, "kidList": [1, 2], "sceneDesc": "一二三四五六七八九十一二三四五六" })),
    ];
    for (errcode, body) in wrong {
        assert_eq!(platform.post(&path, body.clone()).await["errcode"], errcode, "{body}");
    }
}

#[tokio::test]
async fn a_legacy_template_is_chosen_and_deleted() {
    let platform = Platform::new();
    let token = platform.token().await;
    let path = |call: &str| format!("/cgi-bin/wxopen/template/{call}?access_token={token}");
    let found = platform.post(&path("library/list"), json!({ "offset": 0, "count": 5 })).await;
    assert_eq!(found["list"][0]["id"], "AT0002");
    let got = platform.post(&path("library/get"), json!({ "id": "AT0002" })).await;
    assert_eq!(got["keyword_list"][2], json!({ "keyword_id": 3, "name": "物品名称", "example": "拿铁咖啡" }));
    let added = platform.post(&path("add"), json!({ "id": "AT0002", "keyword_id_list": [3, 1] })).await;
    let listed = platform.post(&path("list"), json!({ "offset": 1, "count": 1 })).await;
    assert_eq!(listed["list"][0]["template_id"], added["template_id"]);
    assert_eq!(listed["list"][0]["content"], "物品名称{{keyword1.DATA}}\n购买地点{{keyword2.DATA}}\n");
    let body = json!({ "template_id": added["template_id"] });
    assert_eq!(platform.post(&path("del"), body.clone()).await["errcode"], 0);
    assert_eq!(platform.post(&path("del"), body).await["errcode"], 40037);
}
