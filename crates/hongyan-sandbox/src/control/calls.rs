//! Every call of `/_sandbox`: what it does, what it takes and what it answers. The page of help and the OpenAPI
//! description come from this table. Tests compare the table with the routes, the parameters and the answers.
//!
//! Parameters, bodies and answers are lists of `name:type`. `!` behind a type: always there. `?` behind a type: may be
//! `null`. `[type]` is a list, `one|other` are words, a name that begins with a capital letter is a schema of [`SCHEMAS`],
//! and the other names are in [`TYPES`]. An answer that begins with `=` is of that type as a whole.

/// A call.
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) zh: &'static str,
    pub(crate) en: &'static str,
    pub(crate) query: &'static str,
    /// Empty if the call takes no body.
    pub(crate) body: &'static str,
    pub(crate) answer: &'static str,
}

impl Call {
    /// Method, path and the names of the parameters, as the page of help shows them.
    pub(crate) fn shown(&self) -> String {
        let names: Vec<_> = self.query.split_whitespace().filter_map(|part| part.split(':').next()).collect();
        let query = if names.is_empty() { String::new() } else { format!("?{}=", names.join("=&")) };
        format!("{} {}{query}", self.method, self.path)
    }
}

const fn get(
    path: &'static str,
    zh: &'static str,
    en: &'static str,
    query: &'static str,
    answer: &'static str,
) -> Call {
    Call { method: "GET", path, zh, en, query, body: "", answer }
}

const fn post(
    path: &'static str,
    zh: &'static str,
    en: &'static str,
    body: &'static str,
    answer: &'static str,
) -> Call {
    Call { method: "POST", path, zh, en, query: "", body, answer }
}

const fn delete(
    path: &'static str,
    zh: &'static str,
    en: &'static str,
    query: &'static str,
    answer: &'static str,
) -> Call {
    Call { method: "DELETE", path, zh, en, query, body: "", answer }
}

/// The method, the path and the purpose in Chinese of each call.
pub fn calls_in_chinese() -> Vec<(&'static str, &'static str, &'static str)> {
    CALLS.iter().map(|call| (call.method, call.path, call.zh)).collect()
}

/// Every call, in the order in which the pages show the calls.
#[rustfmt::skip]
pub(crate) const CALLS: &[Call] = &[
    get("/_sandbox/seed", "初始的小程序、用户和模板", "shows the app, user and templates that exist from the start", "",
        "appid:appid! app_secret:string! openid:openid! legacy_template:template_id! subscribe_template:template_id! \
         long_term_template:template_id! templates:Templates!"),
    post("/_sandbox/apps", "新建小程序", "makes an app", "appid:appid app_secret:string pages:[page]",
        "appid:appid! app_secret:string! legacy_template:template_id? subscribe_template:template_id? \
         long_term_template:template_id? templates:Templates!"),
    post("/_sandbox/templates", "新建模板", "makes a template",
        "appid:appid! family:legacy|once|long_term! template_id:template_id title:string! content:content! enum_values:[string]",
        "template_id:template_id!"),
    post("/_sandbox/pages", "告知小程序有哪些页面；此后其他 page 得到 41030",
        "sets the pages of the app; from then on any other page is refused with 41030", "appid:appid! pages:[page]!", "=Pages"),
    get("/_sandbox/pages", "查看已告知的页面", "shows the pages that were set", "appid:appid!", "=Pages"),
    delete("/_sandbox/pages", "重新接受任意页面", "accepts any page again", "appid:appid!", "=Pages"),
    post("/_sandbox/users", "新建用户", "makes a user", "appid:appid! count:count",
        "appid:appid! openid:openid! openids:[openid]!"),
    post("/_sandbox/login", "相当于 wx.login，得到 code", "acts as wx.login: returns a code", "appid:appid! openid:openid!", "code:string!"),
    post("/_sandbox/encrypted", "相当于 wx.getUserInfo，得到 encryptedData 和签名",
        "acts as wx.getUserInfo: returns encryptedData and its signature", "appid:appid! openid:openid! data:object",
        "encrypted_data:string! iv:string! raw_data:string! signature:string!"),
    post("/_sandbox/forms", "相当于提交表单，得到 form_id", "submits a form: returns a form_id",
        "appid:appid! openid:openid! count:count", "form_id:string! form_ids:[string]!"),
    post("/_sandbox/payments", "相当于支付，得到 prepay_id", "makes a payment: returns a prepay_id",
        "appid:appid! openid:openid! uses:uses", "prepay_id:string! uses:uses!"),
    post("/_sandbox/subscriptions", "用户对 wx.requestSubscribeMessage 的回答",
        "sets the user's answer to wx.requestSubscribeMessage",
        "appid:appid! openid:openid! template_id:template_id template_ids:[template_id] result:Result results:Results count:count",
        "errMsg:string! results:Results! subscriptions:[Subscription]!"),
    post("/_sandbox/settings", "用户在微信设置里拒收某个模板，或关闭小程序的全部通知",
        "changes WeChat's settings as the user: refuses a template, or turns all notifications of the app off",
        "appid:appid! openid:openid! template_id:template_id result:Result receives:boolean",
        "appid:appid! openid:openid!"),
    post("/_sandbox/callback", "设置消息推送的地址、令牌、加密方式和格式；先像微信一样校验地址",
        "sets the URL, token, mode and format of pushes; first checks the URL, as WeChat does",
        "appid:appid! url:url! token:string! encoding_aes_key:string mode:plain|compatible|safe format:xml|json timeout_ms:integer",
        "=Callback"),
    get("/_sandbox/callback", "查看推送设置，不含密钥", "shows the callback without its secrets", "appid:appid!", "=Callback"),
    delete("/_sandbox/callback", "取消推送", "removes the callback", "appid:appid!", "appid:appid! removed:boolean!"),
    post("/_sandbox/pushes", "推送任意内容，可故意弄坏：signature、timestamp、twice",
        "pushes any message, optionally damaged: signature, timestamp, twice",
        "appid:appid! openid:openid body:any! damage:[signature|timestamp|twice]", "id:integer!"),
    get("/_sandbox/pushes", "推送记录；可等到全部推送结束再返回",
        "lists the pushes and their answers; can wait until all pushes are finished",
        "appid:appid limit:integer idle_within_ms:idle", "held:boolean! waiting:integer! pushes:[Push]!"),
    post("/_sandbox/pushes/hold", "暂缓推送", "holds pushes back", "", "held:boolean! waiting:integer!"),
    post("/_sandbox/pushes/release", "放行推送", "releases held pushes", "", "held:boolean! waiting:integer!"),
    get("/_sandbox/inbox", "用户看到的消息；可等到有若干条再返回",
        "lists the cards that the users saw, oldest first; can wait until there are enough cards",
        "appid:appid openid:openid since:since limit:integer wait:wait count:wanted", "=[Card]"),
    get("/_sandbox/inbox/{id}", "一条消息、发送它的请求，以及与真实微信不符的地方",
        "shows a card, the request that sent the card, and what the real WeChat would refuse or ignore in the request", "", "=OpenedCard"),
    delete("/_sandbox/inbox", "删除全部消息，或某个小程序、某个用户的消息",
        "deletes all cards, those of an app, or those of a user", "appid:appid openid:openid", "deleted:integer!"),
    delete("/_sandbox/inbox/{id}", "删除一条消息", "deletes one card", "", "deleted:integer!"),
    get("/_sandbox/events", "同上，实时推送", "streams the same cards (server-sent events: message, deleted, clock, reset)",
        "appid:appid openid:openid since:integer", "=events"),
    get("/_sandbox/requests", "平台收到的请求，以及与真实微信不符、上线可能被拒的地方",
        "lists the requests, and what the real WeChat would refuse or ignore in them", "path:path limit:integer", "=[Request]"),
    get("/_sandbox/overview", "概览", "shows an overview", "",
        "now:time! apps:[App]! messages:integer! last_message_id:integer! requests:integer! slow_sends:integer! chaos:[Rule]! \
         kept:object!"),
    get("/_sandbox/state", "导出全部状态（JSON）", "saves the whole state as a JSON document", "", "=State"),
    Call { method: "PUT", path: "/_sandbox/state", zh: "恢复导出的状态", en: "restores a saved state", query: "",
        body: "=State", answer: "loaded:boolean! apps:integer!" },
    get("/_sandbox/config", "手机页面需要的设置", "shows the settings for the phone's page", "",
        "backend:boolean! now:time! version:string!"),
    get("/_sandbox/clock", "沙箱的时间", "shows the time of the sandbox", "", "now:time!"),
    post("/_sandbox/clock", "调整时间", "moves the time", "advance_seconds:integer set:time", "now:time!"),
    post("/_sandbox/quotas", "设置每日调用限额和已用次数", "sets the daily quota of a call and how much of it is used",
        "appid:appid! path:string! daily_limit:integer used:integer",
        "path:string! daily_limit:integer! used:integer!"),
    post("/_sandbox/tokens/rotate", "让已发出的凭证全部失效", "invalidates all access tokens", "appid:appid!",
        "appid:appid! rotated:boolean!"),
    post("/_sandbox/chaos",
        "添加一条故障规则，kind 为 errcode、latency、late_answer、hang、reset_before、reset_after、http_5xx、garbage、half_answer",
        "adds a fault; its kind is errcode, latency, late_answer, hang, reset_before, reset_after, http_5xx, garbage, half_answer",
        "path:path kind:Fault! errcode:integer millis:integer probability:probability times:integer?", "id:integer!"),
    get("/_sandbox/chaos", "查看故障规则", "lists the faults", "", "rules:[Rule]!"),
    delete("/_sandbox/chaos", "清除全部故障规则", "clears all faults", "", "cleared:boolean!"),
    delete("/_sandbox/chaos/{id}", "清除一条故障规则", "clears one fault", "", "cleared:boolean!"),
    post("/_sandbox/reset", "恢复初始状态", "resets everything to the initial state", "", "reset:boolean! now:time!"),
    get("/_sandbox/openapi.json", "以上调用的 OpenAPI 3.1 描述", "describes these calls as OpenAPI 3.1", "", "=object"),
];

/// Schemas that several calls share.
#[rustfmt::skip]
pub(super) const SCHEMAS: &[(&str, &str)] = &[
    ("Error", "error:string! code:string!"),
    ("Templates", "legacy:template_id? subscribe:template_id? long_term:template_id?"),
    ("Pages", "appid:appid! pages:[page]?!"),
    ("Result", "=accept|acceptWithAudio|acceptWithAlert|acceptWithForcePush|reject|ban|filter"),
    ("Results", "*:Result"),
    ("Subscription", "template_id:template_id! units:integer?! unlimited:boolean!"),
    ("Callback", "appid:appid! url:url! mode:plain|compatible|safe! format:xml|json! timeout_ms:integer! \
                  has_encoding_aes_key:boolean!"),
    ("Try", "at:time! status:integer?! answer:string!"),
    ("Push", "id:integer! appid:appid! made_at:time! event:string?! state:waiting|delivered|given_up|dropped! tries:[Try]! \
              damage:[signature|timestamp|twice] body:any!"),
    ("Field", "name:string! label:string! value:string! color:string?!"),
    ("Card", "id:integer! msgid:string! kind:legacy|subscribe! appid:appid! openid:openid! template_id:template_id! \
              title:string! fields:[Field]! emphasis:string?! page:string?! sent_at:time!"),
    ("Complaint", "code:string! detail:string! detail_zh:string!"),
    ("SentRequest", "time:time! method:string! path:string! query:[any]! content_type:string?! body:string?! errcode:integer?!"),
    ("OpenedCard", "id:integer! msgid:string! kind:legacy|subscribe! appid:appid! openid:openid! template_id:template_id! \
                    title:string! fields:[Field]! emphasis:string?! page:string?! sent_at:time! request:SentRequest?! \
                    complaints:[Complaint]!"),
    ("Fault", "=errcode|latency|late_answer|hang|reset_before|reset_after|http_5xx|garbage|half_answer"),
    ("Request", "time:time! method:string! path:string! appid:appid?! openid:string?! errcode:integer?! chaos:Fault magic:string \
                 card:integer complaints:[Complaint]!"),
    ("Rule", "id:integer! path:string! kind:Fault! errcode:integer! millis:integer! probability:probability! times:integer?! \
              hits:integer!"),
    ("Template", "template_id:template_id! family:legacy|once|long_term! title:string! content:string!"),
    ("UserUnits", "template_id:template_id! units:integer!"),
    ("User", "openid:openid! logged_in:boolean! subscriptions:[UserUnits]!"),
    ("App", "appid:appid! templates:[Template]! user_count:integer! users:[User]!"),
    ("State", "version:integer! state:object!"),
];

/// Types with their schema.
#[rustfmt::skip]
pub(super) const TYPES: &[(&str, &str)] = &[
    ("string", r#"{"type":"string"}"#),
    ("boolean", r#"{"type":"boolean"}"#),
    ("integer", r#"{"type":"integer"}"#),
    ("object", r#"{"type":"object"}"#),
    ("any", "{}"),
    ("appid", r#"{"type":"string","description":"An app of the sandbox.","examples":["wx0123456789abcdef"]}"#),
    ("openid", r#"{"type":"string","description":"A user of the app.","examples":["oSandboxUser0000000000000001"]}"#),
    ("template_id", r#"{"type":"string","description":"A template of the app."}"#),
    ("page", r#"{"type":"string","description":"The path of a page in the mini program.","examples":["pages/index/index"]}"#),
    ("content", r#"{"type":"string","description":"One line for each field.","examples":["商品:{{thing1.DATA}}"]}"#),
    ("url", r#"{"type":"string","format":"uri"}"#),
    ("time", r#"{"type":"string","format":"date-time"}"#),
    ("events", r#"{"type":"string","description":"A stream of server-sent events. A browser that was cut off goes on by Last-Event-ID."}"#),
    ("count", r#"{"type":"integer","minimum":1,"maximum":100000,"default":1}"#),
    ("wanted", r#"{"type":"integer","minimum":1,"default":1,"description":"With `wait`: the answer comes as soon as there are so many cards."}"#),
    ("wait", r#"{"type":"number","minimum":0,"maximum":60,"default":0,"description":"Seconds to wait for `count` cards."}"#),
    ("since", r#"{"type":"string","description":"The id of a card: the cards after this card. Or a time: the cards that were sent then or later."}"#),
    ("idle", r#"{"type":"integer","description":"Milliseconds, 60000 at most. The answer comes when no push waits any more; else the call is refused with 408."}"#),
    ("path", r#"{"type":"string","description":"A path of WeChat's. A `*` at its end stands for anything.","examples":["/cgi-bin/*"]}"#),
    ("probability", r#"{"type":"number","minimum":0,"maximum":1}"#),
    ("uses", r#"{"type":"integer","minimum":1,"maximum":3,"default":1}"#),
];
