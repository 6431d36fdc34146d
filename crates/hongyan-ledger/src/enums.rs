//! The numbers and names by which values of enums are stored and shown, written once for each enum.
//!
//! The compiler checks that each list names every variant. The number or name on the right must never change: rows contain
//! the numbers, and API clients branch on the names.

/// Gives an enum `code()` and `from_code()`: `codes!(Channel { Legacy: 0, Subscribe: 1 })`.
#[macro_export]
macro_rules! codes {
    ($enum:ident { $($variant:ident: $code:literal),+ $(,)? }) => {
        impl $enum {
            /// The number that stands for this value in a stored row. Never renumber.
            pub const fn code(self) -> u8 {
                match self {
                    $(Self::$variant => $code),+
                }
            }

            /// The value that a stored number stands for.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

/// Gives an enum `ALL`, `name()` and `from_name()`: `names!(DisabledReason { Failing: "failing", Gone: "gone" })`.
#[macro_export]
macro_rules! names {
    ($enum:ident { $($variant:ident: $name:literal),+ $(,)? }) => {
        impl $enum {
            /// Every value.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// The name of this value, the same in JSON, SQL text, metrics and logs.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),+
                }
            }

            /// The value with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

pub(crate) use {codes, names};

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use serde::Serialize;

    use crate::message::{Channel, MessageState, OnUnknown, PermitPolicy, ReasonCode, WaitingOrder};
    use crate::permit::{Origin, PermitKind};
    use crate::resolve::{Then, Verdict, Witness};
    use crate::settle::PauseCode;
    use crate::tally::TallyStep;
    use crate::webhook::{DisabledReason, EventType};

    /// Asserts that exactly these numbers stand for these values.
    fn assert_codes<T: Copy + PartialEq + Debug>(
        stored: &[(T, u8)],
        code: fn(T) -> u8,
        from_code: fn(u8) -> Option<T>,
    ) {
        for &(value, number) in stored {
            assert_eq!(code(value), number, "{value:?}");
        }
        for number in 0..=u8::MAX {
            let known = stored.iter().find(|(_, stored)| *stored == number).map(|(value, _)| *value);
            assert_eq!(from_code(number), known, "{number}");
        }
    }

    /// Asserts that these are all names, in this order, and that each reads back.
    fn assert_names<T: Copy + PartialEq + Debug>(
        said: &[&str],
        all: &[T],
        name: fn(T) -> &'static str,
        from_name: fn(&str) -> Option<T>,
    ) {
        assert_eq!(all.iter().map(|value| name(*value)).collect::<Vec<_>>(), said);
        for &value in all {
            assert_eq!(from_name(name(value)), Some(value));
        }
        assert_eq!(from_name("no such name"), None);
    }

    fn assert_json<T: Copy + Serialize>(all: &[T], name: fn(T) -> &'static str) {
        for value in all {
            assert_eq!(serde_json::to_value(value).unwrap(), name(*value));
        }
    }

    #[test]
    fn states_of_messages_keep_their_numbers_and_names() {
        use MessageState as S;
        let stored = [
            (S::Scheduled, 0),
            (S::Ready, 1),
            (S::Waiting, 2),
            (S::Sending, 3),
            (S::Sent, 4),
            (S::Delivered, 5),
            (S::Refused, 6),
            (S::Failed, 7),
            (S::Unknown, 8),
            (S::Cancelled, 9),
            (S::Expired, 10),
        ];
        assert_codes(&stored, S::code, S::from_code);
        let said = [
            "scheduled",
            "ready",
            "waiting",
            "sending",
            "sent",
            "delivered",
            "refused",
            "failed",
            "unknown",
            "cancelled",
            "expired",
        ];
        assert_names(&said, &S::ALL, S::name, S::from_name);
        assert_json(&S::ALL, S::name);
    }

    #[test]
    fn channels_keep_their_numbers() {
        assert_codes(&[(Channel::Legacy, 0), (Channel::Subscribe, 1)], Channel::code, Channel::from_code);
    }

    #[test]
    fn permit_policies_keep_their_numbers() {
        use PermitPolicy as P;
        assert_codes(&[(P::Require, 0), (P::Wait, 1), (P::Try, 2)], P::code, P::from_code);
    }

    #[test]
    fn policies_for_lost_answers_keep_their_numbers() {
        use OnUnknown as O;
        assert_codes(&[(O::Hold, 0), (O::Resend, 1)], O::code, O::from_code);
    }

    #[test]
    fn waiting_orders_keep_their_numbers() {
        use WaitingOrder as W;
        assert_codes(&[(W::OldestFirst, 0), (W::NewestFirst, 1)], W::code, W::from_code);
    }

    #[test]
    fn reasons_keep_their_names() {
        let said = [
            "no_permit",
            "wechat_refused",
            "wechat_unavailable",
            "no_answer",
            "app_paused",
            "user_busy",
            "deadline_passed",
            "cancelled",
            "replaced",
            "given_up",
            "restored",
            "not_delivered",
        ];
        assert_names(&said, &ReasonCode::ALL, ReasonCode::name, ReasonCode::from_name);
        assert_json(&ReasonCode::ALL, ReasonCode::name);
    }

    #[test]
    fn pauses_keep_their_names() {
        let said = [
            "day_quota",
            "minute_quota",
            "token_rejected",
            "misconfigured",
            "operator",
            "wechat_unavailable",
        ];
        assert_names(&said, &PauseCode::ALL, PauseCode::name, PauseCode::from_name);
        assert_json(&PauseCode::ALL, PauseCode::name);
    }

    #[test]
    fn kinds_of_permits_keep_their_numbers_and_names() {
        use PermitKind as K;
        let stored = [
            (K::Form, 0),
            (K::Payment, 1),
            (K::SubscribeOnce, 2),
            (K::SubscribeLongTerm, 3),
            (K::SubscribeDevice, 4),
            (K::ServiceCard, 5),
        ];
        assert_codes(&stored, K::code, K::from_code);
        let said =
            ["form", "payment", "subscribe_once", "subscribe_long_term", "subscribe_device", "service_card"];
        assert_names(&said, &K::ALL, K::name, K::from_name);
        assert_json(&K::ALL, K::name);
    }

    #[test]
    fn origins_of_permits_keep_their_numbers() {
        use Origin as O;
        assert_codes(&[(O::BackEnd, 0), (O::MiniProgram, 1)], O::code, O::from_code);
    }

    #[test]
    fn witnesses_keep_their_numbers() {
        use Witness as W;
        assert_codes(&[(W::Operator, 0), (W::Event, 1), (W::Silence, 2)], W::code, W::from_code);
    }

    #[test]
    fn verdicts_keep_their_numbers() {
        let not_sent = |then| Verdict::NotSent { then };
        let stored = [(Verdict::Sent, 0), (not_sent(Then::Send), 1), (not_sent(Then::Fail), 2)];
        assert_codes(&stored, Verdict::code, Verdict::from_code);
    }

    #[test]
    fn types_of_events_keep_their_numbers_and_names() {
        use EventType as E;
        let stored = [
            (E::MessageSent, 0),
            (E::MessageDelivered, 1),
            (E::MessageRefused, 2),
            (E::MessageFailed, 3),
            (E::MessageUnknown, 4),
            (E::PermitGranted, 5),
            (E::PermitExpiring, 6),
            (E::AppPaused, 7),
            (E::AppResumed, 8),
            (E::TemplateChanged, 9),
            (E::WebhookDisabled, 10),
            (E::WechatEvent, 11),
            (E::WebhookTest, 12),
        ];
        assert_codes(&stored, E::code, E::from_code);
        let said = [
            "message.sent",
            "message.delivered",
            "message.refused",
            "message.failed",
            "message.unknown",
            "permit.granted",
            "permit.expiring",
            "app.paused",
            "app.resumed",
            "template.changed",
            "webhook.disabled",
            "wechat.event",
            "webhook.test",
        ];
        assert_names(&said, &E::ALL, E::name, E::from_name);
    }

    #[test]
    fn steps_of_tallies_keep_their_numbers_and_names() {
        use TallyStep as T;
        assert_codes(&[(T::Minute, 0), (T::Hour, 1), (T::Day, 2)], T::code, T::from_code);
        assert_names(&["minute", "hour", "day"], &T::ALL, T::name, T::from_name);
    }

    #[test]
    fn reasons_of_disabled_webhooks_keep_their_names() {
        use DisabledReason as R;
        assert_names(&["failing", "gone", "operator"], &R::ALL, R::name, R::from_name);
        assert_json(&R::ALL, R::name);
    }
}
