//! Removes old rows: the half that writes. A reader of the backend has picked the rows. Here each row is checked again,
//! because it may have changed in between, and one step removes a bounded number of rows.

use hongyan_clock::UnixMillis;
use hongyan_ledger::{MessageId, MessageState};

use super::tallies;
use crate::row_error::RowResult;
use crate::rows::Rows;
use crate::rows::old::{Old, Picked};
use crate::types::{PruneAt, PruneOrder, PruneWalk, Pruned};

/// Removes the rows that were picked, unless they have changed.
pub(crate) fn remove(
    rows: &impl Rows,
    walk: &PruneWalk,
    order: &PruneOrder,
    picked: &Picked,
) -> RowResult<Pruned> {
    let limit = order.limit.max(1);
    let before = order.before.unwrap_or(UnixMillis(i64::MIN));
    let mut pruned = Pruned { next: picked.next.clone().map(PruneWalk), ..Pruned::default() };
    match &picked.what {
        Old::Nothing => {}
        Old::Messages(ids) => {
            let mut last = match &walk.0 {
                PruneAt::Messages { after } => *after,
                _ => None,
            };
            for &id in ids {
                if !remove_message(rows, id, before, limit, &mut pruned)? {
                    // The limit is reached before the message is removed completely: the next step goes on here.
                    pruned.next = Some(PruneWalk(PruneAt::Messages { after: last }));
                    break;
                }
                last = Some(id);
            }
        }
        Old::Permits(permits) => {
            for (user, id) in permits {
                pruned.permits += rows.delete_expired_permit(user, *id, before)?;
            }
        }
        Old::Sessions(lane) => {
            pruned.sessions = rows.delete_expired_sessions(*lane, order.now, limit)?;
            if pruned.sessions == limit {
                pruned.next = Some(walk.clone());
            }
        }
        Old::GatewayTokens => {
            pruned.gateway_tokens = rows.delete_expired_gateway_tokens(order.now, limit)?;
            if pruned.gateway_tokens == limit {
                pruned.next = Some(walk.clone());
            }
        }
        Old::Events(ids) => {
            for id in ids {
                pruned.events += rows.delete_event(*id)?;
            }
        }
        Old::Leftovers(lane) => {
            pruned.leftovers = rows.delete_old_nonces(*lane, order.now, limit)?;
            pruned.leftovers += rows.delete_old_acceptances(*lane, order.now, limit - pruned.leftovers)?;
            if pruned.leftovers == limit {
                pruned.next = Some(walk.clone());
            }
        }
        Old::Users(lane) => {
            // A session may outlive its session key here. Then its user does not decrypt anything with the key any more:
            // such data is as old as the login.
            // opens is as old as the login.
            pruned.users = rows.delete_old_session_keys(*lane, before, limit)?;
            if pruned.users == limit {
                pruned.next = Some(walk.clone());
            }
        }
        Old::Audit => {
            pruned.audit =
                rows.delete_old_audit(order.audit_before.unwrap_or(UnixMillis(i64::MIN)), limit)?;
            if pruned.audit == limit {
                pruned.next = Some(walk.clone());
            }
        }
        Old::Tallies => {
            pruned.tallies = tallies::roll_up(rows, order.now, limit)?;
            if pruned.tallies == limit {
                pruned.next = Some(walk.clone());
            }
        }
        Old::WebhookEvents(last) => remove_webhook_events(rows, *last, limit, &mut pruned)?,
    }
    Ok(pruned)
}

/// Removes events with their deliveries, the deliveries first. The next step removes what is beyond the limit.
fn remove_webhook_events(rows: &impl Rows, last: i64, limit: u32, pruned: &mut Pruned) -> RowResult<()> {
    pruned.deliveries = rows.delete_deliveries(last, limit)?;
    pruned.webhook_events = rows.delete_webhook_events(last, limit - pruned.deliveries)?;
    if pruned.rows() == limit {
        pruned.next = Some(PruneWalk(PruneAt::WebhookEvents));
    }
    Ok(())
}

/// Whether a message of this state needs nothing more. (`sent` may still be reported as delivered or refused, within a day
/// or two; `unknown` is kept until it is settled.)
pub(crate) const fn is_over(state: MessageState) -> bool {
    state.is_settled() && !matches!(state, MessageState::Unknown)
}

/// Removes a message, its older attempts first. `false`: the limit was reached before all of it was removed.
fn remove_message(
    rows: &impl Rows,
    id: MessageId,
    before: UnixMillis,
    limit: u32,
    pruned: &mut Pruned,
) -> RowResult<bool> {
    let goes = |(state, since): (MessageState, UnixMillis)| is_over(state) && since < before;
    if !rows.standing_of(id)?.is_some_and(goes) {
        return Ok(true);
    }
    pruned.attempts += rows.delete_attempts(id, limit - pruned.rows())?;
    if pruned.rows() == limit {
        return Ok(false);
    }
    pruned.messages += rows.delete_message(id)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_asks_about_any_more_is_over() {
        use MessageState as S;
        let over: Vec<_> = S::ALL.into_iter().filter(|state| is_over(*state)).collect();
        assert_eq!(over, [S::Sent, S::Delivered, S::Refused, S::Failed, S::Cancelled, S::Expired]);
    }
}
