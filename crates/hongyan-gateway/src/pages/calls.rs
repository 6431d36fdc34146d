//! Every call of the gateway, for the front page.

use hongyan_ui::Language;

/// A text in both languages. It may have `code` in backticks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Both(&'static str, &'static str);

impl Both {
    pub(super) fn text(self, language: Language) -> &'static str {
        language.pick(self.0, self.1)
    }
}

/// Calls with the same purpose.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    pub(super) title: Both,
    pub(super) about: Both,
    pub(super) calls: &'static [Call],
}

/// One call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    /// Empty if several methods are served.
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) does: Both,
}

const fn call(method: &'static str, path: &'static str, zh: &'static str, en: &'static str) -> Call {
    Call { method, path, does: Both(zh, en) }
}

/// All groups, in the order of the page.
pub(super) const GROUPS: &[Group] = &[
    Group {
        title: Both("消息", "Messages"),
        about: Both(
            "请求头 `Authorization: Bearer hyk_…`。在控制台的“API 密钥”页或用命令行创建密钥：`hongyan key create --name NAME`",
            "With `Authorization: Bearer hyk_…`. Make a key on the page “API keys” of the console, or on the command line: `hongyan key create --name NAME`",
        ),
        calls: &[
            call(
                "POST",
                "/v1/messages",
                "下发一条消息，或一次至多 1,000 条。",
                "Send a message, or up to 1,000.",
            ),
            call("GET", "/v1/messages", "列出消息，新的在前。", "List messages, newest first."),
            call(
                "GET",
                "/v1/messages/{id}",
                "查看一条消息：状态、原因说明、每次投递尝试。",
                "Show a message: its state, the reason in words, every attempt.",
            ),
            call(
                "GET",
                "/v1/messages/{id}/timeline",
                "按时间顺序查看一条消息的经过。",
                "Show what happened to a message, first to last.",
            ),
            call(
                "DELETE",
                "/v1/messages/{id}",
                "撤销尚未开始下发的消息。",
                "Cancel a message that is not being sent yet.",
            ),
            call(
                "POST",
                "/v1/messages/{id}/resolve",
                "处置结果未知的消息：说明用户是否已收到。",
                "Resolve a message of unknown outcome: say whether the user has it.",
            ),
            call(
                "GET",
                "/v1/backlog",
                "按小程序和状态统计未完成的消息。",
                "Count open messages by app and state.",
            ),
            call(
                "GET",
                "/v1/events",
                "列出微信推送的事件，以及各事件产生的效果。",
                "List the events that WeChat pushed, and what each event did.",
            ),
            call(
                "GET",
                "/v1/stats",
                "统计各时段接受、发出、送达……了多少消息。",
                "Show how many messages were accepted, sent, delivered, …, over time.",
            ),
        ],
    },
    Group {
        title: Both("下发额度与登录", "Permits and logins"),
        about: Both(
            "只有持有额度时才能通知用户。",
            "A permit is a right to send. A user without a permit cannot be notified.",
        ),
        calls: &[
            call(
                "POST",
                "/v1/permits",
                "登记一份下发额度，或一次至多 1,000 份。",
                "Report a right to send, or up to 1,000.",
            ),
            call(
                "GET",
                "/v1/permits",
                "列出某个用户的额度及合计。",
                "List a user's permits and the sum of their counts.",
            ),
            call(
                "GET",
                "/v1/reach",
                "统计现在还能触达多少用户。",
                "Count how many users can be reached now.",
            ),
            call(
                "GET",
                "/v1/reach/parts",
                "按种类和模板统计可触达的用户，以及未来几天内到期的额度。",
                "Count by kind and template, and what expires in the next days.",
            ),
            call(
                "GET",
                "/v1/reach/kinds",
                "按小程序和种类统计现在可用的额度，以及 24 小时内到期的。",
                "Count usable permits by app and kind, and what expires within 24 hours.",
            ),
            call("POST", "/v1/login", "用登录 code 换取 openid。", "Exchange a login code for an openid."),
            call("GET", "/v1/users", "列出登录过的用户。", "List the users of an app that have logged in."),
            call(
                "POST",
                "/v1/users/decrypt",
                "解密小程序得到的用户数据。",
                "Decrypt what a mini program got about its user (encryptedData).",
            ),
        ],
    },
    Group {
        title: Both("小程序", "Apps"),
        about: Both(
            "小程序及其密钥、暂停状态与模板。",
            "Mini programs, their secrets, pauses and templates.",
        ),
        calls: &[
            call(
                "POST",
                "/v1/apps",
                "登记小程序，并立即同步模板。",
                "Register an app; its templates are synchronised at once.",
            ),
            call("GET", "/v1/apps", "列出所有小程序。", "List the apps."),
            call(
                "GET",
                "/v1/apps/{appid}",
                "查看小程序：设置、是否暂停及原因。",
                "Show an app: how it is set, whether it is paused and why.",
            ),
            call("PATCH", "/v1/apps/{appid}", "修改小程序。", "Change an app."),
            call(
                "DELETE",
                "/v1/apps/{appid}",
                "移除小程序，历史记录保留。",
                "Remove an app; its history stays.",
            ),
            call(
                "POST",
                "/v1/apps/{appid}/pause",
                "暂停下发：消息保留，不再发出。",
                "Pause an app: every message is kept and not sent.",
            ),
            call(
                "POST",
                "/v1/apps/{appid}/resume",
                "恢复下发：保留的消息继续发出。",
                "End any pause: the messages that were kept are sent.",
            ),
            call(
                "GET",
                "/v1/apps/{appid}/templates",
                "列出模板及各字段的规则。",
                "List the templates with the rules of their fields.",
            ),
            call(
                "POST",
                "/v1/apps/{appid}/templates",
                "从微信公共模板库选用模板。",
                "Choose a template from WeChat's public library.",
            ),
            call(
                "GET",
                "/v1/apps/{appid}/templates/{template}",
                "查看一个模板，附可直接复制的消息。",
                "Show a template, with a message to copy.",
            ),
            call(
                "DELETE",
                "/v1/apps/{appid}/templates/{template}",
                "删除模板，微信和网关两边都删。",
                "Delete a template, at WeChat and here.",
            ),
            call(
                "GET",
                "/v1/apps/{appid}/library",
                "浏览微信公共模板库。",
                "Look through WeChat's public templates.",
            ),
            call(
                "GET",
                "/v1/quotas",
                "微信每日调用额度已用多少、还剩多少。",
                "Show how much of WeChat's daily quotas is used and left.",
            ),
            call(
                "POST",
                "/v1/apps/{appid}/templates/sync",
                "重新向微信同步模板。",
                "Ask WeChat for the templates again.",
            ),
            call(
                "GET",
                "/v1/apps/{appid}/tokens",
                "列出网关 token：谁取的，何时用过。",
                "List the gateway tokens: who fetched them, when they were used.",
            ),
            call(
                "DELETE",
                "/v1/apps/{appid}/tokens",
                "全部吊销，立即生效。",
                "Revoke all gateway tokens at once.",
            ),
            call(
                "DELETE",
                "/v1/apps/{appid}/tokens/{id}",
                "吊销一个，立即生效。",
                "Revoke a gateway token at once.",
            ),
            call(
                "DELETE",
                "/v1/apps/{appid}/sessions",
                "结束其全部用户或某个用户的会话。",
                "End the sessions of all users, or of one user.",
            ),
            call(
                "POST",
                "/v1/apps/{appid}/access_token",
                "给出微信的 access_token，须经允许。",
                "Show WeChat's own access token, if the settings allow it.",
            ),
        ],
    },
    Group {
        title: Both("Webhook", "Webhooks"),
        about: Both(
            "事件推送的接收地址，以及推送的结果。",
            "URLs that receive events, and the deliveries to them.",
        ),
        calls: &[
            call(
                "POST",
                "/v1/webhooks",
                "新建 webhook，密钥只显示一次。",
                "Set up a webhook; its secret is shown once.",
            ),
            call("GET", "/v1/webhooks", "列出全部 webhook。", "List the webhooks."),
            call(
                "GET",
                "/v1/webhooks/{id}",
                "查看 webhook：运行状况与积压。",
                "Show a webhook: its settings, last answer and backlog.",
            ),
            call("PATCH", "/v1/webhooks/{id}", "修改或停用 webhook。", "Change or disable a webhook."),
            call("DELETE", "/v1/webhooks/{id}", "删除 webhook。", "Remove a webhook."),
            call(
                "POST",
                "/v1/webhooks/{id}/secret",
                "轮换密钥，旧密钥 24 小时内同时签名。",
                "Rotate the secret; the old one signs too for 24 hours.",
            ),
            call(
                "POST",
                "/v1/webhooks/{id}/enable",
                "重新启用：保留的事件继续推送。",
                "Enable a webhook and send the events that were kept.",
            ),
            call("POST", "/v1/webhooks/{id}/replay", "重新推送事件。", "Send events again."),
            call("POST", "/v1/webhooks/{id}/test", "发送一个测试事件。", "Send a test."),
            call(
                "GET",
                "/v1/webhooks/{id}/deliveries",
                "列出事件的推送结果。",
                "List the deliveries to a webhook.",
            ),
        ],
    },
    Group {
        title: Both("密钥、人员与节点", "Keys, people and nodes"),
        about: Both(
            "谁可以调用接口、使用控制台，以及哪些网关在运行。",
            "Who may call the API and use the console, and which gateways run.",
        ),
        calls: &[
            call("GET", "/v1/keys", "列出 API key。", "List the API keys."),
            call("POST", "/v1/keys", "新建 API key，只显示一次。", "Make an API key; it is shown once."),
            call("DELETE", "/v1/keys/{id}", "作废 API key，立即生效。", "Revoke an API key, at once."),
            call("GET", "/v1/audit", "列出谁改动了什么，新的在前。", "List who changed what, newest first."),
            call(
                "GET",
                "/v1/people",
                "列出可以使用控制台的人员。",
                "List the people who may use the console.",
            ),
            call(
                "POST",
                "/v1/people",
                "添加人员；口令只显示一次。",
                "Add a person; the password is shown once.",
            ),
            call(
                "PATCH",
                "/v1/people/{id}",
                "修改人员的角色和可见的小程序。",
                "Change what a person may do and see.",
            ),
            call("DELETE", "/v1/people/{id}", "删除人员。", "Remove a person."),
            call("POST", "/v1/people/{id}/password", "为人员生成新口令。", "Give a person another password."),
            call(
                "GET",
                "/v1/nodes",
                "列出正在运行的网关和各自的分道。",
                "List the running gateways and their lanes.",
            ),
        ],
    },
    Group {
        title: Both("供小程序直接调用", "For the mini program itself"),
        about: Both(
            "不需要 API 密钥，使用登录得到的会话。",
            "Without an API key, with the session from the login.",
        ),
        calls: &[
            call(
                "POST",
                "/mp/{appid}/login",
                "用登录 code 换取会话。",
                "Exchange a login code for a session.",
            ),
            call(
                "POST",
                "/mp/{appid}/permits",
                "上报用户点击得到的表单、支付与订阅结果。",
                "Report the permits that the user's taps gave.",
            ),
        ],
    },
    Group {
        title: Both("运行状况", "Health"),
        about: Both("能访问此地址者均可查看。", "Open to everybody who can reach this address."),
        calls: &[
            call("GET", "/livez", "进程是否在运行。", "Whether the process runs."),
            call(
                "GET",
                "/readyz",
                "数据库是否正常、进程是否未在停止。",
                "Whether the database answers and the process is not stopping.",
            ),
            call("GET", "/metrics", "Prometheus 文本格式的指标。", "Metrics in Prometheus' text form."),
        ],
    },
    Group {
        title: Both("微信兼容接口", "WeChat's own paths"),
        about: Both(
            "已经对接微信的程序只需把域名换成本网关，并用小程序的网关密钥作为 `secret`。应答与微信格式一致。",
            "For software that already calls WeChat: change its host to this one, and use the app's gateway secret as `secret`. Answers have WeChat's form.",
        ),
        calls: &[
            call(
                "GET",
                "/cgi-bin/token",
                "返回网关凭证，真正的凭证不外传。",
                "Hands out a gateway token; the real one never leaves.",
            ),
            call("POST", "/cgi-bin/stable_token", "同上。", "The same."),
            call("GET", "/sns/jscode2session", "登录。", "Login."),
            call(
                "POST",
                "/cgi-bin/message/wxopen/template/send",
                "模板消息，自带 form_id。",
                "Template message; it brings its own form_id.",
            ),
            call(
                "POST",
                "/cgi-bin/message/subscribe/send",
                "订阅消息，有额度则使用额度。",
                "Subscribe message; uses a permit if there is one.",
            ),
            call(
                "",
                "/cgi-bin/* /wxa/* /wxaapi/* /sns/*",
                "其余路径换上真正的凭证后转交微信。",
                "Everything else is passed on to WeChat with the real token put in.",
            ),
        ],
    },
];

/// The method, the path and the purpose in Chinese of each call that the OpenAPI description has, in the order of the page.
pub fn calls_in_chinese() -> Vec<(&'static str, &'static str, &'static str)> {
    let calls = GROUPS.iter().flat_map(|group| group.calls);
    calls.map(|call| (call.method, call.path, call.does.text(Language::Zh))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::api::openapi::tests::described;

    #[test]
    fn every_call_is_listed_once_and_no_other() {
        let described: BTreeSet<String> = described()
            .into_iter()
            .map(|(path, method)| format!("{} {path}", method.to_uppercase()))
            .collect();
        let is_own = |call: &&Call| !["/cgi-bin", "/sns"].iter().any(|family| call.path.starts_with(family));
        let listed: Vec<String> = GROUPS
            .iter()
            .flat_map(|group| group.calls)
            .filter(is_own)
            .map(|call| format!("{} {}", call.method, call.path))
            .collect();
        assert_eq!(listed.iter().cloned().collect::<BTreeSet<_>>(), described);
        assert_eq!(listed.len(), described.len());
    }
}
