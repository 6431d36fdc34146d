//! Requests to a gateway that dies and comes back at another address.

use std::time::Duration;

use http::Method;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::Result;
use crate::http::{Answer, Http};

/// The longest time without a gateway.
const PATIENCE: Duration = Duration::from_secs(90);

/// A client of the gateway's newest process. Clones share the address.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    http: Http,
    /// `None` while no process serves.
    url: watch::Receiver<Option<String>>,
    authorization: String,
    /// Counts answers.
    answers: watch::Sender<usize>,
}

impl Line {
    pub(crate) fn new(http: Http, key: &str, url: watch::Receiver<Option<String>>) -> Self {
        Self { http, url, authorization: format!("Bearer {key}"), answers: watch::Sender::new(0) }
    }

    /// Counts the answers from now on.
    pub(crate) fn count_answers(&self) -> watch::Receiver<usize> {
        self.answers.send_replace(0);
        self.answers.subscribe()
    }

    /// Waits until the gateway has another address than `not`, and returns the address.
    async fn url(&self, not: Option<&str>) -> Result<String> {
        let mut url = self.url.clone();
        let found = timeout(PATIENCE, url.wait_for(|url| url.is_some() && url.as_deref() != not)).await;
        let found =
            found.map_err(|_| format!("the gateway did not run or did not answer for {PATIENCE:?}"))?;
        let found = found.map_err(|_| "the harness has ended")?;
        Ok(found.clone().expect("it was waited for"))
    }

    async fn ask(
        &self,
        url: &str,
        method: &Method,
        path: &str,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Option<Answer>> {
        let mut headers = vec![("authorization", self.authorization.as_str())];
        headers.extend(key.map(|key| ("idempotency-key", key)));
        let answer = self.http.ask(method, &format!("{url}{path}"), &headers, body).await?;
        if answer.is_some() {
            self.answers.send_modify(|answers| *answers += 1);
        }
        Ok(answer)
    }

    /// Sends a request, and repeats it after each death until there is an answer.
    pub(crate) async fn until_answered(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answer> {
        let mut url = self.url(None).await?;
        loop {
            if let Some(answer) = self.ask(&url, &method, path, key, body).await? {
                return Ok(answer);
            }
            url = self.url(Some(&url)).await?;
        }
    }

    /// Sends a request once. `None`: the gateway died before the answer.
    pub(crate) async fn once(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Option<Answer>> {
        let url = self.url(None).await?;
        self.ask(&url, &method, path, None, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        self.until_answered(Method::GET, path, None, None).await?.good(path)
    }

    pub(crate) async fn post(&self, path: &str, key: Option<&str>, body: &Value) -> Result<Value> {
        self.until_answered(Method::POST, path, key, Some(body)).await?.good(path)
    }
}
