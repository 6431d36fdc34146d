//! What a body or a parameter consists of, as HTML: the members of a schema, with their types, limits and descriptions.

use serde_json::Value;

use super::model::{members, referred};
use super::words::Words;
use crate::html::escape;
use crate::markdown::snippet;

/// Draws schemas of one description.
pub(crate) struct Schemas<'a> {
    pub(crate) document: &'a Value,
    pub(crate) words: Words,
}

/// A schema without its reference.
#[derive(Clone, Copy)]
struct Resolved<'a> {
    schema: &'a Value,
    /// The name of the schema, if it is one that others share.
    name: Option<&'a str>,
    /// What is said where the schema is used, or of the schema itself.
    about: &'a str,
    is_nullable: bool,
}

/// The alternatives of a schema, without `null`, and whether `null` is one of them.
pub(crate) fn alternatives(schema: &Value) -> (Vec<&Value>, bool) {
    let all = schema["oneOf"]
        .as_array()
        .or_else(|| schema["anyOf"].as_array())
        .map(Vec::as_slice)
        .unwrap_or_default();
    let others: Vec<&Value> = all.iter().filter(|one| one["type"] != "null").collect();
    let has_null = others.len() < all.len();
    (others, has_null)
}

impl<'a> Schemas<'a> {
    fn resolve(&self, schema: &'a Value) -> Resolved<'a> {
        let about = schema["description"].as_str().unwrap_or_default();
        if let Some((name, target)) = referred(self.document, schema) {
            let target = self.resolve(target);
            let about = if about.is_empty() { target.about } else { about };
            return Resolved { name: Some(name), about, ..target };
        }
        let (others, is_nullable) = alternatives(schema);
        if let ([one], true) = (&others[..], is_nullable) {
            let one = self.resolve(one);
            let about = if about.is_empty() { one.about } else { about };
            return Resolved { about, is_nullable: true, ..one };
        }
        let has_null = schema["type"].as_array().is_some_and(|types| types.iter().any(|name| name == "null"));
        Resolved { schema, name: None, about, is_nullable: has_null }
    }

    /// The type of a schema, as text.
    fn kind(&self, schema: &'a Value) -> String {
        let Resolved { schema, name, .. } = self.resolve(schema);
        if schema["format"] == "date-time" {
            return self.words.time().to_owned();
        }
        let kind = match &schema["type"] {
            Value::String(kind) => kind.as_str(),
            Value::Array(kinds) => {
                kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or_default()
            }
            _ => "",
        };
        match kind {
            "array" => self.words.list_of(&self.kind(&schema["items"])),
            "object" if schema["additionalProperties"].is_object() && !schema["properties"].is_object() => {
                self.words.map_of(&self.kind(&schema["additionalProperties"]))
            }
            "object" => name.unwrap_or("object").to_owned(),
            "" => name.map_or_else(|| self.words.any().to_owned(), str::to_owned),
            kind => kind.to_owned(),
        }
    }

    /// The limits of a schema, as HTML.
    fn limits(&self, schema: &'a Value) -> Vec<String> {
        let Resolved { schema, .. } = self.resolve(schema);
        let (words, mut limits) = (self.words, Vec::new());
        let code = |value: &Value| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            format!("<code>{}</code>", escape(&text))
        };
        if let Some(values) = schema["enum"].as_array() {
            let values: Vec<_> = values.iter().map(code).collect();
            limits.push(format!("{}: {}", words.values(), values.join(" ")));
        }
        let range = |least: &Value, most: &Value| match (least.is_null(), most.is_null()) {
            (true, true) => None,
            (false, true) => Some(format!("{} {least}", words.at_least())),
            (true, false) => Some(format!("{} {most}", words.at_most())),
            (false, false) => Some(format!("{least}–{most}")),
        };
        limits
            .extend(range(&schema["minLength"], &schema["maxLength"]).map(|range| words.characters(&range)));
        limits.extend(range(&schema["minItems"], &schema["maxItems"]).map(|range| words.entries(&range)));
        if schema["format"] != "int32" || schema["maximum"] != i32::MAX {
            limits.extend(range(&schema["minimum"], &schema["maximum"]));
        }
        for (label, member) in [(words.pattern(), "pattern"), (words.default(), "default")] {
            if !schema[member].is_null() {
                limits.push(format!("{label}: {}", code(&schema[member])));
            }
        }
        if let Some(example) = schema["examples"].get(0).or_else(|| schema.get("example"))
            && !example.is_object()
        {
            limits.push(format!("{}: {}", words.example(), code(example)));
        }
        limits
    }

    /// One name with its type, its description, its limits and what it consists of.
    pub(crate) fn member(&self, name: &str, is_required: bool, about: &'a str, schema: &'a Value) -> String {
        self.line(name, is_required, about, schema, &mut Vec::new())
    }

    /// What a body consists of.
    pub(crate) fn whole(&self, schema: &'a Value) -> String {
        self.parts(schema, &mut Vec::new(), true)
    }

    fn line(
        &self,
        name: &str,
        is_required: bool,
        about: &'a str,
        schema: &'a Value,
        above: &mut Vec<&'a str>,
    ) -> String {
        let resolved = self.resolve(schema);
        let must = if is_required { format!(" <b>{}</b>", self.words.required()) } else { String::new() };
        let null =
            if resolved.is_nullable { format!(" <i>{}</i>", self.words.or_null()) } else { String::new() };
        let about = if about.is_empty() { resolved.about } else { about };
        let about = if about.is_empty() {
            String::new()
        } else {
            format!("<div lang=\"en\">{}</div>", snippet(about))
        };
        let limits = self.limits(schema);
        let limits = if limits.is_empty() {
            String::new()
        } else {
            format!("<p class=\"limits\">{}</p>", limits.join(" · "))
        };
        let parts = self.parts(schema, above, false);
        format!(
            "<li><p><code>{}</code> <span>{}</span>{must}{null}</p>{about}{limits}{parts}</li>\n",
            escape(name),
            escape(&self.kind(schema)),
        )
    }

    /// The members or the alternatives of a schema. `is_first`: nothing stands above it that has its name.
    fn parts(&self, schema: &'a Value, above: &mut Vec<&'a str>, is_first: bool) -> String {
        let Resolved { schema, name, .. } = self.resolve(schema);
        if let Some(name) = name {
            // A schema may have itself as a part.
            if above.contains(&name) {
                return String::new();
            }
            above.push(name);
        }
        let html = self.parts_of(schema, name, above, is_first);
        if name.is_some() {
            above.pop();
        }
        html
    }

    fn parts_of(
        &self,
        schema: &'a Value,
        name: Option<&str>,
        above: &mut Vec<&'a str>,
        is_first: bool,
    ) -> String {
        let (others, _) = alternatives(schema);
        if others.len() > 1 {
            let others = others.into_iter().enumerate().map(|(at, other)| {
                let open = if is_first && at == 0 { " open" } else { "" };
                let parts = self.parts(other, above, true);
                let label = escape(&self.kind(other));
                if parts.is_empty() {
                    format!("<p><code>{label}</code></p>")
                } else {
                    format!("<details{open}><summary><code>{label}</code></summary>{parts}</details>\n")
                }
            });
            let others: String = others.collect();
            return format!("<p class=\"sub\">{}:</p>\n{others}", self.words.one_of());
        }
        if schema["items"].is_object() {
            return self.parts(&schema["items"], above, is_first);
        }
        let mut lines = String::new();
        self.lines(schema, above, &mut lines);
        if lines.is_empty() {
            return if schema["additionalProperties"].is_object() {
                self.parts(&schema["additionalProperties"], above, is_first)
            } else {
                String::new()
            };
        }
        let list = format!("<ul class=\"members\">\n{lines}</ul>\n");
        if is_first {
            return list;
        }
        let label = self.words.members_of(name.unwrap_or("object"));
        format!("<details><summary>{}</summary>{list}</details>\n", escape(&label))
    }

    /// The members of an object, and of all objects that it is made of.
    fn lines(&self, schema: &'a Value, above: &mut Vec<&'a str>, lines: &mut String) {
        for part in schema["allOf"].as_array().map(Vec::as_slice).unwrap_or_default() {
            self.lines(self.resolve(part).schema, above, lines);
        }
        let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        for (name, member) in members(&schema["properties"]) {
            let is_required = required.iter().any(|one| one == name);
            lines.push_str(&self.line(name, is_required, "", member, above));
        }
    }
}

#[cfg(test)]
mod tests {
    use hongyan_ui::Language;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_is_a_list_of_members_and_ends_where_it_meets_itself() {
        let document = json!({ "components": { "schemas": {
            "Name": { "type": "string", "maxLength": 8, "description": "A <name>." },
            "Tree": {
                "type": "object",
                "properties": {
                    "name": { "$ref": "#/components/schemas/Name" },
                    "next": { "oneOf": [{ "$ref": "#/components/schemas/Tree" }, { "type": "null" }] },
                },
                "required": ["name"],
            },
        } } });
        let schemas = Schemas { document: &document, words: Words(Language::En) };
        let tree = json!({ "$ref": "#/components/schemas/Tree" });
        let html = schemas.whole(&tree);
        assert!(html.contains("<code>name</code> <span>string</span> <b>required</b>"), "{html}");
        assert!(html.contains("At most 8 characters"), "{html}");
        assert!(html.contains("<code>next</code> <span>Tree</span> <i>or null</i>"), "{html}");
        assert_eq!(html.matches("<ul").count(), 1, "{html}");
    }
}
