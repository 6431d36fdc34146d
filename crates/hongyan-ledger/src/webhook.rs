//! Webhooks: the types of events, which webhook wants which events, and what a webhook's answer means for the event and for
//! the webhook.

use std::fmt;
use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_wechat::AppId;
use serde::{Deserialize, Serialize};

use crate::enums::{codes, names};
use crate::message::MessageState;
use crate::retry::{doubled, jitter};

/// How long an event is tried, and how long a webhook may fail without a single success before it is disabled. The time
/// spans a weekend, so that somebody is at work before it ends.
pub const PATIENCE: Duration = Duration::from_secs(3 * 86_400);

/// How long the previous secret still signs after a rotation.
pub const ROTATION_OVERLAP: Duration = Duration::from_secs(86_400);

/// The pause after an event's first failure is at most this long; each further failure doubles it.
pub const EVENT_BACKOFF_BASE: Duration = Duration::from_secs(5);

/// The longest pause of an event.
pub const EVENT_BACKOFF_CAP: Duration = Duration::from_secs(4 * 3_600);

/// Up to so many failures in a row are put down to the events themselves; after more failures the webhook itself rests.
pub const FAILURES_BEFORE_REST: u32 = 4;

/// A webhook that keeps failing is tried with one event at a time, and at the latest after this.
pub const REST_CAP: Duration = Duration::from_secs(300);

/// The type of a webhook event. Stable names; more may be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventType {
    /// WeChat took a message.
    MessageSent,
    /// WeChat reported that the user has a message.
    MessageDelivered,
    /// WeChat took a message and reported later that the user did not get it.
    MessageRefused,
    /// A message will not be sent: it failed, expired, was withdrawn or replaced.
    MessageFailed,
    /// Nobody knows whether a message was sent.
    MessageUnknown,
    /// A user granted a permit.
    PermitGranted,
    /// A permit will expire soon, and has units left.
    PermitExpiring,
    /// Sending for an app was paused.
    AppPaused,
    /// An app's pause ended.
    AppResumed,
    /// Templates of an app were added, removed or changed.
    TemplateChanged,
    /// A webhook was disabled.
    WebhookDisabled,
    /// WeChat pushed an event.
    WechatEvent,
    /// An operator asked for a test event, to see whether a webhook works.
    WebhookTest,
}

names!(EventType {
    MessageSent: "message.sent",
    MessageDelivered: "message.delivered",
    MessageRefused: "message.refused",
    MessageFailed: "message.failed",
    MessageUnknown: "message.unknown",
    PermitGranted: "permit.granted",
    PermitExpiring: "permit.expiring",
    AppPaused: "app.paused",
    AppResumed: "app.resumed",
    TemplateChanged: "template.changed",
    WebhookDisabled: "webhook.disabled",
    WechatEvent: "wechat.event",
    WebhookTest: "webhook.test"
});

codes!(EventType {
    MessageSent: 0,
    MessageDelivered: 1,
    MessageRefused: 2,
    MessageFailed: 3,
    MessageUnknown: 4,
    PermitGranted: 5,
    PermitExpiring: 6,
    AppPaused: 7,
    AppResumed: 8,
    TemplateChanged: 9,
    WebhookDisabled: 10,
    WechatEvent: 11,
    WebhookTest: 12
});

impl EventType {
    /// The event type that tells of a message's arrival at this state, if there is one. Every message comes to exactly one
    /// of `sent`, `failed` or `unknown` first; each of the others may follow `unknown`, and `delivered` or `refused` may
    /// follow `sent`.
    pub const fn of_state(state: MessageState) -> Option<Self> {
        match state {
            MessageState::Sent => Some(Self::MessageSent),
            MessageState::Delivered => Some(Self::MessageDelivered),
            MessageState::Refused => Some(Self::MessageRefused),
            MessageState::Failed | MessageState::Expired | MessageState::Cancelled => {
                Some(Self::MessageFailed)
            }
            MessageState::Unknown => Some(Self::MessageUnknown),
            MessageState::Scheduled | MessageState::Ready | MessageState::Waiting | MessageState::Sending => {
                None
            }
        }
    }

    /// Whether a webhook may name this type in its filter. A test event goes to the webhook that it is for, whatever the
    /// filter says, and to no other webhook.
    pub const fn is_for_all(self) -> bool {
        !matches!(self, Self::WebhookTest)
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for EventType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for EventType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::from_name(&name)
            .ok_or_else(|| serde::de::Error::custom(format_args!("there is no event type {name:?}")))
    }
}

/// Which events a webhook wants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Events of these types; `None`: all types.
    pub types: Option<Vec<EventType>>,
    /// Events about these apps; `None`: all apps. An event about no app passes in any case.
    pub apps: Option<Vec<AppId>>,
}

impl Filter {
    /// Whether an event of this type, about this app, passes the filter.
    pub fn wants(&self, kind: EventType, app: Option<&AppId>) -> bool {
        kind.is_for_all()
            && self.types.as_ref().is_none_or(|types| types.contains(&kind))
            && match (&self.apps, app) {
                (Some(apps), Some(app)) => apps.contains(app),
                _ => true,
            }
    }
}

/// How a webhook answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// With a status of 2xx: the event is taken.
    Taken,
    /// With 410: the webhook wants no more events, ever.
    Gone,
    /// In any other way, or not at all.
    Failed,
}

impl Reply {
    /// What an HTTP status means. A redirect is not followed: whoever set up the webhook never approved its target.
    pub const fn of_status(status: u16) -> Self {
        match status {
            200..=299 => Self::Taken,
            410 => Self::Gone,
            _ => Self::Failed,
        }
    }
}

/// What becomes of an event at one webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The webhook took the event.
    Taken,
    /// The event is tried again at this moment.
    Retry(UnixMillis),
    /// The event is not tried any more.
    GivenUp,
}

/// What becomes of an event after its try number `tries` (from 1), whose first try was at `first_at`. `random` is between 0
/// and 1.
pub fn fate(reply: Reply, tries: u32, first_at: UnixMillis, now: UnixMillis, random: f64) -> Fate {
    match reply {
        Reply::Taken => Fate::Taken,
        Reply::Gone | Reply::Failed => {
            let end = first_at.plus(PATIENCE);
            if now >= end {
                return Fate::GivenUp;
            }
            let ceiling = doubled(EVENT_BACKOFF_BASE, tries.saturating_sub(1), EVENT_BACKOFF_CAP);
            // Cap the pause so that the last try is at the very end of `PATIENCE`, not some hours before.
            Fate::Retry(now.plus(jitter(ceiling, random)).min(end))
        }
    }
}

/// Why a webhook is disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DisabledReason {
    /// The webhook failed for three days without a success.
    Failing,
    /// The webhook answered 410.
    Gone,
    /// An operator disabled the webhook.
    Operator,
}

names!(DisabledReason { Failing: "failing", Gone: "gone", Operator: "operator" });

/// The recent failures of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Health {
    /// When the first failure since the last success was.
    pub failing_since: Option<UnixMillis>,
    /// Failures since the last success.
    pub failures: u32,
    /// Nothing is sent to the webhook before this moment.
    pub rest_until: Option<UnixMillis>,
}

impl Health {
    /// The health after one more answer, and why the webhook is to be disabled, if it is.
    #[must_use]
    pub fn after(self, reply: Reply, now: UnixMillis, random: f64) -> (Self, Option<DisabledReason>) {
        if reply == Reply::Taken {
            return (Self::default(), None);
        }
        let failing_since = self.failing_since.unwrap_or(now);
        let failures = self.failures.saturating_add(1);
        let rest_until = failures
            .checked_sub(FAILURES_BEFORE_REST)
            .map(|beyond| now.plus(jitter(doubled(EVENT_BACKOFF_BASE, beyond, REST_CAP), random)));
        let disabled = match reply {
            Reply::Gone => Some(DisabledReason::Gone),
            _ if now >= failing_since.plus(PATIENCE) => Some(DisabledReason::Failing),
            _ => None,
        };
        (Self { failing_since: Some(failing_since), failures, rest_until }, disabled)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_790_000_000_000);

    #[test]
    fn names_and_numbers_are_each_types_own_and_never_change() {
        let listed: Vec<_> = EventType::ALL.map(|kind| (kind.code(), kind.name())).into();
        let frozen = [
            (0, "message.sent"),
            (1, "message.delivered"),
            (2, "message.refused"),
            (3, "message.failed"),
            (4, "message.unknown"),
            (5, "permit.granted"),
            (6, "permit.expiring"),
            (7, "app.paused"),
            (8, "app.resumed"),
            (9, "template.changed"),
            (10, "webhook.disabled"),
            (11, "wechat.event"),
            (12, "webhook.test"),
        ];
        assert_eq!(listed, frozen);
        for kind in EventType::ALL {
            assert_eq!(EventType::from_name(kind.name()), Some(kind));
            assert_eq!(EventType::from_code(kind.code()), Some(kind));
        }
    }

    #[test]
    fn every_settled_state_is_told_of_and_no_other() {
        for state in MessageState::ALL {
            assert_eq!(EventType::of_state(state).is_some(), state.is_settled(), "{state}");
        }
    }

    #[test]
    fn a_filter_lets_through_what_it_names() {
        let (mine, other) = ("wx1".parse::<AppId>().unwrap(), "wx2".parse::<AppId>().unwrap());
        let all = Filter::default();
        assert!(all.wants(EventType::MessageSent, Some(&mine)));
        assert!(!all.wants(EventType::WebhookTest, None), "a test event is for one webhook alone");
        let filter = Filter {
            types: Some(vec![EventType::AppPaused, EventType::WebhookDisabled]),
            apps: Some(vec![mine.clone()]),
        };
        assert!(filter.wants(EventType::AppPaused, Some(&mine)));
        assert!(!filter.wants(EventType::AppPaused, Some(&other)));
        assert!(!filter.wants(EventType::AppResumed, Some(&mine)));
        assert!(filter.wants(EventType::WebhookDisabled, None), "what is about no app passes");
    }

    #[test]
    fn only_a_2xx_is_taken_and_only_410_ends_it() {
        for (status, reply) in [
            (200, Reply::Taken),
            (204, Reply::Taken),
            (301, Reply::Failed),
            (307, Reply::Failed),
            (404, Reply::Failed),
            (410, Reply::Gone),
            (429, Reply::Failed),
            (500, Reply::Failed),
        ] {
            assert_eq!(Reply::of_status(status), reply, "{status}");
        }
    }

    #[test]
    fn one_success_makes_a_webhook_well() {
        let mut health = Health::default();
        for n in 1..=6 {
            health = health.after(Reply::Failed, NOW, 1.0).0;
            assert_eq!(health.rest_until.is_some(), n >= FAILURES_BEFORE_REST, "{n} failures");
        }
        assert_eq!(health.after(Reply::Taken, NOW, 1.0), (Health::default(), None));
    }

    #[test]
    fn three_days_without_a_success_disable_a_webhook_and_410_does_at_once() {
        let (failing, disabled) = Health::default().after(Reply::Failed, NOW, 0.5);
        assert_eq!(disabled, None);
        let before = NOW.plus(PATIENCE).minus(Duration::from_millis(1));
        assert_eq!(failing.after(Reply::Failed, before, 0.5).1, None);
        assert_eq!(failing.after(Reply::Failed, NOW.plus(PATIENCE), 0.5).1, Some(DisabledReason::Failing));
        assert_eq!(Health::default().after(Reply::Gone, NOW, 0.5).1, Some(DisabledReason::Gone));
    }

    proptest! {
        #[test]
        fn an_event_that_nobody_takes_is_tried_for_three_days_and_no_longer(
            randoms in prop::collection::vec(0.0..1.0_f64, 64),
        ) {
            let (mut now, mut tries) = (NOW, 1);
            let mut randoms = randoms.into_iter().cycle();
            let mut pause = Duration::ZERO;
            loop {
                match fate(Reply::Failed, tries, NOW, now, randoms.next().unwrap()) {
                    Fate::Taken => prop_assert!(false, "nobody took it"),
                    Fate::GivenUp => break,
                    Fate::Retry(at) => {
                        prop_assert!(at > now, "each try is later than the one before");
                        prop_assert!(at.since(now) <= EVENT_BACKOFF_CAP);
                        prop_assert!(at <= NOW.plus(PATIENCE));
                        pause = pause.max(at.since(now));
                        (now, tries) = (at, tries + 1);
                    }
                }
            }
            prop_assert_eq!(now, NOW.plus(PATIENCE), "the last try is at the very end");
            prop_assert!(tries < 2_000, "{} tries", tries);
        }

        #[test]
        fn a_webhook_never_rests_longer_than_the_cap(failures in 0_u32..100, random in 0.0..1.0_f64) {
            let health = Health { failing_since: Some(NOW), failures, rest_until: None };
            let (after, _) = health.after(Reply::Failed, NOW, random);
            prop_assert!(after.rest_until.is_none_or(|until| until > NOW && until <= NOW.plus(REST_CAP)));
        }
    }
}
