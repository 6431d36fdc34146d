//! Accepted subscriptions that one side has reported and the other has not yet, for [`hongyan_ledger::acceptance`].

use hongyan_clock::UnixMillis;
use hongyan_ledger::acceptance::{PAIRING_WINDOW, Source, Unpaired, pair};
use hongyan_wechat::TemplateId;
use rusqlite::params;

use super::memory::Writing;
use super::messages::User;
use super::rows::{Cells, change, many};
use super::trouble::Res;

/// One side reports so many acceptances. Returns how many of them the other had not reported: those are to be granted.
pub(super) fn report(
    tx: &Writing<'_>,
    user: &User,
    template: &TemplateId,
    source: Source,
    units: u32,
    at: UnixMillis,
) -> Res<u32> {
    let others = many(
        tx,
        "SELECT at, units FROM acceptances WHERE lane = ? AND user = ? AND appid = ? AND openid = ? AND template = ? \
         AND source = ? AND expires_at >= ? ORDER BY at",
        params![
            user.lane.number(),
            user.key(),
            user.appid.as_str(),
            user.openid.as_str(),
            template.as_str(),
            source.other().code(),
            at.0,
        ],
        |cells: &mut Cells<'_>| Ok(Unpaired { at: cells.moment()?, units: cells.raw()? }),
    )?;
    let pairing = pair(units, &others, at);
    for (other, partners) in others.iter().zip(pairing.partners).filter(|(_, partners)| *partners > 0) {
        take(tx, user, template, source.other(), *other, partners)?;
    }
    if pairing.granted > 0 {
        change(
            tx,
            "INSERT INTO acceptances (lane, user, appid, openid, template, source, at, units, expires_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
             ON CONFLICT (lane, user, appid, openid, template, source, at) DO UPDATE SET units = units + ?8",
            params![
                user.lane.number(),
                user.key(),
                user.appid.as_str(),
                user.openid.as_str(),
                template.as_str(),
                source.code(),
                at.0,
                pairing.granted,
                at.plus(PAIRING_WINDOW).0,
            ],
        )?;
    }
    Ok(pairing.granted)
}

/// The row of one side's report.
macro_rules! one_report {
    ($statement:literal) => {
        concat!(
            $statement,
            " WHERE lane = ?1 AND user = ?2 AND appid = ?3 AND openid = ?4 AND template = ?5 AND source = ?6 AND at = ?7"
        )
    };
}

/// These have found their partners.
fn take(
    tx: &Writing<'_>,
    user: &User,
    template: &TemplateId,
    source: Source,
    unpaired: Unpaired,
    partners: u32,
) -> Res<()> {
    let (lane, number, source) = (user.lane.number(), user.key(), source.code());
    let (appid, openid, template) = (user.appid.as_str(), user.openid.as_str(), template.as_str());
    let left = unpaired.units - partners;
    if left == 0 {
        let row = params![lane, number, appid, openid, template, source, unpaired.at.0];
        change(tx, one_report!("DELETE FROM acceptances"), row)?;
    } else {
        let row = params![lane, number, appid, openid, template, source, unpaired.at.0, left];
        change(tx, one_report!("UPDATE acceptances SET units = ?8"), row)?;
    }
    Ok(())
}
