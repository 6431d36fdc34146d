//! Identifiers: a UUIDv7 with a prefix that says what it names, and with the lane inside.
//!
//! The last byte of the id of a message, permit or event is its lane. So a look-up by id asks for a row of one lane, and
//! never has to visit every shard.

use std::fmt;
use std::str::FromStr;

use hongyan_clock::UnixMillis;
use serde::{Deserialize, Serialize};
use uuid::{ContextV7, Timestamp, Uuid};

use crate::lane::Lane;

/// A text that is not an identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this kind: expected {prefix} followed by 32 hexadecimal digits")]
pub struct InvalidId {
    prefix: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// The prefix of the id as text.
            pub const PREFIX: &'static str = $prefix;

            /// The id in sixteen bytes, as it is stored. Ids sort by the time of their making.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// From sixteen stored bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, self.0.as_simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix($prefix)
                    .filter(|rest| rest.len() == 32)
                    .and_then(|rest| Uuid::try_parse(rest).ok())
                    .map(Self)
                    .ok_or(InvalidId { prefix: $prefix })
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }
    };
}

id!(
    /// Names one message.
    MessageId,
    "msg_"
);
id!(
    /// Names one permit.
    PermitId,
    "prm_"
);
id!(
    /// Names one event that WeChat pushed.
    EventId,
    "evt_"
);
id!(
    /// Names one API key. The key itself is a secret; this id is not.
    KeyId,
    "key_"
);
id!(
    /// Names one token that the facade handed out. The token itself is a secret; this id is not.
    TokenId,
    "tok_"
);
id!(
    /// Names one person who may use the console.
    PersonId,
    "psn_"
);

id!(
    /// Names one webhook: an address that events are sent to.
    WebhookId,
    "whk_"
);
id!(
    /// Names one event that webhooks are told of.
    WebhookEventId,
    "whe_"
);

impl WebhookEventId {
    /// The highest number that fits into an id: more than a thousand events a second for thirty years.
    pub const MAX_NUMBER: i64 = (1 << 40) - 1;

    /// The event's number: its place in the order of all events. It is the last five bytes of the id, so the store finds the
    /// event by its id without an index.
    pub fn number(&self) -> i64 {
        self.as_bytes()[11..].iter().fold(0, |number, &byte| number << 8 | i64::from(byte))
    }
}

/// The smallest id made at this moment, to the millisecond: ids begin with the time.
fn first_at(at: UnixMillis) -> [u8; 16] {
    let millis = at.0.clamp(0, (1 << 48) - 1).cast_unsigned() << 16;
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&millis.to_be_bytes());
    bytes
}

impl MessageId {
    /// The lane of this message's rows.
    ///
    /// `None` for an id that was never made here.
    pub fn lane(&self) -> Option<Lane> {
        Lane::new(self.0.as_bytes()[15])
    }

    /// The smallest id that a message accepted at this moment, to the millisecond, can have.
    pub fn first_at(at: UnixMillis) -> Self {
        Self::from_bytes(first_at(at))
    }
}

impl PermitId {
    /// When the id was made, to the millisecond: a UUIDv7 begins with its time.
    pub fn made_at(&self) -> UnixMillis {
        let millis = self.as_bytes()[..6].iter().fold(0, |millis, &byte| millis << 8 | i64::from(byte));
        UnixMillis(millis)
    }

    /// The lane of this permit's row; `None` for an id that was never made here.
    pub fn lane(&self) -> Option<Lane> {
        Lane::new(self.0.as_bytes()[15])
    }
}

impl WebhookId {
    /// The lane whose owner delivers to this webhook.
    pub fn lane(&self) -> Lane {
        let [.., last] = *self.as_bytes();
        Lane::of_number(u64::from(last))
    }
}

impl EventId {
    /// The smallest id that an event received at this moment, to the millisecond, can have.
    pub fn first_at(at: UnixMillis) -> Self {
        Self::from_bytes(first_at(at))
    }

    /// The lane of this event's row; `None` for an id that was never made here.
    pub fn lane(&self) -> Option<Lane> {
        Lane::new(self.0.as_bytes()[15])
    }
}

/// Makes identifiers that sort in the order of their making, also within one millisecond.
#[derive(Debug, Default)]
pub struct IdMaker {
    context: std::sync::Mutex<ContextV7>,
}

impl IdMaker {
    /// A maker with a sequence of its own.
    pub fn new() -> Self {
        Self::default()
    }

    /// An id for a message of this lane.
    pub fn message(&self, lane: Lane, now: UnixMillis) -> MessageId {
        MessageId(self.in_lane(lane, now))
    }

    /// An id for a permit of this lane.
    pub fn permit(&self, lane: Lane, now: UnixMillis) -> PermitId {
        PermitId(self.in_lane(lane, now))
    }

    /// An id for an event of this lane.
    pub fn event(&self, lane: Lane, now: UnixMillis) -> EventId {
        EventId(self.in_lane(lane, now))
    }

    /// An id for an API key.
    pub fn key(&self, now: UnixMillis) -> KeyId {
        KeyId(self.uuid(now))
    }

    /// An id for a token that the facade hands out.
    pub fn token(&self, now: UnixMillis) -> TokenId {
        TokenId(self.uuid(now))
    }

    /// An id for a person.
    pub fn person(&self, now: UnixMillis) -> PersonId {
        PersonId(self.uuid(now))
    }

    /// An id for a webhook.
    pub fn webhook(&self, now: UnixMillis) -> WebhookId {
        WebhookId(self.uuid(now))
    }

    /// An id for the event of this number, at most [`WebhookEventId::MAX_NUMBER`].
    pub fn webhook_event(&self, number: i64, now: UnixMillis) -> WebhookEventId {
        debug_assert!((0..=WebhookEventId::MAX_NUMBER).contains(&number), "{number} has no room in an id");
        let mut bytes = self.uuid(now).into_bytes();
        bytes[11..].copy_from_slice(&number.to_be_bytes()[3..]);
        WebhookEventId(Uuid::from_bytes(bytes))
    }

    fn in_lane(&self, lane: Lane, now: UnixMillis) -> Uuid {
        let mut bytes = self.uuid(now).into_bytes();
        bytes[15] = lane.number();
        Uuid::from_bytes(bytes)
    }

    fn uuid(&self, now: UnixMillis) -> Uuid {
        let context = self.context.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let millis = now.0.max(0) as u64;
        Uuid::new_v7(Timestamp::from_unix(&*context, millis / 1000, (millis % 1000) as u32 * 1_000_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_carries_its_lane_and_reads_back() {
        let maker = IdMaker::new();
        let lane = Lane::new(42).unwrap();
        let id = maker.message(lane, UnixMillis(1_790_000_000_000));
        assert_eq!(id.lane(), Some(lane));
        assert_eq!(id.to_string().parse::<MessageId>().unwrap(), id);
        assert!(id.to_string().parse::<PermitId>().is_err());
        let permit = maker.permit(lane, UnixMillis(1_790_000_000_123));
        assert_eq!((permit.lane(), permit.made_at()), (Some(lane), UnixMillis(1_790_000_000_123)));
        let event = maker.event(lane, UnixMillis(1_790_000_000_124));
        assert_eq!((event.lane(), event.to_string().parse::<EventId>().unwrap()), (Some(lane), event));
        assert!("msg_0".parse::<MessageId>().is_err());
    }

    #[test]
    fn an_events_id_carries_its_number() {
        let maker = IdMaker::new();
        for number in [1, 255, 65_536, WebhookEventId::MAX_NUMBER] {
            let id = maker.webhook_event(number, UnixMillis(1_790_000_000_000));
            assert_eq!(id.number(), number);
            assert_eq!(id.to_string().parse::<WebhookEventId>().unwrap(), id);
        }
    }

    #[test]
    fn ids_of_one_millisecond_sort_by_their_making() {
        let maker = IdMaker::new();
        let lane = Lane::new(1).unwrap();
        let ids: Vec<_> = (0..10_000).map(|_| maker.message(lane, UnixMillis(1_790_000_000_000))).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
