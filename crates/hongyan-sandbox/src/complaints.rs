//! Complaints: what the real WeChat would refuse or ignore in a request that passed here (or would pass a mock).
//!
//! Pure rules about the request. They do not repeat the errcode of a refused request. They run when somebody reads the
//! log, so requests stay fast.

use std::sync::Arc;

use hongyan_wechat::FieldKind;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::state::requests::LoggedRequest;
use crate::state::templates::{Family, Template};
use crate::wechat_api;
use hongyan_ui::Language;

/// The most complaints of a request; the first complaints say enough.
const MAX_COMPLAINTS: usize = 20;

/// A complaint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Complaint {
    /// The code, for programs.
    pub(crate) code: &'static str,
    /// The text, for people, in English.
    pub(crate) detail: String,
    /// The same in Chinese.
    pub(crate) detail_zh: String,
}

/// Every code with its meaning, in Chinese and English; the pages show the table.
pub(crate) const CODES: &[(&str, &str, &str)] = &[
    ("unknown_parameter", "地址中有接口不认识的参数", "the URL has a parameter that the call does not know"),
    ("repeated_parameter", "地址中同一参数出现多次", "the URL has the same parameter twice"),
    (
        "unknown_member",
        "请求体中有接口不认识的成员，微信会忽略",
        "the body has a member that the call does not know; WeChat ignores it",
    ),
    (
        "token_in_body",
        "access_token 在请求体里；微信只看地址中的参数",
        "access_token is in the body; WeChat reads access_token only from the URL",
    ),
    (
        "secret_in_query",
        "应放在请求体里的密钥出现在地址中，会进入日志",
        "a secret that belongs in the body is in the URL, where logs record it",
    ),
    (
        "content_type",
        "带请求体的 POST 应为 application/json",
        "a POST with a body should be application/json",
    ),
    ("body_on_get", "GET 带了请求体", "a GET has a body"),
    (
        "chunked_body",
        "请求体分块发送（Transfer-Encoding: chunked），没有长度；微信回 HTTP 412",
        "the body was chunked (Transfer-Encoding: chunked) and had no length: WeChat answers HTTP 412",
    ),
    (
        "method",
        "微信文档中该接口用 GET，这里是 POST",
        "WeChat documents GET for this call, but the request was a POST",
    ),
    ("byte_order_mark", "请求体以 BOM 开头", "the body begins with a byte order mark"),
    (
        "leading_slash",
        "page 以斜杠开头；微信会送达，但页面可能打不开",
        "page begins with a slash: WeChat delivers the message, but the page may not open",
    ),
    (
        "emoji",
        "字段含 emoji，微信通常回 47003",
        "a field contains an emoji, which WeChat usually refuses (47003)",
    ),
    (
        "blank_value",
        "字段只有空白，微信回 47003",
        "a field contains only blanks, which WeChat refuses (47003)",
    ),
    (
        "mixed_name",
        "name 字段中英文混用，微信回 47003",
        "a name mixes Chinese and other letters, which WeChat refuses (47003)",
    ),
    (
        "too_long_for_the_card",
        "keyword 超过 20 个字符，手机上会被截断",
        "a keyword has more than 20 characters; the phone cuts off the rest",
    ),
    (
        "extra_field",
        "data 中有模板没有的字段，微信会忽略",
        "data has a field that the template does not have; WeChat ignores it",
    ),
    (
        "legacy_closed",
        "模板消息自 2020 年 1 月 10 日起对新小程序关闭，应使用订阅消息",
        "WeChat closed template messages to new apps on 2020-01-10; use subscribe messages",
    ),
];

/// The parameters and body members that a call knows.
struct Shape {
    path: &'static str,
    parameters: &'static [&'static str],
    members: &'static [&'static str],
}

const fn shape(
    path: &'static str,
    parameters: &'static [&'static str],
    members: &'static [&'static str],
) -> Shape {
    Shape { path, parameters, members }
}

const TOKEN: &[&str] = &["access_token"];
const SUBSCRIBE: &str = "/cgi-bin/message/subscribe/send";
const LEGACY: &str = "/cgi-bin/message/wxopen/template/send";

static SHAPES: &[Shape] = &[
    shape(SUBSCRIBE, TOKEN, &["touser", "template_id", "page", "data", "miniprogram_state", "lang"]),
    shape(LEGACY, TOKEN, &["touser", "template_id", "page", "form_id", "data", "color", "emphasis_keyword"]),
    shape("/cgi-bin/token", &["grant_type", "appid", "secret"], &[]),
    shape("/cgi-bin/stable_token", &[], &["grant_type", "appid", "secret", "force_refresh"]),
    shape("/sns/jscode2session", &["appid", "secret", "js_code", "grant_type"], &[]),
    shape("/wxa/checksession", &["access_token", "openid", "signature", "sig_method"], &[]),
    shape("/wxa/resetusersessionkey", &["access_token", "openid", "signature", "sig_method"], &[]),
    shape("/wxaapi/newtmpl/gettemplate", TOKEN, &[]),
    shape("/wxaapi/newtmpl/addtemplate", TOKEN, &["tid", "kidList", "sceneDesc"]),
    shape("/wxaapi/newtmpl/deltemplate", TOKEN, &["priTmplId"]),
    shape("/wxaapi/newtmpl/getpubtemplatekeywords", &["access_token", "tid"], &[]),
    shape("/wxaapi/newtmpl/getpubtemplatetitles", &["access_token", "ids", "start", "limit"], &[]),
    shape("/wxaapi/newtmpl/getcategory", TOKEN, &[]),
    shape("/cgi-bin/wxopen/template/list", TOKEN, &["offset", "count"]),
    shape("/cgi-bin/wxopen/template/add", TOKEN, &["id", "keyword_id_list"]),
    shape("/cgi-bin/wxopen/template/del", TOKEN, &["template_id"]),
    shape("/cgi-bin/wxopen/template/library/list", TOKEN, &["offset", "count"]),
    shape("/cgi-bin/wxopen/template/library/get", TOKEN, &["id"]),
    shape("/cgi-bin/openapi/quota/get", TOKEN, &["cgi_path"]),
    shape("/cgi-bin/openapi/rid/get", TOKEN, &["rid"]),
    shape("/cgi-bin/clear_quota", TOKEN, &["appid"]),
    shape("/cgi-bin/clear_quota/v2", &["appid", "appsecret"], &["appid", "appsecret"]),
];

/// All complaints about a request. `template` finds a template of the request's app.
pub(crate) fn of(
    request: &LoggedRequest,
    template: impl Fn(&str) -> Option<Arc<Template>>,
) -> Vec<Complaint> {
    let mut found = Found(Vec::new());
    let kept = &request.kept;
    let shape = SHAPES.iter().find(|shape| shape.path == request.path);
    if let Some(shape) = shape {
        parameters(&mut found, shape, &kept.query);
    }
    if kept.is_chunked {
        found.add(
            "chunked_body",
            "send a Content-Length: WeChat answers HTTP 412 to a chunked body",
            "请带上 Content-Length：微信对分块的请求体回 HTTP 412",
        );
    }
    if request.method == "POST" && is_documented_as_get(&request.path) {
        found.add("method", "WeChat documents GET for this call", "微信文档中该接口用 GET");
    }
    if request.method == "GET" && !kept.body.is_empty() {
        found.add(
            "body_on_get",
            "send no body with a GET: proxies drop the body, and WeChat does not read it",
            "GET 请不要带请求体：代理会丢弃，微信也不读取",
        );
    }
    if request.method == "POST" && !kept.body.is_empty() {
        let kind = kept.content_type.as_deref().unwrap_or_default();
        if !kind.to_ascii_lowercase().starts_with("application/json") {
            found.add(
                "content_type",
                &format!("the content type of a JSON body should be application/json, not {kind:?}"),
                &format!("JSON 请求体的类型应为 application/json，而不是 {kind:?}"),
            );
        }
        if kept.body.starts_with(b"\xef\xbb\xbf") {
            found.add(
                "byte_order_mark",
                "the body begins with a byte order mark, which JSON does not allow",
                "请求体以 BOM 开头，JSON 不允许",
            );
        }
    }
    if let Ok(Value::Object(body)) = serde_json::from_slice(&kept.body) {
        if let Some(shape) = shape {
            members(&mut found, shape, &body);
        }
        if [SUBSCRIBE, LEGACY].contains(&request.path.as_str()) {
            message(&mut found, &body, &template);
        }
    }
    if request.path == LEGACY && request.errcode == Some(0) {
        found.add(
            "legacy_closed",
            "WeChat closed template messages to new apps on 2020-01-10",
            "模板消息自 2020 年 1 月 10 日起对新小程序关闭",
        );
    }
    found.0.truncate(MAX_COMPLAINTS);
    found.0
}

/// Calls that accept POST here because it is unknown whether WeChat refuses POST. WeChat is known to accept POST at these
/// two.
fn is_documented_as_get(path: &str) -> bool {
    const TAKEN_BY_POST: [&str; 2] = ["/cgi-bin/token", "/sns/jscode2session"];
    wechat_api::calls().any(|(method, known)| known == path && method == http::Method::GET)
        && !TAKEN_BY_POST.contains(&path)
}

struct Found(Vec<Complaint>);

impl Found {
    fn add(&mut self, code: &'static str, detail: &str, detail_zh: &str) {
        debug_assert!(CODES.iter().any(|(known, _, _)| *known == code), "{code} is in the table");
        self.0.push(Complaint { code, detail: detail.to_owned(), detail_zh: detail_zh.to_owned() });
    }
}

/// Quotes names only: a value may be a secret.
fn parameters(found: &mut Found, shape: &Shape, query: &[(String, String)]) {
    for (at, (name, _)) in query.iter().enumerate() {
        let short = shown(name);
        if query[..at].iter().any(|(earlier, _)| earlier == name) {
            let (en, zh) = (format!("the URL has {short} twice"), format!("地址中 {short} 出现了两次"));
            found.add("repeated_parameter", &en, &zh);
        } else if !shape.parameters.contains(&name.as_str()) {
            let (en, zh) = (format!("the call has no parameter {short}"), format!("接口没有参数 {short}"));
            found.add("unknown_parameter", &en, &zh);
        }
        if name == "appsecret" || (name == "secret" && !shape.parameters.contains(&"secret")) {
            let (en, zh) = (format!("send {name} in the body"), format!("请把 {name} 放在请求体里"));
            found.add("secret_in_query", &en, &zh);
        }
    }
}

fn members(found: &mut Found, shape: &Shape, body: &Map<String, Value>) {
    for name in body.keys() {
        if name == "access_token" {
            found.add("token_in_body", "send access_token in the URL", "请把 access_token 放在地址里");
        } else if !shape.members.contains(&name.as_str()) {
            let short = shown(name);
            let (en, zh) = (format!("the call has no member {short}"), format!("接口没有成员 {short}"));
            found.add("unknown_member", &en, &zh);
        }
    }
}

fn message(found: &mut Found, body: &Map<String, Value>, template: &impl Fn(&str) -> Option<Arc<Template>>) {
    if body.get("page").and_then(Value::as_str).is_some_and(|page| page.starts_with('/')) {
        found.add(
            "leading_slash",
            "write page without a leading slash: pages/index/index",
            "page 不要以斜杠开头，应写作 pages/index/index",
        );
    }
    let Some(data) = body.get("data").and_then(Value::as_object) else { return };
    let template = body.get("template_id").and_then(Value::as_str).and_then(template);
    for (name, datum) in data {
        if let Some(template) = &template
            && !template.fields.iter().any(|field| *field.name == **name)
        {
            let short = shown(name);
            let (en, zh) = (format!("the template has no field {short}"), format!("模板没有字段 {short}"));
            found.add("extra_field", &en, &zh);
        }
        let colour_is_known = template.as_ref().is_none_or(|t| t.family == Family::Legacy);
        for member in datum.as_object().into_iter().flat_map(Map::keys) {
            if member != "value" && !(member == "color" && colour_is_known) {
                let short = shown(member);
                let (en, zh) = (format!("a field has no member {short}"), format!("字段没有成员 {short}"));
                found.add("unknown_member", &en, &zh);
            }
        }
        if let Some(value) = datum.get("value").and_then(Value::as_str) {
            field(found, name, value);
        }
    }
}

fn field(found: &mut Found, name: &str, value: &str) {
    let name = shown(name);
    if !value.is_empty() && value.trim().is_empty() {
        found.add("blank_value", &format!("{name} contains only blanks"), &format!("{name} 只有空白"));
    }
    if value.chars().any(is_emoji) {
        found.add("emoji", &format!("{name} contains an emoji"), &format!("{name} 含有 emoji"));
    }
    match FieldKind::of(&name) {
        Some(FieldKind::Name) => {
            let has_han = value.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
            if has_han && value.chars().any(|c| c.is_ascii_alphabetic()) {
                let en = format!("{name} mixes Chinese and other letters");
                found.add("mixed_name", &en, &format!("{name} 中英文混用"));
            }
        }
        Some(FieldKind::Keyword) if value.chars().count() > 20 => {
            let en = format!("{name} has more than 20 characters");
            found.add("too_long_for_the_card", &en, &format!("{name} 超过 20 个字符"));
        }
        _ => {}
    }
}

/// The blocks that contain nearly all emoji, and the joiners of emoji.
fn is_emoji(c: char) -> bool {
    matches!(c, '\u{1f000}'..='\u{1faff}' | '\u{2600}'..='\u{27bf}' | '\u{fe0f}' | '\u{200d}' | '\u{2b50}' | '\u{2b55}')
}

/// A name from outside, cut to a limited length.
fn shown(name: &str) -> String {
    name.chars().take(40).collect()
}

/// The table for the help page.
pub(crate) fn html(language: Language) -> String {
    let row = |(code, zh, en): &(&str, &str, &str)| {
        format!("<tr><td><code>{code}</code></td><td>{}</td></tr>\n", language.pick(zh, en))
    };
    CODES.iter().map(row).collect()
}

/// The table for the pages in `docs/`.
#[cfg(test)]
pub(crate) fn markdown(is_chinese: bool) -> String {
    let head = if is_chinese { "| code | 含义 |" } else { "| code | means |" };
    let row = |(code, zh, en): &(&str, &str, &str)| {
        format!("| `{code}` | {} |\n", if is_chinese { zh } else { en })
    };
    format!("{head}\n| --- | --- |\n{}", CODES.iter().map(row).collect::<String>())
}

#[cfg(test)]
mod tests {
    use hongyan_clock::UnixMillis;

    use super::*;
    use crate::state::requests::Kept;
    use crate::state::seed::Seed;

    #[derive(Clone, Copy)]
    struct Sent<'a> {
        method: &'a str,
        path: &'a str,
        query: &'a [(&'a str, &'a str)],
        content_type: &'a str,
        body: &'a str,
    }

    fn codes(sent: &Sent<'_>) -> Vec<&'static str> {
        let query = sent.query.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let request = LoggedRequest {
            time: UnixMillis(0),
            method: sent.method.into(),
            path: sent.path.into(),
            appid: None,
            openid: None,
            errcode: Some(0),
            chaos: None,
            magic: None,
            card: None,
            kept: Kept::of(query, Some(sent.content_type.into()), sent.body.as_bytes()),
        };
        let templates = Seed::constant().templates().map(Arc::new);
        let find = |id: &str| templates.iter().find(|t| t.id.as_str() == id).cloned();
        of(&request, find).into_iter().map(|complaint| complaint.code).collect()
    }

    fn subscribe(body: &str) -> Vec<&'static str> {
        let query = &[("access_token", "t")];
        codes(&Sent { method: "POST", path: SUBSCRIBE, query, content_type: "application/json", body })
    }

    #[test]
    fn a_right_request_has_none() {
        let seed = Seed::constant();
        let body = format!(
            r#"{{"touser":"o1","template_id":"{}","page":"pages/a","data":{{"thing1":{{"value":"拿铁"}}}}}}"#,
            seed.subscribe_template
        );
        assert_eq!(subscribe(&body), [""; 0]);
    }

    #[test]
    fn each_mistake_is_named() {
        let template = Seed::constant().subscribe_template;
        let with = |member: &str| format!(r#"{{"template_id":"{template}",{member}}}"#);
        for (member, code) in [
            (r#""access_token":"t""#, "token_in_body"),
            (r#""templateId":"t""#, "unknown_member"),
            (r#""page":"/pages/a""#, "leading_slash"),
            (r#""data":{"thing1":{"value":"拿铁☕"}}"#, "emoji"),
            (r#""data":{"thing1":{"value":"  "}}"#, "blank_value"),
            (r#""data":{"thing9":{"value":"x"}}"#, "extra_field"),
            (r##""data":{"thing1":{"value":"x","color":"#fff"}}"##, "unknown_member"),
        ] {
            assert_eq!(subscribe(&with(member)), [code], "{member}");
        }
        assert_eq!(subscribe(r#"{"data":{"name1":{"value":"王Anna"}}}"#), ["mixed_name"]);
        assert_eq!(subscribe("\u{feff}{}"), ["byte_order_mark"]);
    }

    #[test]
    fn parameters_and_headers_are_looked_at_too() {
        let get = Sent { method: "GET", path: "/cgi-bin/token", query: &[], content_type: "", body: "" };
        assert_eq!(codes(&Sent { body: "{}", ..get }), ["body_on_get"]);
        assert_eq!(codes(&Sent { query: &[("app_id", "x")], ..get }), ["unknown_parameter"]);
        assert_eq!(codes(&Sent { query: &[("appid", "x"), ("appid", "y")], ..get }), ["repeated_parameter"]);
        let post = Sent {
            method: "POST",
            path: "/cgi-bin/stable_token",
            content_type: "application/x-www-form-urlencoded",
            body: "{}",
            ..get
        };
        assert_eq!(codes(&post), ["content_type"]);
        let path = "/cgi-bin/clear_quota/v2";
        let query = &[("appid", "x"), ("appsecret", "y")];
        assert_eq!(codes(&Sent { path, query, body: "", ..post }), ["secret_in_query"]);
        let list = Sent { path: "/wxaapi/newtmpl/gettemplate", body: "", ..post };
        assert_eq!(codes(&list), ["method"]);
        assert_eq!(codes(&Sent { path: "/cgi-bin/token", ..list }), [""; 0], "WeChat accepts POST here");
    }

    #[test]
    fn a_template_message_is_told_that_its_time_is_over() {
        let long = "字".repeat(21);
        let body = format!(r#"{{"data":{{"keyword1":{{"value":"{long}","color":"red"}}}}}}"#);
        let query = &[("access_token", "t")];
        let sent =
            Sent { method: "POST", path: LEGACY, query, content_type: "application/json", body: &body };
        assert_eq!(codes(&sent), ["too_long_for_the_card", "legacy_closed"]);
    }

    #[test]
    fn every_call_has_its_shape() {
        for (_, path) in crate::wechat_api::calls() {
            assert!(SHAPES.iter().any(|shape| shape.path == path), "{path}");
        }
    }
}
