//! Counts over time.

use hongyan_clock::UnixMillis;
use hongyan_ledger::tally::{Counted, TallyStep};
use hongyan_wechat::{AppId, TemplateId};

use crate::row_error::RowResult;
use crate::types::Tally;

/// Counting, and moving counts into longer steps.
pub(crate) trait TallyRows {
    /// Counts something that happened at a moment. The backend writes it with the transaction, whenever that is cheapest.
    fn count(&self, at: UnixMillis, app: &AppId, template: &TemplateId, counted: Counted);

    /// Takes counts away: those of the oldest steps of this length that began before a moment, at most `limit`.
    fn take_tallies(&self, step: TallyStep, before: UnixMillis, limit: u32) -> RowResult<Vec<(Tally, u64)>>;

    /// Adds to a count of a step of this length.
    fn add_tally(&self, step: TallyStep, tally: &Tally, count: u64) -> RowResult<()>;
}
