//! The fields of a template.

/// One field of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateField {
    /// The field's name, such as `thing1` or `keyword1`.
    pub name: String,
    /// The label that the user sees before the value; may be empty.
    pub label: String,
}

/// The fields named in a template's `content`, in order, each with the label before it.
///
/// WeChat writes one line per field, with the name in double braces: `取餐时间:{{date2.DATA}}`. A field that is
/// named twice is listed once, where it is first named.
///
/// Source: `content` on
/// <https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-message-management/subscribe-message/api_getwxapubnewtemplate.html>.
pub fn fields_of(content: &str) -> Vec<TemplateField> {
    let mut fields: Vec<TemplateField> = Vec::new();
    for line in content.lines() {
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((inside, next)) = after.split_once("}}") else { break };
            rest = next;
            let name = inside.trim();
            let name = name.strip_suffix(".DATA").unwrap_or(name);
            if name.is_empty() || fields.iter().any(|f| f.name == name) {
                continue;
            }
            let label = before.trim().trim_end_matches([':', '：']).trim_end();
            fields.push(TemplateField { name: name.to_owned(), label: label.to_owned() });
        }
    }
    fields
}

/// WeChat's sample values by field, from a template's `content` and `example`: the example is the content with values
/// filled in, line for line. A field has no sample if its line does not match.
pub fn examples_of(content: &str, example: &str) -> Vec<(String, String)> {
    let lines = content.lines().zip(example.lines());
    lines
        .filter_map(|(line, example)| {
            let (before, rest) = line.split_once("{{")?;
            let (inside, after) = rest.split_once("}}")?;
            let name = inside.trim();
            let name = name.strip_suffix(".DATA").unwrap_or(name);
            let value = example.trim_end().strip_prefix(before)?.strip_suffix(after.trim_end())?.trim();
            let is_plain = !name.is_empty() && !value.is_empty() && !after.contains("{{");
            is_plain.then(|| (name.to_owned(), value.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(content: &str) -> Vec<(String, String)> {
        fields_of(content).into_iter().map(|f| (f.name, f.label)).collect()
    }

    fn pair(name: &str, label: &str) -> (String, String) {
        (name.to_owned(), label.to_owned())
    }

    #[test]
    fn every_line_is_a_label_and_a_field() {
        let content =
            "取餐号:{{character_string1.DATA}}\n取餐时间：{{ date2.DATA }}\r\n备注 : {{thing3.DATA}}\n";
        let expected =
            [pair("character_string1", "取餐号"), pair("date2", "取餐时间"), pair("thing3", "备注")];
        assert_eq!(pairs(content), expected);
    }

    #[test]
    fn odd_contents_give_what_can_be_read() {
        assert_eq!(pairs("{{keyword1.DATA}}"), [pair("keyword1", "")]);
        assert_eq!(pairs("a{{thing1.DATA}} b{{thing2}}"), [pair("thing1", "a"), pair("thing2", "b")]);
        assert_eq!(pairs("x{{thing1.DATA}}\ny{{thing1.DATA}}"), [pair("thing1", "x")]);
        assert_eq!(pairs("{{}} {{.DATA}} {{thing1.DATA"), []);
        assert_eq!(pairs("no field at all"), []);
    }

    #[test]
    fn samples_are_read_out_of_the_example_line_by_line() {
        let content = "取餐号:{{character_string1.DATA}}\n取餐时间:{{date2.DATA}}\n备注:{{thing3.DATA}}\n";
        let example = "取餐号:A038\r\n取餐时间:2026年5月1日 09:30\nsomething else\n";
        assert_eq!(
            examples_of(content, example),
            [pair("character_string1", "A038"), pair("date2", "2026年5月1日 09:30")]
        );
        assert_eq!(examples_of(content, ""), []);
        assert_eq!(examples_of("a{{thing1.DATA}} b{{thing2.DATA}}", "aX bY"), []);
    }
}
