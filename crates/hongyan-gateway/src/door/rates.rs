//! Rates of requests that cost something and that strangers may make: logins, reports of permits, attempts with a wrong key,
//! gateway tokens.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use hongyan_clock::{Clock, UnixMillis};
use hongyan_ledger::rate::{Bucket, Rate};
use hongyan_wechat::{AppId, OpenId};

use super::address::ClientAddress;
use super::limits::{Limit, Limits};
use crate::config::Settings;
use crate::gateway_tokens::LIFETIME;
use crate::problem::Problem;
use crate::vault::sha256;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// As many as WeChat issues to an app in a day.
const GATEWAY_TOKENS: u32 = 2_000;

/// The most buckets of a kind. A bucket takes about 50 bytes.
const MOST_BUCKETS: usize = 8_192;

/// The rates of a running gateway.
pub struct Rates {
    clock: Clock,
    limits: Limits,
    logins_per_address: Buckets<IpAddr>,
    logins_per_app: Buckets<AppId>,
    logins: Buckets<()>,
    permit_reports: Buckets<[u8; 32]>,
    wrong_credentials: Buckets<IpAddr>,
    gateway_tokens: Buckets<AppId>,
}

/// A rate is used up; the caller may try again after this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany {
    pub(crate) limit: Limit,
    pub(crate) wait: Duration,
}

impl Rates {
    /// The rates of these settings.
    pub fn new(settings: &Settings, clock: Clock, limits: Limits) -> Self {
        let a_minute = |count| Rate::new(count, MINUTE);
        Self {
            clock,
            limits,
            logins_per_address: Buckets::new(a_minute(settings.login_rate_per_address)),
            logins_per_app: Buckets::new(a_minute(settings.login_rate_per_app)),
            logins: Buckets::new(a_minute(settings.login_rate)),
            permit_reports: Buckets::new(Rate::new(settings.permit_rate, HOUR)),
            wrong_credentials: Buckets::new(a_minute(settings.wrong_credential_rate)),
            gateway_tokens: Buckets::new(Rate::new(GATEWAY_TOKENS, LIFETIME)),
        }
    }

    /// A mini program of this app logs a user in.
    ///
    /// # Errors
    /// When there are too many logins from this address, of this app, or in all.
    pub(crate) fn login(&self, from: ClientAddress, appid: &AppId) -> Result<(), TooMany> {
        let address = from.sender();
        // The narrowest rate first: a request that one address makes in vain must not use up the rate of the others.
        self.take(&self.logins_per_address, address, Limit::LoginsPerAddress, &address)?;
        self.take(&self.logins_per_app, appid.clone(), Limit::LoginsPerApp, appid)?;
        self.take(&self.logins, (), Limit::Logins, appid)
    }

    /// A user of a mini program reports some permits. The rate counts users, not sessions, so that another login gains
    /// nothing.
    ///
    /// # Errors
    /// When there are too many: then the whole report is refused and uses nothing of the rate.
    pub(crate) fn permit_reports(&self, appid: &AppId, openid: &OpenId, permits: u32) -> Result<(), TooMany> {
        // An appid contains no space, so two users never have the same key.
        let user = sha256(&format!("{appid} {openid}"));
        self.take_many(&self.permit_reports, user, permits, Limit::PermitReports, appid)
    }

    /// A gateway token of this app is issued.
    ///
    /// # Errors
    /// When there are too many.
    pub(crate) fn gateway_token(&self, appid: &AppId) -> Result<(), TooMany> {
        self.take(&self.gateway_tokens, appid.clone(), Limit::GatewayTokens, appid)
    }

    /// A request had a wrong key, secret or signature.
    ///
    /// # Errors
    /// When there are too many.
    pub(crate) fn wrong_credential(&self, from: ClientAddress) -> Result<(), TooMany> {
        let address = from.sender();
        self.take(&self.wrong_credentials, address, Limit::WrongCredentials, &address)
    }

    fn take<K: Hash + Eq + Clone>(
        &self,
        buckets: &Buckets<K>,
        key: K,
        limit: Limit,
        whom: &dyn std::fmt::Display,
    ) -> Result<(), TooMany> {
        self.take_many(buckets, key, 1, limit, whom)
    }

    fn take_many<K: Hash + Eq + Clone>(
        &self,
        buckets: &Buckets<K>,
        key: K,
        tokens: u32,
        limit: Limit,
        whom: &dyn std::fmt::Display,
    ) -> Result<(), TooMany> {
        buckets.take(key, tokens, self.clock.now()).map_err(|wait| {
            self.limits.bit(limit, whom);
            TooMany { limit, wait }
        })
    }
}

impl TooMany {
    /// The wait in whole seconds, at least 1.
    pub(crate) fn seconds(self) -> u64 {
        (self.wait.as_millis() as u64).div_ceil(1_000).max(1)
    }
}

impl From<TooMany> for Problem {
    fn from(too_many: TooMany) -> Self {
        let detail =
            format!("there were too many of these requests; the limit is `{}`", too_many.limit.name());
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail).retry_after(too_many.seconds())
    }
}

/// A bucket for each key, at most [`MOST_BUCKETS`].
struct Buckets<K> {
    rate: Rate,
    buckets: Mutex<HashMap<K, Bucket>>,
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    fn new(rate: Rate) -> Self {
        Self { rate, buckets: Mutex::default() }
    }

    fn take(&self, key: K, tokens: u32, now: UnixMillis) -> Result<(), Duration> {
        // Each bucket is one number, so a panic elsewhere leaves the map consistent.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST_BUCKETS && !buckets.contains_key(&key) {
            let least_used = buckets.iter().min_by_key(|(_, bucket)| **bucket);
            match least_used.map(|(key, bucket)| (key.clone(), bucket.is_full(now))) {
                // A full bucket holds no information.
                Some((_, true)) => buckets.retain(|_, bucket| !bucket.is_full(now)),
                // A client with this many addresses is not limited by them, and must not reset the bucket of another client
                // either. So the bucket that was used least is removed, never a bucket that is used up.
                Some((key, false)) => {
                    buckets.remove(&key);
                }
                None => {}
            }
        }
        buckets.entry(key).or_default().take_many(tokens, self.rate, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_own_bucket_and_there_are_never_too_many() {
        let buckets = Buckets::new(Rate::new(1, MINUTE));
        let now = UnixMillis(1_700_000_000_000);
        buckets.take(1, 1, now).unwrap();
        assert_eq!(buckets.take(1, 1, now), Err(MINUTE));
        for key in 2..=MOST_BUCKETS {
            buckets.take(key, 1, now).unwrap();
        }
        assert_eq!(buckets.take(1, 1, now), Err(MINUTE), "the key's bucket was kept");
        let count = || buckets.buckets.lock().unwrap().len();
        assert_eq!(count(), MOST_BUCKETS);
        buckets.take(0, 1, now.plus(MINUTE)).unwrap();
        assert_eq!(count(), 1, "full buckets are removed");
        for key in 1..=MOST_BUCKETS {
            buckets.take(key, 1, now.plus(MINUTE)).unwrap();
        }
        assert!(count() <= MOST_BUCKETS);
    }

    #[test]
    fn who_comes_from_many_addresses_does_not_make_a_used_up_bucket_full() {
        let buckets = Buckets::new(Rate::new(2, MINUTE));
        let now = UnixMillis(1_700_000_000_000);
        buckets.take(0, 1, now).unwrap();
        buckets.take(0, 1, now).unwrap();
        for key in 1..=3 * MOST_BUCKETS {
            buckets.take(key, 1, now).unwrap();
        }
        assert_eq!(
            buckets.buckets.lock().unwrap().len(),
            MOST_BUCKETS,
            "one bucket was removed for the new key"
        );
        assert_eq!(buckets.take(0, 1, now), Err(MINUTE / 2));
    }
}
