//! Counts over time.
//!
//! What the verbs of a transaction count is added up in memory, and written once, just before the commit: a count costs a
//! transaction as much as ten of them. All counts of the present minute lie together, so a commit touches one page more.

use std::collections::HashMap;

use hongyan_clock::UnixMillis;
use hongyan_ledger::ReasonCode;
use hongyan_ledger::tally::{Counted, Lag, TallyCause, TallyStep};
use hongyan_wechat::{AppId, Errcode, TemplateId};
use rusqlite::{Connection, params};

use super::cells::{Cells, change, each, many, one, parsed};
use super::keys::apps_to_json;
use super::memory::Transaction;
use super::row_error::{RowError, RowResult};
use crate::rows::TallyRows;
use crate::types::{MAX_PARTS, Tally, TallyBy, TallyCounts, TallyFilter, TallyPart};

/// Who counts: a file has one writer.
const SHARD: i64 = 0;

/// Adds what the transaction has counted to the minutes in the file.
pub(super) fn write(tx: &Transaction<'_>) -> RowResult<()> {
    let mut counted = tx.memory.counted.borrow_mut();
    counted.drain().try_for_each(|(tally, count)| add(tx, TallyStep::Minute, &tally, count))
}

impl TallyRows for Transaction<'_> {
    fn count(&self, at: UnixMillis, app: &AppId, template: &TemplateId, counted: Counted) {
        let start = TallyStep::Minute.start_of(at);
        let tally = Tally { start, app: app.clone(), template: template.clone(), counted };
        *self.memory.counted.borrow_mut().entry(tally).or_default() += 1;
    }

    fn take_tallies(&self, step: TallyStep, before: UnixMillis, limit: u32) -> RowResult<Vec<(Tally, u64)>> {
        // In the order of the key, so what is taken is all that lies before the first that stays.
        let taken = many(
            self,
            "SELECT start, appid, template, what, reason, code, count, shard FROM tallies WHERE step = ? AND start < ? \
             ORDER BY step, start, shard, appid, template, what, reason, code LIMIT ?",
            params![step.code(), before.0, limit],
            |cells| Ok((tally(cells)?, cells.count()?, cells.raw::<i64>()?)),
        )?;
        if let Some((last, _, shard)) = taken.last() {
            let (what, reason, code) = columns(last.counted);
            let removed = change(
                self,
                "DELETE FROM tallies WHERE step = ?1 AND start <= ?2 AND \
                 (start, shard, appid, template, what, reason, code) <= (?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    step.code(),
                    last.start.0,
                    shard,
                    last.app.as_str(),
                    last.template.as_str(),
                    what,
                    reason,
                    code
                ],
            )?;
            if removed != taken.len() {
                return Err(RowError::corrupt(format!(
                    "{removed} tallies were removed, not {}",
                    taken.len()
                )));
            }
        }
        Ok(taken.into_iter().map(|(tally, count, _)| (tally, count)).collect())
    }

    fn add_tally(&self, step: TallyStep, tally: &Tally, count: u64) -> RowResult<()> {
        add(self, step, tally, count)
    }
}

fn add(db: &Connection, step: TallyStep, tally: &Tally, count: u64) -> RowResult<()> {
    let (what, reason, code) = columns(tally.counted);
    change(
        db,
        "INSERT INTO tallies (step, start, shard, appid, template, what, reason, code, count) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT DO UPDATE SET count = count + excluded.count",
        params![
            step.code(),
            tally.start.0,
            SHARD,
            tally.app.as_str(),
            tally.template.as_str(),
            what,
            reason,
            code,
            count.cast_signed()
        ],
    )?;
    Ok(())
}

/// Whether counts are to be moved into longer steps, or to be forgotten.
pub(super) fn is_any_old(db: &Connection, now: UnixMillis) -> RowResult<bool> {
    for step in TallyStep::ALL {
        let old = one(
            db,
            "SELECT 1 FROM tallies WHERE step = ? AND start < ? LIMIT 1",
            params![step.code(), step.old_before(now).0],
            |_| Ok(()),
        )?;
        if old.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Carries out [`crate::Store::tallies`]: one walk over the rows of the span. They are added up here, because a statement
/// that groups them sorts them first, once for the steps and once for the parts, which takes five times as long.
pub(super) fn read(db: &Connection, filter: &TallyFilter) -> RowResult<TallyCounts> {
    let Bounds { since, until, apps } = Bounds::of(filter)?;
    let mut steps = HashMap::<(UnixMillis, Counted), u64>::new();
    let mut parts = Parts::of(filter.by);
    each(
        db,
        "SELECT start, appid, template, what, reason, code, count FROM tallies \
         WHERE step <= ?1 AND step IN (0, 1, 2) AND start >= ?2 AND start < ?3 AND (?4 IS NULL OR template = ?4) \
         AND (?5 IS NULL OR appid IN (SELECT value FROM json_each(?5)))",
        params![filter.step.code(), since, until, filter.template.as_ref().map(TemplateId::as_str), apps],
        |cells| {
            let (start, app, template) = (cells.moment()?, cells.text()?, cells.text()?);
            let (counted, count) = (counted(cells)?, cells.count()?);
            *steps.entry((filter.step.start_of(start), counted)).or_default() += count;
            parts.add(app, template, counted, count);
            Ok(())
        },
    )?;
    let mut steps: Vec<_> =
        steps.into_iter().map(|((start, counted), count)| (start, counted, count)).collect();
    steps.sort_unstable_by_key(|(start, counted, _)| (*start, columns(*counted)));
    Ok(TallyCounts { steps, parts: parts.largest()? })
}

/// Counts of apps, or of their templates.
struct Parts {
    by: Option<TallyBy>,
    /// By app, and by template: empty, if apps are counted.
    counts: HashMap<String, HashMap<String, HashMap<Counted, u64>>>,
}

impl Parts {
    fn of(by: Option<TallyBy>) -> Self {
        Self { by, counts: HashMap::new() }
    }

    fn add(&mut self, app: &str, template: &str, counted: Counted, count: u64) {
        let template = match self.by {
            Some(TallyBy::App) => "",
            Some(TallyBy::Template) => template,
            None => return,
        };
        let of_part = self.counts.get_mut(app).and_then(|of_app| of_app.get_mut(template));
        let of_part = match of_part {
            Some(of_part) => of_part,
            None => self.counts.entry(app.to_owned()).or_default().entry(template.to_owned()).or_default(),
        };
        *of_part.entry(counted).or_default() += count;
    }

    /// The parts for which most was counted, in order of their names.
    fn largest(self) -> RowResult<Vec<TallyPart>> {
        let mut parts: Vec<_> = self
            .counts
            .into_iter()
            .flat_map(|(app, of_app)| {
                of_app.into_iter().map(move |(template, counts)| (app.clone(), template, counts))
            })
            .collect();
        let sum = |counts: &HashMap<Counted, u64>| counts.values().sum::<u64>();
        parts.sort_unstable_by(|(app, template, counts), (other_app, other_template, others)| {
            sum(others).cmp(&sum(counts)).then_with(|| (app, template).cmp(&(other_app, other_template)))
        });
        parts.truncate(MAX_PARTS as usize);
        parts.sort_unstable_by(|(app, template, _), (other_app, other_template, _)| {
            (app, template).cmp(&(other_app, other_template))
        });
        let mut largest = Vec::new();
        for (app, template, counts) in parts {
            let app: AppId = parsed(&app)?;
            let template: Option<TemplateId> = match self.by {
                Some(TallyBy::Template) => Some(parsed(&template)?),
                _ => None,
            };
            let mut counts: Vec<_> = counts.into_iter().collect();
            counts.sort_unstable_by_key(|(counted, _)| columns(*counted));
            largest.extend(counts.into_iter().map(|(counted, count)| TallyPart {
                app: app.clone(),
                template: template.clone(),
                counted,
                count,
            }));
        }
        Ok(largest)
    }
}

/// A filter in the words of a statement.
struct Bounds {
    since: i64,
    until: i64,
    /// As JSON.
    apps: Option<String>,
}

impl Bounds {
    fn of(filter: &TallyFilter) -> RowResult<Self> {
        let first = filter.step.start_of(filter.since);
        let last = filter.step.start_of(filter.until);
        let until = if last == filter.until { last } else { filter.step.after(last) };
        Ok(Self { since: first.0, until: until.0, apps: apps_to_json(filter.apps.as_deref())? })
    }
}

fn tally(cells: &mut Cells<'_>) -> RowResult<Tally> {
    Ok(Tally {
        start: cells.moment()?,
        app: cells.parsed()?,
        template: cells.parsed()?,
        counted: counted(cells)?,
    })
}

/// What is counted, as it lies in the columns `what`, `reason` and `code`. Never renumber.
const fn columns(counted: Counted) -> (u8, &'static str, i64) {
    const fn of(cause: TallyCause) -> (&'static str, i64) {
        let code = match cause.errcode {
            Some(errcode) => errcode.0 as i64,
            None => 0,
        };
        (cause.reason.name(), code)
    }
    match counted {
        Counted::Accepted => (0, "", 0),
        Counted::Sent(Some(lag)) => (1, "", lag.bucket() as i64),
        Counted::Sent(None) => (1, "", -1),
        Counted::Delivered => (2, "", 0),
        Counted::Refused(cause) => (3, of(cause).0, of(cause).1),
        Counted::Failed(cause) => (4, of(cause).0, of(cause).1),
        Counted::Unknown => (5, "", 0),
        Counted::Expired => (6, "", 0),
        Counted::Cancelled => (7, "", 0),
        Counted::Retried => (8, "", 0),
    }
}

fn counted(cells: &mut Cells<'_>) -> RowResult<Counted> {
    let (what, reason, code): (u8, &str, i64) = (cells.raw()?, cells.text()?, cells.raw()?);
    let cause = || {
        let errcode = i32::try_from(code).ok().map(Errcode).filter(|errcode| errcode.0 != 0);
        Some(TallyCause { reason: ReasonCode::from_name(reason)?, errcode })
    };
    let counted = match what {
        0 => Some(Counted::Accepted),
        1 if code < 0 => Some(Counted::Sent(None)),
        1 => u8::try_from(code).ok().and_then(Lag::from_bucket).map(|lag| Counted::Sent(Some(lag))),
        2 => Some(Counted::Delivered),
        3 => cause().map(Counted::Refused),
        4 => cause().map(Counted::Failed),
        5 => Some(Counted::Unknown),
        6 => Some(Counted::Expired),
        7 => Some(Counted::Cancelled),
        8 => Some(Counted::Retried),
        _ => None,
    };
    counted.ok_or_else(|| RowError::corrupt(format!("a tally of {what} {reason:?} {code}")))
}
