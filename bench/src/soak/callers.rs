//! The load: callers that use everything that the gateway does. Each caller sends one request at a time.
//!
//! Most messages come in batches to users `sandbox-undelivered-…`, for whom the sandbox keeps no cards and pushes no events.
//! A caller waits for the last message of each batch, so the gateway is never more than a few batches behind. All other work
//! has a small rate, so that its share does not depend on the speed of the machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::Result;
use crate::client::Connection;
use crate::soak::counts::Counts;
use crate::soak::world::{App, World, ask, read, text};

/// Users who get the batches, in turn.
const USERS: u64 = 20_000;

/// Users who are granted permits and get single messages.
const SINGLE_USERS: u64 = 2_000;

/// The time between two polls of an open message.
const LOOK: Duration = Duration::from_millis(25);

/// The longest time until a message is settled. A longer time counts as a hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// The pause of a caller with a small rate.
const REST: Duration = Duration::from_millis(50);

/// The pause after a failure: a caller that fails at once must not spin.
const AFTER_FAILURE: Duration = Duration::from_millis(250);

/// The running callers.
pub(super) struct Callers {
    tasks: JoinSet<()>,
    is_over: Arc<AtomicBool>,
}

/// The state of a caller.
#[derive(Clone)]
struct Caller {
    world: Arc<World>,
    counts: Arc<Counts>,
    is_over: Arc<AtomicBool>,
    /// Makes numbers that are unique in a run.
    next: Arc<AtomicU64>,
    batch: u32,
}

/// The work that a caller repeats.
#[derive(Debug, Clone, Copy)]
enum Work {
    Batches,
    Singles,
    Troubles,
    Facade,
    Logins,
    Subscribers,
    People,
}

/// Starts all callers.
pub(super) fn start(world: &Arc<World>, counts: &Arc<Counts>, connections: u32, batch: u32) -> Callers {
    let is_over = Arc::new(AtomicBool::new(false));
    let caller = Caller {
        world: Arc::clone(world),
        counts: Arc::clone(counts),
        is_over: Arc::clone(&is_over),
        next: Arc::default(),
        batch,
    };
    let mut tasks = JoinSet::new();
    let others = [
        Work::Troubles,
        Work::Troubles,
        Work::Troubles,
        Work::Facade,
        Work::Logins,
        Work::Subscribers,
        Work::Subscribers,
        Work::People,
    ];
    let batches = std::iter::repeat_n(Work::Batches, connections as usize);
    for work in batches.chain([Work::Singles; 4]).chain(others) {
        tasks.spawn(caller.clone().go_on(work));
    }
    Callers { tasks, is_over }
}

impl Callers {
    /// Stops the callers after their present work.
    pub(super) async fn stop(mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Caller {
    async fn go_on(self, work: Work) {
        while !self.is_over.load(Ordering::Relaxed) {
            let done = match work {
                Work::Batches => self.batches().await,
                Work::Singles => self.singles().await,
                Work::Troubles => self.troubles().await,
                Work::Facade => self.facade().await,
                Work::Logins => self.login().await,
                Work::Subscribers => self.subscriber().await,
                Work::People => self.people().await,
            };
            if let Err(why) = done {
                self.counts.surprise("failed", &format!("{work:?}: {why}"));
                sleep(AFTER_FAILURE).await;
            }
        }
    }

    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Sends batches. Every tenth batch has an idempotency key and is sent twice.
    async fn batches(&self) -> Result {
        let mut api = self.world.api.connect().await?;
        while !self.is_over.load(Ordering::Relaxed) {
            let number = self.number();
            let first = number * u64::from(self.batch);
            let messages: Vec<_> = (first..first + u64::from(self.batch))
                .map(|place| {
                    message(&self.world.bulk, &format!("sandbox-undelivered-{}", place % USERS), "try")
                })
                .collect();
            let body = json!({ "messages": messages }).to_string();
            let key = number.is_multiple_of(10).then(|| format!("batch-{number}"));
            let mut answer =
                api.ask(Method::POST, "/v1/messages", key.as_deref(), body.clone().into()).await?;
            if key.is_some() {
                answer = api.ask(Method::POST, "/v1/messages", key.as_deref(), body.into()).await?;
                self.counts.add("batch repeated");
            }
            let (status, answer) = answer;
            if !status.is_success() {
                return Err(format!("a batch: {status}: {}", String::from_utf8_lossy(&answer)));
            }
            let answer = read(&answer)?;
            let accepted = answer["messages"].as_array().map_or(0, Vec::len);
            self.counts.accept(accepted as u64);
            self.counts.add("batch accepted");
            let last = text(&answer, &format!("/messages/{}/id", accepted.saturating_sub(1)))?;
            self.settled(&mut api, &last).await?;
            self.counts.add("batch settled");
        }
        Ok(())
    }

    /// Grants a user ten units and sends ten messages.
    async fn singles(&self) -> Result {
        let mut api = self.world.api.connect().await?;
        let app = &self.world.mixed;
        while !self.is_over.load(Ordering::Relaxed) {
            let number = self.number();
            let user = format!("sandbox-undelivered-s{}", number % SINGLE_USERS);
            let grant = json!({
                "app": app.appid, "openid": user, "kind": "subscribe_once", "template": app.once, "count": 10,
            });
            api.post("/v1/permits", grant.to_string().into(), StatusCode::CREATED).await?;
            self.counts.add("permits granted");
            for place in 0..10 {
                let body = message(app, &user, "require").to_string();
                let key = format!("single-{number}-{place}");
                let path = if place == 9 { "/v1/messages?wait=5" } else { "/v1/messages" };
                let (status, answer) = api.ask(Method::POST, path, Some(&key), body.clone().into()).await?;
                if !status.is_success() {
                    return Err(format!("a message: {status}: {}", String::from_utf8_lossy(&answer)));
                }
                self.counts.accept(1);
                self.counts.add("message sent");
                if place == 0 {
                    api.ask(Method::POST, path, Some(&key), body.into()).await?;
                    self.counts.add("message repeated");
                }
            }
            sleep(REST).await;
        }
        Ok(())
    }

    /// Sends messages that fail, are cancelled, come too late or are refused.
    async fn troubles(&self) -> Result {
        let mut api = self.world.api.connect().await?;
        let app = &self.world.mixed;
        while !self.is_over.load(Ordering::Relaxed) {
            let number = self.number();
            let (api, world) = (&mut api, &self.world);

            let failing = message(app, &format!("sandbox-43101-{}", number % 500), "try");
            let id = self.send(api, &failing).await?;
            if self.settled(api, &id).await? == "failed" {
                self.counts.add("message failed");
            }

            // Without a callback, an operator must resolve the message; for the app with a callback, WeChat reports the
            // outcome.
            for app in [&world.bulk, app] {
                let lost = message(app, &format!("sandbox-lost-answer-{}", number % 500), "try");
                let id = self.send(api, &lost).await?;
                if self.settled(api, &id).await? != "unknown" {
                    continue;
                }
                let verdict = match number % 3 {
                    0 => json!({ "outcome": "sent" }),
                    _ => json!({ "outcome": "not_sent", "then": "fail" }),
                };
                let path = format!("/v1/messages/{id}/resolve");
                let (status, answer) = api.ask(Method::POST, &path, None, verdict.to_string().into()).await?;
                match status {
                    StatusCode::CONFLICT => self.counts.add("message unknown, reported"),
                    status if status.is_success() => self.counts.add("message unknown, resolved"),
                    _ => return Err(format!("{path}: {status}: {}", String::from_utf8_lossy(&answer))),
                }
            }

            let user = format!("sandbox-undelivered-t{}", number % 500);
            let mut later = message(app, &user, "try");
            later["send_at"] = json!(world.after(24.0));
            let id = self.send(api, &later).await?;
            let (status, _) = api.ask(Method::DELETE, &format!("/v1/messages/{id}"), None, "".into()).await?;
            if status.is_success() {
                self.counts.add("message cancelled");
            }

            // The newer message replaces the older message, and then expires without a permit.
            let mut news = message(app, &user, "wait");
            news["collapse_key"] = json!("news");
            news["deadline"] = json!(world.after(6.0));
            self.send(api, &news).await?;
            let id = self.send(api, &news).await?;
            if self.settled(api, &id).await? != "sent" {
                self.counts.add("message collapsed or expired");
            }

            let mut wrong = message(app, &user, "try");
            wrong["data"] = json!({ "thing1": "a word".repeat(20) });
            let (status, _) = api.ask(Method::POST, "/v1/messages", None, wrong.to_string().into()).await?;
            if status.is_client_error() {
                self.counts.add("message refused");
            }
            sleep(REST).await;
        }
        Ok(())
    }

    /// A program that was written for WeChat and uses the facade.
    async fn facade(&self) -> Result {
        let mut api = self.world.public.connect().await?;
        let app = &self.world.mixed;
        let asked = json!({
            "grant_type": "client_credential", "appid": app.appid, "secret": app.gateway_secret,
        });
        let token = api.post("/cgi-bin/stable_token", asked.to_string().into(), StatusCode::OK).await?;
        let token = text(&read(&token)?, "/access_token")?;
        self.counts.add("facade token");
        while !self.is_over.load(Ordering::Relaxed) {
            let number = self.number();
            let send = json!({
                "touser": format!("sandbox-undelivered-f{}", number % 500), "template_id": app.once,
                "data": {
                    "thing1": { "value": "拿铁咖啡一杯" }, "date2": { "value": "2026年5月1日 09:30" },
                    "amount3": { "value": "¥18.00" },
                },
            });
            let path = format!("/cgi-bin/message/subscribe/send?access_token={token}");
            let answer = read(&api.post(&path, send.to_string().into(), StatusCode::OK).await?)?;
            match answer["errcode"].as_i64() {
                Some(0) => {
                    self.counts.accept(1);
                    self.counts.add("facade send");
                }
                // On the fast clock, the few seconds of the call may be over.
                Some(-1) => self.counts.add("facade send, too late"),
                // The token has expired: fetch another token.
                Some(40_001 | 42_001) => return Ok(()),
                _ => return Err(format!("{path}: {answer}")),
            }
            let path = format!("/cgi-bin/openapi/quota/get?access_token={token}");
            let quota = json!({ "cgi_path": "/cgi-bin/message/subscribe/send" });
            let answer = read(&api.post(&path, quota.to_string().into(), StatusCode::OK).await?)?;
            match answer["errcode"].as_i64() {
                Some(0) => self.counts.add("facade call passed on"),
                _ => return Ok(()),
            }
            sleep(REST).await;
        }
        Ok(())
    }

    /// A mini program logs in, on a connection of its own.
    async fn login(&self) -> Result {
        let mut public = self.world.public.connect().await?;
        let path = format!("/mp/{}/login", self.world.mixed.appid);
        let code = json!({ "code": format!("sandbox-ok-{}", self.number()) });
        let (status, answer) = public.ask(Method::POST, &path, None, code.to_string().into()).await?;
        match status {
            StatusCode::OK => self.counts.add("login"),
            // Logins have a rate limit.
            StatusCode::TOO_MANY_REQUESTS => self.counts.add("login: too many"),
            _ => return Err(format!("{path}: {status}: {}", String::from_utf8_lossy(&answer))),
        }
        sleep(REST).await;
        Ok(())
    }

    /// A user accepts a template, WeChat pushes the event, and a message that waits for the permit is sent. The user's
    /// notifications are off by then, so the sandbox keeps no card.
    async fn subscriber(&self) -> Result {
        let (mut api, mut wechat) = (self.world.api.connect().await?, self.world.wechat.connect().await?);
        let app = &self.world.mixed;
        let users = ask(&mut wechat, "/_sandbox/users", &json!({ "appid": app.appid, "count": 100 })).await?;
        let users: Vec<Value> = users["openids"].as_array().cloned().unwrap_or_default();
        while !self.is_over.load(Ordering::Relaxed) {
            let user = &users[self.number() as usize % users.len()];
            let setting =
                |receives: bool| json!({ "appid": app.appid, "openid": user, "receives": receives });
            let accepts = json!({ "appid": app.appid, "openid": user, "template_id": app.once });
            ask(&mut wechat, "/_sandbox/settings", &setting(true)).await?;
            ask(&mut wechat, "/_sandbox/subscriptions", &accepts).await?;
            ask(&mut wechat, "/_sandbox/settings", &setting(false)).await?;
            self.counts.add("subscription pushed");
            let mut waits = message(app, user.as_str().unwrap_or_default(), "wait");
            waits["deadline"] = json!(self.world.after(48.0));
            self.send(&mut api, &waits).await?;
            // Without a pause at first, to fill the sandbox's log of ten thousand pushes; each turn makes two pushes.
            if self.counts.of("subscription pushed") > 5_000 {
                sleep(REST).await;
            }
        }
        Ok(())
    }

    /// A person who reads pages.
    async fn people(&self) -> Result {
        let mut api = self.world.api.connect().await?;
        let mixed = &self.world.mixed.appid;
        let pages = [
            "/v1/messages?state=unknown&limit=20".to_owned(),
            format!("/v1/messages?app={mixed}&state=failed&limit=20"),
            format!("/v1/events?app={mixed}&limit=20"),
            format!("/v1/permits?app={mixed}&openid=sandbox-undelivered-s1"),
            "/v1/webhooks".to_owned(),
            format!("/v1/apps/{mixed}"),
            "/readyz".to_owned(),
        ];
        while !self.is_over.load(Ordering::Relaxed) {
            for page in &pages {
                let (status, answer) = api.ask(Method::GET, page, None, "".into()).await?;
                if !status.is_success() {
                    return Err(format!("{page}: {status}: {}", String::from_utf8_lossy(&answer)));
                }
                self.counts.add("page of messages");
            }
            sleep(REST * 10).await;
        }
        Ok(())
    }

    async fn send(&self, api: &mut Connection, body: &Value) -> Result<String> {
        let (status, answer) = api.ask(Method::POST, "/v1/messages", None, body.to_string().into()).await?;
        if !status.is_success() {
            return Err(format!("a message: {status}: {}", String::from_utf8_lossy(&answer)));
        }
        self.counts.accept(1);
        text(&read(&answer)?, "/id")
    }

    /// Waits until a message is settled, and returns its state.
    async fn settled(&self, api: &mut Connection, id: &str) -> Result<String> {
        let path = format!("/v1/messages/{id}");
        let look = async {
            loop {
                let (status, answer) = api.ask(Method::GET, &path, None, "".into()).await?;
                if status == StatusCode::NOT_FOUND {
                    // On the fast clock, retention may have deleted the message already.
                    return Ok("gone".to_owned());
                }
                let state = text(&read(&answer)?, "/state")?;
                if !["scheduled", "ready", "sending", "waiting"].contains(&state.as_str()) {
                    return Ok(state);
                }
                sleep(LOOK).await;
            }
        };
        let settled = tokio::time::timeout(PATIENCE, look).await;
        settled.map_err(|_| format!("{path} is not settled after {PATIENCE:?}"))?
    }
}

fn message(app: &App, to: &str, permit: &str) -> Value {
    json!({
        "app": app.appid,
        "to": to,
        "template": app.once,
        "permit": permit,
        "data": { "thing1": "拿铁咖啡一杯", "date2": "2026年5月1日 09:30", "amount3": "¥18.00" },
    })
}
