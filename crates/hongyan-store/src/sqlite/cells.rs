//! How values are stored in columns, and how they are read back.

use std::fmt::Display;
use std::str::FromStr;

use hongyan_clock::UnixMillis;
use hongyan_ledger::settle::Outcome;
use hongyan_ledger::{EventId, Lane, MessageId, PermitId, WebhookEventId};
use hongyan_wechat::Errcode;
use rusqlite::types::{FromSql, ValueRef};
use rusqlite::{Connection, Params, Row};

use super::row_error::{RowError, RowResult};
use crate::types::Page;

/// Reads a row's columns from left to right, so that no column needs a number.
pub(super) struct Cells<'a> {
    row: &'a Row<'a>,
    next: usize,
}

fn decoded<T>(code: u8, from_code: impl Fn(u8) -> Option<T>) -> RowResult<T> {
    from_code(code).ok_or_else(|| RowError::corrupt(format!("{code} for {}", std::any::type_name::<T>())))
}

/// The value that a text stands for.
pub(super) fn parsed<T: FromStr<Err: Display>>(text: &str) -> RowResult<T> {
    text.parse().map_err(|why| RowError::corrupt(format!("{text:?}: {why}")))
}

fn in_a_lane<I: Display>(id: I, lane: Option<Lane>) -> RowResult<I> {
    match lane {
        Some(_) => Ok(id),
        None => Err(RowError::corrupt(format!("{id} names a lane that does not exist"))),
    }
}

impl<'a> Cells<'a> {
    pub(super) fn of(row: &'a Row<'a>) -> Self {
        Self { row, next: 0 }
    }

    /// The next column as it is.
    pub(super) fn raw<T: FromSql>(&mut self) -> RowResult<T> {
        let value = self.row.get(self.next)?;
        self.next += 1;
        Ok(value)
    }

    /// A number that is never negative.
    pub(super) fn count(&mut self) -> RowResult<u64> {
        Ok(self.raw::<i64>()?.cast_unsigned())
    }

    pub(super) fn moment(&mut self) -> RowResult<UnixMillis> {
        self.raw().map(UnixMillis)
    }

    pub(super) fn moment_or_none(&mut self) -> RowResult<Option<UnixMillis>> {
        Ok(self.raw::<Option<i64>>()?.map(UnixMillis))
    }

    // An id contains its lane. An id with a lane that does not exist was never made by this program. Refuse it here: the
    // callers of `lane()` could not handle it.

    pub(super) fn message_id(&mut self) -> RowResult<MessageId> {
        let id = self.raw().map(MessageId::from_bytes)?;
        in_a_lane(id, id.lane())
    }

    pub(super) fn message_id_or_none(&mut self) -> RowResult<Option<MessageId>> {
        let id = self.raw::<Option<[u8; 16]>>()?.map(MessageId::from_bytes);
        id.map(|id| in_a_lane(id, id.lane())).transpose()
    }

    pub(super) fn permit_id(&mut self) -> RowResult<PermitId> {
        let id = self.raw().map(PermitId::from_bytes)?;
        in_a_lane(id, id.lane())
    }

    pub(super) fn permit_id_or_none(&mut self) -> RowResult<Option<PermitId>> {
        let id = self.raw::<Option<[u8; 16]>>()?.map(PermitId::from_bytes);
        id.map(|id| in_a_lane(id, id.lane())).transpose()
    }

    pub(super) fn event_id(&mut self) -> RowResult<EventId> {
        let id = self.raw().map(EventId::from_bytes)?;
        in_a_lane(id, id.lane())
    }

    pub(super) fn webhook_event_id(&mut self) -> RowResult<WebhookEventId> {
        self.raw().map(WebhookEventId::from_bytes)
    }

    pub(super) fn lane(&mut self) -> RowResult<Lane> {
        let number: u8 = self.raw()?;
        Lane::new(number).ok_or_else(|| RowError::corrupt(format!("lane {number}")))
    }

    /// A text, as long as the row is there.
    pub(super) fn text(&mut self) -> RowResult<&'a str> {
        let text = self.row.get_ref(self.next)?.as_str().map_err(rusqlite::Error::from)?;
        self.next += 1;
        Ok(text)
    }

    /// A text that is parsed as a value of a type.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&mut self) -> RowResult<T> {
        parsed(self.text()?)
    }

    /// A text that is parsed as a value of a type, or NULL.
    pub(super) fn parsed_or_none<T: FromStr<Err: Display>>(&mut self) -> RowResult<Option<T>> {
        let absent = self.row.get_ref(self.next)? == ValueRef::Null;
        if absent {
            self.next += 1;
            return Ok(None);
        }
        self.parsed().map(Some)
    }

    /// A number that is the code of a value.
    pub(super) fn coded<T>(&mut self, from_code: impl Fn(u8) -> Option<T>) -> RowResult<T> {
        self.raw().and_then(|code| decoded(code, from_code))
    }

    pub(super) fn coded_or_none<T>(&mut self, from_code: impl Fn(u8) -> Option<T>) -> RowResult<Option<T>> {
        self.raw::<Option<u8>>()?.map(|code| decoded(code, from_code)).transpose()
    }

    /// A text that is the name of a value, or NULL.
    pub(super) fn named_or_none<T>(&mut self, from_name: impl Fn(&str) -> Option<T>) -> RowResult<Option<T>> {
        let name = self.row.get_ref(self.next)?.as_str_or_null().map_err(rusqlite::Error::from)?;
        self.next += 1;
        name.map(|name| {
            from_name(name)
                .ok_or_else(|| RowError::corrupt(format!("{name:?} for {}", std::any::type_name::<T>())))
        })
        .transpose()
    }

    /// An outcome, from four columns of a message.
    pub(super) fn outcome_with_msgid_or_none(&mut self) -> RowResult<Option<Outcome>> {
        let mut outcome = self.outcome_or_none()?;
        let number = self.raw()?;
        if let Some(Outcome::Answered { msgid, .. }) = &mut outcome {
            *msgid = number;
        }
        Ok(outcome)
    }

    /// An outcome of an earlier attempt, from three columns. (An attempt with a msgid was taken by WeChat, so no attempt
    /// follows it.)
    pub(super) fn outcome_or_none(&mut self) -> RowResult<Option<Outcome>> {
        let (code, errcode, text): (Option<u8>, Option<i32>, Option<String>) =
            (self.raw()?, self.raw()?, self.raw()?);
        let text = text.unwrap_or_default();
        Ok(Some(match (code, errcode) {
            (None, _) => return Ok(None),
            (Some(0), Some(errcode)) => Outcome::answered(Errcode(errcode), text),
            (Some(1), _) => Outcome::NotSent { why: text },
            (Some(2), _) => Outcome::Unanswered { why: text },
            (Some(code), _) => return Err(RowError::corrupt(format!("outcome {code}"))),
        }))
    }
}

/// The number that stands for an outcome's kind. Never renumber.
pub(super) const fn outcome_code(outcome: &Outcome) -> u8 {
    match outcome {
        Outcome::Answered { .. } => 0,
        Outcome::NotSent { .. } => 1,
        Outcome::Unanswered { .. } => 2,
    }
}

/// The only row of a query, if there is a row.
pub(super) fn one<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&mut Cells<'_>) -> RowResult<T>,
) -> RowResult<Option<T>> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(|row| read(&mut Cells::of(row))).transpose()
}

/// All rows of a query.
pub(super) fn many<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    mut read: impl FnMut(&mut Cells<'_>) -> RowResult<T>,
) -> RowResult<Vec<T>> {
    let mut all = Vec::new();
    each(db, sql, params, |cells| {
        all.push(read(cells)?);
        Ok(())
    })?;
    Ok(all)
}

/// Reads each row of a query, and keeps none.
pub(super) fn each(
    db: &Connection,
    sql: &str,
    params: impl Params,
    mut read: impl FnMut(&mut Cells<'_>) -> RowResult<()>,
) -> RowResult<()> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    while let Some(row) = rows.next()? {
        read(&mut Cells::of(row))?;
    }
    Ok(())
}

/// The rows of a query that `read` accepts: at most `limit`, among the first `look_at` rows.
pub(super) fn page<T, I: Copy>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    (limit, look_at): (u32, u32),
    mut read: impl FnMut(&mut Cells<'_>) -> RowResult<(I, Option<T>)>,
) -> RowResult<Page<T, I>> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut page = Page { items: Vec::new(), next: None };
    let (mut looked_at, mut last) = (0, None);
    while let Some(row) = rows.next()? {
        if page.items.len() >= limit as usize || looked_at >= look_at {
            page.next = last;
            break;
        }
        let (id, item) = read(&mut Cells::of(row))?;
        page.items.extend(item);
        (looked_at, last) = (looked_at + 1, Some(id));
    }
    Ok(page)
}

/// The pages of several parts as one page, newest first, of at most `limit` entries.
pub(super) fn merged<T, I: Copy + Ord>(
    pages: Vec<Page<T, I>>,
    limit: u32,
    id: impl Fn(&T) -> I,
) -> Page<T, I> {
    // What is older than the end of a page may be missing in it.
    let mut next = pages.iter().filter_map(|page| page.next).max();
    let mut items: Vec<T> = pages.into_iter().flat_map(|page| page.items).collect();
    items.retain(|item| next.is_none_or(|end| id(item) >= end));
    items.sort_unstable_by_key(|item| std::cmp::Reverse(id(item)));
    items.dedup_by_key(|item| id(item));
    if items.len() > limit as usize {
        items.truncate(limit as usize);
        next = items.last().map(id);
    }
    Page { items, next }
}

/// Executes a statement that returns no rows; returns how many rows it changed.
pub(super) fn change(db: &Connection, sql: &str, params: impl Params) -> RowResult<usize> {
    Ok(db.prepare_cached(sql)?.execute(params)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_several_parts_are_one_page_which_ends_where_one_of_them_ends() {
        let merge = |pages: &[(&[u8], Option<u8>)], limit| {
            let pages =
                pages.iter().map(|(items, next)| Page { items: items.to_vec(), next: *next }).collect();
            let Page { items, next } = merged(pages, limit, |item| *item);
            (items, next)
        };
        assert_eq!(merge(&[(&[9, 4], None), (&[7, 2], None)], 4), (vec![9, 7, 4, 2], None));
        assert_eq!(merge(&[(&[9, 4], None), (&[7, 2], None)], 3), (vec![9, 7, 4], Some(4)));
        assert_eq!(merge(&[(&[9, 4], Some(4)), (&[7, 2], None)], 3), (vec![9, 7, 4], Some(4)));
        assert_eq!(merge(&[(&[9, 4], None), (&[], Some(6))], 3), (vec![9], Some(6)), "it looked no further");
        assert_eq!(merge(&[(&[9], None), (&[9], None)], 3), (vec![9], None), "a part that was named twice");
        assert_eq!(merge(&[], 3), (vec![], None));
    }
}
