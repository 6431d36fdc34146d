//! Users, as keys name them.

use hongyan_ledger::Lane;
use hongyan_wechat::{AppId, OpenId};

/// A user of an app, with the user's lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) lane: Lane,
    /// The number that stands for appid and openid in keys ([`hongyan_ledger::user_number`]).
    pub(crate) number: u64,
    pub(crate) appid: AppId,
    pub(crate) openid: OpenId,
}

impl User {
    pub(crate) fn of(appid: &AppId, openid: &OpenId) -> Self {
        let number = hongyan_ledger::user_number(appid, openid);
        Self { lane: Lane::of_number(number), number, appid: appid.clone(), openid: openid.clone() }
    }

    /// The number as it is stored: databases' integers are signed.
    pub(crate) const fn key(&self) -> i64 {
        self.number.cast_signed()
    }
}
