//! The calls of a description, in groups.

use std::collections::BTreeSet;

use hongyan_ui::Language;
use serde_json::Value;

use super::words;

/// A description, and what the pages add to it.
#[derive(Debug)]
pub(crate) struct Api {
    /// Its name in addresses.
    pub(crate) slug: &'static str,
    /// The address of the server, as the examples write it.
    pub(crate) server: &'static str,
    pub(crate) document: Value,
    pub(crate) groups: Vec<Group>,
}

/// Calls with the same tag.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) slug: String,
    /// The tag; empty if the description has no tags.
    pub(crate) tag: String,
    pub(crate) about: String,
    pub(crate) calls: Vec<Call>,
}

/// A call, or a request that the server itself sends.
#[derive(Debug)]
pub(crate) struct Call {
    /// Its place on the page.
    pub(crate) anchor: String,
    /// In capital letters; empty for a request that the server sends.
    pub(crate) method: String,
    /// The path, or the name of an event.
    pub(crate) path: String,
    /// The summary in Chinese, if there is one.
    chinese: Option<&'static str>,
    pub(crate) operation: Value,
    /// The names of the members of its body and of its answers.
    names: BTreeSet<String>,
}

/// The group of the requests that the server sends.
const EVENTS: &str = "events";

impl Api {
    /// `chinese`: the method, the path and the summary of each call, in the order in which the pages show the calls.
    pub(crate) fn new(
        slug: &'static str,
        server: &'static str,
        document: Value,
        chinese: &[(&'static str, &'static str, &'static str)],
    ) -> Self {
        let mut calls: Vec<Call> = members(&document["paths"])
            .flat_map(|(path, item)| members(item).map(move |(method, operation)| (path, method, operation)))
            .map(|(path, method, operation)| {
                let method = method.to_uppercase();
                let known = chinese.iter().find(|call| call.0 == method && call.1 == path);
                Call::new(&document, method, path, operation, known.map(|call| call.2))
            })
            .collect();
        calls.sort_by_key(|call| {
            chinese
                .iter()
                .position(|known| known.0 == call.method && known.1 == call.path)
                .unwrap_or(usize::MAX)
        });
        let events = members(&document["webhooks"])
            .flat_map(|(name, item)| members(item).map(move |(_, operation)| (name, operation)))
            .map(|(name, operation)| {
                Call::new(&document, String::new(), name, operation, words::event(name))
            });
        let events =
            Group { slug: EVENTS.into(), tag: EVENTS.into(), about: String::new(), calls: events.collect() };
        let mut groups = grouped(&document, calls);
        groups.push(events);
        groups.retain(|group| !group.calls.is_empty());
        Self { slug, server, document, groups }
    }

    /// The introduction.
    pub(crate) fn about(&self) -> &str {
        self.document["info"]["description"].as_str().unwrap_or_default()
    }
}

/// The calls by their tags, in the order of the description's tags; all calls together if there are no tags.
fn grouped(document: &Value, calls: Vec<Call>) -> Vec<Group> {
    let tags = document["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |tag: &Value, member: &str| tag[member].as_str().unwrap_or_default().to_owned();
    let mut groups: Vec<Group> = tags
        .iter()
        .map(|tag| {
            let name = text(tag, "name");
            Group {
                slug: name.replace(' ', "-"),
                tag: name,
                about: text(tag, "description"),
                calls: Vec::new(),
            }
        })
        .collect();
    let mut rest =
        Group { slug: "calls".to_owned(), tag: String::new(), about: String::new(), calls: Vec::new() };
    for call in calls {
        let tag = call.operation["tags"][0].as_str().unwrap_or_default();
        groups.iter_mut().find(|group| group.tag == tag).unwrap_or(&mut rest).calls.push(call);
    }
    groups.push(rest);
    groups
}

impl Call {
    fn new(
        document: &Value,
        method: String,
        path: &str,
        operation: &Value,
        chinese: Option<&'static str>,
    ) -> Self {
        let anchor = operation["operationId"].as_str().unwrap_or(path).to_owned();
        let (mut names, mut seen) = (BTreeSet::new(), BTreeSet::new());
        collect_names(document, operation, &mut seen, &mut names);
        Self { anchor, method, path: path.to_owned(), chinese, operation: operation.clone(), names }
    }

    /// Method and path.
    pub(crate) fn shown(&self) -> String {
        format!("{} {}", self.method, self.path).trim_start().to_owned()
    }

    /// What it does, in one sentence, in Chinese if the sentence exists in Chinese.
    pub(crate) fn summary(&self, language: Language) -> &str {
        let english = self.operation["summary"].as_str().unwrap_or_default();
        match self.chinese {
            Some(chinese) if language == Language::Zh => chinese,
            _ => english,
        }
    }

    /// More about it, in Markdown and in English.
    pub(crate) fn description(&self) -> &str {
        self.operation["description"].as_str().unwrap_or_default()
    }

    /// Its parameters.
    pub(crate) fn parameters(&self) -> &[Value] {
        self.operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// The schema of its body.
    pub(crate) fn body(&self) -> Option<&Value> {
        members(&self.operation["requestBody"]["content"]).next().map(|(_, content)| &content["schema"])
    }

    /// Its answers: the status, and what is said about it.
    pub(crate) fn answers(&self) -> impl Iterator<Item = (&str, &Value)> {
        members(&self.operation["responses"])
    }

    /// The credential that it needs, and the scopes of that credential.
    pub(crate) fn credential(&self) -> Option<(&str, Vec<&str>)> {
        let (name, scopes) = members(&self.operation["security"][0]).next()?;
        let scopes = scopes.as_array().map(Vec::as_slice).unwrap_or_default();
        Some((name, scopes.iter().filter_map(Value::as_str).collect()))
    }

    /// Whether the call has all of these words in lower case: in its path, its texts, or the names of members.
    pub(crate) fn has(&self, words: &[String]) -> bool {
        let text = format!("{} {} {}", self.shown(), self.chinese.unwrap_or_default(), self.operation);
        let text = text.to_lowercase();
        words.iter().all(|word| text.contains(word) || self.names.iter().any(|name| name.contains(word)))
    }
}

/// Collects the names of all members that a part of a description has, also in the schemas that it refers to.
fn collect_names(document: &Value, part: &Value, seen: &mut BTreeSet<String>, names: &mut BTreeSet<String>) {
    if let Some((name, schema)) = referred(document, part) {
        if seen.insert(name.to_owned()) {
            collect_names(document, schema, seen, names);
        }
        return;
    }
    names.extend(members(&part["properties"]).map(|(name, _)| name.to_owned()));
    for (_, inside) in members(part) {
        collect_names(document, inside, seen, names);
    }
    for inside in part.as_array().into_iter().flatten() {
        collect_names(document, inside, seen, names);
    }
}

/// The members of an object.
pub(crate) fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

/// The target of a reference inside a description.
pub(crate) fn referred<'a>(document: &'a Value, schema: &Value) -> Option<(&'a str, &'a Value)> {
    let name = schema["$ref"].as_str()?.strip_prefix("#/components/schemas/")?;
    let (name, schema) = document["components"]["schemas"].as_object()?.get_key_value(name)?;
    Some((name, schema))
}
