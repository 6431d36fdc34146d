//! The counts of attempts, by app.
//!
//! An app has counts as long as it is registered, so apps that come and go do not make the metrics larger.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hongyan_ledger::settle::Outcome;
use hongyan_wechat::{AppId, Errcode};

/// The outcomes of attempts, as the metric names them.
pub(super) const OUTCOMES: [&str; 5] = ["ok", "refused", "unavailable", "not_sent", "unanswered"];

/// The counts of all apps.
#[derive(Default)]
pub(super) struct Attempts(Mutex<BTreeMap<AppId, OfApp>>);

/// The counts of one app.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct OfApp {
    /// In the order of [`OUTCOMES`].
    pub(super) outcomes: [u64; OUTCOMES.len()],
    /// By errcode. `None` stands for all errcodes that are not in the table of known errcodes, so that WeChat's answers
    /// cannot make the metric large.
    pub(super) errcodes: BTreeMap<Option<Errcode>, u64>,
}

impl Attempts {
    pub(super) fn ended(&self, appid: &AppId, outcome: &Outcome) {
        let mut apps = self.apps();
        if !apps.contains_key(appid) {
            apps.insert(appid.clone(), OfApp::default());
        }
        let Some(app) = apps.get_mut(appid) else { return };
        app.outcomes[place(outcome)] += 1;
        if let Some(errcode) = outcome.errcode().filter(|errcode| *errcode != Errcode::OK) {
            *app.errcodes.entry(errcode.info().map(|info| info.errcode)).or_default() += 1;
        }
    }

    /// The counts of these apps, which are all registered apps. Forgets the counts of other apps.
    pub(super) fn of<'a>(&self, registered: impl Iterator<Item = &'a AppId>) -> Vec<(AppId, OfApp)> {
        let mut apps = self.apps();
        let counts: BTreeMap<_, _> =
            registered.map(|appid| (appid.clone(), apps.remove(appid).unwrap_or_default())).collect();
        apps.clone_from(&counts);
        counts.into_iter().collect()
    }

    fn apps(&self) -> MutexGuard<'_, BTreeMap<AppId, OfApp>> {
        // The counts are valid even after a panic of another holder.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of an outcome in [`OUTCOMES`].
fn place(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Answered { errcode: Errcode::OK, .. } => 0,
        // With -1 WeChat says only that it is busy. An outage often looks like this, so -1 is not a refusal of this message.
        Outcome::Answered { errcode: Errcode::SYSTEM_BUSY, .. } => 2,
        Outcome::Answered { .. } => 1,
        Outcome::NotSent { .. } => 3,
        Outcome::Unanswered { .. } => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_app_has_no_counts_and_unknown_errcodes_share_one() {
        let attempts = Attempts::default();
        let [stays, goes]: [AppId; 2] = ["wx1".parse().unwrap(), "wx2".parse().unwrap()];
        for errcode in [0, -1, 43_101, 7_000_001, 7_000_002] {
            attempts.ended(&stays, &Outcome::answered(Errcode(errcode), "x"));
            attempts.ended(&goes, &Outcome::answered(Errcode(errcode), "x"));
        }
        attempts.ended(&stays, &Outcome::NotSent { why: "x".into() });
        attempts.ended(&stays, &Outcome::Unanswered { why: "x".into() });
        let counted = attempts.of([&stays].into_iter());
        let [(appid, of_app)] = counted.as_slice() else { panic!("{counted:?}") };
        assert_eq!((appid, of_app.outcomes), (&stays, [1, 3, 1, 1, 1]));
        let errcodes: Vec<_> =
            of_app.errcodes.iter().map(|(code, count)| (code.map(|c| c.0), *count)).collect();
        assert_eq!(errcodes, [(None, 2), (Some(-1), 1), (Some(43_101), 1)]);
        // The other app is registered again: its counts begin anew.
        let both = attempts.of([&stays, &goes].into_iter());
        assert_eq!(both[0], counted[0]);
        assert_eq!(both[1], (goes, OfApp::default()));
    }
}
