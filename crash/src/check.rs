//! Compares the ledger and the cards that users saw with the plan.
//!
//! The check does no I/O: it judges what was collected after all messages had come to rest.

use std::collections::HashMap;

use serde_json::Value;

use crate::load::Known;
use crate::plan::{Kind, Message, Plan};
use crate::pushes::{EVENTS, Pushed};
use crate::sandbox::Card;
use crate::webhook::{Told, out_of_order};

/// The facade's errcodes for a message that is still on its way, and for a message of unknown outcome.
const MAYBE: [i64; 2] = [880_001, 880_002];

/// A message as `GET /v1/messages` shows it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) id: String,
    /// The text that identifies the message in the plan.
    pub(crate) text: String,
    pub(crate) state: String,
    pub(crate) reason: Option<String>,
    pub(crate) attempts: u64,
    pub(crate) permit: Option<String>,
}

/// Everything that is collected after a round.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The messages to the round's users.
    pub(crate) ledger: Vec<Entry>,
    /// The cards of this round, and late ones of earlier rounds.
    pub(crate) cards: Vec<Card>,
    /// `GET /v1/permits` of each user.
    pub(crate) permits: Vec<Value>,
    /// The units that each user was granted over the API.
    pub(crate) granted: Vec<u64>,
    /// What the callers know of each message.
    pub(crate) known: Vec<Known>,
    /// Accepted requests that made another message when they were repeated.
    pub(crate) forgotten: Vec<String>,
    /// The results of the events that WeChat pushed.
    pub(crate) pushed: Pushed,
    /// The events that the back end got, each event once.
    pub(crate) told: Vec<Told>,
}

/// A violation of the gateway's promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Violation {
    /// A promised message is missing, or a message with the state `sent` did not arrive.
    Lost(String),
    /// A message is in the ledger twice, arrived twice or was paid for twice.
    Doubled(String),
    /// A message could be sent, but nothing sends it.
    Asleep(String),
    /// The ledger is wrong in another way.
    Wrong(String),
}

/// The result of a round.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) messages: u64,
    pub(crate) sent: u64,
    pub(crate) unknown: u64,
    /// Repeated cards of messages that may be repeated (`on_unknown: resend`).
    pub(crate) resent: u64,
    pub(crate) violations: Vec<Violation>,
}

/// Judges a round.
pub(crate) fn check(plan: &Plan, seen: &Seen) -> Verdict {
    let mut verdict = Verdict::default();
    verdict.violations.extend(seen.forgotten.iter().cloned().map(Violation::Lost));
    let mut cards: HashMap<&str, u64> = HashMap::new();
    for card in &seen.cards {
        *cards.entry(&card.text).or_default() += 1;
    }
    let mut entries: HashMap<&str, Vec<&Entry>> = HashMap::new();
    for entry in &seen.ledger {
        entries.entry(&entry.text).or_default().push(entry);
    }
    for (n, message) in plan.messages.iter().enumerate() {
        let delivered = cards.remove(message.text.as_str()).unwrap_or(0);
        let entries = entries.remove(message.text.as_str()).unwrap_or_default();
        let kind = plan.users[message.user].kind;
        check_message(message, kind, &seen.known[n], &entries, delivered, &mut verdict);
    }
    for (text, count) in cards {
        verdict.violations.push(Violation::Doubled(format!(
            "{count} cards of {text:?}, which is not a message of this round"
        )));
    }
    for text in entries.into_keys() {
        verdict.violations.push(Violation::Wrong(format!("the ledger has {text:?}, which nobody asked for")));
    }
    verdict.violations.extend(check_events(seen.pushed));
    verdict.violations.extend(check_telling(seen));
    for (user, permits) in seen.permits.iter().enumerate() {
        let wrong = |what: String| Violation::Wrong(format!("permits of user {user}: {what}"));
        let problems = check_permits(plan, seen, user, permits);
        verdict.violations.extend(problems.into_iter().map(wrong));
    }
    verdict
}

/// The required result of a round's events: each event is stored once, processed, and has granted one unit.
const ALL_PUSHED: Pushed = Pushed { events: EVENTS as u64, done: EVENTS as u64, granted: EVENTS as u64 };

fn check_events(pushed: Pushed) -> Option<Violation> {
    let is_more = pushed.events > ALL_PUSHED.events || pushed.granted > ALL_PUSHED.granted;
    let violation = if is_more { Violation::Doubled } else { Violation::Lost };
    (pushed != ALL_PUSHED).then(|| violation(format!("of {EVENTS} events that WeChat pushed: {pushed:?}")))
}

/// The event of a message in this state.
fn told_as(state: &str) -> Option<&'static str> {
    match state {
        "sent" => Some("message.sent"),
        "unknown" => Some("message.unknown"),
        "failed" | "expired" | "cancelled" => Some("message.failed"),
        _ => None,
    }
}

/// Checks events: one event for the end of each message, no event of another end, and the events of each user in order.
fn check_telling(seen: &Seen) -> Vec<Violation> {
    let mut violations: Vec<Violation> = out_of_order(&seen.told).into_iter().map(Violation::Wrong).collect();
    for entry in &seen.ledger {
        let Some(kind) = told_as(&entry.state) else { continue };
        let about = || seen.told.iter().filter(|told| told.message == entry.id);
        let count = about().filter(|told| told.kind == kind).count();
        let Entry { text, state, .. } = entry;
        match count {
            0 => violations.push(Violation::Lost(format!("{text}: it is {state}, and no event said so"))),
            1 => {}
            _ => {
                violations.push(Violation::Doubled(format!("{text}: {count} events say that it is {state}")));
            }
        }
        // A message of unknown outcome may have been repeated, and then be sent or fail.
        let is_other = |told: &&Told| told.kind != kind && told.kind != "message.unknown";
        violations.extend(
            about()
                .filter(is_other)
                .map(|told| Violation::Wrong(format!("{text}: it is {state}, and {told:?}"))),
        );
    }
    violations
}

fn check_message(
    message: &Message,
    kind: Kind,
    known: &Known,
    entries: &[&Entry],
    delivered: u64,
    verdict: &mut Verdict,
) {
    let text = &message.text;
    let mut lost = |what: String| verdict.violations.push(Violation::Lost(format!("{text}: {what}")));
    let [entry] = entries else {
        match (entries.len(), kind) {
            // The gateway died before the answer, so nothing was promised.
            (0, Kind::Facade) if known.errcode != Some(0) => {
                if delivered > 0 {
                    lost("it was delivered, and the ledger does not have it".into());
                }
            }
            (0, _) => lost("it was accepted, and the ledger does not have it".into()),
            (count, _) => {
                let what = format!("{text}: the ledger has it {count} times");
                verdict.violations.push(Violation::Doubled(what));
            }
        }
        return;
    };
    verdict.messages += 1;
    if entry.state == "sent" && delivered == 0 {
        lost("it is sent, and the user did not see it".into());
    }
    if !is_at_rest(&entry.state) {
        let what = format!("{text}: the message does not come to rest: {} ({:?})", entry.state, entry.reason);
        // Nothing holds the message back: WeChat answers, and every pause has ended.
        let is_asleep = matches!(entry.state.as_str(), "ready" | "scheduled");
        verdict.violations.push(if is_asleep { Violation::Asleep(what) } else { Violation::Lost(what) });
    }
    let most = match entry.state.as_str() {
        "sent" | "unknown" if kind == Kind::OnceResent => entry.attempts,
        "sent" | "unknown" => 1,
        _ => 0,
    };
    if delivered > most {
        let what =
            format!("{text}: {} after {} attempts, and seen {delivered} times", entry.state, entry.attempts);
        verdict.violations.push(Violation::Doubled(what));
    }
    verdict.resent += delivered.saturating_sub(1);
    verdict.sent += u64::from(entry.state == "sent");
    verdict.unknown += u64::from(entry.state == "unknown");

    let mut wrong = |what: String| verdict.violations.push(Violation::Wrong(format!("{text}: {what}")));
    if known.id.as_ref().is_some_and(|id| *id != entry.id) {
        wrong(format!("it was accepted as {:?} and is {}", known.id, entry.id));
    }
    let is_by_right = !matches!(kind, Kind::Stranger | Kind::Facade | Kind::Poor);
    if entry.state == "sent" && is_by_right && entry.permit.is_none() {
        wrong("it is sent, and no permit was spent".into());
    }
    if !may_end_so(message, kind, known, entry) {
        wrong(format!("a {kind:?} message may not end as {} ({:?}); {known:?}", entry.state, entry.reason));
    }
}

/// Whether this state is final.
pub(crate) fn is_at_rest(state: &str) -> bool {
    matches!(state, "sent" | "failed" | "unknown" | "cancelled" | "expired")
}

/// Whether the gateway's promise allows this end, by the kind of permit.
fn may_end_so(message: &Message, kind: Kind, known: &Known, entry: &Entry) -> bool {
    let state = entry.state.as_str();
    if known.cancelled == Some(true) {
        return state == "cancelled";
    }
    match kind {
        // A code is good for one message, so WeChat's answer to the second try says whether the first try arrived.
        Kind::Forms | Kind::Payments(1) => state == "sent",
        Kind::Payments(_) | Kind::Once | Kind::LongTerm | Kind::Stranger => {
            matches!(state, "sent" | "unknown")
        }
        // A repeat may use up a right at WeChat that another message needs.
        Kind::OnceResent => {
            matches!(state, "sent" | "unknown")
                || (matches!(state, "failed") && entry.reason.as_deref() == Some("no_permit"))
        }
        Kind::Poor if message.deadline_after.is_some() => state == "expired",
        Kind::Poor => state == "failed" && entry.reason.as_deref() == Some("no_permit"),
        Kind::Facade => match known.errcode {
            Some(0) => state == "sent",
            Some(errcode) if !MAYBE.contains(&errcode) => matches!(state, "cancelled" | "failed" | "expired"),
            _ => is_at_rest(state),
        },
    }
}

fn check_permits(plan: &Plan, seen: &Seen, user: usize, permits: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let kind = plan.users[user].kind;
    let of_user: Vec<&str> = plan
        .messages
        .iter()
        .filter(|message| message.user == user)
        .map(|message| message.text.as_str())
        .collect();
    let entries = || seen.ledger.iter().filter(|entry| of_user.contains(&entry.text.as_str()));
    let mut totals = [0_u64; 6];
    for permit in permits["permits"].as_array().into_iter().flatten() {
        let counts = counts(permit);
        if permit["unlimited"] != true {
            totals.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
        }
        let [granted, available, reserved, spent, expired, revoked] = counts;
        if granted != available + reserved + spent + expired + revoked {
            problems.push(format!("{permit} does not balance"));
        }
        let users = |state: &str| {
            entries()
                .filter(|entry| entry.state == state && entry.permit.as_deref() == permit["id"].as_str())
                .count()
        };
        if spent != users("sent") as u64 {
            problems.push(format!("{spent} units are spent of {permit}, for {} messages", users("sent")));
        }
        // A repeated message may have lost the unit: its permit is dead by then.
        let may_be_gone = kind == Kind::OnceResent && reserved < users("unknown") as u64;
        if reserved != users("unknown") as u64 && !may_be_gone {
            problems.push(format!(
                "{reserved} units are kept of {permit}, for {} messages in doubt",
                users("unknown")
            ));
        }
    }
    let [granted, _, _, _, expired, revoked] = totals;
    let expected = match kind {
        Kind::LongTerm => 0,
        // Each template message brought its own form id.
        Kind::Facade => entries().filter(|entry| is_legacy(plan, &entry.text)).count() as u64,
        _ => seen.granted[user],
    };
    if granted != expected {
        problems.push(format!("{expected} units were granted, the ledger has {granted}: {permits}"));
    }
    if expired != 0 || (revoked != 0 && kind != Kind::OnceResent) {
        problems.push(format!("units are void, and nothing voided them: {permits}"));
    }
    problems
}

fn is_legacy(plan: &Plan, text: &str) -> bool {
    let legacy = crate::plan::Template::Legacy;
    plan.messages.iter().any(|message| message.text == text && message.template == legacy)
}

fn counts(permit: &Value) -> [u64; 6] {
    ["granted", "available", "reserved", "spent", "expired", "revoked"]
        .map(|name| permit[name].as_u64().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure ends the test")]

    use serde_json::json;

    use super::*;

    /// A round in which everything went well.
    fn good() -> (Plan, Seen) {
        let plan = Plan::draw(1, 0, None);
        let mut seen = Seen {
            ledger: Vec::new(),
            cards: Vec::new(),
            permits: vec![json!({ "permits": [] }); plan.users.len()],
            granted: vec![0; plan.users.len()],
            known: Vec::new(),
            forgotten: Vec::new(),
            pushed: ALL_PUSHED,
            told: Vec::new(),
        };
        for (n, message) in plan.messages.iter().enumerate() {
            let kind = plan.users[message.user].kind;
            let (state, reason) = match kind {
                Kind::Poor if message.deadline_after.is_some() => ("expired", Some("deadline_passed")),
                Kind::Poor => ("failed", Some("no_permit")),
                _ => ("sent", None),
            };
            let is_by_right = !matches!(kind, Kind::Stranger | Kind::Facade | Kind::Poor);
            let permit = is_by_right.then(|| format!("prm_{n}"));
            if let Some(id) = &permit {
                let permits = seen.permits[message.user]["permits"].as_array_mut().unwrap();
                permits.push(json!({
                    "id": id, "granted": 1, "spent": 1, "unlimited": kind == Kind::LongTerm,
                }));
                seen.granted[message.user] += 1;
            }
            if state == "sent" {
                seen.cards.push(Card { id: n as u64, text: message.text.clone() });
            }
            seen.ledger.push(Entry {
                id: format!("msg_{n}"),
                text: message.text.clone(),
                state: state.into(),
                reason: reason.map(str::to_owned),
                attempts: 1,
                permit,
            });
            let id = (kind != Kind::Facade).then(|| format!("msg_{n}"));
            let errcode = (kind == Kind::Facade).then_some(0);
            seen.known.push(Known { id, cancelled: None, errcode });
        }
        let told = |(n, entry): (usize, &Entry)| Told {
            event: format!("whe_{n:03}"),
            kind: told_as(&entry.state).unwrap().to_owned(),
            message: entry.id.clone(),
            user: plan.messages[n].user.to_string(),
        };
        seen.told = seen.ledger.iter().enumerate().map(told).collect();
        let facade = plan.users.iter().position(|user| user.kind == Kind::Facade).unwrap();
        seen.permits[facade] = json!({ "permits": [{ "id": "prm_own", "granted": 1, "available": 1 }] });
        (plan, seen)
    }

    fn of_kind(plan: &Plan, kind: Kind) -> usize {
        plan.messages.iter().position(|message| plan.users[message.user].kind == kind).unwrap()
    }

    /// The violations after one change of a good round.
    fn after(kind: Kind, change: impl FnOnce(&mut Seen, usize, &str)) -> Vec<Violation> {
        let (plan, mut seen) = good();
        let message = of_kind(&plan, kind);
        change(&mut seen, message, &plan.messages[message].text);
        check(&plan, &seen).violations
    }

    #[test]
    fn a_good_round_is_good() {
        let (plan, seen) = good();
        let verdict = check(&plan, &seen);
        assert_eq!(verdict.violations, []);
        assert_eq!(verdict.messages, plan.messages.len() as u64);
    }

    #[test]
    fn what_is_missing_is_lost() {
        let lost = |violations: Vec<Violation>| violations.iter().any(|v| matches!(v, Violation::Lost(_)));
        assert!(lost(after(Kind::Once, |seen, n, _| drop(seen.ledger.remove(n)))));
        assert!(lost(after(Kind::Once, |seen, _, text| seen.cards.retain(|card| card.text != text))));
        assert!(lost(after(Kind::Once, |seen, n, _| seen.ledger[n].state = "sending".into())));
        assert!(lost(after(Kind::Once, |seen, _, text| seen.forgotten.push(text.to_owned()))));
        assert!(lost(after(Kind::Once, |seen, n, _| drop(seen.told.remove(n)))));
    }

    #[test]
    fn what_could_go_on_and_does_not_is_asleep() {
        for state in ["ready", "scheduled"] {
            let violations = after(Kind::Once, |seen, n, _| seen.ledger[n].state = state.into());
            assert!(violations.iter().any(|v| matches!(v, Violation::Asleep(_))), "{violations:?}");
        }
    }

    #[test]
    fn what_is_there_twice_is_doubled() {
        let doubled =
            |violations: Vec<Violation>| violations.iter().any(|v| matches!(v, Violation::Doubled(_)));
        let again = |seen: &mut Seen, _, text: &str| seen.cards.push(Card { id: 0, text: text.to_owned() });
        assert!(doubled(after(Kind::Once, again)));
        assert!(doubled(after(Kind::OnceResent, again)), "it had one attempt");
        assert!(doubled(after(Kind::Once, |seen, n, _| seen.ledger.push(seen.ledger[n].clone()))));
        assert!(doubled(after(Kind::Once, |seen, _, _| {
            seen.cards.push(Card { id: 0, text: "of an earlier round".into() });
        })));
        assert!(doubled(after(Kind::Once, |seen, n, _| seen.told.push(seen.told[n].clone()))));
        let resent = after(Kind::OnceResent, |seen, n, text| {
            seen.ledger[n].attempts = 2;
            again(seen, n, text);
        });
        assert_eq!(resent, [], "its caller chose so");
    }

    #[test]
    fn books_that_do_not_add_up_are_wrong() {
        let wrong = |violations: Vec<Violation>| violations.iter().any(|v| matches!(v, Violation::Wrong(_)));
        assert!(wrong(after(Kind::Forms, |seen, n, _| seen.ledger[n].state = "unknown".into())));
        assert!(
            wrong(after(Kind::Forms, |seen, n, _| seen.ledger[n].permit = None)),
            "a unit is spent for nobody"
        );
        assert!(wrong(after(Kind::Forms, |seen, _, _| seen.granted[0] += 1)));
        assert!(wrong(after(Kind::Once, |seen, n, _| seen.known[n].id = Some("msg_other".into()))));
        assert!(wrong(after(Kind::Once, |seen, n, _| seen.known[n].cancelled = Some(true))));
        assert!(wrong(after(Kind::Once, |seen, n, _| {
            seen.told.push(Told { kind: "message.failed".into(), ..seen.told[n].clone() });
        })));
        assert!(wrong(after(Kind::Once, |seen, _, _| seen.told.reverse())), "users are told of in order");
        assert!(wrong(after(Kind::Forms, |seen, _, _| {
            seen.permits[0]["permits"][0]["granted"] = json!(2);
        })));
    }
}
