//! Holds a JSON value against a schema of the description, for tests. Stricter than JSON Schema: a member that is not
//! described is an error, so that an answer cannot grow a field in secret.

use std::collections::BTreeMap;

use serde_json::Value;

/// The description, as it is served.
pub(crate) struct Description(pub(crate) Value);

impl Description {
    /// Panics unless the value has the shape of the component of this name, with nothing besides.
    #[track_caller]
    pub(crate) fn check(&self, component: &str, value: &Value) {
        let schema = serde_json::json!({ "$ref": format!("#/components/schemas/{component}") });
        if let Err(why) = self.fits(&schema, value, component) {
            panic!("{why}\n{value:#}");
        }
    }

    /// The members of a component that is an object, described together with those that are flattened into it.
    pub(crate) fn members(&self, component: &str) -> Vec<String> {
        let (members, _) = self.object(&self.0["components"]["schemas"][component]);
        members.into_keys().collect()
    }

    fn fits(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let schema = self.resolve(schema);
        if let Some(choices) = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) {
            let tried: Result<Vec<()>, Vec<String>> = {
                let whys: Vec<String> =
                    choices.iter().filter_map(|choice| self.fits(choice, value, at).err()).collect();
                if whys.len() < choices.len() { Ok(Vec::new()) } else { Err(whys) }
            };
            return tried.map(|_| ()).map_err(|whys| format!("{at}: fits none: {}", whys.join("; ")));
        }
        if let Some(words) = schema["enum"].as_array()
            && !words.contains(value)
        {
            return Err(format!("{at}: {value} is none of {words:?}"));
        }
        let (members, required) = self.object(schema);
        let Some(object) = value.as_object() else {
            if let Some(items) = value.as_array() {
                return items.iter().try_for_each(|item| self.fits(&schema["items"], item, at));
            }
            return if has_type(schema, value) {
                Ok(())
            } else {
                Err(format!("{at}: {value} is not a {}", schema["type"]))
            };
        };
        if let Some(missing) = required.iter().find(|name| !object.contains_key(*name)) {
            return Err(format!("{at}: {missing} is missing"));
        }
        for (name, value) in object {
            let at = format!("{at}.{name}");
            match (members.get(name), &schema["additionalProperties"]) {
                (Some(member), _) => self.fits(member, value, &at)?,
                (None, rest @ Value::Object(_)) => self.fits(rest, value, &at)?,
                (None, Value::Bool(true)) => {}
                (None, _) => return Err(format!("{at}: not described")),
            }
        }
        Ok(())
    }

    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            None => schema,
            Some(reference) => {
                let target = self.0.pointer(reference.trim_start_matches('#'));
                target.unwrap_or_else(|| panic!("{reference} leads nowhere"))
            }
        }
    }

    /// Members and required members of an object, those of all its parts together.
    fn object(&self, schema: &Value) -> (BTreeMap<String, Value>, Vec<String>) {
        let schema = self.resolve(schema);
        let mut members = BTreeMap::new();
        let mut required = Vec::new();
        for part in schema["allOf"].as_array().into_iter().flatten() {
            let (more, needed) = self.object(part);
            members.extend(more);
            required.extend(needed);
        }
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            members.insert(name.clone(), member.clone());
        }
        let needed = schema["required"].as_array().into_iter().flatten();
        required.extend(needed.filter_map(|name| name.as_str().map(str::to_owned)));
        (members, required)
    }
}

fn has_type(schema: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        _ => false,
    };
    match &schema["type"] {
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(is),
        _ => false,
    }
}
