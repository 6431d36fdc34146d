//! Lanes: the fixed slices of all users, the unit of ownership and of sharding.

use std::fmt;

use hongyan_wechat::{AppId, OpenId};

/// How many lanes there are. This must never change: every stored row has its lane.
pub const LANES: u8 = 64;

/// The number of a user of an app, for short keys: FNV-1a, 64 bit, over the appid's bytes, one zero byte, and the openid's
/// bytes. The hash must never change: rows written years ago are found by it.
///
/// Two users may share a number (about one in some billions of pairs). So a look-up of what belongs to one user compares
/// appid and openid, too.
pub fn user_number(app: &AppId, openid: &OpenId) -> u64 {
    number_of(app, openid.as_str())
}

/// The number for what belongs to an app and to no user of it: the hash with an empty openid, which no user has. So each app
/// has a lane for such things, and they are spread over all lanes.
pub fn app_number(app: &AppId) -> u64 {
    number_of(app, "")
}

fn number_of(app: &AppId, openid: &str) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    app.as_str()
        .bytes()
        .chain(std::iter::once(0))
        .chain(openid.bytes())
        .fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

/// One of the [`LANES`] slices of all users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane(u8);

impl Lane {
    /// The lane of a user: the last six bits of [`user_number`] after its upper half is folded onto the lower half (FNV's
    /// low bits alone are weak).
    pub fn of(app: &AppId, openid: &OpenId) -> Self {
        Self::of_number(user_number(app, openid))
    }

    /// The lane of what belongs to an app and to no user of it.
    pub fn of_app(app: &AppId) -> Self {
        Self::of_number(app_number(app))
    }

    /// The lane of the user with this number.
    pub const fn of_number(user: u64) -> Self {
        Self(((user ^ (user >> 32)) & (LANES - 1) as u64) as u8)
    }

    /// The lane with this number, if there is one.
    pub const fn new(number: u8) -> Option<Self> {
        if number < LANES { Some(Self(number)) } else { None }
    }

    /// Its number, 0 to 63.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Its place in an array of all lanes.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// All lanes, in order of their numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..LANES).map(Self)
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(app: &str, openid: &str) -> u8 {
        Lane::of(&app.parse().unwrap(), &openid.parse().unwrap()).number()
    }

    /// If this test fails, stored rows can no longer be found: mend the code, never the numbers.
    #[test]
    fn the_hash_never_changes() {
        let known = [
            ("wx0000000000000000", "oAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            ("wx0000000000000000", "oAAAAAAAAAAAAAAAAAAAAAAAAAAB"),
            ("wx1234567890abcdef", "o6_bmasdasdsad6_2sgVt7hMZOPf"),
        ]
        .map(|(app, openid)| lane(app, openid));
        assert_eq!(known, KNOWN_LANES);
        assert_eq!(Lane::of_app(&"wx0000000000000000".parse().unwrap()).number(), KNOWN_LANE_OF_AN_APP);
    }
    const KNOWN_LANES: [u8; 3] = [49, 8, 17];
    const KNOWN_LANE_OF_AN_APP: u8 = 59;

    #[test]
    fn users_spread_evenly() {
        let mut counts = [0_u32; LANES as usize];
        for n in 0..64_000 {
            counts[usize::from(lane("wx1234567890abcdef", &format!("oUser{n:023}")))] += 1;
        }
        assert!(counts.iter().all(|&c| (800..1200).contains(&c)), "{counts:?}");
    }
}
