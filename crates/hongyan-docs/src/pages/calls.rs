//! The pages about calls: the list of an API's calls, and each group of calls with everything about them.

use askama::Template;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

use super::frame::{Frame, Request};
use super::{answer, found, missing};
use crate::markdown::snippet;
use crate::reference::model::{Api, Call, Group};
use crate::reference::schema::Schemas;
use crate::reference::words::Words;
use crate::reference::{address, api, example};

/// `GET /docs/reference/API/openapi.json`.
pub(super) fn description(path: &str) -> Option<Response> {
    let api = api(path.strip_suffix("/openapi.json")?)?;
    Some(([(header::CONTENT_TYPE, "application/json")], api.document.to_string()).into_response())
}

/// `GET /docs/LANGUAGE/reference/API` and `…/API/GROUP`.
pub(super) fn show(request: &Request<'_>, path: &str) -> Response {
    let (slug, group) = path.split_once('/').map_or((path, None), |(slug, group)| (slug, Some(group)));
    let Some(api) = api(slug) else { return missing::show(request) };
    let words = Words(request.language);
    match group {
        None => {
            let mut frame = Frame::new(request);
            let filter = found::sought(request);
            let wanted: Vec<String> = filter.to_lowercase().split_whitespace().map(str::to_owned).collect();
            frame.sought.clear();
            let groups = api.groups.iter().map(|group| {
                let calls: Vec<&Call> = group.calls.iter().filter(|call| call.has(&wanted)).collect();
                (group, calls)
            });
            let groups = groups.filter(|(_, calls)| !calls.is_empty()).collect();
            answer::page(request.headers, &ListPage { frame, words, api, groups, filter })
        }
        Some(group) => match api.groups.iter().find(|known| known.slug == group) {
            Some(group) => {
                let schemas = Schemas { document: &api.document, words };
                let page = GroupPage { frame: Frame::new(request), words, api, group, schemas };
                answer::page(request.headers, &page)
            }
            None => missing::show(request),
        },
    }
}

#[derive(Template)]
#[template(path = "list.html")]
struct ListPage {
    frame: Frame,
    words: Words,
    api: &'static Api,
    /// The groups with those of their calls that have the words of the filter.
    groups: Vec<(&'static Group, Vec<&'static Call>)>,
    filter: String,
}

impl ListPage {
    fn about(&self) -> String {
        snippet(self.api.about())
    }

    fn here(&self) -> String {
        address(self.frame.language, self.api, None)
    }

    fn address(&self, group: &Group) -> String {
        address(self.frame.language, self.api, Some(group))
    }

    fn count(&self) -> String {
        match self.groups.iter().map(|(_, calls)| calls.len()).sum() {
            0 => self.words.nothing().to_owned(),
            count => self.words.found(count),
        }
    }
}

#[derive(Template)]
#[template(path = "group.html")]
struct GroupPage {
    frame: Frame,
    words: Words,
    api: &'static Api,
    group: &'static Group,
    schemas: Schemas<'static>,
}

/// One answer of a call.
struct Answer {
    status: &'static str,
    about: String,
    /// What it consists of.
    parts: String,
    example: Option<String>,
}

impl GroupPage {
    fn title(&self) -> &str {
        self.words.group(&self.group.tag, &self.group.about).0
    }

    fn about(&self) -> &str {
        self.words.group(&self.group.tag, &self.group.about).1
    }

    fn all(&self) -> String {
        address(self.frame.language, self.api, None)
    }

    fn description(&self, call: &Call) -> String {
        snippet(call.description())
    }

    /// The credential that a call needs, as HTML.
    fn needs(&self, call: &Call) -> String {
        match call.credential() {
            Some(("api_key", scopes)) => self.words.api_key(&scopes.join(" ")),
            Some(_) => self.words.session().to_owned(),
            None => self.words.nobody().to_owned(),
        }
    }

    fn parameters(&self, call: &'static Call) -> String {
        let line = |parameter: &'static Value| {
            let text = |member: &str| parameter[member].as_str().unwrap_or_default();
            let name = match text("in") {
                "header" => format!("{}:", text("name")),
                "query" => format!("?{}=", text("name")),
                _ => format!("{{{}}}", text("name")),
            };
            let about = parameter["description"].as_str().unwrap_or_default();
            self.schemas.member(&name, parameter["required"] == true, about, &parameter["schema"])
        };
        call.parameters().iter().map(line).collect()
    }

    fn body(&self, call: &'static Call) -> Option<String> {
        call.body().map(|schema| self.schemas.whole(schema))
    }

    /// The answers that are no refusals.
    fn answers(&self, call: &'static Call) -> Vec<Answer> {
        let answers = call.answers().filter(|(status, _)| !status.starts_with(['4', '5']));
        let answer = |(status, answer): (&'static str, &'static Value)| {
            let schema = answer["content"]["application/json"].get("schema");
            let example = schema.map(|schema| format!("{:#}", example::value(&self.api.document, schema)));
            Answer {
                status,
                about: snippet(answer["description"].as_str().unwrap_or_default()),
                parts: schema.map(|schema| self.schemas.whole(schema)).unwrap_or_default(),
                example,
            }
        };
        answers.map(answer).collect()
    }

    /// Whether refusals of the call are problems.
    fn has_problems(&self, call: &Call) -> bool {
        self.api.slug == "gateway" && !call.method.is_empty()
    }

    /// The call with curl; for a request that the gateway sends, the body.
    fn example(&self, call: &Call) -> String {
        match call.body() {
            Some(schema) if call.method.is_empty() => {
                format!("{:#}", example::value(&self.api.document, schema))
            }
            _ => example::curl(self.api, call),
        }
    }
}
