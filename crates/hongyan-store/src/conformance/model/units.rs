//! How units add up.

use hongyan_ledger::{MessageId, MessageState as S, PermitId};

use super::rules::{Message, Model, Permit};
use crate::types::{Claimed, NewPermit};

impl Model {
    /// Grants a permit to this user. Returns whether its code was known, and the permit's id if it existed before.
    pub(super) fn granted(&mut self, user: usize, new: &NewPermit) -> (bool, Option<PermitId>) {
        let now = self.now;
        let same = self.permits.iter().position(|permit| {
            permit.user == user
                && if new.code.is_some() {
                    permit.code == new.code
                } else {
                    permit.code.is_none() && permit.kind == new.kind
                }
        });
        let Some(place) = same else {
            self.permits.push(Permit {
                id: new.id,
                user,
                kind: new.kind,
                granted: if new.kind.is_unlimited() { 0 } else { new.count },
                revoked: 0,
                is_unlimited: new.kind.is_unlimited(),
                spare: 0,
                granted_at: now,
                expires_at: new.expires_at,
                code: new.code.clone(),
            });
            return (false, None);
        };
        let id = self.permits[place].id;
        let free = self.free(&self.permits[place]);
        let permit = &mut self.permits[place];
        if permit.code.is_some() {
            return (true, Some(id));
        }
        // A subscription is one counter.
        if permit.kind.is_unlimited() {
            (permit.is_unlimited, permit.spare) = (true, free);
        } else {
            permit.granted += new.count;
        }
        permit.granted_at = now;
        (false, Some(id))
    }

    /// WeChat said that the permit of this attempt is dead: the units left in it are void.
    pub(super) fn revoke(&mut self, claimed: &Claimed) {
        let Some(id) = claimed.permit.as_ref().map(|permit| permit.id) else { return };
        // The unit of this attempt is void, too.
        let message = self.message_mut(claimed.id);
        (message.permit, message.keeps_unit) = (None, false);
        self.void(id);
    }

    /// Voids the units left in a permit; messages keep the units that they have. An unlimited permit is counted from now on.
    pub(super) fn void(&mut self, id: PermitId) {
        let used = self.spent(id) + self.reserved(id);
        let permit = self.permits.iter_mut().find(|permit| permit.id == id).expect("it was granted");
        if permit.is_unlimited {
            permit.revoked += permit.spare;
            permit.granted = used + permit.revoked;
            (permit.is_unlimited, permit.spare) = (false, 0);
        } else {
            permit.revoked = permit.granted - used;
        }
    }

    /// How many messages WeChat took by this permit.
    pub(super) fn spent(&self, id: PermitId) -> u32 {
        let sent = |message: &&Message| {
            matches!(message.state, S::Sent | S::Delivered | S::Refused) && message.permit == Some(id)
        };
        self.messages.iter().filter(sent).count() as u32
    }

    /// Units named by a message in flight, or kept for an open or doubtful message.
    pub(super) fn reserved(&self, id: PermitId) -> u32 {
        let keeps = |message: &&Message| {
            message.permit == Some(id)
                && (matches!(message.state, S::Scheduled | S::Ready | S::Waiting | S::Sending)
                    || (message.state == S::Unknown && message.keeps_unit))
        };
        self.messages.iter().filter(keeps).count() as u32
    }

    /// Units that no message has; an unlimited permit has more.
    pub(super) fn free(&self, permit: &Permit) -> u32 {
        if permit.is_unlimited {
            permit.spare
        } else {
            permit.granted - permit.revoked - self.spent(permit.id) - self.reserved(permit.id)
        }
    }

    /// Whether a permit could serve this message if its turn were now.
    pub(super) fn has_permit(&self, message: &Message) -> bool {
        self.permits.iter().any(|permit| {
            let own = message.permit == Some(permit.id);
            let free = permit.is_unlimited || self.free(permit) > 0;
            permit.user == message.user
                && permit.kind.channel() == message.channel
                && permit.expires_at.is_none_or(|end| self.now < end)
                && (own || (free && !message.has_own))
        })
    }

    /// The message with this idempotency key of this user, and the number that stands for its request.
    pub(super) fn known(&self, user: usize, key: Option<u8>) -> Option<(MessageId, u8)> {
        key.and_then(|key| self.keys.get(&(user, key)).copied())
    }
}
