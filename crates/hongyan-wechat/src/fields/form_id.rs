//! Texts that are sent in place of a form id.

/// Whether a text is a mock form id: one of the texts that WeChat's developer tools and unreleased versions return, or
/// what JavaScript makes of a missing value.
///
/// The developer tools return `the formId is a mock one`, an unreleased version `the formId is no longer available in
/// develop or trial version`, a failed request `requestFormId:fail …`. A real form id or `prepay_id` is not empty and
/// contains no whitespace, so an empty text or a text with whitespace is a mock form id too.
pub fn is_mock_form_id(code: &str) -> bool {
    let code = code.trim();
    let plain: String =
        code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    code.contains(char::is_whitespace)
        || matches!(plain.as_str(), "" | "undefined" | "null" | "nan" | "true" | "false" | "objectobject")
        || plain.starts_with("theformid")
        || plain.starts_with("requestformidfail")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_developer_tools_give_out_is_a_mock() {
        for mock in [
            "the formId is a mock one",
            "The formId is a mock one.",
            "the-formId-is-a-mock-one",
            "the formId is no longer available in develop or trial version",
            "requestFormId:fail no permission",
            "requestFormId:fail",
            "undefined",
            "null",
            "NaN",
            "[object Object]",
            "",
            "  ",
        ] {
            assert!(is_mock_form_id(mock), "{mock:?}");
        }
    }

    #[test]
    fn a_real_one_is_not() {
        for real in
            ["1592213450321-0", "8b2a7c0f5d1e4f6a9c3b", "wx201410272009395522657a690389285100", "f_null1"]
        {
            assert!(!is_mock_form_id(real), "{real:?}");
        }
    }
}
