//! Who calls `/v1`. What the caller may do was decided by the guard; for which apps the caller may do it is asked by the
//! handler, which knows the app: [`Caller::app`], [`Caller::app_at`], [`Caller::sees`], [`Caller::may_name`].

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use hongyan_clock::UnixMillis;
use hongyan_store::types::{Actor, ActorKind, KeyRecord, Subject};
use hongyan_wechat::AppId;

use crate::apps::App;
use crate::context::Context;
use crate::intake::request::parse;
use crate::keys::Scope;
use crate::people::Person;
use crate::problem::Problem;

/// Somebody who may make the call.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    who: Who,
    /// What the call turned out to be about, if it has a line in the audit trail.
    subject: Option<Arc<Mutex<Subject>>>,
}

/// Who calls.
#[derive(Debug, Clone)]
pub(super) enum Who {
    /// A back end, or whoever else has an API key.
    Key(Arc<KeyRecord>),
    /// A person at the console.
    Person(Arc<Person>),
}

impl Caller {
    /// Whose call has no line in the audit trail.
    pub(super) fn unnoted(who: Who) -> Self {
        Self { who, subject: None }
    }

    /// Whose call has one.
    pub(super) fn noted(who: Who) -> Self {
        Self { who, subject: Some(Arc::default()) }
    }

    /// The name of the caller in the audit trail.
    pub(super) fn actor(&self) -> Actor {
        let (kind, id, name) = match &self.who {
            Who::Key(key) => (ActorKind::Key, key.id.to_string(), key.name.clone()),
            Who::Person(person) => (ActorKind::Person, person.id.to_string(), (*person.name).to_owned()),
        };
        Actor { kind, id: Some(id), name: Some(name) }
    }

    /// The apps that the caller may see; `None`: all.
    pub(super) fn apps(&self) -> Option<&[AppId]> {
        match &self.who {
            Who::Key(key) => key.apps.as_deref(),
            Who::Person(person) => person.apps.as_deref(),
        }
    }

    /// When the caller's key stops working.
    pub(super) fn expires_at(&self) -> Option<UnixMillis> {
        match &self.who {
            Who::Key(key) => key.expires_at,
            Who::Person(_) => None,
        }
    }

    /// Whether the caller may give a key this scope: a key gives what it has, and `all` only if it has `all`.
    pub(super) fn may_give(&self, scope: Scope) -> bool {
        match &self.who {
            Who::Key(key) => scope.is_among(&key.scopes),
            Who::Person(person) => person.role.may_give_scopes(),
        }
    }

    /// Whether the caller may see this app.
    pub(super) fn sees(&self, appid: &AppId) -> bool {
        self.apps().is_none_or(|apps| apps.contains(appid))
    }

    /// A registered app that the caller may see. Any other looks as if it were not registered.
    pub(super) fn app(&self, context: &Context, appid: &AppId) -> Result<Arc<App>, Problem> {
        context.apps.get(appid).filter(|_| self.sees(appid)).ok_or_else(|| Problem::unknown_app(appid))
    }

    /// The same of the app that a path names.
    pub(super) fn app_at(&self, context: &Context, appid: &str) -> Result<Arc<App>, Problem> {
        let appid: AppId = parse("appid", appid)?;
        self.app(context, &appid)
    }

    /// Refuses an appid in a request as [`Caller::app`] does, before anything is said about that app. What is no appid is
    /// refused where it is read.
    pub(super) fn may_name(&self, appid: &str) -> Result<(), Problem> {
        if self.apps().is_none() {
            return Ok(());
        }
        match appid.parse() {
            Ok(appid) if !self.sees(&appid) => Err(Problem::unknown_app(&appid)),
            _ => Ok(()),
        }
    }

    /// The app that a list is about: the one that was asked for; for a key that is for one app, that one. A key for
    /// several must say which, for a list walks over everything that it leaves out.
    pub(super) fn one_app(&self, asked: Option<AppId>) -> Result<Option<AppId>, Problem> {
        let Some(apps) = self.apps() else { return Ok(asked) };
        match (asked, apps) {
            (Some(appid), _) if self.sees(&appid) => Ok(Some(appid)),
            (Some(appid), _) => Err(Problem::unknown_app(&appid)),
            (None, [only]) => Ok(Some(only.clone())),
            (None, _) => {
                let detail = match self.who {
                    Who::Key(_) => "this API key is for more than one app: say which",
                    Who::Person(_) => "you may see more than one app: say which",
                };
                Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "missing_field", detail).field("app"))
            }
        }
    }

    /// Says what the call is about, where its path does not.
    pub(super) fn is_about(&self, subject: Subject) {
        if let Some(kept) = &self.subject {
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = subject;
        }
    }

    /// What the handler said that the call is about.
    pub(super) fn take_subject(&self) -> Subject {
        let kept = self.subject.as_deref();
        kept.map_or_else(Subject::default, |kept| {
            std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner))
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            tracing::error!(path = %parts.uri.path(), "this call is not described with a scope, so nobody may make it");
            Problem::internal()
        })
    }
}
