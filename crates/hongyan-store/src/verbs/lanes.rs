//! Nodes, and the owners of lanes.
//!
//! A process is a node while it renews its lease, and it owns its lanes for that time. Every write about a lane names the
//! epoch under which the lane was acquired. So a node that was suspended for longer than its lease writes nothing: it finds
//! that the lanes have later epochs.

use hongyan_clock::UnixMillis;
use hongyan_ledger::Lane;
use hongyan_ledger::shares::plan;

use super::messages::turn::left_behind;
use super::messages::wake;
use crate::row_error::RowResult;
use crate::rows::lanes::NodeRow;
use crate::rows::{LaneRows, Rows};
use crate::types::{Acquired, Epoch, LeaseOrder, Leased, Listened, Node, Standing, TokenLease};

/// Carries out [`crate::Store::lease`].
pub(crate) fn lease(rows: &impl Rows, order: &LeaseOrder) -> RowResult<Leased> {
    let LeaseOrder { node, is_first, machine_now, until, now } = order;
    let mut nodes = rows.nodes()?;
    let own = nodes.iter().find(|other| *other.name == *node.name);
    if !is_first && own.is_some_and(|own| own.incarnation != node.incarnation) {
        return Ok(Leased::Replaced);
    }
    let (is_new, was_left) = (own.is_none(), own.is_some_and(|own| own.incarnation != node.incarnation));
    let (dead, alive): (Vec<_>, Vec<_>) = nodes
        .drain(..)
        .filter(|other| *other.name != *node.name)
        .partition(|other| other.expires_at <= *machine_now);
    for other in &dead {
        rows.delete_node(&other.name)?;
    }
    if *is_first {
        // An earlier process of this name has ended, or must not go on.
        for owner in rows.owners()?.iter().filter(|owner| owner.node.as_deref() == Some(&*node.name)) {
            rows.set_owner(owner.lane, Epoch(owner.epoch.0 + 1), None)?;
        }
    }
    // A node that died without leaving may have been sent pushes that nobody took. Before the first node started, nobody
    // listened at all.
    if !dead.is_empty() || was_left || (*is_first && alive.is_empty()) {
        rows.set_listening_since(*now)?;
    }
    rows.put_node(&NodeRow {
        name: node.name.to_string(),
        incarnation: node.incarnation,
        expires_at: *until,
        seen_at: *now,
    })?;
    if !dead.is_empty() || *is_first || is_new {
        rows.signals().lanes();
    }
    let mut names: Vec<_> = alive.into_iter().map(|other| other.name).collect();
    names.push(node.name.to_string());
    names.sort_unstable();
    standing(rows, &node.name, names).map(Leased::Held)
}

/// The lanes that a node has, and the lanes that it should have.
fn standing(rows: &impl LaneRows, name: &str, nodes: Vec<String>) -> RowResult<Standing> {
    let owners = rows.owners()?;
    let place = |node: &str| nodes.iter().position(|other| other == node);
    let own = place(name).unwrap_or_default();
    let plan = plan(
        |lane| owners.get(lane.index()).and_then(|owner| place(owner.node.as_deref()?)),
        own,
        nodes.len(),
    );
    let lanes = owners.iter().filter(|owner| owner.node.as_deref() == Some(name));
    let lanes = lanes.map(|owner| (owner.lane, owner.epoch)).collect();
    Ok(Standing { lanes, take: plan.take, give: plan.give, nodes })
}

/// Carries out [`crate::Store::leave`].
pub(crate) fn leave(rows: &impl Rows, node: &Node) -> RowResult<()> {
    let is_own = |other: &NodeRow| *other.name == *node.name && other.incarnation == node.incarnation;
    if rows.nodes()?.iter().any(is_own) {
        rows.delete_node(&node.name)?;
        rows.signals().lanes();
    }
    Ok(())
}

/// Carries out [`crate::Store::forget_nodes`].
pub(crate) fn forget_nodes(rows: &impl Rows) -> RowResult<()> {
    for node in rows.nodes()? {
        rows.delete_node(&node.name)?;
    }
    for owner in rows.owners()?.into_iter().filter(|owner| owner.node.is_some()) {
        rows.set_owner(owner.lane, Epoch(owner.epoch.0 + 1), None)?;
    }
    Ok(())
}

/// Carries out [`crate::Store::acquire`].
pub(crate) fn acquire(
    rows: &impl Rows,
    lane: Lane,
    node: &str,
    now: UnixMillis,
) -> RowResult<Option<Acquired>> {
    if let Some(owner) = rows.owner(lane)?.filter(|owner| owner != node)
        && rows.nodes()?.iter().any(|other| other.name == owner)
    {
        return Ok(None);
    }
    let epoch = change_hands(rows, lane, Some(node))?;
    let sending = rows.sending(lane)?.into_iter().map(|row| {
        let permit = row.permit.map(|id| rows.present_permit(&row.user, id)).transpose()?;
        let (body, origin) = rows.body(&row)?;
        Ok(left_behind(&row, permit, (body.into(), origin), epoch))
    });
    Ok(Some(Acquired {
        epoch,
        sending: sending.collect::<RowResult<_>>()?,
        next_wake: wake::mend_timers(rows, lane, now)?,
    }))
}

/// Carries out [`crate::Store::release`].
pub(crate) fn release(rows: &impl Rows, lane: Lane, epoch: Epoch) -> RowResult<bool> {
    if !is_current(rows, lane, epoch)? {
        return Ok(false);
    }
    change_hands(rows, lane, None)?;
    rows.signals().lanes();
    Ok(true)
}

/// Whether the lane has still this epoch: the node that acquired it under the epoch still owns it.
pub(crate) fn is_current(rows: &impl Rows, lane: Lane, epoch: Epoch) -> RowResult<bool> {
    Ok(rows.epoch(lane)? == epoch)
}

fn change_hands(rows: &impl Rows, lane: Lane, node: Option<&str>) -> RowResult<Epoch> {
    let Epoch(before) = rows.epoch(lane)?;
    let epoch = Epoch(before + 1);
    rows.set_owner(lane, epoch, node)?;
    Ok(epoch)
}

/// Carries out [`crate::Store::listening_broke`].
pub(crate) fn listening_broke(rows: &impl LaneRows, now: UnixMillis) -> RowResult<()> {
    rows.set_listening_since(now)
}

/// Whether all pushes of a time have met a node that listened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// All of them have, as far as is known.
    All,
    /// A push may have been missed.
    MayHaveMissed,
    /// A node may have died in that time. Its next renewal, or the end of its lease, will tell.
    NotKnownYet,
}

/// Whether all nodes have listened for the whole time.
pub(crate) fn heard(rows: &impl LaneRows, listened: &Listened) -> RowResult<Heard> {
    if rows.listening_since()? > listened.from {
        return Ok(Heard::MayHaveMissed);
    }
    let is_unsure = |node: &NodeRow| *node.name != *listened.node && node.seen_at < listened.to;
    Ok(if rows.nodes()?.iter().any(is_unsure) { Heard::NotKnownYet } else { Heard::All })
}

/// Carries out [`crate::Store::lease_token`].
pub(crate) fn lease_token(rows: &impl LaneRows, lease: &TokenLease) -> RowResult<bool> {
    let taken = rows.token_lease(&lease.appid)?;
    if taken.is_some_and(|(node, until)| *node != *lease.node && until > lease.machine_now) {
        return Ok(false);
    }
    rows.put_token_lease(lease)?;
    Ok(true)
}
