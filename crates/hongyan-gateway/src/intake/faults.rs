//! All faults of a request, reported at once.

use axum::http::StatusCode;
use hongyan_wechat::beginning;
use serde::Serialize;

use crate::problem::Problem;

/// The most faults that a problem lists. With more than this, the cause is not in a single field.
const MAX_LISTED: usize = 20;

/// The longest part of a value that a fault repeats.
const MAX_VALUE_CHARS: usize = 40;

/// One field that breaks its rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The field: `data.thing1`, `page`.
    pub field: String,
    /// What the field may hold.
    pub rule: String,
    /// The same in Chinese.
    pub rule_zh: String,
    /// The field's value, or the beginning of a long value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What is wrong with the value.
    pub detail: String,
    /// The same in Chinese.
    pub detail_zh: String,
}

impl Fault {
    /// A field that breaks a rule. The detail is the rule.
    pub fn new(field: impl Into<String>, value: Option<&str>, rule: &str, rule_zh: &str) -> Self {
        Self {
            field: field.into(),
            rule: rule.into(),
            rule_zh: rule_zh.into(),
            value: value.map(|value| beginning(value, MAX_VALUE_CHARS)),
            detail: rule.into(),
            detail_zh: rule_zh.into(),
        }
    }

    /// Adds to the detail how the value breaks the rule.
    #[must_use]
    pub fn because(mut self, en: &str, zh: &str) -> Self {
        self.detail = format!("{}; {en}", self.rule);
        self.detail_zh = format!("{}；{zh}", self.rule_zh);
        self
    }
}

/// The faults found so far.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Adds a fault.
    pub fn push(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// Parses an identifier; an invalid identifier is a fault.
    pub fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
        &mut self,
        field: &str,
        text: &str,
    ) -> Option<T> {
        match text.parse() {
            Ok(id) => Some(id),
            Err(error) => {
                let rule_zh = "标识由 1 至 64 个字母、数字、- 或 _ 组成";
                // The value is not repeated, because it may be a secret in the wrong place.
                self.push(Fault::new(field, None, &error.to_string(), rule_zh));
                None
            }
        }
    }

    /// `Ok` if there are no faults, else a problem that lists them.
    ///
    /// # Errors
    /// 422 `invalid_field` with the field of the first fault, and all faults in `errors`.
    pub fn into_result(mut self) -> Result<(), Problem> {
        let Some(first) = self.0.first().cloned() else { return Ok(()) };
        let found = self.0.len();
        self.0.truncate(MAX_LISTED);
        let (detail, detail_zh) = if found == 1 {
            (first.detail, first.detail_zh)
        } else {
            let names: Vec<&str> = self.0.iter().map(|fault| fault.field.as_str()).collect();
            let (names_en, names_zh) = (names.join(", "), names.join("、"));
            (
                format!("{found} fields are wrong: {names_en}. The first: {}", first.detail),
                format!("{found} 个字段有误：{names_zh}。第一个：{}", first.detail_zh),
            )
        };
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field", detail)
            .field(first.field)
            .with("detail_zh", detail_zh)
            .with("rule_zh", first.rule_zh)
            .with("errors", &self.0);
        Err(if found > self.0.len() {
            problem.with("errors_left_off", found - self.0.len())
        } else {
            problem
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_faults_are_told_and_the_first_is_the_problems_own() {
        let mut faults = Faults::default();
        faults.push(Fault::new("page", Some("/x"), "no slash", "不带斜杠"));
        faults.push(
            Fault::new("data.thing1", Some(&"好".repeat(50)), "short", "短").because("it is long", "太长"),
        );
        let problem = faults.into_result().unwrap_err();
        assert_eq!((problem.code, problem.field.as_deref()), ("invalid_field", Some("page")));
        assert_eq!(problem.detail, "2 fields are wrong: page, data.thing1. The first: no slash");
        let errors = problem.extra["errors"].as_array().unwrap();
        assert_eq!(errors[1]["value"], format!("{}…", "好".repeat(40)));
        assert_eq!(
            (&errors[1]["detail"], &errors[1]["detail_zh"]),
            (&"short; it is long".into(), &"短；太长".into())
        );
    }

    #[test]
    fn the_list_has_an_end_and_says_so() {
        let mut faults = Faults::default();
        for n in 0..30 {
            faults.push(Fault::new(format!("data.x{n}"), None, "no such field", "没有这个字段"));
        }
        let problem = faults.into_result().unwrap_err();
        assert_eq!(problem.extra["errors"].as_array().unwrap().len(), 20);
        assert_eq!(problem.extra["errors_left_off"], 10);
        assert!(Faults::default().into_result().is_ok());
    }
}
