//! The callers. Several run at a time. Each caller repeats a request with the same idempotency key until it is answered, after
//! any number of deaths of the gateway.

use std::collections::HashMap;
use std::sync::Arc;

use hongyan_clock::{Clock, UnixMillis};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::Result;
use crate::line::Line;
use crate::plan::{Kind, Message, Plan, Step, Template};
use crate::pushes::Pushes;
use crate::sandbox::Sandbox;

/// What the callers know of a message.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// The id in a `202`.
    pub(crate) id: Option<String>,
    /// Whether the message was cancelled, if a caller cancelled it.
    pub(crate) cancelled: Option<bool>,
    /// The errcode of the facade; `None` if the gateway died before the answer, too.
    pub(crate) errcode: Option<i64>,
}

/// Everything that the callers of a round need.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) plan: Plan,
    pub(crate) openids: Vec<String>,
    /// The grants of each user: the grants before the load, and then the late grants one by one.
    grants: Vec<(Vec<Value>, Vec<Value>)>,
    /// The request of each message.
    bodies: Vec<Value>,
    round: u32,
    gateway_token: String,
    sandbox: Sandbox,
    line: Line,
}

impl Load {
    /// Makes the round's users, who submit forms, pay and accept templates.
    pub(crate) async fn prepare(
        plan: Plan,
        round: u32,
        sandbox: &Sandbox,
        line: &Line,
        gateway_token: &str,
    ) -> Result<Self> {
        let openids = sandbox.users(plan.users.len()).await?;
        let mut grants = Vec::new();
        for (user, openid) in plan.users.iter().zip(&openids) {
            let rights = rights(sandbox, &plan, user.kind, openid, user.early, user.late).await?;
            grants.push(rights);
        }
        let forms: Vec<Option<String>> = {
            let mut forms = Vec::new();
            for message in &plan.messages {
                let is_facade_form =
                    plan.users[message.user].kind == Kind::Facade && message.template == Template::Legacy;
                forms.push(if is_facade_form {
                    sandbox.forms(&openids[message.user], 1).await?.pop()
                } else {
                    None
                });
            }
            forms
        };
        let begin = Clock::system().now();
        let body = |(message, form): (&Message, Option<String>)| {
            let openid = &openids[message.user];
            if plan.users[message.user].kind == Kind::Facade {
                facade_body(sandbox, message, openid, form)
            } else {
                body(sandbox, message, openid, begin, plan.users[message.user].kind)
            }
        };
        let bodies = plan.messages.iter().zip(forms).map(body).collect();
        Ok(Self {
            openids,
            grants,
            bodies,
            round,
            gateway_token: gateway_token.to_owned(),
            sandbox: sandbox.clone(),
            line: line.clone(),
            plan,
        })
    }

    /// The units of a user's permits that the ledger must have in the end.
    pub(crate) fn granted(&self, user: usize) -> u64 {
        let (early, late) = &self.grants[user];
        early.iter().chain(late).map(|grant| grant["count"].as_u64().unwrap_or(1)).sum()
    }

    /// Carries out the plan while WeChat pushes. Returns what the callers know of each message.
    pub(crate) async fn run(self: Arc<Self>, pushes: Pushes) -> Result<Vec<Known>> {
        let mut granting = tokio::task::JoinSet::new();
        for user in 0..self.plan.users.len() {
            let load = Arc::clone(&self);
            granting.spawn(async move { load.grant_early(user).await });
        }
        while let Some(done) = granting.join_next().await {
            done.map_err(|error| format!("a caller panicked: {error}"))??;
        }
        let pushing = tokio::spawn(pushes.run());
        let mut callers = tokio::task::JoinSet::new();
        for caller in 0..self.plan.callers.len() {
            let load = Arc::clone(&self);
            callers.spawn(async move { load.call(caller).await });
        }
        let mut known = vec![Known::default(); self.plan.messages.len()];
        while let Some(learned) = callers.join_next().await {
            for (message, learned) in learned.map_err(|error| format!("a caller panicked: {error}"))?? {
                known[message] = learned;
            }
        }
        pushing.await.map_err(|error| format!("the pushes panicked: {error}"))??;
        Ok(known)
    }

    async fn grant_early(&self, user: usize) -> Result {
        let (early, _) = &self.grants[user];
        let mut granted = 0;
        for grant in early {
            self.grant(user, grant, &mut granted).await?;
        }
        Ok(())
    }

    /// Grants a permit. A code may be granted again. Units of a subscription are added up, so the caller reads the permits
    /// before it repeats the grant.
    async fn grant(&self, user: usize, grant: &Value, granted: &mut u64) -> Result {
        let units = grant["count"].as_u64().unwrap_or(1);
        let is_counted = grant["kind"] == "subscribe_once";
        loop {
            let answer = if is_counted {
                self.line.once(Method::POST, "/v1/permits", Some(grant)).await?
            } else {
                Some(self.line.until_answered(Method::POST, "/v1/permits", None, Some(grant)).await?)
            };
            match answer {
                Some(answer) => drop(answer.good("/v1/permits")?),
                None if self.granted_so_far(user).await? == *granted => continue,
                None => {}
            }
            *granted += units;
            return Ok(());
        }
    }

    async fn granted_so_far(&self, user: usize) -> Result<u64> {
        // The process that may have stored the grant must be dead first.
        let permits = self.line.get(&self.permits_path(user)).await?;
        Ok(permits["totals"]["granted"].as_u64().unwrap_or_default())
    }

    /// The path of a user's permits.
    pub(crate) fn permits_path(&self, user: usize) -> String {
        format!("/v1/permits?app={}&openid={}", self.sandbox.appid, self.openids[user])
    }

    async fn call(&self, caller: usize) -> Result<Vec<(usize, Known)>> {
        let mut learned = Vec::new();
        // For each user: the number of late grants so far, and the units granted by then.
        let mut late: HashMap<usize, (usize, u64)> = HashMap::new();
        for step in &self.plan.callers[caller] {
            match step {
                Step::Grant(user) => {
                    let (early, grants) = &self.grants[*user];
                    let (next, granted) = late.entry(*user).or_insert_with(|| {
                        (0, early.iter().map(|grant| grant["count"].as_u64().unwrap_or(1)).sum())
                    });
                    self.grant(*user, &grants[*next], granted).await?;
                    *next += 1;
                }
                Step::Send(message) => {
                    let id = self.send(*message).await?;
                    learned.push((*message, self.accepted(*message, id).await?));
                }
                Step::Batch(batch) => {
                    let ids = self.send_batch(batch).await?;
                    for (&message, id) in batch.iter().zip(ids) {
                        learned.push((message, self.accepted(message, id).await?));
                    }
                }
                Step::Facade(message) => learned.push((*message, self.send_by_facade(*message).await?)),
                Step::RotateTokens => self.sandbox.rotate_tokens().await?,
                Step::Pause(length) => {
                    let until = length.map(|length| Clock::system().now().plus(length).to_string());
                    self.line.post(&self.app_path("pause"), None, &json!({ "until": until })).await?;
                }
                Step::Resume => drop(self.line.post(&self.app_path("resume"), None, &json!({})).await?),
            }
        }
        Ok(learned)
    }

    fn app_path(&self, what: &str) -> String {
        format!("/v1/apps/{}/{what}", self.sandbox.appid)
    }

    async fn send(&self, message: usize) -> Result<String> {
        let key = format!("r{} m{message}", self.round);
        let answer = self.line.post("/v1/messages", Some(&key), &self.bodies[message]).await?;
        id(&answer)
    }

    async fn send_batch(&self, batch: &[usize]) -> Result<Vec<String>> {
        // The first message names the batch: a message is in one batch only.
        let key = format!("r{} b{}", self.round, batch[0]);
        let messages: Vec<&Value> = batch.iter().map(|&message| &self.bodies[message]).collect();
        let answer = self.line.post("/v1/messages", Some(&key), &json!({ "messages": messages })).await?;
        answer["messages"].as_array().into_iter().flatten().map(id).collect()
    }

    async fn accepted(&self, message: usize, id: String) -> Result<Known> {
        let mut cancelled = None;
        if self.plan.messages[message].cancel {
            let path = format!("/v1/messages/{id}");
            let answer = self.line.until_answered(Method::DELETE, &path, None, None).await?;
            cancelled = match answer.status {
                StatusCode::OK => Some(true),
                // The message could not be cancelled any more, or an earlier request whose answer was lost cancelled it.
                StatusCode::CONFLICT => Some(answer.body["state"] == "cancelled"),
                // The message was accepted and is missing: the check will report it.
                StatusCode::NOT_FOUND => None,
                status => return Err(format!("{path}: {status}: {}", answer.body)),
            };
        }
        Ok(Known { id: Some(id), cancelled, errcode: None })
    }

    /// A call of the facade has no idempotency key, so it is sent once.
    async fn send_by_facade(&self, message: usize) -> Result<Known> {
        let path = match self.plan.messages[message].template {
            Template::Legacy => "/cgi-bin/message/wxopen/template/send",
            Template::Once | Template::LongTerm => "/cgi-bin/message/subscribe/send",
        };
        let path = format!("{path}?access_token={}", self.gateway_token);
        let answer = self.line.once(Method::POST, &path, Some(&self.bodies[message])).await?;
        let errcode = answer
            .map(|answer| answer.body["errcode"].as_i64().ok_or_else(|| format!("{path}: {}", answer.body)));
        Ok(Known { errcode: errcode.transpose()?, ..Known::default() })
    }

    /// Repeats every request with an idempotency key. Returns the requests whose answer has another message than before.
    pub(crate) async fn repeat(&self, known: &[Known]) -> Result<Vec<String>> {
        let mut forgotten = Vec::new();
        for step in self.plan.callers.iter().flatten() {
            let repeated = match step {
                Step::Send(message) => vec![(*message, self.send(*message).await?)],
                Step::Batch(batch) => batch.iter().copied().zip(self.send_batch(batch).await?).collect(),
                Step::Grant(_) | Step::Facade(_) | Step::RotateTokens | Step::Pause(_) | Step::Resume => {
                    continue;
                }
            };
            for (message, id) in repeated {
                let before = known[message].id.as_deref().unwrap_or("nothing");
                if before != id {
                    let text = &self.plan.messages[message].text;
                    forgotten.push(format!("{text}: was accepted as {before}, and a repeat as {id}"));
                }
            }
        }
        Ok(forgotten)
    }
}

fn id(answer: &Value) -> Result<String> {
    answer["id"].as_str().map(str::to_owned).ok_or_else(|| format!("a message was not accepted: {answer}"))
}

/// The grants of a user's permits: before the load, and during the load.
async fn rights(
    sandbox: &Sandbox,
    plan: &Plan,
    kind: Kind,
    openid: &str,
    early: u32,
    late: u32,
) -> Result<(Vec<Value>, Vec<Value>)> {
    let grant = |kind: &str, more: Value| {
        let mut grant = json!({ "app": sandbox.appid, "openid": openid, "kind": kind });
        let fields = more.as_object().into_iter().flatten();
        fields.for_each(|(name, value)| grant[name] = value.clone());
        grant
    };
    let templates = &sandbox.templates;
    let mut grants: Vec<Value> = Vec::new();
    match kind {
        Kind::Forms => {
            let forms = sandbox.forms(openid, early + late).await?;
            grants.extend(forms.iter().map(|form| grant("form", json!({ "code": form }))));
        }
        Kind::Payments(uses) => {
            for _ in 0..early + late {
                let code = sandbox.payment(openid, uses).await?;
                grants.push(grant("payment", json!({ "code": code, "count": uses })));
            }
        }
        Kind::Once | Kind::OnceResent => {
            sandbox.accept(openid, &templates.once, early + late).await?;
            let units =
                |count| grant("subscribe_once", json!({ "template": templates.once, "count": count }));
            return Ok((vec![units(early)], (0..late).map(|_| units(1)).collect()));
        }
        Kind::LongTerm => {
            sandbox.accept(openid, &templates.long_term, 1).await?;
            return Ok((
                vec![grant("subscribe_long_term", json!({ "template": templates.long_term }))],
                vec![],
            ));
        }
        Kind::Stranger | Kind::Facade => {
            let accepted = plan.messages.len() as u32;
            sandbox.accept(openid, &templates.once, accepted).await?;
        }
        Kind::Poor => {}
    }
    let late = grants.split_off(grants.len().min(early as usize));
    Ok((grants, late))
}

fn fields(message: &Message) -> Vec<(&'static str, &str)> {
    let text = message.text.as_str();
    match message.template {
        Template::Legacy => vec![("keyword1", text), ("keyword2", "b"), ("keyword3", "c")],
        Template::Once => vec![("thing1", text), ("date2", "2026-05-01"), ("amount3", "¥1.00")],
        Template::LongTerm => vec![("thing1", text), ("time2", "2026-05-01 09:30")],
    }
}

fn template_id<'a>(sandbox: &'a Sandbox, message: &Message) -> &'a str {
    match message.template {
        Template::Legacy => &sandbox.templates.legacy,
        Template::Once => &sandbox.templates.once,
        Template::LongTerm => &sandbox.templates.long_term,
    }
}

fn body(sandbox: &Sandbox, message: &Message, openid: &str, begin: UnixMillis, kind: Kind) -> Value {
    let data: serde_json::Map<_, _> =
        fields(message).into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    let mut body = json!({
        "app": sandbox.appid,
        "to": openid,
        "template": template_id(sandbox, message),
        "data": data,
        "permit": message.policy,
        "on_unknown": if kind == Kind::OnceResent { "resend" } else { "hold" },
        "reference": message.text,
    });
    if let Some(after) = message.send_after {
        body["send_at"] = json!(begin.plus(after).to_string());
    }
    if let Some(after) = message.deadline_after {
        body["deadline"] = json!(begin.plus(after).to_string());
    }
    if message.reserve {
        body["reserve"] = json!("now");
    }
    body
}

fn facade_body(sandbox: &Sandbox, message: &Message, openid: &str, form: Option<String>) -> Value {
    let data: serde_json::Map<_, _> = fields(message)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), json!({ "value": value })))
        .collect();
    let mut body = json!({ "touser": openid, "template_id": template_id(sandbox, message), "data": data });
    if let Some(form) = form {
        body["form_id"] = json!(form);
    }
    body
}
