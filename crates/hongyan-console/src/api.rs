//! How a page asks `/v1`.

use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::answers::{Counted, Kept, Question, Terms};
use crate::refusal::Refusal;
use crate::visit::Visit;

/// The largest answer that a page reads. The largest page of messages is far below.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// An address of `/v1`: its path's parts and its query, each escaped where it is put in.
#[derive(Debug, Clone)]
pub(crate) struct Address(url::Url);

impl Address {
    /// `/v1`, and these parts behind it.
    pub(crate) fn of(parts: &[&str]) -> Self {
        let mut url = url::Url::parse("http://inside/v1").expect("an address");
        url.path_segments_mut().expect("it has a path").extend(parts);
        Self(url)
    }

    /// With a parameter, if there is a value that is not empty.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an Option of a reference is easier to hand over than a reference to one"
    )]
    pub(crate) fn with(mut self, name: &str, value: Option<impl AsRef<str>>) -> Self {
        if let Some(value) = value.as_ref().map(AsRef::as_ref).filter(|value| !value.is_empty()) {
            self.0.query_pairs_mut().append_pair(name, value);
        }
        self
    }

    /// What stands behind `/v1`: a page's address often ends as its call's does.
    pub(crate) fn behind_v1(&self) -> &str {
        self.path_and_query().strip_prefix("/v1").unwrap_or_default()
    }

    fn path_and_query(&self) -> &str {
        &self.0[url::Position::BeforePath..url::Position::AfterQuery]
    }
}

impl Visit {
    /// Reads something.
    pub(crate) async fn get<T: DeserializeOwned>(&self, address: &Address) -> Result<T, Refusal> {
        self.call(Method::GET, address, None, None).await
    }

    /// Reads something, if it is there.
    pub(crate) async fn get_if_there<T: DeserializeOwned>(
        &self,
        address: &Address,
    ) -> Result<Option<T>, Refusal> {
        match self.get(address).await {
            Ok(found) => Ok(Some(found)),
            Err(refusal) if refusal.status == StatusCode::NOT_FOUND => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// Reads something that many look at at the same time: on a page that is open the answer may be a second old.
    pub(crate) async fn get_shared<T: DeserializeOwned>(&self, address: &Address) -> Result<T, Refusal> {
        // Who opens a page sees how things are; pages that are open share what they ask after each commit.
        if !self.is_refresh {
            return self.get(address).await;
        }
        let name = address.behind_v1().to_owned();
        match self.get_kept(name, address.clone(), Terms::PROMPT).await? {
            Some(Counted { value, .. }) => Ok(value),
            // The task that asked has ended without an answer.
            None => self.get(address).await,
        }
    }

    /// Reads something that can take long; nothing, if there is no answer yet. `name` says what the question is about, and
    /// stays the same when its address moves with time.
    pub(crate) async fn get_slow<T: DeserializeOwned>(
        &self,
        name: String,
        address: Address,
    ) -> Result<Option<Counted<T>>, Refusal> {
        self.get_kept(name, address, Terms::SLOW).await
    }

    async fn get_kept<T: DeserializeOwned>(
        &self,
        name: String,
        address: Address,
        terms: Terms,
    ) -> Result<Option<Counted<T>>, Refusal> {
        let question = self.question(name);
        let ask = || self.ask_in_background(question.clone(), address, terms);
        let kept = self.console.answers.get(&question, terms, self.is_refresh, ask).await;
        let Some(Kept { answer, at, .. }) = kept else { return Ok(None) };
        let value = T::deserialize(&*answer?).map_err(Refusal::unreadable)?;
        Ok(Some(Counted { value, at }))
    }

    fn ask_in_background(
        &self,
        question: Question,
        address: Address,
        terms: Terms,
    ) -> watch::Receiver<Option<Kept>> {
        let (answered, asking) = watch::channel(None);
        let visit = self.clone();
        tokio::spawn(async move {
            let asked = (Instant::now(), visit.console.gateway.clock.now());
            let kept = Kept::new(asked, visit.get(&address).await);
            visit.console.answers.keep(&question, kept.clone());
            answered.send_replace(Some(kept));
            // A page that is drawn already shows an older answer, or none.
            if asked.0.elapsed() > terms.patience {
                visit.console.live.ring();
            }
        });
        asking
    }

    /// The name of a question, with what decides who may see its answer.
    fn question(&self, name: String) -> Question {
        let apps = self.person.apps.as_ref().map(|apps| apps.iter().map(ToString::to_string).collect());
        (name, apps, self.person.role.name())
    }

    /// Changes something.
    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        address: &Address,
        body: &impl Serialize,
    ) -> Result<T, Refusal> {
        let body = serde_json::to_vec(body).map_err(Refusal::unreadable)?;
        self.call(method, address, Some(body), None).await
    }

    /// Posts something that is done once, however often it is posted under this name.
    pub(crate) async fn send_once<T: DeserializeOwned>(
        &self,
        address: &Address,
        body: &impl Serialize,
        once: &str,
    ) -> Result<T, Refusal> {
        let body = serde_json::to_vec(body).map_err(Refusal::unreadable)?;
        self.call(Method::POST, address, Some(body), Some(once)).await
    }

    /// Asks for something to be done that needs no body.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        address: &Address,
    ) -> Result<T, Refusal> {
        self.call(method, address, None, None).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        address: &Address,
        body: Option<Vec<u8>>,
        idempotency_key: Option<&str>,
    ) -> Result<T, Refusal> {
        let mut request = Request::builder().method(method).uri(address.path_and_query());
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        let request = request.body(body.map_or_else(Body::empty, Body::from)).map_err(Refusal::unreadable)?;
        let (head, body) =
            self.console.api.call(self.person.clone(), self.note.clone(), request).await.into_parts();
        let body =
            Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(Refusal::unreadable)?.to_bytes();
        if !head.status.is_success() {
            return Err(Refusal::of(head.status, &body));
        }
        // An answer without a body is read as null.
        let body = if body.is_empty() { &b"null"[..] } else { &body };
        serde_json::from_slice(body).map_err(Refusal::unreadable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_into_an_address_is_escaped() {
        let address = Address::of(&["apps", "wx/../a?b"]).with("q", Some("a&b=c")).with("none", None::<&str>);
        assert_eq!(address.path_and_query(), "/v1/apps/wx%2F..%2Fa%3Fb?q=a%26b%3Dc");
        assert_eq!(Address::of(&["messages"]).with("state", Some("")).path_and_query(), "/v1/messages");
    }
}
