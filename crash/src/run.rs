//! A run: rounds on one growing database.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hongyan_failpoints::{self as points, Point};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::Result;
use crate::check::{Entry, Seen, Verdict, check, is_at_rest};
use crate::http::Http;
use crate::line::Line;
use crate::load::Load;
use crate::plan::{Death, Plan, SecondDeath};
use crate::process::{Arming, Process, Programs, Started};
use crate::pushes::{EVENTS, Pushed, Pushes, TOKEN};
use crate::sandbox::{Card, Sandbox};
use crate::webhook::{Told, Webhook};

/// The longest time until all messages of a round are at rest: sends of the facade have a deadline of 30 s.
const REST: Duration = Duration::from_secs(60);

/// The time between two polls of moving messages. The API has no call that waits for many messages.
const LOOK_AGAIN: Duration = Duration::from_millis(15);

/// The longest time in which work that is under way after the load may reach a fail point.
const LAST_CHANCE: Duration = Duration::from_millis(700);

/// A gateway token of the facade is valid for two hours. A new token is fetched well before its end.
const TOKEN_AGE: Duration = Duration::from_secs(3_600);

/// A run.
pub(crate) struct Run {
    seed: u64,
    programs: Programs,
    sandbox_process: Process,
    sandbox: Sandbox,
    /// The gateway that serves.
    gateway: Process,
    url: watch::Sender<Option<String>>,
    line: Line,
    webhook: Webhook,
    webhook_path: String,
    gateway_secret: String,
    gateway_token: (String, Instant),
    /// The newest card that was read.
    last_card: u64,
    /// The end of every message of the rounds so far.
    ended: HashMap<String, String>,
}

/// A round and its result.
pub(crate) struct Outcome {
    pub(crate) point: Option<Point>,
    /// Whether the gateway died at the planned point.
    pub(crate) reached: bool,
    pub(crate) verdict: Verdict,
    /// The collected data, for a dump.
    pub(crate) seen: Seen,
}

impl Run {
    /// Starts the sandbox and a gateway on an empty database, with one app.
    pub(crate) async fn start(programs: Programs, seed: u64) -> Result<Self> {
        let http = Http::new();
        let sandbox_process = programs.sandbox().await?;
        let sandbox = Sandbox::of(&sandbox_process, http.clone()).await?;
        let key = programs.key().await?;
        let Started::Ready(gateway) = programs.gateway(&sandbox.url, None).await? else {
            return Err("the gateway was killed".into());
        };
        let (url, receiver) = watch::channel(Some(gateway.text("/gateway")?));
        let line = Line::new(http, &key, receiver);
        let callback = json!({ "token": TOKEN });
        let app = json!({ "appid": sandbox.appid, "secret": sandbox.app_secret, "callback": callback });
        let registered = line.post("/v1/apps", None, &app).await?;
        let secret = registered["gateway_secret"].as_str().ok_or("no gateway secret")?.to_owned();
        let webhook = Webhook::start().await?;
        let types = ["message.sent", "message.failed", "message.unknown"];
        let hook = line.post("/v1/webhooks", None, &json!({ "url": webhook.url, "types": types })).await?;
        let webhook_path = format!("/v1/webhooks/{}", hook["id"].as_str().ok_or("no webhook id")?);
        let mut run = Self {
            seed,
            programs,
            sandbox_process,
            sandbox,
            gateway: *gateway,
            url,
            line,
            webhook,
            webhook_path,
            gateway_secret: secret,
            gateway_token: (String::new(), Instant::now()),
            last_card: 0,
            ended: HashMap::new(),
        };
        run.fetch_gateway_token().await?;
        Ok(run)
    }

    async fn fetch_gateway_token(&mut self) -> Result {
        let path = format!(
            "/cgi-bin/token?grant_type=client_credential&appid={}&secret={}",
            self.sandbox.appid, self.gateway_secret
        );
        let answer = self.line.get(&path).await?;
        let token = answer["access_token"].as_str().ok_or_else(|| format!("no gateway token: {answer}"))?;
        self.gateway_token = (token.to_owned(), Instant::now());
        Ok(())
    }

    /// Runs one round. `point` is the fail point of the death.
    pub(crate) async fn round(&mut self, round: u32, point: Option<Point>) -> Result<Outcome> {
        if self.gateway_token.1.elapsed() > TOKEN_AGE {
            self.fetch_gateway_token().await?;
        }
        let plan = Plan::draw(self.seed, round, point);
        let (death, second) = (plan.death, plan.second);
        let chaos = plan.chaos.clone();
        let load = Load::prepare(plan, round, &self.sandbox, &self.line, &self.gateway_token.0).await?;
        let load = Arc::new(load);
        let pushes = Pushes {
            line: self.line.clone(),
            appid: self.sandbox.appid.clone(),
            openid: self.sandbox.users(1).await?.remove(0),
            template: self.sandbox.templates.once.clone(),
        };
        if let Death::At(arming) = death {
            self.bury().await?;
            self.revive(Some(arming)).await?;
        }
        for rule in &chaos {
            self.sandbox.chaos(rule).await?;
        }

        let answers = self.line.count_answers();
        let callers = tokio::spawn(Arc::clone(&load).run(pushes.clone()));
        let mut reached = self.die(death, answers, &callers).await?;
        self.url.send_replace(None);
        if let Some(second) = second {
            let died = self.die_again(second).await?;
            reached = reached && died;
        }
        self.revive(None).await?;
        let known = timeout(REST * 2, callers).await.map_err(|_| "the callers do not come to an end")?;
        let known = known.map_err(|error| format!("the callers panicked: {error}"))??;
        self.sandbox.clear_chaos().await?;

        let forgotten = load.repeat(&known).await?;
        let ledger = self.rest(&load).await?;
        let pushed = rest_of_events(&pushes).await?;
        let told = self.rest_of_telling().await?;
        let mut permits = Vec::new();
        for user in 0..load.plan.users.len() {
            permits.push(self.line.get(&load.permits_path(user)).await?);
        }
        let cards = self.sandbox.cards_after(self.last_card).await?;
        self.last_card = cards.iter().map(|card: &Card| card.id).max().unwrap_or(self.last_card);
        for entry in &ledger {
            self.ended.insert(entry.id.clone(), entry.state.clone());
        }
        let granted = (0..load.plan.users.len()).map(|user| load.granted(user)).collect();
        let seen = Seen { ledger, cards, permits, granted, known, forgotten, pushed, told };
        Ok(Outcome { point, reached, verdict: check(&load.plan, &seen), seen })
    }

    /// Kills the gateway that serves.
    async fn bury(&mut self) -> Result {
        self.url.send_replace(None);
        self.gateway.kill().await
    }

    /// Starts a gateway that serves.
    async fn revive(&mut self, arming: Option<Arming>) -> Result {
        let mut started = self.programs.gateway(&self.sandbox.url, arming).await?;
        if matches!(started, Started::Died) && arming.is_some() {
            // The gateway reached the fail point while it recovered.
            started = self.programs.gateway(&self.sandbox.url, None).await?;
        }
        let Started::Ready(gateway) = started else {
            return Err("the gateway was killed by somebody else".into());
        };
        self.url.send_replace(Some(gateway.text("/gateway")?));
        self.gateway = *gateway;
        Ok(())
    }

    /// Lets the gateway die under the load. Returns whether it died as planned.
    async fn die(
        &mut self,
        death: Death,
        mut answers: watch::Receiver<usize>,
        callers: &tokio::task::JoinHandle<Result<Vec<crate::load::Known>>>,
    ) -> Result<bool> {
        match death {
            Death::Any { answers: count, then } => {
                // The load may end before this number of answers.
                let _ = timeout(REST, answers.wait_for(|answers| *answers >= count)).await;
                tokio::time::sleep(then).await;
                self.gateway.kill().await?;
                Ok(true)
            }
            Death::At(_) => {
                let mut waited = Duration::ZERO;
                loop {
                    if let Ok(died) = timeout(LOOK_AGAIN, self.gateway.death()).await {
                        died?;
                        return Ok(true);
                    }
                    if callers.is_finished() {
                        waited += LOOK_AGAIN;
                    }
                    if waited > LAST_CHANCE {
                        self.gateway.kill().await?;
                        return Ok(false);
                    }
                }
            }
        }
    }

    /// Lets the gateway die while it recovers. Returns whether it died as planned.
    async fn die_again(&mut self, second: SecondDeath) -> Result<bool> {
        match second {
            SecondDeath::Any(after) => {
                self.programs.stillborn_gateway(&self.sandbox.url, after).await?;
                Ok(true)
            }
            SecondDeath::At(arming) => match self.programs.gateway(&self.sandbox.url, Some(arming)).await? {
                Started::Died => Ok(true),
                Started::Ready(mut gateway) => {
                    // There was nothing to recover.
                    gateway.kill().await?;
                    Ok(false)
                }
            },
        }
    }

    /// Waits until all messages of the round are at rest, and returns the messages.
    async fn rest(&self, load: &Load) -> Result<Vec<Entry>> {
        let begin = Instant::now();
        loop {
            let messages = self.messages_of(load).await?;
            let moving: Vec<&Value> = messages
                .iter()
                .filter(|message| !message["state"].as_str().is_some_and(is_at_rest))
                .collect();
            if moving.is_empty() || begin.elapsed() > REST {
                return self.entries(&messages).await;
            }
            if moving.iter().any(|message| message["reason"]["code"] == "app_paused") {
                self.resume_if_needed().await?;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Ends a pause that an answer of WeChat caused, because it may last for a minute. A pause of an operator must end by
    /// itself.
    async fn resume_if_needed(&self) -> Result {
        let path = format!("/v1/apps/{}", self.sandbox.appid);
        let paused = self.line.get(&path).await?["paused"].take();
        if paused["code"] != "operator" && !paused.is_null() {
            self.line.post(&format!("{path}/resume"), None, &json!({})).await?;
        }
        Ok(())
    }

    /// Waits until the back end has got all events. Returns the events of this round.
    async fn rest_of_telling(&self) -> Result<Vec<Told>> {
        let begin = Instant::now();
        loop {
            let hook = self.line.get(&self.webhook_path).await?;
            if hook["pending"] == 0 || begin.elapsed() > REST {
                return Ok(self.webhook.told());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn messages_of(&self, load: &Load) -> Result<Vec<Value>> {
        // The newest messages come first, and nobody else sends. The limit is twice the number, so that doubled messages show.
        let limit = load.plan.messages.len() * 2 + 1;
        let path = format!("/v1/messages?app={}&limit={limit}", self.sandbox.appid);
        let page = self.line.get(&path).await?;
        let messages = page["messages"].as_array().ok_or_else(|| format!("no messages in {page}"))?;
        let is_ours = |message: &&Value| load.openids.iter().any(|openid| message["to"] == openid.as_str());
        Ok(messages.iter().filter(is_ours).cloned().collect())
    }

    async fn entries(&self, messages: &[Value]) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for message in messages {
            let text = |name: &str| message[name].as_str().map(str::to_owned);
            let id = text("id").ok_or_else(|| format!("a message without an id: {message}"))?;
            let known_as = match text("reference") {
                Some(reference) => reference,
                // A send of the facade has no reference; its first field identifies the message.
                None => {
                    let detail = self.line.get(&format!("/v1/messages/{id}")).await?;
                    let data = &detail["data"];
                    let value = |name: &str| data[name]["value"].as_str().map(str::to_owned);
                    value("keyword1").or_else(|| value("thing1")).unwrap_or_default()
                }
            };
            entries.push(Entry {
                id,
                text: known_as,
                state: text("state").unwrap_or_default(),
                reason: message["reason"]["code"].as_str().map(str::to_owned),
                attempts: message["attempt_count"].as_u64().unwrap_or_default(),
                permit: text("permit"),
            });
        }
        Ok(entries)
    }

    /// All details of the messages with these texts, for a dump.
    pub(crate) async fn details(&self, seen: &Seen, texts: &str) -> Result<Vec<Value>> {
        let mut details = Vec::new();
        for entry in seen.ledger.iter().filter(|entry| texts.contains(&format!("{}:", entry.text))) {
            details.push(self.line.get(&format!("/v1/messages/{}", entry.id)).await?);
        }
        Ok(details)
    }

    /// Checks the whole ledger again, stops all processes by SIGTERM, and lets SQLite check the file.
    pub(crate) async fn finish(mut self) -> Result {
        let late = self.sandbox.cards_after(self.last_card).await?;
        if !late.is_empty() {
            return Err(format!("cards came after the last round had come to rest: {late:?}"));
        }
        let (mut cursor, mut states) = (String::new(), HashMap::new());
        loop {
            let path = format!("/v1/messages?app={}&limit=1000{cursor}", self.sandbox.appid);
            let page = self.line.get(&path).await?;
            for message in page["messages"].as_array().into_iter().flatten() {
                let id = message["id"].as_str().unwrap_or_default();
                let ended = self.ended.remove(id);
                if ended.as_deref() != message["state"].as_str() {
                    return Err(format!("the message had ended as {ended:?}, and is now {message}"));
                }
                *states.entry(ended.unwrap_or_default()).or_default() += 1;
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        if !self.ended.is_empty() {
            return Err(format!("messages of earlier rounds are gone: {:?}", self.ended));
        }
        let path = format!("/v1/stats?app={}", self.sandbox.appid);
        check_figures(&self.line.get(&path).await?["totals"], &states)?;
        self.gateway.stop().await?;
        self.sandbox_process.stop().await?;
        let failed = |error: rusqlite::Error| format!("the database: {error}");
        let database = rusqlite::Connection::open(self.programs.database()).map_err(failed)?;
        let verdict: String =
            database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).map_err(failed)?;
        if verdict == "ok" { Ok(()) } else { Err(format!("the database is damaged: {verdict}")) }
    }
}

/// Waits until all events of the round are processed, and returns the results.
async fn rest_of_events(pushes: &Pushes) -> Result<Pushed> {
    let begin = Instant::now();
    loop {
        let pushed = pushes.look().await?;
        if pushed.done >= u64::from(EVENTS) || begin.elapsed() > REST {
            return Ok(pushed);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Where the gateway dies in this round. Every second round has a random moment. The other rounds take the fail points in turn;
/// the seed selects the first fail point.
pub(crate) fn point_of(seed: u64, round: u32) -> Option<Point> {
    let turn = seed.wrapping_add(u64::from(round / 2)) % points::ALL.len() as u64;
    (round % 2 == 1).then(|| points::ALL[turn as usize])
}

/// Compares the figures of the last day with the number of messages in each final state. A message that was `unknown` for a
/// time counts as `unknown`, too.
fn check_figures(figures: &Value, states: &HashMap<String, u64>) -> Result {
    let figure = |name: &str| figures[name].as_u64().unwrap_or_default();
    let ended = |name: &str| states.get(name).copied().unwrap_or_default();
    let is_right = figure("accepted") == states.values().sum::<u64>()
        && ["sent", "failed", "cancelled", "expired"].iter().all(|name| figure(name) == ended(name))
        && figure("unknown") >= ended("unknown");
    if is_right {
        Ok(())
    } else {
        Err(format!("messages ended as {states:?}, and the figures are {figures}"))
    }
}
