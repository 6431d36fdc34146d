//! How an answer is put into the frame that all pages share.

use std::ops::Deref;

use askama::Template;
use axum::response::Response;
use hongyan_gateway::problem;
use hongyan_ui::{Language, Link, Shell, answer};
use http::StatusCode;

use crate::format::{Count, StateMark};
use crate::refusal::Refusal;
use crate::visit::Visit;
use crate::words::Words;

/// Where a page stands in the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Overview,
    Messages,
    Users,
    Reach,
    Stats,
    Apps,
    Events,
    Webhooks,
    Nodes,
    Keys,
    People,
    Audit,
    /// Nowhere: the person's own account, or what is not there.
    Apart,
}

/// What the frame needs to know of a page. Each page's template has a field `frame` and begins with
/// `{% extends "frame.html" %}`.
pub(crate) struct Frame {
    shell: Shell,
    pub(crate) visit: Visit,
    pub(crate) words: Words,
    /// What was done by the form that led here.
    pub(crate) done: Option<String>,
}

impl Deref for Frame {
    type Target = Shell;
    fn deref(&self) -> &Shell {
        &self.shell
    }
}

impl Frame {
    /// A page that stays as it is.
    pub(crate) fn new(visit: &Visit, place: Place) -> Self {
        let words = visit.words;
        let foot = [
            ("/", words.gateway()),
            ("/errcodes", words.errcodes()),
            ("/problems", words.problems()),
            ("/docs", words.docs()),
            ("/openapi.json", "OpenAPI"),
        ];
        let mut shell = Shell::new(
            visit.language(),
            ("/console", words.hongyan()),
            navigation(visit, place),
            visit.uri.clone(),
        );
        shell.foot = foot.map(|(path, name)| Link { path, name, is_here: false }).into();
        Self { shell, visit: visit.clone(), words, done: None }
    }

    /// A page that is drawn anew when something happens.
    pub(crate) fn live(visit: &Visit, place: Place) -> Self {
        let mut frame = Self::new(visit, place);
        frame.shell.live = Some("/console/live");
        frame
    }

    /// With a word about what was just done.
    #[must_use]
    pub(crate) fn done(self, done: Option<impl Into<String>>) -> Self {
        Self { done: done.map(Into::into), ..self }
    }

    /// A number for people.
    pub(crate) fn count(&self, number: &u64) -> Count {
        Count(*number)
    }

    /// The state of a message, in its colour.
    pub(crate) fn mark<'a>(&self, state: &'a str) -> StateMark<'a> {
        StateMark(state, self.words)
    }
}

/// The navigation, in its groups. What the person may not see is not in it.
fn navigation(visit: &Visit, at: Place) -> Vec<Vec<Link>> {
    let words = visit.words;
    let link = |place, path, name| Link { path, name, is_here: place == at };
    let mut groups = vec![
        vec![
            link(Place::Overview, "/console", words.overview()),
            link(Place::Messages, "/console/messages", words.messages()),
            link(Place::Users, "/console/users", words.users()),
            link(Place::Reach, "/console/reach", words.reach()),
            link(Place::Stats, "/console/stats", words.stats()),
            link(Place::Apps, "/console/apps", words.apps()),
        ],
        vec![
            link(Place::Events, "/console/events", words.events()),
            link(Place::Webhooks, "/console/webhooks", words.webhooks()),
            link(Place::Nodes, "/console/nodes", words.nodes()),
        ],
    ];
    let mut last = Vec::new();
    if visit.is_admin() {
        last.push(link(Place::Keys, "/console/keys", words.keys()));
        last.push(link(Place::People, "/console/people", words.people()));
    }
    if visit.is_operator() {
        last.push(link(Place::Audit, "/console/audit", words.audit()));
    }
    if !last.is_empty() {
        groups.push(last);
    }
    groups
}

/// A page as an answer.
pub(crate) fn html(template: &impl Template) -> Response {
    answer(StatusCode::OK, template)
}

/// A page with another status than 200: a form that was refused is shown once more, with what is wrong.
pub(crate) use hongyan_ui::answer as with_status;

/// What a refusal says, in the reader's language as far as we have the words.
pub(crate) struct Told {
    pub(crate) heading: String,
    pub(crate) text: String,
    /// Where the API's own page explains the problem.
    pub(crate) help: Option<String>,
}

impl Refusal {
    pub(crate) fn told(&self, words: Words) -> Told {
        let heading = match (self.status, self.code.as_str()) {
            (_, "foreign_form") => words.foreign_form(),
            (_, "version_conflict") => words.changed_meanwhile(),
            (StatusCode::NOT_FOUND, _) => words.not_found(),
            (StatusCode::FORBIDDEN, _) => words.not_allowed(),
            (StatusCode::SERVICE_UNAVAILABLE, _) => words.store_is_away(),
            _ => words.refused(),
        };
        // WeChat's errcode says more than the code of the problem. Not every code of the console is one of the API.
        let help = self.problem["help"].as_str().map(str::to_owned).or_else(|| {
            let is_explained = problem::CODES.iter().any(|known| known.code == self.code);
            (is_explained && !self.problem.is_null()).then(|| format!("/problems#{}", self.code))
        });
        let in_chinese = self.problem["detail_zh"].as_str();
        let text = match (words.0, in_chinese) {
            // A page that does not exist: the API was not asked.
            _ if self.problem.is_null() && self.status == StatusCode::NOT_FOUND => words.not_found_then(),
            (Language::Zh, Some(detail)) => detail,
            _ => &self.detail,
        };
        Told { heading: heading.to_owned(), text: text.to_owned(), help }
    }
}
