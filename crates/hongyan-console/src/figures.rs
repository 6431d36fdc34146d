//! Figures over time, as `GET /v1/stats` has them.

use std::time::Duration;

use hongyan_clock::UnixMillis;
use serde::Deserialize;

use crate::api::Address;
use crate::chart::Curves;
use crate::format::At;
use crate::words::Words;

/// Figures over time.
#[derive(Debug, Deserialize)]
pub(crate) struct Stats {
    pub(crate) step: String,
    pub(crate) since: At,
    pub(crate) until: At,
    pub(crate) steps: Vec<Figures>,
    pub(crate) totals: Figures,
    #[serde(default)]
    pub(crate) apps: Vec<OfApp>,
    #[serde(default)]
    pub(crate) templates: Vec<OfTemplate>,
}

/// What happened to messages in a step, or in all of them.
#[derive(Debug, Deserialize)]
pub(crate) struct Figures {
    pub(crate) accepted: u64,
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    pub(crate) refused: u64,
    pub(crate) failed: u64,
    pub(crate) unknown: u64,
    pub(crate) expired: u64,
    pub(crate) cancelled: u64,
    pub(crate) failed_by: Vec<Reason>,
    pub(crate) refused_by: Vec<Reason>,
    pub(crate) lag: Option<Lag>,
}

impl Figures {
    /// Messages that did not reach their users.
    pub(crate) fn lost(&self) -> u64 {
        self.failed + self.refused + self.expired
    }
}

/// How many ended for one reason.
#[derive(Debug, Deserialize)]
pub(crate) struct Reason {
    #[serde(rename = "reason")]
    pub(crate) code: String,
    pub(crate) errcode: Option<i64>,
    pub(crate) count: u64,
}

/// From when messages were due to when WeChat had taken them.
#[derive(Debug, Deserialize)]
#[allow(clippy::struct_field_names, reason = "the names say the unit")]
pub(crate) struct Lag {
    pub(crate) p50_ms: u64,
    pub(crate) p95_ms: u64,
    pub(crate) max_ms: u64,
}

/// The figures of one app.
#[derive(Debug, Deserialize)]
pub(crate) struct OfApp {
    pub(crate) app: String,
    #[serde(flatten)]
    pub(crate) figures: Figures,
}

/// The figures of one template.
#[derive(Debug, Deserialize)]
pub(crate) struct OfTemplate {
    pub(crate) app: String,
    pub(crate) template: String,
    #[serde(flatten)]
    pub(crate) figures: Figures,
}

impl Stats {
    /// The curves of what was sent and of what was lost.
    pub(crate) fn chart(&self, words: Words) -> Curves<'static> {
        let sent: Vec<u64> = self.steps.iter().map(|step| step.sent).collect();
        let lost: Vec<u64> = self.steps.iter().map(Figures::lost).collect();
        let most = sent.iter().copied().max().unwrap_or(0);
        let short = |at: &At| at.0.get(5..16).unwrap_or_default().replace('T', " ");
        Curves {
            label: words.chart_of_sent(&self.step, &crate::format::Count(most).to_string()),
            lines: vec![("good", sent), ("bad", lost)],
            ends: (short(&self.since), format!("{} UTC", short(&self.until))),
        }
    }
}

/// Asks for the figures of so many minutes, up to the end of this minute: the same question for all who look in it.
pub(crate) fn of_the_last(minutes: u64, now: UnixMillis) -> Address {
    let until = UnixMillis(now.0 - now.0.rem_euclid(60_000) + 60_000);
    let since = until.minus(Duration::from_secs(minutes * 60));
    Address::of(&["stats"]).with("since", Some(since.to_string())).with("until", Some(until.to_string()))
}

/// How far a moment lies back, for people.
pub(crate) fn age(at: &At, now: UnixMillis) -> Option<String> {
    let at = serde_json::from_value::<UnixMillis>(at.0.as_str().into()).ok()?;
    Some(duration(u64::try_from(now.0 - at.0).unwrap_or(0)))
}

/// A time in milliseconds, for people.
pub(crate) fn duration(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        60_000..3_600_000 => format!("{} min", millis / 60_000),
        _ => format!("{} h", millis / 3_600_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_in_the_unit_that_fits() {
        let shown = [8, 1_250, 65_000, 7_200_000].map(duration);
        assert_eq!(shown, ["8 ms", "1.2 s", "1 min", "2 h"]);
    }
}
