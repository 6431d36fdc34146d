//! The plan of a round, drawn from the seed: users with their permits, the messages to them, the faults of WeChat, and how the
//! gateway dies. The same seed and round draw the same plan.

use std::time::Duration;

use fastrand::Rng;
use hongyan_failpoints::{self as points, Point};
use serde_json::{Value, json};

use crate::process::Arming;

/// How many callers send at the same time.
pub(crate) const CALLERS: usize = 8;

const SEND_TEMPLATE: &str = "/cgi-bin/message/wxopen/template/send";
const SEND_SUBSCRIBE: &str = "/cgi-bin/message/subscribe/send";
const SENDS: &str = "/cgi-bin/message/*";

/// The kind of a user's permits. The kind decides how the messages to the user may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The user submits forms.
    Forms,
    /// The user pays. Each payment allows this number of messages.
    Payments(u32),
    /// The user accepts a one-time template, once for each message.
    Once,
    /// Like `Once`, and the messages are repeated when the answer is lost.
    OnceResent,
    /// The user accepts a long-term template.
    LongTerm,
    /// The user accepts a one-time template, but the ledger does not know it. Messages are tried without a permit.
    Stranger,
    /// The user has no permits.
    Poor,
    /// The user gets messages through the facade: with a form id in each message, and with accepted subscriptions.
    Facade,
}

/// A user of this round.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) kind: Kind,
    /// The number of permits that are granted before the load.
    pub(crate) early: u32,
    /// The number of permits that are granted during the load.
    pub(crate) late: u32,
}

/// The template of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Template {
    Legacy,
    Once,
    LongTerm,
}

/// A message of this round.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// The index of the user.
    pub(crate) user: usize,
    /// Unique in a run; the first field of the card, and the reference.
    pub(crate) text: String,
    pub(crate) template: Template,
    /// The member `permit`: `require`, `wait`, `try`.
    pub(crate) policy: &'static str,
    /// The time to send it, after the beginning of the load; `None`: at once.
    pub(crate) send_after: Option<Duration>,
    /// Its deadline, after the beginning of the load.
    pub(crate) deadline_after: Option<Duration>,
    /// `reserve: now`.
    pub(crate) reserve: bool,
    /// A caller cancels the message right after it was accepted.
    pub(crate) cancel: bool,
}

/// A step of a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Grants one late permit of this user.
    Grant(usize),
    /// Sends this message, and cancels it if the plan says so.
    Send(usize),
    /// Sends these messages in one batch.
    Batch(Vec<usize>),
    /// Sends this message through the facade.
    Facade(usize),
    /// Another program fetches an access token, which ends the gateway's token.
    RotateTokens,
    /// An operator pauses the app for this time, or until it is resumed.
    Pause(Option<Duration>),
    /// An operator ends the app's pause.
    Resume,
}

/// How the gateway dies under the load.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Death {
    /// By SIGKILL, this long after this number of answers.
    Any { answers: usize, then: Duration },
    /// At a fail point.
    At(Arming),
}

/// How the gateway dies a second time, while it recovers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SecondDeath {
    /// This long after its start.
    Any(Duration),
    /// At a fail point.
    At(Arming),
}

/// A round.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) users: Vec<User>,
    pub(crate) messages: Vec<Message>,
    pub(crate) callers: Vec<Vec<Step>>,
    pub(crate) chaos: Vec<Value>,
    pub(crate) death: Death,
    pub(crate) second: Option<SecondDeath>,
}

impl Plan {
    /// The plan of this round. `point` is the fail point of the death; `None`: a random moment.
    pub(crate) fn draw(seed: u64, round: u32, point: Option<Point>) -> Self {
        // Each round and each seed has its own numbers: the generator scatters its seed itself.
        let mut rng = Rng::with_seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ u64::from(round));
        let users = users(&mut rng);
        let mut messages = messages(&mut rng, round, &users);
        let mut callers = callers(&mut rng, &users, &messages);
        let mut chaos = chaos(&mut rng);
        pauses(&mut rng, &mut callers, &mut chaos);
        if let Some(point) = point {
            make_reachable(point.name, &mut messages, &mut callers, &mut chaos);
        }
        let requests: usize = callers.iter().map(Vec::len).sum();
        let (death, second) = deaths(&mut rng, point, requests);
        Self { users, messages, callers, chaos, death, second }
    }
}

fn users(rng: &mut Rng) -> Vec<User> {
    let kinds = [
        Kind::Forms,
        Kind::Forms,
        Kind::Forms,
        Kind::Payments(1),
        Kind::Payments(rng.u32(2..=3)),
        Kind::Once,
        Kind::Once,
        Kind::Once,
        Kind::OnceResent,
        Kind::LongTerm,
        Kind::Stranger,
        Kind::Poor,
        Kind::Facade,
    ];
    let user = |kind| match kind {
        Kind::Poor | Kind::Stranger | Kind::Facade => User { kind, early: 0, late: 0 },
        Kind::LongTerm => User { kind, early: 1, late: 0 },
        // A repeat may use up the permit that a later message waits for, so these messages do not wait.
        Kind::OnceResent => User { kind, early: rng.u32(3..=6), late: 0 },
        _ if rng.bool() => User { kind, early: rng.u32(3..=6), late: 0 },
        _ => User { kind, early: rng.u32(1..=3), late: rng.u32(1..=3) },
    };
    kinds.map(user).into()
}

fn messages(rng: &mut Rng, round: u32, users: &[User]) -> Vec<Message> {
    let mut messages = Vec::new();
    for (n, user) in users.iter().enumerate() {
        let count = match user.kind {
            // A payment of several units allows several messages.
            Kind::Payments(uses) => (user.early + user.late) * uses,
            Kind::LongTerm | Kind::Stranger => rng.u32(2..=4),
            Kind::Poor => 3,
            Kind::Facade => 2,
            _ => user.early + user.late,
        };
        for place in 0..count {
            let text = format!("r{round} m{}", messages.len());
            messages.push(message(rng, n, user, place, text));
        }
    }
    messages
}

fn message(rng: &mut Rng, n: usize, user: &User, place: u32, text: String) -> Message {
    let template = match user.kind {
        Kind::Forms | Kind::Payments(_) | Kind::Poor => Template::Legacy,
        Kind::Facade if place == 0 => Template::Legacy,
        Kind::Once | Kind::OnceResent | Kind::Stranger | Kind::Facade => Template::Once,
        Kind::LongTerm => Template::LongTerm,
    };
    let mut message = Message {
        user: n,
        text,
        template,
        policy: "require",
        send_after: None,
        deadline_after: None,
        reserve: false,
        cancel: false,
    };
    match user.kind {
        Kind::Stranger | Kind::Facade => message.policy = "try",
        Kind::Poor if place > 0 => {
            message.policy = "wait";
            message.deadline_after = Some(Duration::from_millis(rng.u64(200..600)));
            return message;
        }
        Kind::Poor => return message,
        // A message may come before its grant, so it must wait.
        _ if user.late > 0 => message.policy = "wait",
        _ => {}
    }
    if user.kind != Kind::Facade && rng.u32(0..4) == 0 {
        message.send_after = Some(Duration::from_millis(rng.u64(50..700)));
        message.reserve = message.policy == "require" && rng.bool();
        message.cancel = rng.u32(0..3) == 0;
    }
    message
}

fn callers(rng: &mut Rng, users: &[User], messages: &[Message]) -> Vec<Vec<Step>> {
    let mut steps = Vec::new();
    let mut singles = Vec::new();
    for (n, message) in messages.iter().enumerate() {
        if users[message.user].kind == Kind::Facade {
            steps.push(Step::Facade(n));
        } else {
            singles.push(n);
        }
    }
    rng.shuffle(&mut singles);
    for _ in 0..rng.usize(1..=3) {
        let size = rng.usize(2..=8);
        let batch = singles.split_off(singles.len().saturating_sub(size));
        steps.push(Step::Batch(batch));
    }
    steps.extend(singles.into_iter().map(Step::Send));
    rng.shuffle(&mut steps);

    let mut callers = vec![Vec::new(); CALLERS];
    for (n, step) in steps.into_iter().enumerate() {
        callers[n % CALLERS].push(step);
    }
    // One caller makes all late grants of a user: units of a subscription are added up, so the caller must know what it
    // granted.
    for (n, user) in users.iter().enumerate() {
        for _ in 0..user.late {
            let caller = &mut callers[n % CALLERS];
            let place = rng.usize(0..=caller.len());
            caller.insert(place, Step::Grant(n));
        }
    }
    if rng.u32(0..4) == 0 {
        let caller = &mut callers[0];
        let place = rng.usize(0..=caller.len());
        caller.insert(place, Step::RotateTokens);
    }
    callers
}

/// The faults of WeChat. Two rounds of five have no fault.
fn chaos(rng: &mut Rng) -> Vec<Value> {
    let times = rng.u32(1..=3);
    let path = *rng.choice(&[SEND_TEMPLATE, SEND_SUBSCRIBE, SENDS]).expect("the list is not empty");
    let slow = json!({ "path": SENDS, "kind": "latency", "millis": rng.u64(2..40), "probability": 0.5 });
    let fault = |kind: &str| json!({ "path": path, "kind": kind, "times": times, "probability": 0.3 });
    match rng.u32(0..20) {
        0..=7 => vec![],
        8..=10 => vec![slow],
        11..=12 => vec![fault("reset_after")],
        13 => vec![fault("reset_before")],
        14..=15 => vec![fault("errcode")],
        16 => vec![fault("http_5xx")],
        17 => vec![fault("garbage")],
        18 => vec![slow, fault("half_answer")],
        _ => vec![slow, fault("reset_after")],
    }
}

/// Adds a pause by an operator to one round of three. In half of these rounds WeChat is down, too: messages that wait
/// because of the outage must then wait for the end of the pause.
fn pauses(rng: &mut Rng, callers: &mut [Vec<Step>], chaos: &mut Vec<Value>) {
    if rng.u32(0..3) > 0 {
        return;
    }
    if rng.bool() {
        chaos.push(json!({ "path": SENDS, "kind": "errcode", "times": rng.u32(8..24) }));
    }
    // One caller pauses and resumes, so that the resume comes after the pause.
    let caller = rng.usize(0..callers.len());
    let steps = &mut callers[caller];
    let place = rng.usize(0..=steps.len());
    if rng.bool() {
        steps.insert(place, Step::Pause(Some(Duration::from_millis(rng.u64(50..900)))));
    } else {
        steps.insert(place, Step::Pause(None));
        let after = rng.usize(place + 1..=steps.len());
        steps.insert(after, Step::Resume);
    }
}

/// Changes the load so that it reaches the fail point.
fn make_reachable(name: &str, messages: &mut [Message], callers: &mut [Vec<Step>], chaos: &mut Vec<Value>) {
    let slow = || json!({ "path": SENDS, "kind": "latency", "millis": 30 });
    match name {
        "token.before_store" | "token.after_store" | "dispatch.before_repeat" => {
            callers[0].insert(0, Step::RotateTokens);
        }
        "cancel.before_commit" | "cancel.after_commit" => {
            messages[0].send_after = Some(Duration::from_millis(500));
            messages[0].cancel = true;
        }
        "settle.after_pause" => {
            chaos.push(json!({ "path": SENDS, "kind": "errcode", "errcode": 45_011, "times": 1 }));
        }
        // A user's second message comes while the first message is still on its way.
        "settle.before_next" => chaos.push(slow()),
        // A start has something to recover.
        name if name.starts_with("recover.") => chaos.push(slow()),
        _ => {}
    }
}

/// How often a fail point may be passed so that the load still reaches it once more.
fn most_passes(point: Point) -> u32 {
    match point {
        points::ACCEPT_BEFORE_COMMIT | points::ACCEPT_AFTER_COMMIT | points::ACCEPT_BEFORE_DISPATCH => 20,
        points::TELL_BEFORE_REQUEST | points::TELL_AFTER_ANSWER => 22,
        points::DISPATCH_BEFORE_REQUEST | points::DISPATCH_AFTER_ANSWER => 25,
        points::SETTLE_BEFORE_COMMIT | points::SETTLE_AFTER_COMMIT => 12,
        points::SETTLE_BEFORE_NEXT | points::DISPATCH_BEFORE_REPEAT | points::CLAIM_BEFORE_DISPATCH => 2,
        points::CLAIM_BEFORE_COMMIT
        | points::CLAIM_AFTER_COMMIT
        | points::TELL_BEFORE_COMMIT
        | points::TELL_AFTER_COMMIT => 4,
        points::GRANT_BEFORE_COMMIT | points::GRANT_AFTER_COMMIT => 3,
        points::RECEIVE_BEFORE_COMMIT | points::RECEIVE_AFTER_COMMIT => 18,
        points::APPLY_BEFORE_COMMIT | points::APPLY_AFTER_COMMIT => 8,
        points::RECOVER_AFTER_ACQUIRE => 60,
        _ => 0,
    }
}

fn deaths(rng: &mut Rng, point: Option<Point>, requests: usize) -> (Death, Option<SecondDeath>) {
    let any = |rng: &mut Rng| Death::Any {
        answers: rng.usize(0..requests),
        then: Duration::from_micros(rng.u64(0..20_000)),
    };
    match point {
        Some(point) => {
            let arming = Arming { point, passes: rng.u32(0..=most_passes(point)) };
            if point.is_at_start() {
                (any(rng), Some(SecondDeath::At(arming)))
            } else {
                (Death::At(arming), None)
            }
        }
        None => {
            let again = rng.u32(0..4) == 0;
            let death = any(rng);
            (death, again.then(|| SecondDeath::Any(Duration::from_millis(rng.u64(0..80)))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_round_draw_the_same_plan_again() {
        let [a, b] = [(); 2].map(|()| format!("{:?}", Plan::draw(7, 3, None)));
        assert_eq!(a, b);
        assert_ne!(a, format!("{:?}", Plan::draw(7, 4, None)));
        assert_ne!(a, format!("{:?}", Plan::draw(8, 3, None)));
    }

    #[test]
    fn every_message_is_sent_once_and_every_right_granted_once() {
        for round in 0..50 {
            let plan = Plan::draw(1, round, None);
            let mut sent = Vec::new();
            let mut late = vec![0; plan.users.len()];
            for step in plan.callers.iter().flatten() {
                match step {
                    Step::Send(n) | Step::Facade(n) => sent.push(*n),
                    Step::Batch(batch) => sent.extend(batch),
                    Step::Grant(user) => late[*user] += 1,
                    Step::RotateTokens | Step::Pause(_) | Step::Resume => {}
                }
            }
            sent.sort_unstable();
            assert_eq!(sent, (0..plan.messages.len()).collect::<Vec<_>>());
            assert!(plan.users.iter().zip(late).all(|(user, late)| user.late == late));
        }
    }

    #[test]
    fn a_pause_without_an_end_is_resumed_by_the_same_caller() {
        let mut pauses = 0;
        for round in 0..50 {
            for steps in Plan::draw(1, round, None).callers {
                let without_end = steps.iter().position(|step| *step == Step::Pause(None));
                pauses += steps.iter().filter(|step| matches!(step, Step::Pause(_))).count();
                let resumed = steps.iter().rposition(|step| *step == Step::Resume);
                assert!(without_end.is_none() || resumed > without_end, "{steps:?}");
            }
        }
        assert!(pauses > 5, "{pauses} in fifty rounds");
    }
}
