//! How an answer is put into the frame that all pages share.

use askama::Template;
use axum::response::{IntoResponse, Response};
use hongyan_ui::{Language, assets, headers};
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

/// One entry of the navigation.
pub(crate) struct Entry {
    pub(crate) place: Place,
    pub(crate) path: &'static str,
    pub(crate) name: &'static str,
}

/// What the frame needs to know of a page. Each page's template has a field `frame` and begins with
/// `{% extends "frame.html" %}`.
pub(crate) struct Frame {
    pub(crate) visit: Visit,
    pub(crate) words: Words,
    pub(crate) place: Place,
    /// It is drawn anew when something happens.
    pub(crate) is_live: bool,
    /// What was done by the form that led here.
    pub(crate) done: Option<String>,
}

impl Frame {
    /// A page that stays as it is.
    pub(crate) fn new(visit: &Visit, place: Place) -> Self {
        Self { visit: visit.clone(), words: visit.words, place, is_live: false, done: None }
    }

    /// A page that is drawn anew when something happens.
    pub(crate) fn live(visit: &Visit, place: Place) -> Self {
        Self { is_live: true, ..Self::new(visit, place) }
    }

    /// With a word about what was just done.
    #[must_use]
    pub(crate) fn done(self, done: Option<impl Into<String>>) -> Self {
        Self { done: done.map(Into::into), ..self }
    }

    /// The navigation, in its groups. What the person may not see is not in it.
    pub(crate) fn navigation(&self) -> Vec<Vec<Entry>> {
        let words = self.words;
        let entry = |place, path, name| Entry { place, path, name };
        let mut groups = vec![
            vec![
                entry(Place::Overview, "/console", words.overview()),
                entry(Place::Messages, "/console/messages", words.messages()),
                entry(Place::Users, "/console/users", words.users()),
                entry(Place::Reach, "/console/reach", words.reach()),
                entry(Place::Stats, "/console/stats", words.stats()),
                entry(Place::Apps, "/console/apps", words.apps()),
            ],
            vec![
                entry(Place::Events, "/console/events", words.events()),
                entry(Place::Webhooks, "/console/webhooks", words.webhooks()),
                entry(Place::Nodes, "/console/nodes", words.nodes()),
            ],
        ];
        let mut last = Vec::new();
        if self.visit.is_admin() {
            last.push(entry(Place::Keys, "/console/keys", words.keys()));
            last.push(entry(Place::People, "/console/people", words.people()));
        }
        if self.visit.is_operator() {
            last.push(entry(Place::Audit, "/console/audit", words.audit()));
        }
        if !last.is_empty() {
            groups.push(last);
        }
        groups
    }

    /// A number for people.
    pub(crate) fn count(&self, number: &u64) -> Count {
        Count(*number)
    }

    /// The state of a message, in its colour.
    pub(crate) fn mark<'a>(&self, state: &'a str) -> StateMark<'a> {
        StateMark(state, self.words)
    }

    pub(crate) fn style(&self) -> String {
        assets::STYLE.path()
    }

    pub(crate) fn script(&self) -> String {
        assets::SCRIPT.path()
    }

    pub(crate) fn icon(&self) -> String {
        assets::ICON.path()
    }
}

/// A page as an answer.
pub(crate) fn html(template: &impl Template) -> Response {
    with_status(StatusCode::OK, template)
}

/// A page with another status than 200: a form that was refused is shown once more, with what is wrong.
pub(crate) fn with_status(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(page) => (status, headers::OF_A_PAGE, page).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be drawn");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

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
        let help = self.problem["help"].as_str().or_else(|| self.problem["type"].as_str());
        let in_chinese = self.problem["detail_zh"].as_str();
        let text = match (words.0, in_chinese) {
            // A page that does not exist: the API was not asked.
            _ if self.problem.is_null() && self.status == StatusCode::NOT_FOUND => words.not_found_then(),
            (Language::Zh, Some(detail)) => detail,
            _ => &self.detail,
        };
        Told {
            heading: heading.to_owned(),
            text: text.to_owned(),
            help: help.filter(|help| help.starts_with('/')).map(str::to_owned),
        }
    }
}
