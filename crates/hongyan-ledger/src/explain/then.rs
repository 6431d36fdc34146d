//! One permit as it was at a moment, from what it is now and what was done with it.

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
    /// It had been granted by then.
    pub(super) was_there: bool,
    /// Units came to it later, so that today's counts say nothing about then.
    granted_to_since: bool,
    /// The last time until then that WeChat called it void, unless it was granted to after that.
    void: Option<(Option<MessageId>, UnixMillis, Option<Errcode>)>,
    /// WeChat called it void only later.
    void_later: bool,
    /// The last message that had spent a unit of it.
    spent: Option<(Option<MessageId>, UnixMillis)>,
    /// Units of it were spent only later.
    spent_later: bool,
    /// A message that kept a unit of it, since when, and where it is if it keeps it still.
    kept: Option<(Option<MessageId>, UnixMillis, Option<MessageState>)>,
    /// Units of it are kept now that were not then.
    kept_later: bool,
    /// How many of its units are in flight now, without a stored hold.
    in_flight: u32,
}

impl<'a> Then<'a> {
    pub(super) fn of(permit: &'a Permit, traces: &[Trace], moment: UnixMillis) -> Self {
        // A code is granted once. A counter has the time of its last grant, and in its id that of its first.
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
                // It shows that something was left until then, which our message did not get.
                PermitChange::Withdrawn { .. } => then.void_later = true,
                // What happened to it only later shows that it was there. Our message did not get it, so the other one
                // had it already. For a counter to which units came later that does not follow; there it must have
                // been in flight.
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

    /// It was called void then, unless it was granted to since.
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
        // One that keeps it still can be looked at, and resolved.
        let rank = |state: Option<MessageState>, from| (state.is_some(), from);
        if self.kept.is_none_or(|(_, last, before)| rank(before, last) <= rank(state, from)) {
            self.kept = Some((message, from, state));
        }
    }

    /// How many units nobody had then or has had since, if that can be known.
    fn free(&self) -> Option<u32> {
        // Before the beginning of time nothing has expired.
        let free = self.permit.totals(self.in_flight, UnixMillis(i64::MIN)).available;
        (!self.granted_to_since).then_some(free)
    }

    /// By then; without a trace of who found out and when, as far as today's counts tell.
    fn was_revoked(&self) -> bool {
        let units = &self.permit.units;
        let lost = units.revoked > 0 || self.permit.kind.is_unlimited() && !units.unlimited;
        self.void.is_some() || !self.granted_to_since && !self.void_later && lost
    }

    /// Whether it would have served a message of its own template.
    pub(super) fn was_usable(&self, moment: UnixMillis) -> bool {
        let came_to_light = self.spent_later || self.kept_later || self.void_later;
        let had_units = || came_to_light || self.free().is_some_and(|free| free > 0);
        self.was_there
            && !self.was_revoked()
            && self.permit.expires_at.is_none_or(|end| moment < end)
            && (self.permit.kind.is_unlimited() || had_units())
    }

    /// Why it did not serve, though it is for the right template. `needed` is when it had to be good.
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
