//! Events for webhooks.

use hongyan_clock::UnixMillis;
use hongyan_ledger::webhook::EventType;
use hongyan_ledger::{WebhookEventId, app_number};
use hongyan_wechat::AppId;

use super::user::User;
use crate::row_error::RowResult;

/// The user, app or webhook that an event is about. Events about the same subject are delivered in order.
#[derive(Debug, Clone, Copy)]
pub(crate) enum About<'a> {
    /// A user of an app.
    User(&'a User),
    /// An app.
    App(&'a AppId),
    /// A webhook, by its number.
    Webhook(i64),
}

impl About<'_> {
    /// The app that the event is about.
    pub(crate) const fn app(&self) -> Option<&AppId> {
        match self {
            Self::User(user) => Some(&user.appid),
            Self::App(appid) => Some(appid),
            Self::Webhook(_) => None,
        }
    }

    /// The webhook that the event is about; only this webhook hears of it.
    pub(crate) const fn webhook(&self) -> Option<i64> {
        match self {
            Self::Webhook(number) => Some(*number),
            _ => None,
        }
    }

    /// The subject's number. Two subjects with the same number only wait for each other.
    pub(crate) fn subject(&self) -> i64 {
        match self {
            Self::User(user) => user.key(),
            Self::App(appid) => app_number(appid).cast_signed(),
            Self::Webhook(number) => *number,
        }
    }
}

/// Which events are wanted, and writes of events.
pub(crate) trait OutboxRows {
    /// Whether any webhook wants such an event. This is asked for every event.
    fn is_wanted(&self, kind: EventType, app: Option<&AppId>) -> RowResult<bool>;

    /// Writes an event under the next number, with `data` as JSON. `traceparent`: of the message that the event is about.
    fn insert_webhook_event(
        &self,
        kind: EventType,
        about: About<'_>,
        at: UnixMillis,
        data: &str,
        traceparent: Option<&str>,
    ) -> RowResult<WebhookEventId>;
}
