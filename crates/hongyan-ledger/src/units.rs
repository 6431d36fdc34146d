//! Units: what a permit is counted in, and the moves of a unit.

use serde::Serialize;

/// What becomes of the unit that the attempt used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitEffect {
    /// One unit is spent.
    Spend,
    /// The unit is free again.
    Release,
    /// All units left in the permit are void.
    Revoke,
    /// The unit stays kept for this message, although the message is not in flight any more.
    Hold,
}

/// The stored counts of one permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Units {
    /// Units ever granted. For an unlimited permit: one for each unit that was spent or is held.
    pub granted: u32,
    /// Units spent on messages that WeChat took, and on the message that is in flight.
    pub spent: u32,
    /// Units lost because the user withdrew the right, or WeChat said that it is void.
    pub revoked: u32,
    /// Units kept by messages that are not in flight: scheduled with their permit, or of unknown outcome.
    pub held: u32,
    /// The permit grants a unit whenever a message needs one, until it is revoked.
    pub unlimited: bool,
}

impl Units {
    /// The counts of a fresh permit.
    pub const fn granted(count: u32) -> Self {
        Self { granted: count, spent: 0, revoked: 0, held: 0, unlimited: false }
    }

    /// The counts of a fresh unlimited permit.
    pub const fn unlimited() -> Self {
        Self { granted: 0, spent: 0, revoked: 0, held: 0, unlimited: true }
    }

    /// Units that are neither spent, nor revoked, nor held.
    pub const fn remaining(&self) -> u32 {
        self.granted - self.spent - self.revoked - self.held
    }

    /// Whether the permit can serve one more message.
    pub const fn can_serve(&self) -> bool {
        self.unlimited || self.remaining() > 0
    }

    /// Adds units (or, for an unlimited kind, opens it again).
    pub fn grant(&mut self, count: u32, unlimited: bool) {
        if unlimited {
            self.unlimited = true;
        } else {
            self.granted = self.granted.saturating_add(count);
        }
    }

    /// Spends a free unit for a message that goes out; the outcome may change that.
    ///
    /// Returns whether there was a free unit. `false` means that the caller's picture of the permit is wrong; nothing
    /// changed.
    #[must_use]
    pub fn spend(&mut self) -> bool {
        if !self.take() {
            return false;
        }
        self.spent += 1;
        true
    }

    /// Applies the outcome of an attempt to its unit. `held`: the unit was a held one, and was not spent when the message
    /// went out.
    ///
    /// Returns whether the counts allowed it, like [`Units::spend`].
    #[must_use]
    pub fn settle(&mut self, effect: UnitEffect, held: bool) -> bool {
        match (effect, held) {
            (UnitEffect::Spend, false) | (UnitEffect::Hold, true) => true,
            (UnitEffect::Spend, true) => self.move_unit(|units| (&mut units.held, Some(&mut units.spent))),
            (UnitEffect::Hold, false) => self.move_unit(|units| (&mut units.spent, Some(&mut units.held))),
            (UnitEffect::Release, true) => self.release(),
            (UnitEffect::Release, false) => {
                let given_back = self.move_unit(|units| (&mut units.spent, None));
                if given_back && self.unlimited {
                    self.granted -= 1;
                }
                given_back
            }
            (UnitEffect::Revoke, held) => {
                let given_back = self.settle(UnitEffect::Release, held);
                self.revoke_rest();
                given_back
            }
        }
    }

    /// Keeps one free unit for a message. Returns whether there was a free unit.
    #[must_use]
    pub fn hold(&mut self) -> bool {
        if !self.take() {
            return false;
        }
        self.held += 1;
        true
    }

    /// Gives a held unit back. Returns whether there was a held unit.
    #[must_use]
    pub fn release(&mut self) -> bool {
        let given_back = self.move_unit(|units| (&mut units.held, None));
        if given_back && self.unlimited {
            self.granted -= 1;
        }
        given_back
    }

    /// Makes all units that are left void. Returns how many units these were.
    pub fn revoke_rest(&mut self) -> u32 {
        self.unlimited = false;
        let rest = self.remaining();
        self.revoked += rest;
        rest
    }

    /// Makes sure that one unit is free: an unlimited permit grants it here. Returns whether there is a free unit.
    fn take(&mut self) -> bool {
        if self.unlimited {
            self.granted += 1;
        } else if self.remaining() == 0 {
            return false;
        }
        true
    }

    /// Moves one unit from a count to another count, or makes it free.
    fn move_unit(&mut self, places: impl FnOnce(&mut Self) -> (&mut u32, Option<&mut u32>)) -> bool {
        let (from, to) = places(self);
        if *from == 0 {
            return false;
        }
        *from -= 1;
        if let Some(to) = to {
            *to += 1;
        }
        true
    }
}

/// The six counts; `granted` is the sum of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Totals {
    /// Units ever granted.
    pub granted: u32,
    /// Units that can be used now.
    pub available: u32,
    /// Units kept for messages in flight, of unknown outcome, or scheduled with their permit.
    pub reserved: u32,
    /// Units spent.
    pub spent: u32,
    /// Units void because their time passed.
    pub expired: u32,
    /// Units void because the user or WeChat said so.
    pub revoked: u32,
}

impl Totals {
    /// Whether the invariant holds.
    pub const fn balance(&self) -> bool {
        self.granted == self.available + self.reserved + self.spent + self.expired + self.revoked
    }
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.granted += other.granted;
        self.available += other.available;
        self.reserved += other.reserved;
        self.spent += other.spent;
        self.expired += other.expired;
        self.revoked += other.revoked;
    }
}
