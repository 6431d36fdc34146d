//! The findings of a check of this machine or of a running gateway.

use serde::{Serialize, Serializer};

use crate::failure::Failure;
use crate::output;
use crate::text::{Text, say, word};

/// The result of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// Everything is as it should be.
    Ok,
    /// Something is wrong.
    NotOk,
    /// The check was not possible: something else prevented it. Never counted as [`State::Ok`].
    NotLookedAt,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => word("正常", "ok"),
            Self::NotOk => word("有问题", "NOT OK"),
            Self::NotLookedAt => word("没有检查", "not looked at"),
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    #[serde(serialize_with = "in_english")]
    pub(crate) what: Text,
    ok: bool,
    pub(crate) state: State,
    /// What was found, what to do, or what prevented the check.
    #[serde(serialize_with = "in_english")]
    pub(crate) detail: Text,
    /// Whether the gateway would refuse to start: decides the exit code.
    #[serde(skip)]
    configuration: bool,
}

fn in_english<S: Serializer>(text: &Text, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text.en)
}

/// The findings so far.
#[derive(Debug, Default)]
pub(crate) struct Findings(pub(crate) Vec<Finding>);

impl Findings {
    fn add(&mut self, what: impl Into<Text>, state: State, detail: impl Into<Text>, configuration: bool) {
        let (what, detail) = (what.into(), detail.into());
        self.0.push(Finding { what, ok: state == State::Ok, state, detail, configuration });
    }

    pub(crate) fn good(&mut self, what: impl Into<Text>, detail: impl Into<Text>) {
        self.add(what, State::Ok, detail, false);
    }

    /// Adds a finding with which the gateway would not start.
    pub(crate) fn wrong_setting(&mut self, what: impl Into<Text>, detail: impl Into<Text>) {
        self.add(what, State::NotOk, detail, true);
    }

    /// Adds a finding with which the gateway would start, but would not do all of its work.
    pub(crate) fn bad(&mut self, what: impl Into<Text>, detail: impl Into<Text>) {
        self.add(what, State::NotOk, detail, false);
    }

    /// Adds a check that was not possible, and what prevented it.
    pub(crate) fn skipped(&mut self, what: impl Into<Text>, why: impl Into<Text>) {
        self.add(what, State::NotLookedAt, why, false);
    }

    fn count(&self, state: State) -> usize {
        self.0.iter().filter(|finding| finding.state == state).count()
    }

    /// Exit code 0 only if everything was looked at and nothing is wrong; 78 if the gateway would not start.
    fn exit_code(&self) -> Result<(), Failure> {
        if self.0.iter().any(|finding| finding.configuration) {
            Err(Failure::said_configuration())
        } else if self.0.iter().all(|finding| finding.state == State::Ok) {
            Ok(())
        } else {
            Err(Failure::said())
        }
    }

    /// Prints the findings; the exit code is in the result.
    pub(crate) fn print(&self, as_json: bool) -> Result<(), Failure> {
        let (wrong, skipped) = (self.count(State::NotOk), self.count(State::NotLookedAt));
        if as_json {
            let all_good = wrong + skipped == 0;
            output::json(&serde_json::json!({
                "ok": all_good, "not_ok": wrong, "not_looked_at": skipped, "checks": self.0,
            }))?;
        } else {
            let row = |finding: &Finding| {
                let shown = |text: &Text| text.shown().to_owned();
                vec![finding.state.word().to_owned(), shown(&finding.what), shown(&finding.detail)]
            };
            let rows: Vec<_> = self.0.iter().map(row).collect();
            output::line(&output::table(&["", word("检查项", "WHAT"), word("结果", "FOUND")], &rows))?;
            if wrong + skipped > 0 {
                output::remark(say!(
                    "共 {} 项，{wrong} 项有问题，{skipped} 项没有检查",
                    "{wrong} of {} not ok, {skipped} not looked at",
                    self.0.len()
                ));
            }
        }
        self.exit_code()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_looked_at_is_not_green() {
        let mut findings = Findings::default();
        findings.good(Text::same("a"), Text::same(""));
        assert!(findings.exit_code().is_ok());
        findings.skipped(Text::same("b"), Text::same(""));
        assert_eq!(findings.exit_code().unwrap_err().code(), 1);
        findings.bad(Text::same("c"), Text::same(""));
        assert_eq!(findings.exit_code().unwrap_err().code(), 1);
        findings.wrong_setting(Text::same("d"), say!("有误", "wrong"));
        assert_eq!(findings.exit_code().unwrap_err().code(), 78);
        assert_eq!(serde_json::to_value(&findings.0[3]).unwrap()["detail"], "wrong", "JSON is English");
        let json = serde_json::to_value(&findings.0[1]).unwrap();
        assert_eq!((&json["ok"], &json["state"]), (&false.into(), &"not_looked_at".into()));
    }
}
