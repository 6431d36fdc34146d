//! The input that several calls share: a webhook's id, its URL, its filter.

use hongyan_ledger::WebhookId;
use hongyan_ledger::webhook::{EventType, Filter};
use hongyan_store::types::WebhookRecord;
use hongyan_wechat::AppId;

use crate::api::bounded::Text;
use crate::api::caller::Caller;
use crate::config::{Invalid, Why};
use crate::context::Context;
use crate::problem::Problem;

/// The most types in a filter. There are fewer event types than this.
pub(super) const MAX_TYPES: usize = 64;

/// The most apps in a filter.
pub(super) const MAX_APPS: usize = 100;

/// The longest description of a webhook.
pub(crate) const MAX_DESCRIPTION_CHARS: usize = 256;

/// What a webhook is for, in words.
pub(super) type Description = Text<0, MAX_DESCRIPTION_CHARS>;

/// Whether a text may describe a webhook.
pub(crate) fn is_description(text: &str) -> bool {
    Description::holds(text)
}

/// A webhook that must exist.
pub(super) async fn known(context: &Context, caller: &Caller, id: &str) -> Result<WebhookRecord, Problem> {
    let id = webhook_id(id)?;
    let known = context.store.webhook(id).await?.map(|(record, _)| record);
    known.filter(|record| is_callers(caller, &record.filter)).ok_or_else(|| no_such_webhook(id))
}

/// Whether a webhook receives events only of the apps that the caller may see.
pub(crate) fn is_callers(caller: &Caller, filter: &Filter) -> bool {
    caller.apps().is_none()
        || filter.apps.as_ref().is_some_and(|apps| apps.iter().all(|appid| caller.sees(appid)))
}

/// The filter that a caller may set. A caller limited to some apps gets a filter for these apps, or for the fewer that the
/// request names.
pub(super) fn for_caller(caller: &Caller, filter: Filter) -> Result<Filter, Problem> {
    let apps = filter.apps.or_else(|| caller.apps().map(<[_]>::to_vec));
    match apps.iter().flatten().find(|appid| !caller.sees(appid)) {
        Some(other) => Err(Problem::other_app(other)),
        None => Ok(Filter { apps, ..filter }),
    }
}

fn webhook_id(text: &str) -> Result<WebhookId, Problem> {
    text.parse().map_err(|_| {
        let text: String = text.chars().take(64).collect();
        Problem::not_found(format!(
            "{text} is not a webhook id; a webhook id is whk_ and 32 hexadecimal digits"
        ))
    })
}

pub(super) fn no_such_webhook(id: WebhookId) -> Problem {
    Problem::not_found(format!("there is no webhook {id}"))
}

pub(super) fn checked_url(context: &Context, url: &str) -> Result<String, Problem> {
    let checked = context.webhook_rules.check(url);
    checked.map(String::from).map_err(|why| Problem::invalid("url", why.to_string()))
}

/// The types of a filter; an empty list stands for all types.
pub(crate) fn types(names: &[String]) -> Result<Option<Vec<EventType>>, Invalid> {
    if names.len() > MAX_TYPES {
        return Err(Invalid::new("types", Why::TooMany(MAX_TYPES)));
    }
    let mut types = Vec::new();
    for (place, name) in names.iter().enumerate() {
        let kind = EventType::from_name(name).filter(|kind| kind.is_for_all()).ok_or_else(|| {
            let known = EventType::ALL.into_iter().filter(|kind| kind.is_for_all()).map(EventType::name);
            Invalid::new(format!("types[{place}]"), Why::NoEventType(known.collect()))
        })?;
        if !types.contains(&kind) {
            types.push(kind);
        }
    }
    Ok((!types.is_empty()).then_some(types))
}

/// The apps of a filter; an empty list stands for all apps.
pub(crate) fn apps(appids: &[String]) -> Result<Option<Vec<AppId>>, Invalid> {
    if appids.len() > MAX_APPS {
        return Err(Invalid::new("apps", Why::TooMany(MAX_APPS)));
    }
    let mut apps: Vec<AppId> = Vec::new();
    for (place, appid) in appids.iter().enumerate() {
        let appid = appid.parse::<AppId>().map_err(|error| Invalid::new(format!("apps[{place}]"), error))?;
        if !apps.contains(&appid) {
            apps.push(appid);
        }
    }
    Ok((!apps.is_empty()).then_some(apps))
}

pub(super) fn filter(type_names: &[String], appids: &[String]) -> Result<Filter, Problem> {
    Ok(Filter { types: types(type_names)?, apps: apps(appids)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_names_known_types_once() {
        let names = ["message.sent".to_owned(), "message.sent".to_owned()];
        assert_eq!(types(&names).unwrap(), Some(vec![EventType::MessageSent]));
        assert_eq!(types(&[]).unwrap(), None);
        for name in ["message", "webhook.test", ""] {
            assert_eq!(types(&[name.to_owned()]).unwrap_err().field, "types[0]", "{name}");
        }
        let many: Vec<String> = (0..=MAX_APPS).map(|n| format!("wx{n}")).collect();
        assert_eq!(Problem::from(apps(&many).unwrap_err()).code, "invalid_field");
    }
}
