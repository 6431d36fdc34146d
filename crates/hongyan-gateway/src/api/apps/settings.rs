//! The schemas of an app's settings: words and limits.

use hongyan_ledger::permit::MAX_PAYMENT_UNITS;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::bounded::Whole;

/// How many messages a payment is good for.
pub(super) type PaymentUnits = Whole<1, MAX_PAYMENT_UNITS>;

/// After how many seconds of silence a message may go out again.
pub(super) type ResendAfter = Whole<60, 604_800>;

/// Which of WeChat's two calls fetches tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TokenSource)]
pub(super) enum TokenCall {
    /// `/cgi-bin/stable_token`: a fetch elsewhere does not kill ours.
    Stable,
    /// `/cgi-bin/token`: each fetch kills the one before.
    Plain,
}
