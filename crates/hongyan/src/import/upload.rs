//! Sends a batch, and repeats it while that is safe.
//!
//! A message may be repeated, because it has an idempotency key; a permit with a code too, because a code is one permit.
//! A subscription has neither: if its answer is lost, it may count already, so the line is reported and not repeated.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ::http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::kind::Kind;
use super::known::Mark;
use super::lines::{Batch, Item, no_answer};
use super::refusals::Refusals;
use super::state::State;
use crate::explain::explain;
use crate::failure::Failure;
use crate::http::{Answer, Api};
use crate::output;
use crate::text::{Text, say};

/// The first pause before a repeat; each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// How an upload or the whole import ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Every line has an answer.
    AtTheEnd,
    /// The user stopped the import.
    Stopped,
    /// The gateway did not answer for too long; with the last error.
    GaveUp(Text),
}

/// The counts of the lines by their result.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) accepted: u64,
    /// Lines that the gateway had accepted before.
    pub(super) replayed: u64,
    /// Lines that were not sent, because an earlier run sent them.
    pub(super) known: u64,
    /// Refused lines, by the problem's code.
    pub(super) codes: BTreeMap<String, u64>,
}

impl Tally {
    pub(super) fn refused(&self) -> u64 {
        self.codes.values().sum()
    }

    fn refuse(
        &mut self,
        refusals: &mut Refusals,
        line: u64,
        item: Option<&Value>,
        problem: &Value,
    ) -> Result<(), Failure> {
        let code = problem["code"].as_str().unwrap_or("unknown").to_owned();
        *self.codes.entry(code).or_default() += 1;
        refusals.add(line, item, problem)
    }
}

/// The tools of an upload.
pub(super) struct Upload<'a> {
    pub(super) api: &'a Api,
    pub(super) kind: Kind,
    pub(super) give_up_after: Duration,
    pub(super) stop: watch::Receiver<bool>,
}

/// The result of one request.
enum Outcome {
    /// Each item has its answer.
    Answers(Vec<Value>),
    /// Nothing of the request was done.
    NotNow(Text),
    /// The request may have been done.
    Lost(Text),
}

impl Upload<'_> {
    /// Sends a batch until each line has an answer.
    ///
    /// # Errors
    /// When the gateway refuses the request as a whole (such as a wrong key), or when the result cannot be recorded.
    pub(super) async fn send_batch(
        &self,
        batch: Batch,
        state: &mut State,
        tally: &mut Tally,
        refusals: &mut Refusals,
    ) -> Result<Ended, Failure> {
        tally.known += batch.known;
        for (line, problem) in &batch.refused {
            tally.refuse(refusals, *line, None, problem)?;
        }
        let mut left = batch.items;
        let began = Instant::now();
        let mut pause = FIRST_PAUSE;
        while !left.is_empty() {
            let unrepeatable = left.iter().filter(|item| !item.is_repeatable(self.kind));
            state.about_to_send(unrepeatable.map(|item| item.mark).collect())?;
            let sent = self.send(&left).await;
            let (mut accepted, mut doubtful) = (Vec::new(), Vec::new());
            let mut again = Vec::new();
            let why = match sent {
                Ok(Outcome::Answers(answers)) => {
                    let mut not_now = None;
                    for (item, answer) in left.into_iter().zip(answers) {
                        match read(&answer) {
                            Said::Accepted => {
                                tally.accepted += 1;
                                accepted.push(item.mark);
                            }
                            Said::Replayed => {
                                tally.replayed += 1;
                                accepted.push(item.mark);
                            }
                            Said::NotNow(why) => {
                                not_now = Some(why);
                                again.push(item);
                            }
                            Said::Refused(problem) => {
                                tally.refuse(refusals, item.line, Some(&item.value), problem)?;
                            }
                        }
                    }
                    not_now
                }
                Ok(Outcome::NotNow(why)) => {
                    again = left;
                    Some(why)
                }
                Ok(Outcome::Lost(why)) => {
                    let lost;
                    (again, lost) = left.into_iter().partition(|item| item.is_repeatable(self.kind));
                    doubtful = give_up_on(&lost, tally, refusals)?;
                    Some(why)
                }
                Err(refused) => {
                    // Nothing of the request was done.
                    state.answered(&[], &[])?;
                    return Err(refused);
                }
            };
            state.answered(&accepted, &doubtful)?;
            left = again;
            let Some(why) = why.filter(|_| !left.is_empty()) else { break };
            if began.elapsed() >= self.give_up_after {
                return Ok(Ended::GaveUp(why));
            }
            if pause == FIRST_PAUSE {
                output::warn(say!("{why}；正在重试", "{why}; trying again"; why));
            }
            let mut stop = self.stop.clone();
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(MAX_PAUSE),
                _ = stop.wait_for(|&stopped| stopped) => return Ok(Ended::Stopped),
            }
        }
        Ok(Ended::AtTheEnd)
    }

    async fn send(&self, items: &[Item]) -> Result<Outcome, Failure> {
        let name = self.kind.name();
        let values: Vec<&Value> = items.iter().map(|item| &item.value).collect();
        let body = json!({ name: values });
        let answer = match self.api.exchange(Method::POST, &format!("/v1/{name}"), &[], Some(&body)).await {
            Ok(answer) => answer,
            Err(none) if none.was_written => return Ok(Outcome::Lost(none.why)),
            Err(none) => return Ok(Outcome::NotNow(none.why)),
        };
        self.understand(&answer, items.len())
    }

    fn understand(&self, answer: &Answer, items: usize) -> Result<Outcome, Failure> {
        let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if answer.status.is_success()
            && let Some(answers) = said[self.kind.name()].as_array().filter(|list| list.len() == items)
        {
            return Ok(Outcome::Answers(answers.clone()));
        }
        let is_problem = said["code"].is_string();
        let why = if is_problem {
            explain(&said)
        } else {
            say!("应答是 {}", "the answer was {}", answer.status)
        };
        match answer.status {
            // A problem document comes from the gateway itself: nothing was done.
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS if is_problem => {
                Ok(Outcome::NotNow(why))
            }
            // The answer comes from a proxy, which may have lost the gateway's answer, or something failed in the middle.
            status if status.is_server_error() => Ok(Outcome::Lost(why)),
            _ if is_problem => Err(Failure::run(say!(
                "网关拒绝了整个请求：{why}；再执行同一命令会从这里继续",
                "the gateway refuses the whole request: {why}; the same command continues from here";
                why
            ))),
            _ => Err(Failure::run(say!(
                "{} 有应答，但它不是鸿雁网关（{}）；地址用 --url 或 HONGYAN_URL 设置",
                "{} answered, but it is not a Hongyan gateway ({}); set --url or HONGYAN_URL",
                self.api.url(),
                answer.status
            ))),
        }
    }
}

/// Reports lines whose answer was lost and that cannot be repeated; returns their marks.
fn give_up_on(items: &[Item], tally: &mut Tally, refusals: &mut Refusals) -> Result<Vec<Mark>, Failure> {
    for item in items {
        tally.refuse(refusals, item.line, Some(&item.value), &no_answer())?;
    }
    Ok(items.iter().map(|item| item.mark).collect())
}

/// The gateway's answer for one item.
enum Said<'a> {
    Accepted,
    Replayed,
    NotNow(Text),
    Refused(&'a Value),
}

fn read(answer: &Value) -> Said<'_> {
    let problem = &answer["error"];
    if problem.is_object() {
        return match problem["status"].as_u64() {
            Some(429 | 503) => Said::NotNow(explain(problem)),
            _ => Said::Refused(problem),
        };
    }
    let is_true = |name: &str| answer[name].as_bool() == Some(true);
    if is_true("replayed") || is_true("duplicate") { Said::Replayed } else { Said::Accepted }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_to_an_item_has_its_meaning() {
        assert!(matches!(read(&json!({ "id": "msg_1", "state": "ready" })), Said::Accepted));
        assert!(matches!(read(&json!({ "id": "msg_1", "replayed": true })), Said::Replayed));
        assert!(matches!(read(&json!({ "id": "prm_1", "duplicate": true })), Said::Replayed));
        let error = |status: u16| json!({ "error": { "status": status, "code": "x", "detail": "y" } });
        assert!(matches!(read(&error(503)), Said::NotNow(_)));
        assert!(matches!(read(&error(422)), Said::Refused(_)));
    }
}
