//! The permit that a message uses, and why this permit was chosen.

use serde::Deserialize;

use super::words::Words;
use crate::api::Address;
use crate::format::At;
use crate::refusal::Refusal;
use crate::visit::Visit;

/// How many of the user's permits are looked through, newest first. The permit of an older message may be behind them, and
/// then only its id is shown.
const LOOKED_AT: &str = "1000";

/// A permit of the user.
#[derive(Debug, Deserialize)]
pub(super) struct Permit {
    pub(super) id: String,
    pub(super) kind: String,
    unlimited: bool,
    pub(super) granted_at: At,
    pub(super) expires_at: Option<At>,
}

#[derive(Deserialize)]
struct Permits {
    permits: Vec<Permit>,
}

impl Permit {
    /// The user's permits with these ids, as far as they are still kept.
    pub(super) async fn read(
        visit: &Visit,
        app: &str,
        openid: &str,
        ids: &[&str],
    ) -> Result<Vec<Self>, Refusal> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let address = Address::of(&["permits"])
            .with("app", Some(app))
            .with("openid", Some(openid))
            .with("limit", Some(LOOKED_AT));
        // The app may have been removed since.
        let found: Option<Permits> = visit.get_if_there(&address).await?;
        let mut permits = found.map(|found| found.permits).unwrap_or_default();
        permits.retain(|permit| ids.contains(&permit.id.as_str()));
        Ok(permits)
    }

    /// Why this permit was chosen among those that fit the message. The rule is `hongyan_ledger::permit::choose`.
    pub(super) fn why(&self, words: Words) -> &'static str {
        if self.unlimited {
            words.chosen_unlimited()
        } else if self.expires_at.is_some() {
            words.chosen_first_to_expire()
        } else {
            words.chosen_oldest()
        }
    }
}
