//! Warnings: things in a request for a message that are allowed but may surprise.

use serde::Serialize;
use utoipa::ToSchema;

/// Something that is allowed but may surprise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = MessageWarning)]
pub struct Warning {
    /// Stable.
    #[schema(example = "shortened")]
    pub code: &'static str,
    /// The field that the warning is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "data.thing1")]
    pub field: Option<String>,
    /// The warning, for people.
    pub detail: String,
    /// The same in Chinese.
    pub detail_zh: String,
}

impl Warning {
    /// A warning about the whole message.
    pub fn new(code: &'static str, detail: impl Into<String>, detail_zh: impl Into<String>) -> Self {
        Self { code, field: None, detail: detail.into(), detail_zh: detail_zh.into() }
    }

    /// Names the field that the warning is about.
    #[must_use]
    fn about(mut self, name: &str) -> Self {
        self.field = Some(format!("data.{name}"));
        self
    }

    /// A field was cut to this text.
    pub(super) fn shortened(name: &str, cut: &str) -> Self {
        Self::new(
            "shortened",
            format!("the text was too long; the user reads: {cut}"),
            format!("内容过长，用户看到的是：{cut}"),
        )
        .about(name)
    }

    /// A field is too long if WeChat counts an emoji as two.
    pub(super) fn may_be_too_long(name: &str) -> Self {
        Self::new(
            "may_be_too_long",
            "the text fits if an emoji counts as one character; WeChat may count two and refuse the message (47003)",
            "按一个表情算一个字符计没有超长；微信可能按两个计，从而拒绝（47003）",
        )
        .about(name)
    }

    /// A field's value has a form that WeChat does not document and is not known to refuse.
    pub(super) fn undocumented_form(name: &str) -> Self {
        Self::new(
            "undocumented_form",
            "WeChat does not document this form; WeChat decides whether it accepts the value (47003 if not)",
            "微信没有说明过这种写法，由微信判断内容是否合法（不合法时为 47003）",
        )
        .about(name)
    }

    /// The rule of the field's kind is not known here.
    pub(super) fn unknown_kind(name: &str) -> Self {
        Self::new(
            "unknown_kind",
            "the rule of this kind of field is not known here; WeChat decides whether it accepts the value",
            "网关不了解这种字段的规则，由微信判断内容是否合法",
        )
        .about(name)
    }
}
