//! Daily quotas: how often an app may make each call until midnight in Beijing.

use std::collections::HashMap;

use hongyan_clock::UnixMillis;
use hongyan_wechat::Errcode;
use serde::{Deserialize, Serialize};

use super::beijing::{beijing_day, beijing_month};

/// The default daily limit: more than any test needs.
pub(crate) const DEFAULT_LIMIT: u64 = 10_000_000;
/// How often a month the counters may be cleared.
const CLEARS_PER_MONTH: u32 = 10;

/// The counters of one app.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Quotas {
    day: i64,
    used: HashMap<String, u64>,
    limits: HashMap<String, u64>,
    cleared_month: (i16, i8),
    cleared: u32,
}

/// A daily quota and how much of it is used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) daily_limit: u64,
    pub(crate) used: u64,
}

impl Quotas {
    /// Counts a call, or refuses it.
    pub(crate) fn count(&mut self, path: &str, now: UnixMillis) -> Result<(), Errcode> {
        let usage = self.usage(path, now);
        if usage.used >= usage.daily_limit {
            return Err(Errcode::DAY_QUOTA);
        }
        match self.used.get_mut(path) {
            Some(used) => *used += 1,
            None => drop(self.used.insert(path.to_owned(), 1)),
        }
        Ok(())
    }

    pub(crate) fn usage(&mut self, path: &str, now: UnixMillis) -> Usage {
        let today = beijing_day(now);
        if self.day != today {
            self.day = today;
            self.used.clear();
        }
        Usage {
            daily_limit: self.limits.get(path).copied().unwrap_or(DEFAULT_LIMIT),
            used: self.used.get(path).copied().unwrap_or(0),
        }
    }

    pub(crate) fn set_limit(&mut self, path: String, daily_limit: u64) {
        self.limits.insert(path, daily_limit);
    }

    /// Sets how often the call was made today.
    pub(crate) fn set_used(&mut self, path: &str, used: u64, now: UnixMillis) {
        // This call updates the day first.
        self.usage(path, now);
        self.used.insert(path.to_owned(), used);
    }

    /// Resets all counters.
    pub(crate) fn clear(&mut self, now: UnixMillis) -> Result<(), Errcode> {
        let month = beijing_month(now);
        if self.cleared_month != month {
            (self.cleared_month, self.cleared) = (month, 0);
        }
        if self.cleared >= CLEARS_PER_MONTH {
            return Err(Errcode::CLEAR_QUOTA_LIMIT);
        }
        self.cleared += 1;
        self.used.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_used_up_and_comes_back_at_midnight_in_beijing() {
        let mut quotas = Quotas::default();
        quotas.set_limit("/x".into(), 2);
        let before = UnixMillis::parse_rfc3339("2026-05-01T23:59:59+08:00").unwrap();
        let after = UnixMillis::parse_rfc3339("2026-05-02T00:00:00+08:00").unwrap();
        assert!(quotas.count("/x", before).is_ok());
        assert!(quotas.count("/x", before).is_ok());
        assert_eq!(quotas.count("/x", before), Err(Errcode::DAY_QUOTA));
        assert!(quotas.count("/y", before).is_ok(), "each call has its own");
        assert!(quotas.count("/x", after).is_ok());
    }

    #[test]
    fn counters_can_be_cleared_ten_times_a_month() {
        let mut quotas = Quotas::default();
        quotas.set_limit("/x".into(), 1);
        let now = UnixMillis(1_800_000_000_000);
        for _ in 0..10 {
            assert!(quotas.count("/x", now).is_ok());
            assert!(quotas.clear(now).is_ok());
        }
        assert_eq!(quotas.clear(now), Err(Errcode::CLEAR_QUOTA_LIMIT));
        let at = |text| UnixMillis::parse_rfc3339(text).unwrap();
        assert_eq!(beijing_month(now), (2027, 1));
        assert_eq!(quotas.clear(at("2027-01-31T23:59:59+08:00")), Err(Errcode::CLEAR_QUOTA_LIMIT));
        assert!(quotas.clear(at("2027-02-01T00:00:00+08:00")).is_ok(), "a new month in Beijing");
    }
}
