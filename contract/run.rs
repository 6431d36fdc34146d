//! Runs a case, and checks what must hold afterwards.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use serde_json::{Map, Value, json};

use crate::case::{Callback, Case, Named, Step};
use crate::files::path_of;
use crate::receiver::{KEY, Receiver, TOKEN};
use crate::world::{Account, Answer, World};

/// The number of polls, and the pause between two polls, for a state that has no signal. Only a failure needs all polls.
const LOOKS: u32 = 2_000;
const LOOK_PAUSE: Duration = Duration::from_millis(5);

/// The outcome of a step: an answer, or the error of a broken connection.
type Outcome = Result<Answer, String>;

/// Runs a case in a new sandbox, with all checks.
pub async fn in_sandbox(named: &Named) -> Result<(), String> {
    let mut world = World::sandbox().await;
    let Named { case, .. } = named;
    let outcome = play(&mut world, case).await?;
    check_answer(&world, case, outcome)?;
    check_log(&mut world, case).await?;
    check_phone(&mut world, case).await?;
    check_pushes(&world, case).await?;
    for step in &case.after.steps {
        step_well(&mut world, step).await.map_err(|why| format!("afterwards: {why}"))?;
    }
    Ok(())
}

/// Runs a case with a real account. Checks that need the sandbox are left out.
pub async fn against_the_real_one(named: &Named, account: &Account) -> Result<(), String> {
    let mut world = World::real(account);
    let outcome = play(&mut world, &named.case).await?;
    check_answer(&world, &named.case, outcome)
}

async fn play(world: &mut World, case: &Case) -> Result<Outcome, String> {
    for step in &case.before {
        step_well(world, step).await.map_err(|why| format!("before: {why}"))?;
    }
    let mut outcome = Err("the request was never sent".to_owned());
    for _ in 0..case.request.times.unwrap_or(1) {
        outcome = take(world, &case.request).await?;
    }
    if let Ok(answer) = &outcome {
        save(world, &case.request.save, answer)?;
    }
    Ok(outcome)
}

/// Carries out a step before or after the request, as often as it says. Each answer must match its expectations, or at least
/// not be a refusal.
async fn step_well(world: &mut World, step: &Step) -> Result<(), String> {
    for _ in 0..step.times.unwrap_or(1) {
        let outcome = take(world, step).await?;
        let Ok(answer) = outcome else {
            if step.lost {
                continue;
            }
            return Err(format!("{step:?} had no answer: {}", outcome.unwrap_err()));
        };
        save(world, &step.save, &answer)?;
        if step.expect.is_empty() {
            let errcode = answer.body.get("errcode").and_then(Value::as_i64).unwrap_or(0);
            if answer.status >= 400 || errcode != 0 {
                return Err(format!("{step:?} was refused: {} {}", answer.status, shown(world, &answer)));
            }
        }
        expect(world, &step.expect, &answer)?;
    }
    Ok(())
}

fn save(world: &mut World, names: &BTreeMap<String, String>, answer: &Answer) -> Result<(), String> {
    for (name, path) in names {
        let value = at(&answer.body, path).ok_or_else(|| format!("no {path} in {}", shown(world, answer)))?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        // Cases that save an errmsg need only its rid.
        let text = text.rsplit_once("rid: ").map(|(_, rid)| rid.to_owned()).unwrap_or(text);
        world.names.insert(name.clone(), text);
    }
    Ok(())
}

/// Starts a back end for the case, which takes the app's pushes.
async fn set_callback(world: &mut World, callback: &Callback) -> Result<Answer, String> {
    let appid = world.names["appid"].parse().map_err(|e| format!("{e}"))?;
    let receiver = Receiver::start(appid, callback).await;
    let body = json!({
        "appid": world.names["appid"], "url": receiver.url, "token": TOKEN, "encoding_aes_key": KEY,
        "mode": callback.mode, "format": callback.format,
    });
    world.receiver = Some(receiver);
    let answer = world.ask(Method::POST, "/_sandbox/callback", "application/json", body.to_string()).await?;
    let is_refused = answer.body["code"] == "callback_check_failed";
    if callback.chunked_check != is_refused || (is_refused && !answer.text.contains("chunked")) {
        return Err(format!("the check of the address came to {}", answer.text));
    }
    Ok(if is_refused { Answer { status: 200, ..answer } } else { answer })
}

/// Carries out a step.
async fn take(world: &mut World, step: &Step) -> Result<Outcome, String> {
    let who = json!({ "appid": "$appid", "openid": "$openid" });
    let user = |more: Value| {
        let mut body = who.as_object().unwrap().clone();
        body.extend(more.as_object().unwrap().clone());
        Value::Object(body)
    };
    if let Some(callback) = &step.callback {
        return set_callback(world, callback).await.map(Ok);
    }
    let done = if let Some(template) = &step.accept {
        Some(("/_sandbox/subscriptions", user(json!({ "template_id": format!("${template}") })), None))
    } else if let Some(name) = &step.form {
        Some(("/_sandbox/forms", who.clone(), Some((name.as_str(), "form_id"))))
    } else if let Some(uses) = step.pay {
        Some(("/_sandbox/payments", user(json!({ "uses": uses })), Some(("prepay_id", "prepay_id"))))
    } else if let Some(name) = &step.login {
        Some(("/_sandbox/login", who.clone(), Some((name.as_str(), "code"))))
    } else if let Some(seconds) = step.advance {
        Some(("/_sandbox/clock", json!({ "advance_seconds": seconds }), None))
    } else {
        step.at.as_ref().map(|moment| ("/_sandbox/clock", json!({ "set": moment }), None))
    };
    if let Some((path, body, saved)) = done {
        let body = world.fill(&body.to_string());
        let answer = world.ask(Method::POST, path, "application/json", body).await?;
        if let Some((name, member)) = saved {
            save(world, &BTreeMap::from([(name.to_owned(), member.to_owned())]), &answer)?;
        }
        return Ok(Ok(answer));
    }

    let (method, path, body) = request_of(step)?;
    if (path.contains("$token") || body.contains("$token")) && !world.names.contains_key("token") {
        let token = fetch_token(world).await?;
        world.names.insert("token".to_owned(), token);
    }
    let (path, body) = (world.fill(&path), world.fill(&body));
    let content_type = step.content_type.as_deref().unwrap_or("application/json");
    if step.under_way {
        world.ask_in_background(method, &path, content_type, body);
        return until_under_way(world).await.map(Ok);
    }
    if step.chunked {
        return Ok(world.ask_in_pieces(method, &path, content_type, body).await);
    }
    Ok(world.ask(method, &path, content_type, body).await)
}

/// Waits until the sandbox has begun a slow send.
async fn until_under_way(world: &World) -> Result<Answer, String> {
    for _ in 0..LOOKS {
        let overview = world.ask(Method::GET, "/_sandbox/overview", "", String::new()).await?;
        if overview.body["slow_sends"] != json!(0) {
            return Ok(overview);
        }
        // Polling without a pause would keep the sandbox from its work.
        tokio::time::sleep(LOOK_PAUSE).await;
    }
    Err("the slow send was not begun".to_owned())
}

fn request_of(step: &Step) -> Result<(Method, String, String), String> {
    if let Some(kind) = &step.send {
        let mut message = right_message(kind);
        for (path, value) in &step.set {
            put(&mut message, path, Some(value.clone()));
        }
        for path in &step.unset {
            put(&mut message, path, None);
        }
        return Ok((Method::POST, format!("{}?access_token=$token", path_of(step)), message.to_string()));
    }
    let ways = [
        (&step.get, Method::GET),
        (&step.post, Method::POST),
        (&step.put, Method::PUT),
        (&step.delete, Method::DELETE),
    ];
    let (path, method) = ways
        .into_iter()
        .find_map(|(path, method)| path.clone().map(|path| (path, method)))
        .ok_or_else(|| format!("{step:?} does nothing"))?;
    Ok((method, path, step.body.clone().unwrap_or_default()))
}

/// A valid message.
fn right_message(kind: &str) -> Value {
    if kind == "subscribe" {
        json!({
            "touser": "$openid", "template_id": "$once", "page": "pages/index/index",
            "data": {
                "thing1": { "value": "拿铁" }, "date2": { "value": "2026年5月1日 09:30" },
                "amount3": { "value": "￥18.00" },
            },
        })
    } else {
        json!({
            "touser": "$openid", "template_id": "$legacy", "form_id": "$form_id", "page": "pages/index/index",
            "data": {
                "keyword1": { "value": "拿铁" }, "keyword2": { "value": "2026年5月1日 09:30" },
                "keyword3": { "value": "已受理" },
            },
        })
    }
}

/// Sets or removes a member, by its path.
fn put(body: &mut Value, path: &str, value: Option<Value>) {
    let (around, name) = path.rsplit_once('.').unwrap_or(("", path));
    let mut place = body;
    for part in around.split('.').filter(|part| !part.is_empty()) {
        place = place.as_object_mut().unwrap().entry(part).or_insert_with(|| Value::Object(Map::new()));
    }
    let map = place.as_object_mut().unwrap();
    match value {
        Some(value) => map.insert(name.to_owned(), value),
        None => map.remove(name),
    };
}

async fn fetch_token(world: &World) -> Result<String, String> {
    let body = r#"{"grant_type":"client_credential","appid":"$appid","secret":"$secret"}"#;
    let body = world.fill(body);
    let answer = world.ask(Method::POST, "/cgi-bin/stable_token", "application/json", body).await?;
    let token = answer.body["access_token"].as_str();
    token.map(str::to_owned).ok_or_else(|| format!("no token: {}", answer.body["errcode"]))
}

/// Checks the rules for every answer of WeChat, and the expectations of the case.
fn check_answer(world: &World, case: &Case, outcome: Outcome) -> Result<(), String> {
    let answer = match (outcome, case.request.lost) {
        (Err(_), true) => return Ok(()),
        (Ok(answer), true) => {
            return Err(format!("the connection should have ended: {}", shown(world, &answer)));
        }
        (Err(why), false) => return Err(format!("no answer: {why}")),
        (Ok(answer), false) => answer,
    };
    if is_wechats(case) && !case.expect.contains_key("status") {
        if answer.status != 200 || !answer.body.is_object() {
            return Err(format!(
                "WeChat answers 200 with an object: {} {}",
                answer.status,
                shown(world, &answer)
            ));
        }
        let errcode = answer.body.get("errcode").and_then(Value::as_i64).unwrap_or(0);
        let errmsg = answer.body.get("errmsg").and_then(Value::as_str).unwrap_or_default();
        if errcode != 0 && !errmsg.contains("rid: ") {
            return Err(format!("a refusal has words and a rid: {}", shown(world, &answer)));
        }
    }
    expect(world, &case.expect, &answer)
}

fn is_wechats(case: &Case) -> bool {
    !path_of(&case.request).starts_with("/_sandbox")
}

fn expect(world: &World, wanted: &BTreeMap<String, Value>, answer: &Answer) -> Result<(), String> {
    for (path, wanted) in wanted {
        let path = world.fill(path);
        let got = match path.as_str() {
            "status" => Some(json!(answer.status)),
            "text" => Some(json!(answer.text)),
            // A successful answer may leave errcode out.
            "errcode" => Some(answer.body.get("errcode").cloned().unwrap_or(json!(0))),
            _ => at(&answer.body, &path).cloned(),
        };
        if !matches(world, wanted, got.as_ref()) {
            let got = match got {
                None => "nothing".to_owned(),
                Some(got) if world.is_real() && !got.is_number() => "something else".to_owned(),
                Some(got) => got.to_string(),
            };
            return Err(format!("{path} should be {wanted} and is {got}, in {}", shown(world, answer)));
        }
    }
    Ok(())
}

/// `<text>`, `<number>`, `<null>`, `<absent>`, `~part of a text`, `len 3` of a list, or the value itself.
fn matches(world: &World, wanted: &Value, got: Option<&Value>) -> bool {
    let Some(word) = wanted.as_str() else { return got == Some(wanted) };
    let word = world.fill(word);
    match (word.as_str(), got) {
        ("<absent>", got) => got.is_none(),
        (_, None) => false,
        ("<text>", Some(got)) => got.as_str().is_some_and(|text| !text.is_empty()),
        ("<number>", Some(got)) => got.is_number(),
        ("<null>", Some(got)) => got.is_null(),
        (word, Some(got)) => {
            if let Some(part) = word.strip_prefix('~') {
                return got.as_str().is_some_and(|text| text.contains(part));
            }
            if let Some(length) = word.strip_prefix("len ").and_then(|digits| digits.parse::<usize>().ok()) {
                return got.as_array().is_some_and(|list| list.len() == length);
            }
            got.as_str() == Some(word)
        }
    }
}

/// An answer as text for an error. An answer of the real WeChat may hold a token or a session_key, which must not get into
/// logs.
fn shown(world: &World, answer: &Answer) -> String {
    if world.is_real() {
        format!("an answer with errcode {}", answer.body["errcode"])
    } else {
        answer.text.clone()
    }
}

/// The value at a path like `quota.used` or `data.0.title`; `.` is the whole body.
fn at<'a>(body: &'a Value, path: &str) -> Option<&'a Value> {
    if path == "." {
        return Some(body);
    }
    path.split('.').try_fold(body, |value, part| match part.parse::<usize>() {
        Ok(index) if value.is_array() => value.get(index),
        _ => value.get(part),
    })
}

/// Checks that the sandbox's log has the errcode and no secret.
async fn check_log(world: &mut World, case: &Case) -> Result<(), String> {
    if !is_wechats(case) || case.request.lost {
        return Ok(());
    }
    let path = path_of(&case.request);
    let log =
        world.ask(Method::GET, &format!("/_sandbox/requests?path={path}&limit=1"), "", String::new()).await?;
    if let Some(errcode) = case.errcode()
        && log.body[0]["errcode"] != json!(errcode)
    {
        return Err(format!("the log should say {errcode}: {}", log.text));
    }
    for secret in ["secret", "token"].iter().filter_map(|name| world.names.get(*name)) {
        if log.text.contains(secret.as_str()) {
            return Err(format!("the log has a secret: {}", log.text));
        }
    }
    if let Some(wanted) = &case.after.complaints {
        let codes: Vec<_> =
            log.body[0]["complaints"].as_array().into_iter().flatten().map(|c| &c["code"]).collect();
        if json!(codes) != json!(wanted) {
            return Err(format!("the complaints should be {wanted:?} and are {codes:?}"));
        }
    }
    Ok(())
}

/// Checks the pushes that the back end got, after no push waits any more.
async fn check_pushes(world: &World, case: &Case) -> Result<(), String> {
    if case.after.pushes.is_empty() {
        return Ok(());
    }
    let idle = "/_sandbox/pushes?idle_within_ms=20000";
    let log = world.ask(Method::GET, idle, "", String::new()).await?;
    let receiver = world.receiver.as_ref().ok_or("the case expects pushes and has no callback")?;
    let body = json!({ "got": receiver.got(), "log": log.body["pushes"] });
    let pushes = Answer { status: log.status, text: body.to_string(), body };
    expect(world, &case.after.pushes, &pushes).map_err(|why| format!("pushes: {why}"))
}

/// Checks the cards on the phone, and the messages that the user still allows.
async fn check_phone(world: &mut World, case: &Case) -> Result<(), String> {
    let receiver = case.request.set.get("touser").and_then(Value::as_str).unwrap_or("$openid");
    let path = world.fill(&format!("/_sandbox/inbox?appid=$appid&openid={receiver}"));
    let inbox = world.ask(Method::GET, &path, "", String::new()).await?;
    // A user that does not exist has no inbox.
    let cards = inbox.body.as_array().map_or(0, Vec::len);
    if cards != case.after.cards {
        return Err(format!("the phone should have {} cards: {}", case.after.cards, inbox.text));
    }
    if !case.after.card.is_empty() {
        let newest = inbox.body.as_array().and_then(|cards| cards.last()).cloned().unwrap_or_default();
        let card = Answer { status: inbox.status, text: newest.to_string(), body: newest };
        expect(world, &case.after.card, &card).map_err(|why| format!("the newest card: {why}"))?;
    }
    if let Some(wanted) = case.after.units {
        let overview = world.ask(Method::GET, "/_sandbox/overview", "", String::new()).await?;
        let units = units_of(world, &overview.body);
        if units != wanted {
            return Err(format!("the user should still allow {wanted} messages and allows {units}"));
        }
    }
    Ok(())
}

fn units_of(world: &World, overview: &Value) -> u64 {
    let find = |list: &Value, name: &str, wanted: &str| {
        list.as_array().into_iter().flatten().find(|entry| entry[name] == world.fill(wanted)).cloned()
    };
    find(&overview["apps"], "appid", "$appid")
        .and_then(|app| find(&app["users"], "openid", "$openid"))
        .and_then(|user| find(&user["subscriptions"], "template_id", "$once"))
        .and_then(|subscription| subscription["units"].as_u64())
        .unwrap_or(0)
}
