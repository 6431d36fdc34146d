//! Dispatch: writes the requests of claimed messages to WeChat.
//!
//! A fixed number of workers shares one queue. Each worker takes one message at a time to its outcome, so there are
//! never more requests than workers, and no task per message. [`Slots`] bounds the queue: a message is claimed (stored
//! as `sending`) only when a slot is free, so that a crash leaves few messages of unknown outcome.

use bytes::Bytes;
use hongyan_failpoints::{DISPATCH_AFTER_ANSWER, DISPATCH_BEFORE_REPEAT, DISPATCH_BEFORE_REQUEST, reach};
use hongyan_ledger::Channel;
use hongyan_ledger::breaker::Evidence;
use hongyan_ledger::settle::{Outcome, is_token_refusal};
use hongyan_store::types::Claimed;
use hongyan_wechat::{Client, Failure, SecretString, SendAnswer};
use tokio::sync::mpsc;

use crate::apps::{App, Apps};
use crate::job::{Done, Job};
use crate::slots::Slots;
use crate::state::owned::{MaySend, Owned};
use crate::token::TokenError;
use crate::traces::{Span, Traces};

/// Hands jobs to the workers.
#[derive(Clone)]
pub struct Dispatch {
    jobs: flume::Sender<Job>,
    /// The slots. A slot must be taken before a message is claimed.
    pub slots: Slots,
}

impl Dispatch {
    /// Starts `workers` workers. They end when the last [`Dispatch`] is dropped and the queue is empty.
    pub fn start(
        workers: u32,
        slots: Slots,
        owned: &Owned,
        apps: &Apps,
        wechat: &Client,
        traces: &Traces,
        done: &mpsc::Sender<Done>,
    ) -> Self {
        let (jobs, queue) = flume::unbounded();
        for _ in 0..workers {
            let sender = Sender { apps: apps.clone(), wechat: wechat.clone(), traces: traces.clone() };
            tokio::spawn(work(queue.clone(), owned.clone(), sender, done.clone()));
        }
        Self { jobs, slots }
    }

    /// Queues a claimed message.
    pub fn send(&self, job: Job) {
        // Cannot fail: the workers keep the receiver as long as a sender lives.
        let _ = self.jobs.send(job);
    }
}

/// What a worker sends with.
struct Sender {
    apps: Apps,
    wechat: Client,
    traces: Traces,
}

async fn work(
    queue: flume::Receiver<Job>,
    owned: Owned,
    Sender { apps, wechat, traces }: Sender,
    done: mpsc::Sender<Done>,
) {
    let mut changed = owned.watch();
    'jobs: while let Ok(job) = queue.recv_async().await {
        loop {
            changed.mark_unchanged();
            match owned.may_send(&job.claimed) {
                MaySend::Now => break,
                MaySend::Never => continue 'jobs,
                // Cannot fail: `owned` keeps the sender.
                MaySend::NotYet => drop(changed.changed().await),
            }
        }
        let span = begin_span(&traces, &job.claimed);
        let (outcome, evidence) = attempt(&job.claimed, &apps, &wechat).await;
        end_span(span, &outcome);
        reach(DISPATCH_AFTER_ANSWER);
        if done.send(Done { job, outcome, evidence }).await.is_err() {
            return;
        }
    }
}

/// The span of an attempt, if its message is traced.
fn begin_span(traces: &Traces, claimed: &Claimed) -> Span {
    let path = match claimed.channel {
        Channel::Legacy => "/cgi-bin/message/wxopen/template/send",
        Channel::Subscribe => "/cgi-bin/message/subscribe/send",
    };
    let mut span = traces.attempt(claimed.origin.traceparent.as_deref(), path);
    span.text("hongyan.message.id", claimed.id);
    span.text("hongyan.app", &claimed.appid);
    span.number("hongyan.attempt", claimed.attempt);
    span
}

fn end_span(mut span: Span, outcome: &Outcome) {
    span.text("hongyan.outcome", outcome.name());
    if let Some(errcode) = outcome.errcode() {
        span.number("hongyan.errcode", errcode.0);
    }
    match outcome {
        Outcome::Answered { errcode, .. } if errcode.0 == 0 => {}
        Outcome::Answered { .. } => span.failed("refused"),
        Outcome::NotSent { .. } | Outcome::Unanswered { .. } => span.failed(outcome.name()),
    }
}

/// One attempt: a request, and a second request if WeChat refused the first one's token. Also returns what the attempt says
/// about WeChat's availability.
async fn attempt(claimed: &Claimed, apps: &Apps, wechat: &Client) -> (Outcome, Evidence) {
    let Some(app) = apps.get(&claimed.appid) else {
        let why = "the app is not registered any more".into();
        return (Outcome::NotSent { why }, Evidence::Nothing);
    };
    let token = match apps.token(&app).await {
        Ok(token) => token,
        Err(error) => return no_token(&error),
    };
    let body = request_body(claimed);
    reach(DISPATCH_BEFORE_REQUEST);
    let outcome = send(wechat, claimed.channel, &token.value, body.clone()).await;
    match outcome.errcode() {
        Some(errcode) if is_token_refusal(errcode) => {
            send_with_fresh_token(claimed, &app, token.generation, body, apps, wechat).await
        }
        _ => with_evidence(outcome),
    }
}

async fn send_with_fresh_token(
    claimed: &Claimed,
    app: &App,
    refused_generation: u64,
    body: Bytes,
    apps: &Apps,
    wechat: &Client,
) -> (Outcome, Evidence) {
    match apps.token_after(app, refused_generation).await {
        Ok(fresh) => {
            reach(DISPATCH_BEFORE_REPEAT);
            with_evidence(send(wechat, claimed.channel, &fresh.value, body).await)
        }
        Err(error) => no_token(&error),
    }
}

fn with_evidence(outcome: Outcome) -> (Outcome, Evidence) {
    let evidence = Evidence::of(&outcome);
    (outcome, evidence)
}

fn no_token(error: &TokenError) -> (Outcome, Evidence) {
    let evidence = match error {
        TokenError::Refused { .. } => Evidence::Up,
        // One failed fetch counts once for every message that meets it before the next fetch. This is right: no message can
        // be sent before that fetch.
        TokenError::Unavailable(_) => Evidence::Down,
        TokenError::Paused { .. } => Evidence::Nothing,
    };
    (Outcome::NotSent { why: format!("no access token: {error}") }, evidence)
}

async fn send(wechat: &Client, channel: Channel, token: &SecretString, body: Bytes) -> Outcome {
    let answer = match channel {
        Channel::Legacy => wechat.send_template(token, body).await,
        Channel::Subscribe => wechat.send_subscribe(token, body).await,
    };
    match answer {
        Ok(SendAnswer { errcode, errmsg, msgid, .. }) => Outcome::Answered { errcode, errmsg, msgid },
        Err(Failure::NotSent(why)) => Outcome::NotSent { why },
        Err(Failure::Unanswered(why)) => Outcome::Unanswered { why },
    }
}

/// The stored body. For the channel `legacy`, the permit's code is inserted as `form_id`.
fn request_body(claimed: &Claimed) -> Bytes {
    let code = claimed.permit.as_ref().and_then(|permit| permit.code.as_deref());
    let (Channel::Legacy, Some(code), Some((b'}', open))) =
        (claimed.channel, code, claimed.body.split_last())
    else {
        return Bytes::copy_from_slice(&claimed.body);
    };
    let mut body = Vec::with_capacity(claimed.body.len() + code.len() + 16);
    body.extend_from_slice(open);
    body.extend_from_slice(b",\"form_id\":");
    serde_json::to_writer(&mut body, code).expect("text always serializes, and a vector takes it");
    body.push(b'}');
    body.into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hongyan_clock::UnixMillis;
    use hongyan_ledger::ids::IdMaker;
    use hongyan_ledger::{Lane, OnUnknown, PermitKind};
    use hongyan_store::types::ClaimedPermit;

    use super::*;

    #[test]
    fn the_form_id_is_put_into_the_stored_body() {
        let lane = Lane::new(0).unwrap();
        let ids = IdMaker::new();
        let claimed = Claimed {
            id: ids.message(lane, UnixMillis(0)),
            appid: "wx1".parse().unwrap(),
            openid: "o1".parse().unwrap(),
            template: "t1".parse().unwrap(),
            due_at: UnixMillis(0),
            channel: Channel::Legacy,
            body: Arc::from(&br#"{"touser":"o1"}"#[..]),
            attempt: 1,
            claimed_at: UnixMillis(0),
            permit: Some(ClaimedPermit {
                id: ids.permit(lane, UnixMillis(0)),
                kind: PermitKind::Form,
                code: Some("form \"1\"".into()),
                granted: 1,
                held: false,
            }),
            on_unknown: OnUnknown::Hold,
            maybe_delivered: false,
            epoch: hongyan_store::types::Epoch(1),
            is_probe: false,
            origin: hongyan_store::types::Origin::default(),
        };
        let body: serde_json::Value = serde_json::from_slice(&request_body(&claimed)).unwrap();
        assert_eq!(body, serde_json::json!({"touser": "o1", "form_id": "form \"1\""}));
        let subscribe = Claimed { channel: Channel::Subscribe, ..claimed };
        assert_eq!(&request_body(&subscribe)[..], br#"{"touser":"o1"}"#);
    }
}
