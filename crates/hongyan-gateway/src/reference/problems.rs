//! The page of problem codes: what each code means, and what to do.

use hongyan_ui::Language;

use super::{Entry, Page};
use crate::problem::{CODES, ProblemCode, TYPE_PREFIX};

/// What the page says about a code besides its English title.
struct Words {
    code: &'static str,
    title_zh: &'static str,
    help_en: &'static str,
    help_zh: &'static str,
}

const fn words(
    code: &'static str,
    title_zh: &'static str,
    help_en: &'static str,
    help_zh: &'static str,
) -> Words {
    Words { code, title_zh, help_en, help_zh }
}

/// One entry for each of [`CODES`], in the same order.
const WORDS: &[Words] = &[
    words(
        "malformed_json",
        "请求体不是合法的 JSON",
        "Correct the body at `line` and `column`.",
        "按 `line`、`column` 指出的位置修正请求体。",
    ),
    words(
        "body_incomplete",
        "请求体不完整",
        "The connection closed before the whole body arrived. Send the request again.",
        "连接在请求体传完之前断开，请重新发送。",
    ),
    words(
        "duplicate_header",
        "同一请求头出现两次",
        "`field` names the header. Send it once.",
        "`field` 所指的请求头只能发送一次；两个值无法同时生效。",
    ),
    words(
        "invalid_host",
        "请求没有指明主机",
        "Send exactly one header `Host` with the name or address of the server.",
        "请携带且只携带一个 `Host` 请求头，内容为服务器的名称或地址。",
    ),
    words(
        "unauthorized",
        "API key 无效",
        "Send `Authorization: Bearer hyk_…` with a key that has not been revoked.",
        "请携带 `Authorization: Bearer hyk_…`，并确认 key 未被吊销。",
    ),
    words(
        "key_expired",
        "API 密钥已过期",
        "Create a new key: `hongyan key create`, or `POST /v1/keys`.",
        "请用 `hongyan key create` 或 `POST /v1/keys` 新建密钥。",
    ),
    words(
        "forbidden",
        "API key 没有此权限",
        "Use a key with the scope that `scope` names; create it with `hongyan key create`.",
        "请改用带有 `scope` 所示权限的 key，可用 `hongyan key create` 创建。",
    ),
    words("not_found", "没有这样的对象", "Check the id or the path.", "请核对 id 或路径。"),
    words(
        "method_not_allowed",
        "该路径不支持此方法",
        "`/openapi.json` lists the methods of every path.",
        "各路径支持的方法见 `/openapi.json`。",
    ),
    words(
        "body_too_slow",
        "请求体没有及时传完",
        "Send the body without pauses. The setting `body_seconds` limits the total time.",
        "请连续发送请求体；总时长上限见配置项 `body_seconds`。",
    ),
    words(
        "body_too_large",
        "请求体过大",
        "Send less in one request, or raise `max_body_bytes`; under `/mp` the limit is fixed.",
        "请减少单次请求的内容，或调大 `max_body_bytes`；`/mp` 下的上限是固定的。",
    ),
    words(
        "unsupported_media_type",
        "请求体必须是 JSON",
        "Send the header `Content-Type: application/json`.",
        "请加上请求头 `Content-Type: application/json`。",
    ),
    words(
        "wrong_host",
        "本服务器不以此主机名提供服务",
        "Use a name that the setting `hosts` lists, an IP address, or `localhost`.",
        "请使用配置项 `hosts` 中的名称、IP 地址或 `localhost`。",
    ),
    words(
        "invalid_field",
        "字段内容不合法",
        "`field` names the field. For a message, `errors` lists every wrong field with its rule.",
        "`field` 指出字段；对于消息，`errors` 列出全部有误的字段及其规则。",
    ),
    words("missing_field", "缺少字段", "Add the field that `field` names.", "请补上 `field` 指出的字段。"),
    words(
        "unknown_field",
        "没有这个字段",
        "Check the spelling of the field that `field` names.",
        "请核对 `field` 所指字段的拼写。",
    ),
    words(
        "duplicate_field",
        "同一字段出现两次",
        "Send the field that `field` names once. Names that differ only in escapes are the same name.",
        "`field` 所指的字段有两个值，请只保留一个。仅转义写法不同的名称视为同一个字段。",
    ),
    words(
        "too_many_requests",
        "此类请求过多",
        "Wait for `retry_after_seconds`; `detail` names the limit.",
        "请等待 `retry_after_seconds`；`detail` 指出是哪个限制。",
    ),
    words(
        "unknown_app",
        "小程序未登记",
        "Register the app with `POST /v1/apps`.",
        "请先用 `POST /v1/apps` 登记。",
    ),
    words(
        "app_exists",
        "小程序已登记",
        "Change the app with `PATCH /v1/apps/{appid}`.",
        "请用 `PATCH /v1/apps/{appid}` 修改。",
    ),
    words(
        "app_paused",
        "小程序已暂停",
        "The gateway calls WeChat for this app again once the cause is fixed; `detail` says what to do.",
        "处理之前无法为该小程序调用微信接口；做法见 `detail`。",
    ),
    words(
        "unknown_template",
        "小程序没有这个模板",
        "Compare the id with those in `GET /v1/apps/{appid}/templates`, or add the template.",
        "请与 `GET /v1/apps/{appid}/templates` 核对 id，或先添加模板。",
    ),
    words(
        "template_exists",
        "模板已存在",
        "Use the existing template, or choose other keywords.",
        "请使用已有的模板，或更换关键词。",
    ),
    words(
        "template_limit",
        "模板数量已达上限",
        "Delete a template that is not needed.",
        "请先删除不用的模板。",
    ),
    words(
        "template_refused",
        "微信拒绝了对模板库的操作",
        "`errcode` says why. `field` names the field to change, if it is known.",
        "原因见 `errcode`；能确定字段时由 `field` 指出。",
    ),
    words(
        "too_many_webhooks",
        "webhook 数量已达上限",
        "Remove a webhook that is not needed; `GET /v1/webhooks` lists all webhooks.",
        "请删除不再需要的 webhook；`GET /v1/webhooks` 列出全部。",
    ),
    words(
        "name_taken",
        "用户名已被使用",
        "Choose another name, or reset the password of the person who has it.",
        "请换一个用户名；如果是同一个人，请为其重置口令。",
    ),
    words(
        "last_admin",
        "这是唯一的管理员",
        "Make another person an admin for all apps first.",
        "请先让另一个人成为所有小程序的管理员。",
    ),
    words(
        "idempotency_key_reused",
        "幂等键已用于另一请求",
        "Use a new key for a new request. `message` names the message that the key belongs to.",
        "新请求请用新的幂等键；`message` 指出该键对应的消息。",
    ),
    words(
        "too_late_to_cancel",
        "消息已无法撤回",
        "The message may have been sent already; look at its state.",
        "消息可能已经下发，请查看其状态。",
    ),
    words(
        "not_unknown",
        "消息结果并无疑问",
        "There is nothing to resolve; `state` is the message's current state.",
        "无需处置；`state` 是当前状态。",
    ),
    words(
        "another_attempt",
        "存疑的已是另一次尝试",
        "Look at the message again; `attempt` is the number of the attempt in doubt.",
        "请重新查看消息；`attempt` 是当前存疑的尝试。",
    ),
    words(
        "mock_form_id",
        "不是真实的 form_id",
        "The developer tools make up form ids. Submit the form on a real phone.",
        "开发者工具给出的是模拟值，请在真机上提交表单。",
    ),
    words(
        "too_many_codes",
        "该用户未用的凭据已达上限",
        "Use the existing codes first, or wait until they expire. If users really have so many, raise `codes_per_user`.",
        "先用掉已有的，或等它们过期；若用户确实会有这么多，请调大 `codes_per_user`。",
    ),
    words(
        "invalid_session",
        "会话无效",
        "Log in again with a new code from `wx.login`.",
        "请用新的 `wx.login` code 重新登录。",
    ),
    words(
        "session_of_another_app",
        "会话属于其他小程序",
        "Use the session from this app's login.",
        "请使用本小程序登录得到的会话。",
    ),
    words(
        "risky_user",
        "微信拦截了该用户的登录",
        "The server can do nothing; the user can appeal to WeChat.",
        "服务端无需处理，用户可向微信申诉。",
    ),
    words(
        "invalid_code",
        "登录 code 无效或过期",
        "Call `wx.login` again and send the new code at once.",
        "请重新调用 `wx.login` 并立即提交。",
    ),
    words(
        "code_used",
        "登录 code 已被使用",
        "A code works once. Call `wx.login` again.",
        "每个 code 只能用一次，请重新调用 `wx.login`。",
    ),
    words(
        "undecipherable",
        "用户数据解不开",
        "In the mini program, first call `wx.login`, then fetch the data again, and send both at once. If decryption still \
         fails, check that `app` and `openid` are those of the user who fetched the data.",
        "请让用户先调用 `wx.login`，再重新获取数据，并立即一起提交。若始终解不开，请核对 `app` 和 `openid` 是否属于获取数据的用户。",
    ),
    words(
        "access_token_hidden",
        "不对外提供微信的 access_token",
        "Use a gateway token; it works in all of WeChat's calls at the facade. If a program needs WeChat's own access token, \
         set `reveal_access_token`.",
        "请使用网关 token，它可用于兼容接口上的所有微信接口。确实需要微信的 access_token 时，请打开配置项 `reveal_access_token`。",
    ),
    words(
        "wechat_busy",
        "微信暂不接受更多调用",
        "Wait for `retry_after_seconds`, or until tomorrow if the daily quota is used up.",
        "请等待 `retry_after_seconds`；若是当日额度用完，请等到次日。",
    ),
    words("wechat_refused", "微信拒绝", "`errcode` and `errmsg` say why.", "原因见 `errcode` 和 `errmsg`。"),
    words(
        "wechat_unavailable",
        "微信没有应答",
        "Try again after `retry_after_seconds`.",
        "请在 `retry_after_seconds` 之后重试。",
    ),
    words(
        "store_unavailable",
        "数据库出错",
        "Nothing was changed; try again. The gateway's log says more.",
        "没有任何改动，可以重试；详情见网关日志。",
    ),
    words(
        "store_full",
        "数据库所在磁盘已满",
        "Nothing was changed. Free disk space; the gateway then recovers by itself.",
        "没有任何改动。请清理磁盘，网关会自动恢复。",
    ),
    words(
        "store_damaged",
        "数据库已损坏",
        "Another try does not help. Run `hongyan check`, then restore a backup.",
        "重试无效。请运行 `hongyan check`，然后恢复备份。",
    ),
    words(
        "took_too_long",
        "查询耗时过长",
        "Ask for less: name the app or a reference, or use a smaller `limit`. Sending is not affected.",
        "请缩小范围：指明 app、reference，或减小 `limit`。发送不受影响。",
    ),
    words("unavailable", "暂时无法处理", "Try again in a moment.", "请稍后重试。"),
    words(
        "internal",
        "网关内部错误",
        "The gateway's log says more; please report it.",
        "详情见网关日志，请反馈给我们。",
    ),
];

/// The title of a code in Chinese, and what to do.
pub(super) fn in_chinese(code: &str) -> Option<(&'static str, &'static str)> {
    WORDS.iter().find(|words| words.code == code).map(|words| (words.title_zh, words.help_zh))
}

pub(super) fn page(language: Language) -> Page {
    let (title, lead) = language.pick((
            "错误类型",
            [
                "网关自有接口的拒绝都是 problem（RFC 9457），带有稳定的 `code`。本页列出每个 code、对应的 HTTP 状态和处理办法。\
                 程序请按 code 分支，不要依赖文字。",
                "本页由代码中的表生成；运行中的网关在 `/problems` 提供同一页面。由微信的拒绝引起的 problem 还带有 `errcode`，\
                 `help` 链接到错误码页中的对应条目。",
            ],
        ), (
            "Problems",
            [
                "A refusal of the gateway's own API is a problem (RFC 9457) with a stable `code`. This page lists each code, its \
                 HTTP status, and what to do. Branch on the code, not on the text.",
                "This page is generated from a table in the code; a running gateway serves it at `/problems`. If WeChat refused \
                 a call, the problem also has `errcode`, and `help` links to its entry on the errcodes page.",
            ],
        ));
    Page {
        name: "problems",
        language,
        title,
        lead: lead.map(str::to_owned).into(),
        entries: CODES.iter().map(|known| entry(known, language)).collect(),
    }
}

fn entry(known: &ProblemCode, language: Language) -> Entry {
    let words = WORDS.iter().find(|words| words.code == known.code);
    let (title_zh, help_en, help_zh) =
        words.map_or(("", "", ""), |words| (words.title_zh, words.help_en, words.help_zh));
    Entry {
        name: known.code.to_owned(),
        anchor: known.code.to_owned(),
        heading: format!("`{}`", known.code),
        text: language.pick(format!("{title_zh}。"), format!("{}.", known.title)),
        lines: vec![
            (language.pick("状态码", "Status"), known.status.to_string()),
            ("type", format!("`{TYPE_PREFIX}{}`", known.code)),
            (language.pick("你要做的", "You"), language.pick(help_zh, help_en).to_owned()),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_words_in_the_same_order() {
        let codes: Vec<&str> = CODES.iter().map(|known| known.code).collect();
        let explained: Vec<&str> = WORDS.iter().map(|words| words.code).collect();
        assert_eq!(explained, codes);
        for words in WORDS {
            assert!(words.help_en.ends_with('.') && words.help_zh.ends_with('。'), "{}", words.code);
        }
    }
}
