//! The audit trail: who changed what, in the store and in the log (target `audit`).
//!
//! A line is stored before its change begins, and its result is stored afterwards. Storing the line in the transaction of
//! the change would need a second form of every verb that changes something. This way a change costs one more commit, and a
//! process that dies in between leaves a line without a result: the attempt is recorded in any case. If the line cannot be
//! stored, the change does not begin.
//!
//! The daily calls of back ends (messages, permits, logins) are not such changes: the ledger itself records them.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hongyan_clock::{Clock, UnixMillis};
use hongyan_store::types::{Actor, AuditEnd, NewAudit, Subject};
use hongyan_store::{Store, StoreError};

use crate::members::Members;

/// The result of a change that succeeded.
pub const OK: &str = "ok";

/// The most characters of a field's name. Our longest name has 28. Credentials are longer.
const MAX_NAME: usize = 30;

/// The most names of a line.
const MAX_NAMES: usize = 40;

/// The most log lines about refused keys in a minute. Further refusals are counted.
const REFUSALS_PER_MINUTE: u32 = 20;

/// A line whose change has begun.
#[derive(Debug)]
pub struct Line {
    number: i64,
    new: NewAudit,
    fields: Fields,
}

/// The names of the fields that a change sets, never their values. The guard puts an empty list into the extensions of a
/// request for a change, and the code that reads the request's body writes the names into the list. Clones share the list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields(Arc<Mutex<Vec<String>>>);

impl Fields {
    /// Notes the fields of a body that was accepted. The members of an object in it are named `callback.token`. A text that
    /// does not look like a name is left out: it may be a secret in the wrong place, and other people read the audit trail.
    pub(crate) fn note(&self, body: &[u8]) {
        let Ok(members) = Members::read(body) else { return };
        let mut names = Vec::new();
        for (name, value) in members.iter().filter(|(name, _)| is_name(name)) {
            match Members::read(value.get().as_bytes()) {
                Ok(inner) => {
                    let inner = inner.iter().filter(|(inner, _)| is_name(inner));
                    names.extend(inner.map(|(inner, _)| format!("{name}.{inner}")));
                }
                Err(_) => names.push(name.to_owned()),
            }
        }
        names.truncate(MAX_NAMES);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = names;
    }

    /// The fields of these names.
    pub(crate) fn of(names: &[&str]) -> Self {
        Self(Arc::new(Mutex::new(names.iter().map(|&name| name.to_owned()).collect())))
    }

    fn names(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whether a text has the form of a field's name.
fn is_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Begins a line.
///
/// # Errors
/// When the store fails: then the change must not begin.
pub async fn begin(store: &dyn Store, new: NewAudit) -> Result<Line, StoreError> {
    let number = store.begin_audit(new.clone()).await?;
    Ok(Line { number, new, fields: Fields::default() })
}

impl Line {
    /// With the fields that the change sets.
    pub(crate) fn of_fields(self, fields: Fields) -> Self {
        Self { fields, ..self }
    }

    /// Stores the result. If that fails, the whole line is logged, because the change was made already.
    pub async fn end(self, store: &dyn Store, result: &str, subject: Subject) {
        let Self { number, new, fields } = self;
        let app = new.subject.appid.as_ref().or(subject.appid.as_ref());
        let object = new.subject.object.as_ref().or(subject.object.as_ref());
        let fields = fields.names();
        tracing::info!(
            target: "audit",
            number,
            actor = new.actor.kind.name(),
            id = new.actor.id.as_deref(),
            name = new.actor.name.as_deref(),
            call = new.call,
            app = app.map(tracing::field::display),
            object = object.map(String::as_str),
            fields = (!fields.is_empty()).then(|| fields.join(",")),
            result,
            "{}",
            if result == OK { "a change was made" } else { "a change was refused" }
        );
        let end = AuditEnd { result: result.to_owned(), fields, subject };
        if let Err(error) = store.end_audit(number, end).await {
            tracing::error!(target: "audit", number, %error, "the result of this change could not be stored");
        }
    }
}

/// Makes a change from the command line, with its audit line.
///
/// # Errors
/// The error of the change, or when the line cannot be stored.
pub async fn by_command_line<T, E: From<StoreError>>(
    store: &dyn Store,
    clock: &Clock,
    call: &str,
    object: Option<String>,
    change: impl Future<Output = Result<(T, Option<String>), E>>,
) -> Result<T, E> {
    let new = NewAudit {
        at: clock.now(),
        actor: Actor::COMMAND_LINE,
        call: call.to_owned(),
        subject: Subject { appid: None, object },
    };
    let line = begin(store, new).await?;
    let done = change.await;
    let (result, object) = match &done {
        Ok((_, object)) => (OK, object.clone()),
        Err(_) => ("failed", None),
    };
    line.end(store, result, Subject { appid: None, object }).await;
    done.map(|(value, _)| value)
}

/// Limits the log lines about refused keys.
#[derive(Debug, Default)]
pub struct Limiter(Mutex<Minute>);

#[derive(Debug, Default)]
struct Minute {
    began: Option<UnixMillis>,
    lines: u32,
    held_back: u64,
}

impl Limiter {
    /// Whether a line may be logged now. The value is the number of lines held back in earlier minutes, for the first line
    /// of a minute, otherwise 0.
    pub fn may_write(&self, now: UnixMillis) -> Option<u64> {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |began: UnixMillis| began > now || now.since(began) >= Duration::from_secs(60);
        let mut before = 0;
        if minute.began.is_none_or(is_over) {
            before = minute.held_back;
            *minute = Minute { began: Some(now), ..Minute::default() };
        }
        if minute.lines == REFUSALS_PER_MINUTE {
            minute.held_back += 1;
            return None;
        }
        minute.lines += 1;
        Some(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_noted_by_name_alone() {
        let fields = Fields::default();
        assert!(fields.names().is_empty());
        fields.note(br#"{"name":"x","secret":"s3","apps":["wx1"],"callback":{"token":"t0"},"until":null}"#);
        assert_eq!(fields.names(), ["name", "secret", "apps", "callback.token", "until"]);
    }

    #[test]
    fn a_text_that_is_no_name_is_not_noted_and_many_names_are_cut() {
        let fields = Fields::default();
        fields.note(
            br#"{"to":"o1","data":{"thing1":1,"hyk_gUeSs":2,"0123456789abcdef0123456789abcdef":3,"a,b":4,"":5}}"#,
        );
        assert_eq!(fields.names(), ["to", "data.thing1"]);
        let many: Vec<String> = (0..100).map(|n| format!(r#""f{n}":0"#)).collect();
        fields.note(format!("{{{}}}", many.join(",")).as_bytes());
        assert_eq!((fields.names().len(), &*fields.names()[39]), (40, "f39"));
    }

    #[test]
    fn the_log_gets_so_many_lines_in_a_minute_and_then_how_many_it_did_not_get() {
        let limiter = Limiter::default();
        let at = |millis: i64| limiter.may_write(UnixMillis(1_000_000 + millis));
        for n in 0..20 {
            assert_eq!(at(n), Some(0));
        }
        assert_eq!((at(30), at(59_999)), (None, None));
        assert_eq!((at(60_000), at(60_001)), (Some(2), Some(0)));
        assert_eq!(at(-1), Some(0), "a clock that was set back begins a new minute");
    }
}
