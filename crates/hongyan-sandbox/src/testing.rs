//! Helpers of this crate's tests: a sandbox with its own clock, called without a network.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use hongyan_clock::Clock;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::control::openapi_check::check_answer;
use crate::inner::Inner;
use crate::{Sandbox, SandboxConfig, Seed};

/// A fresh sandbox.
pub(crate) struct Platform {
    pub(crate) sandbox: Sandbox,
    pub(crate) seed: Seed,
    pub(crate) router: Router,
}

impl Platform {
    pub(crate) fn new() -> Self {
        Self::of(Sandbox::new(SandboxConfig::new(Clock::system())).unwrap())
    }

    pub(crate) fn of(sandbox: Sandbox) -> Self {
        Self { router: sandbox.router(), seed: sandbox.seed(), sandbox }
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.sandbox.inner
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, body: Body) -> Response {
        let request = Request::builder().method(method).uri(path).body(body).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Asks for a JSON answer, which must be as the OpenAPI description says.
    async fn ask_json(&self, method: Method, path: &str, body: Body) -> (StatusCode, Value) {
        let (status, answer) = json_of(self.ask(method.clone(), path, body).await).await;
        check_answer(&method, path, status, &answer);
        (status, answer)
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.ask_json(Method::GET, path, Body::empty()).await.1
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        self.try_post(path, body).await.1
    }

    pub(crate) async fn try_post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.ask_json(Method::POST, path, Body::from(body.to_string())).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Value {
        self.ask_json(Method::DELETE, path, Body::empty()).await.1
    }

    /// Sends a call of the phone's user: the body names app and user besides `more`.
    pub(crate) async fn user_does(&self, path: &str, more: Value) -> Value {
        let mut body = json!({ "appid": self.seed.appid, "openid": self.seed.openid });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.post(path, body).await
    }

    pub(crate) async fn token(&self) -> String {
        let Seed { appid, app_secret, .. } = &self.seed;
        let path = format!("/cgi-bin/token?grant_type=client_credential&appid={appid}&secret={app_secret}");
        self.get(&path).await["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn form_id(&self) -> String {
        self.user_does("/_sandbox/forms", json!({})).await["form_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn accept(&self, template_id: &str) {
        let answer = self.user_does("/_sandbox/subscriptions", json!({ "template_id": template_id })).await;
        assert_eq!(answer["results"][template_id], "accept", "{answer}");
    }

    /// A valid template message.
    pub(crate) fn template_message(&self, form_id: &str) -> Value {
        json!({
            "touser": self.seed.openid, "template_id": self.seed.legacy_template, "form_id": form_id,
            "page": "pages/index/index?from=card", "emphasis_keyword": "keyword1.DATA",
            "data": {
                "keyword1": { "value": "拿铁", "color": "#173177" },
                "keyword2": { "value": "2026年5月1日 09:30" },
                "keyword3": { "value": "已受理" },
            },
        })
    }

    /// A valid subscribe message.
    pub(crate) fn subscribe_message(&self) -> Value {
        json!({
            "touser": self.seed.openid, "template_id": self.seed.subscribe_template,
            "data": {
                "thing1": { "value": "拿铁" },
                "date2": { "value": "2026年5月1日 09:30" },
                "amount3": { "value": "￥18.00" },
            },
        })
    }

    pub(crate) async fn send_template(&self, token: &str, message: Value) -> Value {
        self.post(&format!("/cgi-bin/message/wxopen/template/send?access_token={token}"), message).await
    }

    pub(crate) async fn send_subscribe(&self, token: &str, message: Value) -> Value {
        self.post(&format!("/cgi-bin/message/subscribe/send?access_token={token}"), message).await
    }

    pub(crate) async fn inbox(&self) -> Vec<Value> {
        let Seed { appid, openid, .. } = &self.seed;
        let answer = self.get(&format!("/_sandbox/inbox?appid={appid}&openid={openid}")).await;
        answer.as_array().unwrap().clone()
    }
}

pub(crate) async fn json_of(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&bytes);
    (status, serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{e}: {text}")))
}
