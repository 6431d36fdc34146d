//! The words of the pages about calls, and the Chinese names of groups and events.

use hongyan_ui::Language;

hongyan_ui::texts! {
    /// The words.
    pub(crate) struct Words;
    gateway = "网关接口", "Gateway calls";
    sandbox = "沙箱接口", "Sandbox calls";
    find = "查找", "Find";
    filter = "接口、参数或字段", "A call, a parameter or a field";
    show_all = "显示全部", "Show all";
    found(count: usize) = "找到 {count} 个接口。", "Calls found: {count}.";
    nothing = "没有这样的接口。", "No call has these words.";
    call = "接口", "Call";
    meaning = "含义", "Meaning";
    description = "OpenAPI 描述（JSON）", "OpenAPI description (JSON)";
    in_english = "接口的详细说明目前只有英文。", "";
    needs = "凭证", "Needs";
    api_key(scope: &str) = "API 密钥，权限 <code>{scope}</code>", "an API key with the scope <code>{scope}</code>";
    session = "小程序登录得到的会话", "the session that the mini program got from its login";
    nobody = "不需要凭证", "no credential";
    parameters = "参数", "Parameters";
    body = "请求体", "Body";
    answers = "应答", "Answers";
    example = "示例", "Example";
    empty_answer = "没有内容", "no content";
    problem = "拒绝时的应答是 <a href=\"/docs/zh/problems\">错误类型</a> 之一（RFC 9457）。", "A refusal is one of the <a href=\"/docs/en/problems\">problems</a> (RFC 9457).";
    required = "必填", "required";
    or_null = "可为 null", "or null";
    one_of = "以下之一", "One of these";
    members_of(name: &str) = "{name} 的字段", "Members of {name}";
    list_of(of: &str) = "{of} 列表", "list of {of}";
    map_of(of: &str) = "任意名称 → {of}", "any name → {of}";
    any = "任意值", "any value";
    values = "取值", "Values";
    default = "默认", "Default";
    at_least = "至少", "At least";
    at_most = "至多", "At most";
    characters(range: &str) = "{range} 个字符", "{range} characters";
    entries(range: &str) = "{range} 项", "{range} entries";
    pattern = "格式", "Pattern";
    time = "时间（RFC 3339）", "time (RFC 3339)";
}

impl Words {
    /// The name of an API.
    pub(crate) fn api(self, slug: &str) -> &'static str {
        if slug == "sandbox" { self.sandbox() } else { self.gateway() }
    }

    /// The name of a group of calls, and what it is for.
    pub(crate) fn group<'a>(self, tag: &'a str, about: &'a str) -> (&'a str, &'a str) {
        let (_, english, english_about, chinese, chinese_about) =
            GROUPS.iter().find(|group| group.0 == tag).copied().unwrap_or(("", tag, "", tag, ""));
        match self.0 {
            Language::Zh => (chinese, chinese_about),
            Language::En => (english, if about.is_empty() { english_about } else { about }),
        }
    }
}

/// A tag; its name and its purpose in English and in Chinese. The description has the English purpose of most tags.
type GroupWords = (&'static str, &'static str, &'static str, &'static str, &'static str);

const GROUPS: [GroupWords; 12] = [
    ("", "Calls", "", "接口", ""),
    ("messages", "Messages", "", "消息", "下发、查询、撤销和处置消息。"),
    ("permits", "Permits", "", "下发额度", "下发消息的权利，以及凭此能触达多少用户。"),
    ("logins", "Logins", "", "登录", "用登录 code 换取用户的 openid。"),
    ("apps", "Apps", "", "小程序", "小程序及其密钥、暂停状态与模板。"),
    ("webhooks", "Webhooks", "", "Webhook", "接收事件的地址，以及事件投递的结果。"),
    ("keys", "Keys", "", "密钥与审计", "API 密钥，以及谁改动了什么。"),
    ("people", "People", "", "人员", "可以使用控制台的人员。"),
    ("nodes", "Nodes", "", "节点", "正在运行的网关，以及各自负责的用户。"),
    ("mini program", "Mini program", "", "供小程序直接调用", "不需要 API 密钥，使用登录得到的会话。"),
    ("health", "Health", "", "运行状况", "供运维和监控使用。"),
    (
        "events",
        "Webhook events",
        "Requests that the gateway sends to your webhooks.",
        "Webhook 事件",
        "网关发给 webhook 的请求。",
    ),
];

/// What an event of webhooks tells, in Chinese.
pub(crate) fn event(name: &str) -> Option<&'static str> {
    EVENTS.iter().find(|event| event.0 == name).map(|event| event.1)
}

const EVENTS: [(&str, &str); 13] = [
    ("message.sent", "微信已接受消息。"),
    ("message.delivered", "用户已收到消息。"),
    ("message.refused", "微信接受后又拒绝了消息。"),
    ("message.failed", "消息没有发出，也不会再发。"),
    ("message.unknown", "微信没有应答，消息结果未知。"),
    ("permit.granted", "用户授予了下发额度。"),
    ("permit.expiring", "下发额度即将过期。"),
    ("template.changed", "小程序的模板有变化。"),
    ("app.paused", "小程序已暂停，或暂停的原因改变。"),
    ("app.resumed", "小程序已恢复下发。"),
    ("webhook.disabled", "webhook 已停用。"),
    ("webhook.test", "检查 webhook 是否可用的测试事件。"),
    ("wechat.event", "微信推送的事件。"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::apis;

    #[test]
    fn every_group_and_every_call_has_words_in_chinese() {
        for api in apis() {
            for group in &api.groups {
                assert!(GROUPS.iter().any(|known| known.0 == group.tag), "{}", group.tag);
                for call in &group.calls {
                    assert!(!call.summary(Language::En).is_empty(), "{}", call.shown());
                    assert_ne!(
                        call.summary(Language::Zh),
                        call.summary(Language::En),
                        "{} needs a summary in Chinese",
                        call.shown()
                    );
                }
            }
        }
    }
}
