//! The rules of a message's parts. Every broken rule is added to the [`Faults`], so that a caller sees all of them at once.

use hongyan_wechat::fields::MAX_KEYWORD_CHARS;
use hongyan_wechat::{
    FieldKind, FieldProblem, Fields, check_field, fields::Why, is_undocumented, may_be_too_long,
    shortened_to_fit,
};

use super::faults::{Fault, Faults};
use super::warnings::Warning;
use crate::apps::Template;
use crate::problem::Problem;

/// The longest page, with its query. WeChat documents no limit; its share cards allow 1,024 bytes.
const MAX_PAGE_BYTES: usize = 1_024;

/// The longest reference and the longest collapse key.
pub const MAX_REFERENCE_CHARS: usize = 128;

/// The longest idempotency key.
const MAX_KEY_CHARS: usize = 255;

/// The largest body that is built for WeChat. Even the largest template with the longest values is smaller, so only a template
/// with more fields than WeChat allows exceeds it.
const MAX_BODY_BYTES: usize = 16 * 1_024;

/// The most enum values that a refusal names.
const MAX_VALUES_NAMED: usize = 20;

/// A page is a path inside the mini program.
pub(super) fn page(page: Option<&str>, faults: &mut Faults) {
    let Some(page) = page else { return };
    let mut broken = |rule, rule_zh| faults.push(Fault::new("page", Some(page), rule, rule_zh));
    if page.is_empty() || page.len() > MAX_PAGE_BYTES {
        broken(
            "a page has 1 to 1024 bytes; leave it out for a card that opens nothing",
            "page 为 1 至 1024 字节；点击卡片不跳转时请省略该字段",
        );
    } else if page.starts_with('/') || page.contains("://") {
        broken(
            "a page is a path inside the mini program without a leading slash: pages/index/index?id=1",
            "page 是小程序内的路径，开头不带斜杠，如 pages/index/index?id=1",
        );
    } else if page.chars().any(|c| c.is_control() || c.is_whitespace()) {
        broken(
            "a page has no spaces or control characters; encode them",
            "page 不能含空白或控制字符，请先编码",
        );
    }
}

/// Checks the length of a reference or collapse key.
pub(super) fn length(field: &str, text: Option<&str>, faults: &mut Faults) {
    let Some(text) = text else { return };
    if !(1..=MAX_REFERENCE_CHARS).contains(&text.chars().count()) {
        let rule = format!("must have 1 to {MAX_REFERENCE_CHARS} characters");
        let rule_zh = format!("长度为 1 至 {MAX_REFERENCE_CHARS} 个字符");
        faults.push(Fault::new(field, Some(text), &rule, &rule_zh));
    }
}

/// Checks an idempotency key, of a header or of a message.
pub(super) fn idempotency_key(field: &str, key: Option<&str>, faults: &mut Faults) {
    let Some(key) = key else { return };
    let good =
        (1..=MAX_KEY_CHARS).contains(&key.len()) && key.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if !good {
        let rule = format!("1 to {MAX_KEY_CHARS} visible ASCII characters");
        let rule_zh = format!("1 至 {MAX_KEY_CHARS} 个可见 ASCII 字符");
        faults.push(Fault::new(field, Some(key), &rule, &rule_zh));
    }
}

/// Checks that every field of the template is present, that no field is unknown, and that every value keeps its rule. Returns
/// the fields in the template's order.
///
/// `truncate`: a value that is too long is cut if its kind allows it, and `warnings` says so.
pub(super) fn data(
    template: &Template,
    data: Fields,
    truncate: bool,
    faults: &mut Faults,
    warnings: &mut Vec<Warning>,
) -> Fields {
    let mut given = data.0;
    let is_known = |name: &str| template.fields.iter().any(|field| field.name == name);
    for (name, value) in given.iter().filter(|(name, _)| !is_known(name)) {
        let names: Vec<&str> = template.fields.iter().map(|field| field.name.as_str()).collect();
        faults.push(Fault::new(
            format!("data.{}", shorten(name)),
            Some(&value.value),
            &format!("the template has no such field; it has {}", names.join(", ")),
            &format!("模板没有这个字段；它的字段有 {}", names.join("、")),
        ));
    }
    let mut ordered = Vec::with_capacity(template.fields.len());
    for field in &template.fields {
        let name = &field.name;
        let Some(at) = given.iter().position(|(given, _)| given == name) else {
            let (rule, rule_zh) =
                FieldKind::of(name).map_or(("", ""), |kind| (kind.rule_en(), kind.rule_zh()));
            faults.push(
                Fault::new(format!("data.{name}"), None, "the template needs this field", "模板需要这个字段")
                    .because(rule, rule_zh),
            );
            continue;
        };
        let (name, mut value) = given.swap_remove(at);
        let listed = template.record.enums.get(&name).map(Vec::as_slice);
        if truncate && listed.is_none() {
            let cut = FieldKind::of(&name).and_then(|kind| shortened_to_fit(kind, &value.value));
            if let Some(cut) = cut {
                warnings.push(Warning::shortened(&name, &cut));
                value.value = cut;
            }
        }
        match check_field(&name, &value.value, listed) {
            Ok(()) if listed.is_none() && may_be_too_long(&name, &value.value) => {
                warnings.push(Warning::may_be_too_long(&name));
            }
            Ok(()) if listed.is_none() && is_undocumented(&name, &value.value) => {
                warnings.push(Warning::undocumented_form(&name));
            }
            Ok(()) => {}
            // WeChat knows the field's kind, because the template has the field. So WeChat judges the value.
            Err(problem) if problem.why == Why::UnknownKind => {
                if value.value.chars().nth(MAX_KEYWORD_CHARS).is_some() {
                    let rule = format!("at most {MAX_KEYWORD_CHARS} characters");
                    let rule_zh = format!("不超过 {MAX_KEYWORD_CHARS} 个字符");
                    faults.push(Fault::new(format!("data.{name}"), Some(&value.value), &rule, &rule_zh));
                } else {
                    warnings.push(Warning::unknown_kind(&name));
                }
            }
            Err(problem) => faults.push(broken(&name, &value.value, &problem, listed)),
        }
        color(&name, value.color.as_deref(), faults);
        ordered.push((name, value));
    }
    Fields(ordered)
}

fn broken(name: &str, value: &str, problem: &FieldProblem, listed: Option<&[String]>) -> Fault {
    let fault = Fault::new(format!("data.{name}"), Some(value), &problem.rule_en, &problem.rule_zh);
    match listed {
        Some(listed) => {
            let named: Vec<&str> = listed.iter().take(MAX_VALUES_NAMED).map(String::as_str).collect();
            let more = if listed.len() > named.len() { "…" } else { "" };
            fault.because(
                &format!("the template allows {}{more}", named.join(", ")),
                &format!("枚举值有 {}{more}", named.join("、")),
            )
        }
        None => fault.because(&problem.why.en(), &problem.why.zh()),
    }
}

fn color(name: &str, color: Option<&str>, faults: &mut Faults) {
    let good = |color: &str| {
        color.strip_prefix('#').is_some_and(|hex| {
            matches!(hex.len(), 3 | 6 | 8) && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    };
    if let Some(color) = color.filter(|color| !good(color)) {
        let (rule, rule_zh) = ("a colour is written like #173177", "颜色写作 #173177 的形式");
        faults.push(Fault::new(format!("data.{name}.color"), Some(color), rule, rule_zh));
    }
}

/// Checks that the emphasised field is a field of the template.
pub(super) fn emphasis(template: &Template, emphasis: Option<&str>, faults: &mut Faults) {
    let Some(emphasis) = emphasis else { return };
    let known = emphasis
        .strip_suffix(".DATA")
        .is_some_and(|name| template.fields.iter().any(|field| field.name == name));
    if !known {
        let (rule, rule_zh) =
            ("must name a field of the template, like keyword1.DATA", "应为模板中的字段，如 keyword1.DATA");
        faults.push(Fault::new("emphasis_keyword", Some(emphasis), rule, rule_zh));
    }
}

/// Refuses a member that only the other sort of message may have.
pub(super) fn absent(field: &str, present: bool, rule: &str, rule_zh: &str, faults: &mut Faults) {
    if present {
        faults.push(Fault::new(field, None, rule, rule_zh));
    }
}

/// Checks the size of the body for WeChat.
pub(super) fn size(bytes: usize) -> Result<(), Problem> {
    if bytes <= MAX_BODY_BYTES {
        return Ok(());
    }
    let rule = format!("all fields together may have at most {MAX_BODY_BYTES} bytes");
    let rule_zh = format!("全部字段合计不超过 {MAX_BODY_BYTES} 字节");
    let mut faults = Faults::default();
    faults.push(
        Fault::new("data", None, &rule, &rule_zh)
            .because(&format!("the fields have {bytes} bytes"), &format!("现有 {bytes} 字节")),
    );
    faults.into_result()
}

fn shorten(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use hongyan_ledger::Channel;
    use hongyan_store::types::TemplateRecord;

    use super::*;

    fn template(content: &str) -> Template {
        Template::from(TemplateRecord {
            appid: "wx0123456789abcdef".parse().unwrap(),
            template_id: "t".parse().unwrap(),
            channel: Channel::Subscribe,
            long_term: false,
            title: "t".into(),
            content: content.into(),
            example: String::new(),
            enums: BTreeMap::from([("enum4".to_owned(), vec!["好".to_owned(), "坏".to_owned()])]),
        })
    }

    fn check(
        content: &str,
        json: serde_json::Value,
        truncate: bool,
    ) -> (Fields, Option<serde_json::Value>, Vec<Warning>) {
        let (mut faults, mut warnings) = (Faults::default(), Vec::new());
        let given = serde_json::from_value(json).unwrap();
        let fields = data(&template(content), given, truncate, &mut faults, &mut warnings);
        (fields, faults.into_result().err().map(|problem| problem.extra["errors"].clone()), warnings)
    }

    #[test]
    fn pages_are_paths_inside_the_mini_program() {
        let fits = |text: &str| {
            let mut faults = Faults::default();
            page(Some(text), &mut faults);
            faults.into_result().is_ok()
        };
        assert!(fits("pages/index/index?from=card") && fits(&"x".repeat(1_024)));
        for bad in ["", "/pages/index", "https://example.com/x", "pages/a b", "pages/a\n", &"x".repeat(1_025)]
        {
            assert!(!fits(bad), "{bad}");
        }
    }

    #[test]
    fn every_wrong_field_is_named_with_its_rule_its_value_and_what_is_wrong() {
        let content = "a:{{thing1.DATA}}\nb:{{date2.DATA}}\nc:{{amount3.DATA}}\nd:{{enum4.DATA}}";
        let given =
            serde_json::json!({ "thing1": "x".repeat(21), "date2": "soon", "enum4": "更好", "thing9": "?" });
        let (_, errors, _) = check(content, given, false);
        let errors = errors.unwrap();
        let fields: Vec<&str> =
            errors.as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
        assert_eq!(fields, ["data.thing9", "data.thing1", "data.date2", "data.amount3", "data.enum4"]);
        assert_eq!(errors[1]["value"], "x".repeat(21));
        assert!(
            errors[1]["detail"].as_str().unwrap().ends_with("the value has 21 characters, 20 are allowed")
        );
        assert!(errors[4]["detail"].as_str().unwrap().ends_with("the template allows 好, 坏"), "{errors}");
        assert!(errors[4]["detail_zh"].as_str().unwrap().ends_with("枚举值有 好、坏"), "{errors}");
        assert!(errors[3].get("value").is_none(), "the field was not there");
    }

    #[test]
    fn text_is_cut_only_if_that_was_asked_for_and_said_so() {
        let given = || serde_json::json!({ "thing1": "好".repeat(25) });
        assert!(check("{{thing1.DATA}}", given(), false).1.is_some());
        let (fields, errors, warnings) = check("{{thing1.DATA}}", given(), true);
        assert_eq!(errors, None);
        assert_eq!(fields.0[0].1.value, format!("{}…", "好".repeat(19)));
        assert_eq!((warnings[0].code, warnings[0].field.as_deref()), ("shortened", Some("data.thing1")));
        let number = serde_json::json!({ "number1": "1".repeat(40) });
        assert!(check("{{number1.DATA}}", number, true).1.is_some(), "a cut number is another number");
    }

    #[test]
    fn a_kind_that_is_not_known_is_left_to_wechat() {
        let given = |chars: usize| serde_json::json!({ "hologram1": "x".repeat(chars) });
        let (_, errors, warnings) = check("{{hologram1.DATA}}", given(200), false);
        assert_eq!((errors, warnings[0].code), (None, "unknown_kind"));
        assert!(check("{{hologram1.DATA}}", given(201), false).1.is_some(), "every input is bounded");
    }

    #[test]
    fn only_what_wechat_is_known_to_refuse_is_refused() {
        let judged = |name: &str, value: &str| {
            let given = serde_json::json!({ name: value });
            let (_, errors, warnings) = check(&format!("{{{{{name}.DATA}}}}"), given, false);
            (errors.is_none(), warnings.iter().map(|warning| warning.code).collect::<Vec<_>>())
        };
        assert_eq!(
            judged("time1", "2026年9月26日"),
            (true, vec![]),
            "sent by several back ends, and delivered"
        );
        assert_eq!(judged("time1", "2026-09-26"), (false, vec![]), "seen to be refused");
        assert_eq!(judged("time1", "15:01～16:00"), (false, vec![]), "seen to be refused");
        assert_eq!(judged("date1", "2026年9月26日～2026年9月27日"), (false, vec![]));
        assert_eq!(judged("time1", "15:01-16:00"), (true, vec!["undocumented_form"]));
        assert_eq!(judged("amount1", "-5元"), (true, vec!["undocumented_form"]));
    }

    #[test]
    fn emoji_that_may_count_twice_pass_with_a_warning() {
        let given = serde_json::json!({ "thing1": format!("{}☕🎉", "好".repeat(18)) });
        let (_, errors, warnings) = check("{{thing1.DATA}}", given, false);
        assert_eq!((errors, warnings[0].code), (None, "may_be_too_long"));
    }
}
