//! Who calls `/v1`. The guard has checked what the caller may do. The handler knows the app, and checks whether the caller
//! may do it for that app: [`Caller::app`], [`Caller::app_at`], [`Caller::sees`], [`Caller::may_name`].

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::request::Parts;
use hongyan_clock::UnixMillis;
use hongyan_store::types::{Actor, ActorKind, CallerId, KeyRecord, Subject};
use hongyan_wechat::AppId;

use crate::apps::App;
use crate::context::Context;
use crate::intake::request::parse;
use crate::keys::Scope;
use crate::people::Person;
use crate::problem::Problem;

/// A caller who may make the call.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    who: Who,
    /// What the call is about, if the call has a line in the audit trail.
    subject: Option<Arc<Mutex<Subject>>>,
}

/// Who calls.
#[derive(Debug, Clone)]
pub(super) enum Who {
    /// A back end or anybody else with an API key.
    Key(Arc<KeyRecord>),
    /// A person at the console.
    Person(Arc<Person>),
}

impl Caller {
    /// A caller whose call has no line in the audit trail.
    pub(super) fn unnoted(who: Who) -> Self {
        Self { who, subject: None }
    }

    /// A caller whose call has a line in the audit trail.
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

    /// Who sends the caller's messages.
    pub(super) fn id(&self) -> CallerId {
        match &self.who {
            Who::Key(key) => CallerId::Key(key.id),
            Who::Person(person) => CallerId::Person(person.id),
        }
    }

    /// What the caller may know of whoever sent a message. Names are for those who may read the audit trail, which has them;
    /// everybody knows the own name.
    pub(super) fn may_know(&self, sender: Actor) -> Actor {
        let may_read_audit = match &self.who {
            Who::Key(key) => Scope::Audit.is_among(&key.scopes),
            Who::Person(person) => person.role.may(Scope::Audit, &Method::GET, "/v1/audit"),
        };
        let own = self.actor();
        let may_know = may_read_audit || (own.kind == sender.kind && own.id == sender.id);
        Actor { name: sender.name.filter(|_| may_know), ..sender }
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

    /// A registered app that the caller may see. Any other app looks as if it were not registered.
    pub(super) fn app(&self, context: &Context, appid: &AppId) -> Result<Arc<App>, Problem> {
        context.apps.get(appid).filter(|_| self.sees(appid)).ok_or_else(|| Problem::unknown_app(appid))
    }

    /// The same as [`Caller::app`], for an app that a path names.
    pub(super) fn app_at(&self, context: &Context, appid: &str) -> Result<Arc<App>, Problem> {
        let appid: AppId = parse("appid", appid)?;
        self.app(context, &appid)
    }

    /// Refuses an appid in a request as [`Caller::app`] does, so that the answer tells nothing about a foreign app. A text
    /// that is not an appid passes here and is refused where it is parsed. A line in the audit trail says the app.
    pub(super) fn may_name(&self, appid: &str) -> Result<(), Problem> {
        if self.apps().is_none() && !self.is_noted() {
            return Ok(());
        }
        match appid.parse() {
            Ok(appid) if !self.sees(&appid) => Err(Problem::unknown_app(&appid)),
            Ok(appid) => {
                self.note(|subject| subject.appid = Some(appid));
                Ok(())
            }
            Err(_) => Ok(()),
        }
    }

    /// The apps that a list is about: the app that the caller asked for, or all that the caller may see; `None`: any app.
    pub(super) fn listed_apps(&self, asked: Option<AppId>) -> Result<Option<Vec<AppId>>, Problem> {
        match asked {
            Some(appid) if self.sees(&appid) => Ok(Some(vec![appid])),
            Some(appid) => Err(Problem::unknown_app(&appid)),
            None => Ok(self.apps().map(<[_]>::to_vec)),
        }
    }

    /// Records what the call is about, if the path does not say it.
    pub(super) fn is_about(&self, subject: Subject) {
        self.note(|kept| *kept = subject);
    }

    /// Records the app and the id of what the call is about, for an id that the path has or that the call has made.
    pub(super) fn is_about_one(&self, appid: &AppId, id: impl Display) {
        self.note(|subject| *subject = Subject { appid: Some(appid.clone()), object: Some(id.to_string()) });
    }

    /// Whether the call has a line in the audit trail.
    pub(super) fn is_noted(&self) -> bool {
        self.subject.is_some()
    }

    fn note(&self, change: impl FnOnce(&mut Subject)) {
        if let Some(kept) = &self.subject {
            change(&mut kept.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// What the handler recorded with [`Caller::is_about`].
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
            tracing::error!(path = %parts.uri.path(), "this call has no scope in the OpenAPI description, so nobody may make it");
            Problem::internal()
        })
    }
}
