//! How far a webhook has read the events.

use hongyan_ledger::WebhookEventId;

/// How far events were read.
///
/// A caller keeps a cursor and hands it back; only the store knows its contents. SQLite numbers all events in one row. A
/// backend with many writers numbers the events of each lane, and its cursor holds a number for each lane. So a caller must
/// not rely on one number for all lanes: two cursors need not have an order (each may be ahead in another lane), and the
/// event before an event cannot be computed.
///
/// The default is the cursor before the first event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeedCursor {
    number: i64,
}

impl FeedCursor {
    /// The cursor behind the event of this number.
    pub(crate) const fn behind_number(number: i64) -> Self {
        Self { number }
    }

    /// The number of the last event before the cursor.
    pub(crate) const fn number(&self) -> i64 {
        self.number
    }

    /// This cursor, moved back before the first of these events. It is the cursor to store while these events still lack an
    /// outcome: after a crash they are read again.
    #[must_use]
    pub fn held_back_by<'a>(&self, open: impl IntoIterator<Item = &'a WebhookEventId>) -> Self {
        let before = open.into_iter().map(|event| event.number() - 1);
        Self { number: before.fold(self.number, i64::min) }
    }

    /// How many events lie between an earlier cursor and this one, including events that the webhook does not want.
    pub fn events_since(&self, earlier: &Self) -> u64 {
        u64::try_from(self.number - earlier.number).unwrap_or(0)
    }

    /// Goes on to another cursor, if that cursor is ahead.
    pub(crate) fn advance_to(&mut self, other: &Self) {
        self.number = self.number.max(other.number);
    }
}

#[cfg(test)]
mod tests {
    use hongyan_clock::UnixMillis;
    use hongyan_ledger::ids::IdMaker;

    use super::*;

    #[test]
    fn a_cursor_stays_before_every_event_that_is_open() {
        let ids = IdMaker::new();
        let event = |number| ids.webhook_event(number, UnixMillis(1_790_000_000_000));
        let read = FeedCursor::behind_number(9);
        assert_eq!(read.held_back_by(&[]), read);
        assert_eq!(read.held_back_by(&[event(8), event(5), event(9)]), FeedCursor::behind_number(4));
        assert_eq!(read.held_back_by(&[event(12)]), read, "an event behind the cursor does not move it");
    }

    #[test]
    fn cursors_go_forward_only() {
        let (early, late) = (FeedCursor::behind_number(4), FeedCursor::behind_number(9));
        assert_eq!((late.events_since(&early), early.events_since(&late)), (5, 0));
        let mut cursor = FeedCursor::default();
        for (next, then) in [(&late, 9), (&early, 9)] {
            cursor.advance_to(next);
            assert_eq!(cursor.number(), then);
        }
    }
}
