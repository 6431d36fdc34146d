//! The simulated WeChat: actions of users, cards, and faults.

use http::Method;
use serde_json::{Value, json};

use crate::Result;
use crate::http::Http;
use crate::process::Process;

/// The templates of the app.
#[derive(Debug, Clone)]
pub(crate) struct Templates {
    pub(crate) legacy: String,
    pub(crate) once: String,
    pub(crate) long_term: String,
}

/// A handle to the sandbox.
#[derive(Debug, Clone)]
pub(crate) struct Sandbox {
    http: Http,
    pub(crate) url: String,
    pub(crate) appid: String,
    pub(crate) app_secret: String,
    pub(crate) templates: Templates,
}

impl Sandbox {
    pub(crate) async fn of(process: &Process, http: Http) -> Result<Self> {
        let url = process.text("/sandbox")?;
        let mut sandbox = Self {
            http,
            appid: process.text("/appid")?,
            app_secret: process.text("/app_secret")?,
            templates: Templates {
                legacy: process.text("/templates/legacy")?,
                once: process.text("/templates/subscribe")?,
                long_term: String::new(),
            },
            url,
        };
        let seed = sandbox.call(Method::GET, "seed", None).await?;
        let long_term = seed["long_term_template"].as_str();
        long_term
            .ok_or_else(|| format!("no long-term template in {seed}"))?
            .clone_into(&mut sandbox.templates.long_term);
        Ok(sandbox)
    }

    async fn call(&self, method: Method, call: &str, body: Option<Value>) -> Result<Value> {
        let url = format!("{}/_sandbox/{call}", self.url);
        let answer = self.http.ask(&method, &url, &[], body.as_ref()).await?;
        answer.ok_or_else(|| format!("the sandbox died: {call}"))?.good(call)
    }

    async fn does(&self, call: &str, mut body: Value) -> Result<Value> {
        body["appid"] = json!(self.appid);
        self.call(Method::POST, call, Some(body)).await
    }

    pub(crate) async fn users(&self, count: usize) -> Result<Vec<String>> {
        texts(&self.does("users", json!({ "count": count })).await?["openids"])
    }

    pub(crate) async fn forms(&self, openid: &str, count: u32) -> Result<Vec<String>> {
        texts(&self.does("forms", json!({ "openid": openid, "count": count })).await?["form_ids"])
    }

    pub(crate) async fn payment(&self, openid: &str, uses: u32) -> Result<String> {
        let paid = self.does("payments", json!({ "openid": openid, "uses": uses })).await?;
        Ok(paid["prepay_id"].as_str().unwrap_or_default().to_owned())
    }

    pub(crate) async fn accept(&self, openid: &str, template: &str, count: u32) -> Result {
        let accepted = json!({ "openid": openid, "template_id": template, "count": count });
        self.does("subscriptions", accepted).await.map(drop)
    }

    /// Ends every access token.
    pub(crate) async fn rotate_tokens(&self) -> Result {
        self.does("tokens/rotate", json!({})).await.map(drop)
    }

    pub(crate) async fn chaos(&self, rule: &Value) -> Result {
        self.call(Method::POST, "chaos", Some(rule.clone())).await.map(drop)
    }

    pub(crate) async fn clear_chaos(&self) -> Result {
        self.call(Method::DELETE, "chaos", None).await.map(drop)
    }

    /// All cards after this card, oldest first.
    pub(crate) async fn cards_after(&self, id: u64) -> Result<Vec<Card>> {
        let call = format!("inbox?appid={}&since={id}", self.appid);
        let cards = self.call(Method::GET, &call, None).await?;
        Ok(cards.as_array().into_iter().flatten().map(Card::read).collect())
    }
}

fn texts(list: &Value) -> Result<Vec<String>> {
    let list = list.as_array().ok_or("the sandbox answered without a list")?;
    Ok(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// A card that a user saw.
#[derive(Debug, Clone)]
pub(crate) struct Card {
    pub(crate) id: u64,
    /// The value of the first field, which identifies the message.
    pub(crate) text: String,
}

impl Card {
    fn read(card: &Value) -> Self {
        let text = card["fields"][0]["value"].as_str().unwrap_or_default().to_owned();
        Self { id: card["id"].as_u64().unwrap_or_default(), text }
    }
}
