//! Permits: stored rights to send, counted in units.
//!
//! The invariant, per permit and in sum, always:
//! `granted = available + reserved + spent + expired + revoked`.
//!
//! Two of the six counts follow from the others and are never stored. `reserved`: a unit is stored as spent from the moment
//! at which a message goes out with it, so that nothing has to be written when WeChat takes the message. While that message
//! is in flight (it names its permit, and a user has at most one message in flight), the unit counts as reserved and not yet
//! as spent. `expired`: the units that are left when `expires_at` has passed count as expired, although nothing was written
//! to the row.

use std::fmt;
use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_wechat::TemplateId;
use serde::{Deserialize, Serialize};

use crate::enums::{codes, names};
use crate::ids::PermitId;
use crate::message::Channel;
use crate::units::{Totals, Units};

/// How long a form id and a prepay id are valid. Source: the template message page of WeChat's documentation, "within 7
/// days".
pub const FORM_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// The most units that one payment may grant (later copies of WeChat's documentation say three, early ones one).
pub const MAX_PAYMENT_UNITS: u32 = 3;

/// Where a right to send comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PermitKind {
    /// A submitted form: one unit, 7 days. The code is the form id.
    Form,
    /// A payment: one unit by default, 7 days. The code is the prepay id.
    Payment,
    /// An accepted one-time subscription: units are counted per user and template and do not expire.
    SubscribeOnce,
    /// A long-term subscription: unlimited until the user withdraws it.
    SubscribeLongTerm,
    /// A device subscription: unlimited until the user withdraws it.
    SubscribeDevice,
    /// A service card. It can be stored; nothing grants a service card yet.
    ServiceCard,
}

names!(PermitKind {
    Form: "form",
    Payment: "payment",
    SubscribeOnce: "subscribe_once",
    SubscribeLongTerm: "subscribe_long_term",
    SubscribeDevice: "subscribe_device",
    ServiceCard: "service_card"
});

codes!(PermitKind {
    Form: 0,
    Payment: 1,
    SubscribeOnce: 2,
    SubscribeLongTerm: 3,
    SubscribeDevice: 4,
    ServiceCard: 5
});

impl PermitKind {
    /// The channel that permits of this kind open.
    pub const fn channel(self) -> Channel {
        match self {
            Self::Form | Self::Payment => Channel::Legacy,
            Self::SubscribeOnce | Self::SubscribeLongTerm | Self::SubscribeDevice | Self::ServiceCard => {
                Channel::Subscribe
            }
        }
    }

    /// Whether each permit is one code of WeChat's (otherwise it is a counter per user and template).
    pub const fn has_code(self) -> bool {
        matches!(self, Self::Form | Self::Payment)
    }

    /// Whether a permit of this kind serves any number of messages until it is revoked.
    pub const fn is_unlimited(self) -> bool {
        matches!(self, Self::SubscribeLongTerm | Self::SubscribeDevice)
    }

    /// How long a permit of this kind is valid; `None`: it does not expire.
    pub const fn lifetime(self) -> Option<Duration> {
        match self {
            Self::Form | Self::Payment => Some(FORM_LIFETIME),
            _ => None,
        }
    }
}

/// Who says that a code exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A back end, which has a key.
    BackEnd,
    /// The mini program: any user who logged in to it can send any claim.
    MiniProgram,
}

codes!(Origin { BackEnd: 0, MiniProgram: 1 });

/// A claim of a code, and how many open claims of this origin one user may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Who claims.
    pub origin: Origin,
    /// The most claims that may be open, this claim included.
    pub at_most: u32,
}

/// What the store does about a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// The claim is granted, and so many of the oldest claims of the same origin give way.
    Grant {
        /// How many claims give way.
        give_way: u32,
    },
    /// The claim is refused: the user has as many open claims as allowed.
    Refuse,
}

impl Claim {
    /// Decides about a new code of a user with `open` claims of this origin. A back end is refused: it can do something
    /// about it. The mini program's user cannot, so the newest tap counts and the oldest claim gives way: its code expires
    /// first anyway.
    pub const fn admit(self, open: u32) -> Admission {
        let room = self.at_most.saturating_sub(open);
        match self.origin {
            _ if room > 0 => Admission::Grant { give_way: 0 },
            Origin::BackEnd => Admission::Refuse,
            Origin::MiniProgram => Admission::Grant { give_way: open + 1 - self.at_most },
        }
    }
}

impl fmt::Display for PermitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One stored right to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    /// The permit's id.
    pub id: PermitId,
    /// Where it comes from.
    pub kind: PermitKind,
    /// The template that the permit serves; `None` for forms and payments, which serve any legacy template.
    pub template: Option<TemplateId>,
    /// The form id or prepay id.
    pub code: Option<String>,
    /// The stored counts.
    pub units: Units,
    /// When units were last granted.
    pub granted_at: UnixMillis,
    /// From when on the permit is void; `None`: never.
    pub expires_at: Option<UnixMillis>,
}

impl Permit {
    /// Whether the permit can serve a message of this template now.
    pub fn serves(&self, channel: Channel, template: &TemplateId, now: UnixMillis) -> bool {
        self.kind.channel() == channel
            && self.template.as_ref().is_none_or(|own| own == template)
            && self.units.can_serve()
            && self.expires_at.is_none_or(|end| now < end)
    }

    /// The counts as the API shows them. `in_flight` of the spent units belong to messages that are `sending`, so they are
    /// reserved and not spent yet.
    pub fn totals(&self, in_flight: u32, now: UnixMillis) -> Totals {
        let Units { granted, spent, revoked, held, .. } = self.units;
        let free = self.units.remaining();
        let expired = self.expires_at.is_some_and(|end| now >= end);
        let in_flight = in_flight.min(spent);
        Totals {
            granted,
            available: if expired { 0 } else { free },
            reserved: held + in_flight,
            spent: spent - in_flight,
            expired: if expired { free } else { 0 },
            revoked,
        }
    }
}

/// The permit to use for a message. Of the permits that serve the message: an unlimited one (it costs nothing), else the one
/// that expires first, else the oldest.
pub fn choose<'a>(
    permits: impl IntoIterator<Item = &'a Permit>,
    channel: Channel,
    template: &TemplateId,
    now: UnixMillis,
) -> Option<&'a Permit> {
    permits.into_iter().filter(|permit| permit.serves(channel, template, now)).min_by_key(|permit| {
        (!permit.units.unlimited, permit.expires_at.unwrap_or(UnixMillis::MAX), permit.id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::IdMaker;
    use crate::lane::Lane;
    use crate::units::UnitEffect;

    const NOW: UnixMillis = UnixMillis(1_790_000_000_000);

    fn form(maker: &IdMaker, expires_in_ms: i64) -> Permit {
        Permit {
            id: maker.permit(Lane::new(0).unwrap(), NOW),
            kind: PermitKind::Form,
            template: None,
            code: Some("f".into()),
            units: Units::granted(1),
            granted_at: NOW,
            expires_at: Some(UnixMillis(NOW.0 + expires_in_ms)),
        }
    }

    #[test]
    fn the_permit_that_expires_first_is_chosen() {
        let maker = IdMaker::new();
        let permits = [form(&maker, 500), form(&maker, 100), form(&maker, 0)];
        let template = "t".parse().unwrap();
        let chosen = choose(&permits, Channel::Legacy, &template, NOW).unwrap();
        assert_eq!(chosen.id, permits[1].id, "the third expires at this very moment and is void");
        assert!(choose(&permits, Channel::Subscribe, &template, NOW).is_none());
    }

    #[test]
    fn a_claim_too_many_is_refused_or_the_oldest_gives_way() {
        let admit = |origin, open| Claim { origin, at_most: 3 }.admit(open);
        for origin in [Origin::BackEnd, Origin::MiniProgram] {
            assert_eq!(admit(origin, 2), Admission::Grant { give_way: 0 });
            assert_eq!(Origin::from_code(origin.code()), Some(origin));
        }
        assert_eq!(admit(Origin::BackEnd, 3), Admission::Refuse);
        assert_eq!(admit(Origin::MiniProgram, 3), Admission::Grant { give_way: 1 });
        assert_eq!(
            admit(Origin::MiniProgram, 5),
            Admission::Grant { give_way: 3 },
            "the cap was higher once"
        );
    }

    #[test]
    fn a_subscription_serves_its_own_template_only() {
        let maker = IdMaker::new();
        let permit = Permit {
            kind: PermitKind::SubscribeOnce,
            template: Some("a".parse().unwrap()),
            code: None,
            expires_at: None,
            ..form(&maker, 0)
        };
        assert!(permit.serves(Channel::Subscribe, &"a".parse().unwrap(), NOW));
        assert!(!permit.serves(Channel::Subscribe, &"b".parse().unwrap(), NOW));
    }

    #[test]
    fn an_unlimited_permit_balances_while_units_come_and_go() {
        let maker = IdMaker::new();
        let mut permit = Permit {
            kind: PermitKind::SubscribeLongTerm,
            units: Units::unlimited(),
            expires_at: None,
            ..form(&maker, 0)
        };
        assert!(permit.units.spend());
        let totals = permit.totals(1, NOW);
        assert!(totals.balance());
        assert_eq!((totals.reserved, totals.spent), (1, 0), "while it is in flight");
        assert!(
            permit.units.settle(UnitEffect::Spend, false) && permit.units.hold() && permit.units.release()
        );
        assert!(permit.units.spend() && permit.units.settle(UnitEffect::Release, false));
        assert_eq!(permit.units.revoke_rest(), 0);
        let totals = permit.totals(0, NOW);
        assert!(totals.balance());
        assert_eq!((totals.granted, totals.spent), (1, 1));
        assert!(!permit.units.can_serve());
    }

    #[test]
    fn a_unit_goes_where_the_outcome_says() {
        let after = |effect, held: bool| {
            let mut units = Units::granted(3);
            assert!(if held { units.hold() } else { units.spend() });
            assert!(units.settle(effect, held));
            (units.remaining(), units.spent, units.held, units.revoked)
        };
        for held in [false, true] {
            assert_eq!(after(UnitEffect::Spend, held), (2, 1, 0, 0));
            assert_eq!(after(UnitEffect::Hold, held), (2, 0, 1, 0));
            assert_eq!(after(UnitEffect::Release, held), (3, 0, 0, 0));
            assert_eq!(after(UnitEffect::Revoke, held), (0, 0, 0, 3));
        }
        assert!(!Units::granted(1).settle(UnitEffect::Hold, false), "there is nothing in flight");
    }
}
