//! Deliberate faults: rules that say which calls fail, how, and how often.
//!
//! Rules apply in the order in which they were made. The delays of all matching `latency` rules add up; of the other
//! kinds the first matching rule decides. So "slow and then dead" takes two rules.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::random;

/// The longest path of a rule.
const MAX_PATH_BYTES: usize = 1_024;

/// The kind of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChaosKind {
    /// The call is not done; the answer is `errcode`.
    Errcode,
    /// The call is done `millis` later, even if the caller has gone by then.
    Latency,
    /// The call is done at once and answered `millis` later: its event may arrive before the answer.
    LateAnswer,
    /// The call is done and never answered; the connection stays open until the caller closes it.
    Hang,
    /// The connection is reset before the call is done.
    ResetBefore,
    /// The call is done, then the connection is reset without an answer.
    ResetAfter,
    /// The call is not done; the answer is an HTML page with status 502, like a proxy's.
    #[serde(rename = "http_5xx")]
    Http5xx,
    /// The call is done; the answer has status 200 and half a JSON object.
    Garbage,
    /// The call is done, and half of the answer is written; then the connection is reset.
    HalfAnswer,
}

#[cfg(test)]
impl ChaosKind {
    /// All kinds.
    pub(crate) const ALL: [Self; 9] = [
        Self::Errcode,
        Self::Latency,
        Self::LateAnswer,
        Self::Hang,
        Self::ResetBefore,
        Self::ResetAfter,
        Self::Http5xx,
        Self::Garbage,
        Self::HalfAnswer,
    ];
}

/// A rule as a test sends it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChaosRule {
    /// The path to which the rule applies; `*` at its end matches any text.
    #[serde(default = "any_path")]
    pub(crate) path: String,
    pub(crate) kind: ChaosKind,
    /// The answer of the kind `errcode`.
    #[serde(default = "system_busy")]
    pub(crate) errcode: i32,
    /// The delay of the kinds `latency` and `late_answer`.
    #[serde(default)]
    pub(crate) millis: u64,
    /// The share of requests that the rule hits.
    #[serde(default = "always")]
    pub(crate) probability: f64,
    /// After how many hits the rule is used up; `null` for no limit.
    #[serde(default)]
    pub(crate) times: Option<u32>,
}

fn any_path() -> String {
    "*".to_owned()
}

fn system_busy() -> i32 {
    -1
}

fn always() -> f64 {
    1.0
}

/// A rule in force.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ActiveRule {
    id: u64,
    #[serde(flatten)]
    rule: ChaosRule,
    /// How many requests the rule has hit.
    hits: u32,
}

/// All rules.
#[derive(Debug, Default)]
pub(crate) struct Chaos {
    rules: Vec<ActiveRule>,
    last_id: u64,
}

/// The faults for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Plan {
    /// The delay before the request is handled.
    pub(crate) delay: Duration,
    pub(crate) fate: Option<Fate>,
}

/// The fault that ends the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) kind: ChaosKind,
    pub(crate) errcode: i32,
    /// The delay of a `late_answer`.
    pub(crate) late: Duration,
}

impl Plan {
    /// The fault for the log.
    pub(crate) fn noted(&self) -> Option<ChaosKind> {
        self.fate.map(|f| f.kind).or((!self.delay.is_zero()).then_some(ChaosKind::Latency))
    }
}

impl ChaosRule {
    /// What is wrong with the rule, in words.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        if !(0.0..=1.0).contains(&self.probability) {
            return Some("probability: must be a number from 0 to 1");
        }
        if self.path.len() > MAX_PATH_BYTES {
            return Some("path: must have at most 1024 bytes");
        }
        if self.path != "*" && !self.path.starts_with('/') {
            return Some("path: must begin with a slash, like /cgi-bin/message/subscribe/send or /cgi-bin/*");
        }
        if matches!(self.kind, ChaosKind::Latency | ChaosKind::LateAnswer) && self.millis == 0 {
            return Some("millis: is required for this kind");
        }
        (self.kind == ChaosKind::Errcode && self.errcode == 0).then_some("errcode: 0 is not an error")
    }
}

impl Chaos {
    pub(crate) fn add(&mut self, rule: ChaosRule) -> u64 {
        self.last_id += 1;
        self.rules.push(ActiveRule { id: self.last_id, rule, hits: 0 });
        self.last_id
    }

    pub(crate) fn len(&self) -> usize {
        self.rules.len()
    }

    pub(crate) fn list(&self) -> &[ActiveRule] {
        &self.rules
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    /// Removes a rule; false if there is no rule with this id.
    pub(crate) fn remove(&mut self, id: u64) -> bool {
        let before = self.rules.len();
        self.rules.retain(|r| r.id != id);
        self.rules.len() < before
    }

    /// The faults for a request to `path`. Counts the hits.
    pub(crate) fn plan(&mut self, path: &str) -> Plan {
        let mut plan = Plan::default();
        for active in &mut self.rules {
            let rule = &active.rule;
            let decided = plan.fate.is_some() && rule.kind != ChaosKind::Latency;
            let used_up = rule.times.is_some_and(|times| active.hits >= times);
            if decided || used_up || !path_matches(&rule.path, path) || !random::happens(rule.probability) {
                continue;
            }
            active.hits = active.hits.saturating_add(1);
            match rule.kind {
                ChaosKind::Latency => {
                    plan.delay = plan.delay.saturating_add(Duration::from_millis(rule.millis));
                }
                kind => {
                    let late = Duration::from_millis(rule.millis);
                    plan.fate = Some(Fate { kind, errcode: rule.errcode, late });
                }
            }
        }
        plan
    }
}

/// Whether `path` matches `pattern`; `*` at the end of the pattern matches any text.
pub(crate) fn path_matches(pattern: &str, path: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == path, |prefix| path.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(json: serde_json::Value) -> ChaosRule {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_rule_hits_its_path_as_often_as_it_says() {
        let mut chaos = Chaos::default();
        chaos.add(rule(serde_json::json!({"path": "/a", "kind": "errcode", "times": 2})));
        assert_eq!(chaos.plan("/b"), Plan::default());
        for _ in 0..2 {
            let fate = chaos.plan("/a").fate.unwrap();
            assert_eq!((fate.kind, fate.errcode), (ChaosKind::Errcode, -1));
        }
        assert_eq!(chaos.plan("/a"), Plan::default());
    }

    #[test]
    fn latencies_add_up_and_the_first_other_fault_decides() {
        let mut chaos = Chaos::default();
        chaos.add(rule(serde_json::json!({"kind": "latency", "millis": 5})));
        chaos.add(rule(serde_json::json!({"path": "/a*", "kind": "hang"})));
        chaos.add(rule(serde_json::json!({"kind": "http_5xx"})));
        chaos.add(rule(serde_json::json!({"kind": "latency", "millis": 7})));
        let plan = chaos.plan("/abc");
        assert_eq!(plan.delay, Duration::from_millis(12));
        assert_eq!(plan.fate.unwrap().kind, ChaosKind::Hang);
        assert_eq!(chaos.list()[2].hits, 0, "a rule that did not decide is not used up");
    }

    #[test]
    fn a_rule_that_cannot_work_is_refused() {
        let bad = [
            serde_json::json!({"kind": "hang", "probability": 1.5}),
            serde_json::json!({"kind": "hang", "path": "cgi-bin"}),
            serde_json::json!({"kind": "latency"}),
            serde_json::json!({"kind": "errcode", "errcode": 0}),
        ];
        for json in bad {
            assert!(rule(json.clone()).problem().is_some(), "{json}");
        }
    }
}
