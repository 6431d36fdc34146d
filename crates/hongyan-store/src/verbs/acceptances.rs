//! Accepted subscriptions that one side has reported and the other has not yet, for [`hongyan_ledger::acceptance`].

use hongyan_clock::UnixMillis;
use hongyan_ledger::acceptance::{PAIRING_WINDOW, Source, Unpaired, pair};
use hongyan_wechat::TemplateId;

use crate::row_error::RowResult;
use crate::rows::{Rows, User};

/// Stores that one side reports so many acceptances. Returns how many of them the other side had not reported: those are to
/// be granted.
pub(crate) fn report(
    rows: &impl Rows,
    user: &User,
    template: &TemplateId,
    source: Source,
    units: u32,
    at: UnixMillis,
) -> RowResult<u32> {
    let others = rows.unpaired(user, template, source.other(), at)?;
    let pairing = pair(units, &others, at);
    for (other, partners) in others.iter().zip(pairing.partners).filter(|(_, partners)| *partners > 0) {
        let left = Unpaired { units: other.units - partners, ..*other };
        rows.set_unpaired(user, template, source.other(), left)?;
    }
    if pairing.granted > 0 {
        let unpaired = Unpaired { at, units: pairing.granted };
        rows.add_unpaired(user, template, source, unpaired, at.plus(PAIRING_WINDOW))?;
    }
    Ok(pairing.granted)
}
