//! One permit as it was at an earlier moment, computed from its counts now and from what was done with it.

use hongyan_clock::UnixMillis;
use hongyan_wechat::Errcode;

use super::asked::{PermitChange, Trace};
use super::because::{Because, BecauseCode};
use crate::ids::MessageId;
use crate::message::MessageState;
use crate::permit::Permit;

/// One permit as it was at the moment in question.
pub(super) struct Then<'a> {
    permit: &'a Permit,
    /// The permit had been granted by then.
    pub(super) was_there: bool,
    /// Units were granted to it after that moment, so today's counts do not tell about the moment.
    granted_to_since: bool,
    /// When, by which message and with which errcode WeChat last called it void before that moment, unless units were
    /// granted after that.
    void: Option<(Option<MessageId>, UnixMillis, Option<Errcode>)>,
    /// WeChat called it void only after that moment.
    void_later: bool,
    /// The last message before that moment that had spent a unit of it.
    spent: Option<(Option<MessageId>, UnixMillis)>,
    /// Units of it were spent only after that moment.
    spent_later: bool,
    /// A message that kept a unit of it, since when, and the message's state if it keeps the unit still.
    kept: Option<(Option<MessageId>, UnixMillis, Option<MessageState>)>,
    /// Units of it are kept now that were not kept then.
    kept_later: bool,
    /// How many of its units are in flight now, without being counted as held.
    in_flight: u32,
}

impl<'a> Then<'a> {
    pub(super) fn of(permit: &'a Permit, traces: &[Trace], moment: UnixMillis) -> Self {
        // A code is granted once. A counter has the time of its last grant, and in its id the time of its first.
        let granted_to_since = permit.granted_at > moment;
        let first_granted = if permit.code.is_some() { permit.granted_at } else { permit.id.made_at() };
        let mut then = Self {
            permit,
            was_there: first_granted.min(permit.granted_at) <= moment,
            granted_to_since,
            void: None,
            void_later: false,
            spent: None,
            spent_later: false,
            kept: None,
            kept_later: false,
            in_flight: 0,
        };
        for Trace { message, change, .. } in traces.iter().filter(|trace| trace.permit == permit.id) {
            match *change {
                PermitChange::FoundVoid { at, errcode } if at <= moment => {
                    then.is_void(*message, at, Some(errcode), moment);
                }
                PermitChange::Withdrawn { at } if at <= moment => then.is_void(*message, at, None, moment),
                // The withdrawal shows that a unit was left until then, which our message did not get.
                PermitChange::Withdrawn { .. } => then.void_later = true,
                // WeChat called it void later, for another message: so the permit was there at that moment, and the other
                // message kept it already. For a counter to which units were granted since, that does not follow; the unit
                // must have been in flight.
                PermitChange::FoundVoid { .. } => {
                    then.void_later = true;
                    if !granted_to_since {
                        then.keep(*message, moment, None);
                    }
                }
                PermitChange::Spent { at, .. } if at <= moment => {
                    if then.spent.is_none_or(|(_, last)| last < at) {
                        then.spent = Some((*message, at));
                    }
                }
                PermitChange::Spent { from, .. } => {
                    then.spent_later = true;
                    if !granted_to_since || from <= moment {
                        then.keep(*message, from.min(moment), None);
                    }
                }
                PermitChange::Keeps { from, held, state } => {
                    then.in_flight += u32::from(!held);
                    if from <= moment {
                        then.keep(*message, from, Some(state));
                    } else {
                        then.kept_later = true;
                    }
                }
            }
        }
        then
    }

    /// Notes that WeChat called it void, unless units were granted after that.
    fn is_void(
        &mut self,
        message: Option<MessageId>,
        at: UnixMillis,
        errcode: Option<Errcode>,
        moment: UnixMillis,
    ) {
        let opened_again = self.permit.granted_at > at && self.permit.granted_at <= moment;
        if !opened_again && self.void.is_none_or(|(_, last, _)| last < at) {
            self.void = Some((message, at, errcode));
        }
    }

    fn keep(&mut self, message: Option<MessageId>, from: UnixMillis, state: Option<MessageState>) {
        // Prefer a message that keeps the unit still: the operator can look at it, and resolve it.
        let rank = |state: Option<MessageState>, from| (state.is_some(), from);
        if self.kept.is_none_or(|(_, last, before)| rank(before, last) <= rank(state, from)) {
            self.kept = Some((message, from, state));
        }
    }

    /// How many units were free at that moment and still are, if that can be known.
    fn free(&self) -> Option<u32> {
        // Ask for the beginning of time, so that no unit counts as expired.
        let free = self.permit.totals(self.in_flight, UnixMillis(i64::MIN)).available;
        (!self.granted_to_since).then_some(free)
    }

    /// Whether the permit was revoked by then; without a trace of when, as far as today's counts tell.
    fn was_revoked(&self) -> bool {
        let units = &self.permit.units;
        let lost = units.revoked > 0 || self.permit.kind.is_unlimited() && !units.unlimited;
        self.void.is_some() || !self.granted_to_since && !self.void_later && lost
    }

    /// Whether the permit would have served a message of its own template.
    pub(super) fn was_usable(&self, moment: UnixMillis) -> bool {
        let came_to_light = self.spent_later || self.kept_later || self.void_later;
        let had_units = || came_to_light || self.free().is_some_and(|free| free > 0);
        self.was_there
            && !self.was_revoked()
            && self.permit.expires_at.is_none_or(|end| moment < end)
            && (self.permit.kind.is_unlimited() || had_units())
    }

    /// Why the permit did not serve, though it is for the right template. `needed`: when it had to be valid.
    pub(super) fn cause(&self, needed: UnixMillis) -> Option<Because> {
        if !self.was_there {
            let at = Some(self.permit.granted_at);
            return Some(Because { at, ..Because::only(BecauseCode::GrantedLater) });
        }
        if let Some((message, at, errcode)) = self.void {
            return Some(Because { at: Some(at), message, errcode, ..Because::only(BecauseCode::Revoked) });
        }
        let is_left = self.kept.is_some() || self.free().is_some_and(|free| free > 0);
        if let Some(end) = self.permit.expires_at.filter(|&end| end <= needed && is_left) {
            return Some(Because { at: Some(end), ..Because::only(BecauseCode::Expired) });
        }
        if let Some((message, from, message_state)) = self.kept {
            return Some(Because {
                at: Some(from),
                message,
                message_state,
                ..Because::only(BecauseCode::Reserved)
            });
        }
        if let Some((message, at)) = self.spent {
            return Some(Because { at: Some(at), message, ..Because::only(BecauseCode::Spent) });
        }
        if self.was_revoked() {
            return Some(Because::only(BecauseCode::Revoked));
        }
        (self.permit.units.spent > 0).then_some(Because::only(BecauseCode::Spent))
    }
}
