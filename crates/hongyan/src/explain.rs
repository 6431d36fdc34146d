//! The gateway's refusals and reasons, in words for people.

use hongyan_gateway::reference;
use serde_json::Value;

use crate::text::Text;

/// A problem document of the gateway, in lines.
///
/// The gateway writes the detail of some problems in Chinese, too. For all others the Chinese has the title of the problem's
/// code before the English detail, and what to do after it.
pub(crate) fn explain(problem: &Value) -> Text {
    let text = |name: &str| problem[name].as_str().filter(|text| !text.is_empty());
    let (code, detail) = (text("code").unwrap_or_default(), text("detail").unwrap_or_default());
    let (mut en, mut zh) = (vec![detail.to_owned()], Vec::new());
    match (text("detail_zh"), reference::problem_in_chinese(code)) {
        (Some(detail), _) => zh.push(detail.to_owned()),
        (None, Some((title, then))) => zh.extend([format!("{title}：{detail}"), format!("  {then}")]),
        (None, None) => zh.push(detail.to_owned()),
    }
    if let Some(field) = text("field") {
        en[0] = format!("{field}: {}", en[0]);
        zh[0] = format!("{field}：{}", zh[0]);
    }
    // The first error repeats the first line.
    for error in problem["errors"].as_array().into_iter().flatten().skip(1) {
        let text = |name: &str| error[name].as_str().unwrap_or_default();
        en.push(format!("  {}: {}", text("field"), text("detail")));
        zh.push(format!("  {}：{}", text("field"), error["detail_zh"].as_str().unwrap_or(text("detail"))));
    }
    if let Some(errcode) = problem["errcode"].as_i64() {
        let errmsg = text("errmsg").unwrap_or_default();
        en.push(format!("  WeChat: {errcode} {errmsg}"));
        zh.push(format!("  微信：{errcode} {errmsg}"));
    }
    en.extend(text("explanation").map(|text| format!("  {text}")));
    zh.extend(text("explanation_zh").or(text("explanation")).map(|text| format!("  {text}")));
    let code = format!("  ({code})");
    en.push(code.clone());
    zh.push(code);
    Text { zh: zh.join("\n"), en: en.join("\n") }
}

/// A member of an answer that has its Chinese beside it, under the same name and `_zh`.
pub(crate) fn told(answer: &Value, name: &str) -> Option<Text> {
    let en = answer[name].as_str()?;
    let zh = answer[format!("{name}_zh")].as_str().unwrap_or(en);
    Some(Text { zh: zh.to_owned(), en: en.to_owned() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_problem_is_explained_with_its_field_and_code() {
        let problem =
            json!({ "code": "invalid_field", "field": "data.thing1", "detail": "at most 20 characters" });
        let text = explain(&problem);
        assert_eq!(text.en, "data.thing1: at most 20 characters\n  (invalid_field)");
        assert!(text.zh.starts_with("data.thing1：字段内容不合法：at most 20 characters\n"), "{}", text.zh);
        assert!(text.zh.ends_with("\n  (invalid_field)"), "{}", text.zh);
    }

    #[test]
    fn the_gateways_own_chinese_is_used_where_there_is_one() {
        let error = |field: &str| json!({ "field": field, "detail": "too long", "detail_zh": "过长" });
        let problem = json!({
            "code": "invalid_field", "field": "data.thing1", "detail": "2 fields", "detail_zh": "2 个字段有误",
            "errors": [error("data.thing1"), error("data.thing2")],
            "errcode": 47003, "errmsg": "argument invalid!", "explanation": "…", "explanation_zh": "参数不对",
        });
        assert_eq!(
            explain(&problem).zh,
            "data.thing1：2 个字段有误\n  data.thing2：过长\n  微信：47003 argument invalid!\n  参数不对\n  (invalid_field)"
        );
    }

    #[test]
    fn a_member_without_chinese_is_told_in_english() {
        let answer = json!({ "explanation": "why", "explanation_zh": "原因", "detail": "x" });
        assert_eq!(told(&answer, "explanation").map(|text| text.zh), Some("原因".to_owned()));
        assert_eq!(told(&answer, "detail").map(|text| text.zh), Some("x".to_owned()));
        assert_eq!(told(&answer, "nothing"), None);
    }
}
