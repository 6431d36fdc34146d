//! WeChat's calls, one method each.
//!
//! Their addresses hold tokens and secrets. Nothing here puts an address into an error, and what a server says
//! is stripped of the secret that it was asked with, should it repeat it.

use bytes::Bytes;
use http::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use super::{Answered, CallError, Client, Failure, Repeat};
use crate::AppId;
use crate::answer::{Answer, NotWeChats, SendAnswer};
use crate::login::{AUTHORIZATION_CODE, LoginAnswer};
use crate::secret::redact;
use crate::templates::{
    LEGACY_PAGE, LegacyTemplate, LegacyTemplateList, LegacyTemplateListRequest, SubscribeTemplate,
    SubscribeTemplateList,
};
use crate::token::{CLIENT_CREDENTIAL, StableTokenRequest, TokenAnswer};

pub(super) const JSON: Option<&str> = Some("application/json");

/// The most pages of legacy templates that are asked for. An app had 25 templates at most; a server that never
/// comes to an end is not WeChat.
const MAX_LEGACY_PAGES: u32 = 50;

impl Client {
    /// `GET /cgi-bin/token`: a new access token. The one before it dies.
    ///
    /// Source: <https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-access-token/api_getaccesstoken.html>.
    ///
    /// # Errors
    /// As WeChat refused, or as there was no answer.
    pub async fn token(&self, appid: &AppId, secret: &SecretString) -> Result<TokenAnswer, CallError> {
        let path = address(
            "/cgi-bin/token",
            &[
                ("grant_type", CLIENT_CREDENTIAL),
                ("appid", appid.as_str()),
                ("secret", secret.expose_secret()),
            ],
        );
        // A second one makes the first void, and nobody has that.
        self.call(Method::GET, &path, None, Bytes::new(), secret, Repeat::IfHungUp).await
    }

    /// `POST /cgi-bin/stable_token`: the access token of today, a new one only if it has expired or is forced.
    ///
    /// Source: <https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-access-token/api_getstableaccesstoken.html>.
    ///
    /// # Errors
    /// As WeChat refused, or as there was no answer.
    pub async fn stable_token(
        &self,
        appid: &AppId,
        secret: &SecretString,
        force_refresh: bool,
    ) -> Result<TokenAnswer, CallError> {
        let body = json(&StableTokenRequest {
            grant_type: CLIENT_CREDENTIAL.to_owned(),
            appid: appid.clone(),
            secret: secret.clone(),
            force_refresh: force_refresh.then_some(true),
        });
        // Forced ones are counted.
        let repeat = if force_refresh { Repeat::Never } else { Repeat::IfHungUp };
        self.call(Method::POST, "/cgi-bin/stable_token", JSON, body, secret, repeat).await
    }

    /// `GET /sns/jscode2session`: who logged in. A code is good once, for five minutes.
    ///
    /// Source: <https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_code2session.html>.
    ///
    /// # Errors
    /// As WeChat refused, or as there was no answer.
    pub async fn login(
        &self,
        appid: &AppId,
        secret: &SecretString,
        code: &str,
    ) -> Result<LoginAnswer, CallError> {
        let path = address(
            "/sns/jscode2session",
            &[
                ("appid", appid.as_str()),
                ("secret", secret.expose_secret()),
                ("js_code", code),
                ("grant_type", AUTHORIZATION_CODE),
            ],
        );
        // A code works once: asked again, the same login would be refused.
        self.call(Method::GET, &path, None, Bytes::new(), secret, Repeat::Never).await
    }

    /// `GET /wxaapi/newtmpl/gettemplate`: the app's templates of subscribe messages.
    ///
    /// Source: <https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-message-management/subscribe-message/api_getwxapubnewtemplate.html>.
    ///
    /// # Errors
    /// As WeChat refused, or as there was no answer.
    pub async fn subscribe_templates(
        &self,
        token: &SecretString,
    ) -> Result<Vec<SubscribeTemplate>, CallError> {
        let path = with_token("/wxaapi/newtmpl/gettemplate", token);
        let list: SubscribeTemplateList =
            self.call(Method::GET, &path, None, Bytes::new(), token, Repeat::IfHungUp).await?;
        Ok(list.data)
    }

    /// `POST /cgi-bin/wxopen/template/list`, page by page: the app's templates of template messages.
    ///
    /// Source: "templateMessage.getTemplateList" of WeChat's server documentation, withdrawn with the capability.
    ///
    /// # Errors
    /// As WeChat refused, or as there was no answer.
    pub async fn legacy_templates(&self, token: &SecretString) -> Result<Vec<LegacyTemplate>, CallError> {
        let path = with_token("/cgi-bin/wxopen/template/list", token);
        let mut all: Vec<LegacyTemplate> = Vec::new();
        for page in 0..MAX_LEGACY_PAGES {
            let body = json(&LegacyTemplateListRequest { offset: page * LEGACY_PAGE, count: LEGACY_PAGE });
            let list: LegacyTemplateList =
                self.call(Method::POST, &path, JSON, body, token, Repeat::IfHungUp).await?;
            let is_last = list.list.len() < LEGACY_PAGE as usize;
            for template in list.list {
                // A template added meanwhile shifts the pages, so that one may come twice.
                if all.iter().all(|t| t.template_id != template.template_id) {
                    all.push(template);
                }
            }
            if is_last {
                break;
            }
        }
        Ok(all)
    }

    /// `POST /cgi-bin/message/subscribe/send`. The body is a
    /// [`SubscribeMessage`](crate::SubscribeMessage) as JSON and is sent as it is.
    ///
    /// Source: <https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-message-management/subscribe-message/api_sendmessage.html>.
    ///
    /// # Errors
    /// Only if WeChat gave no verdict. A refusal is an answer.
    pub async fn send_subscribe(&self, token: &SecretString, body: Bytes) -> Result<SendAnswer, Failure> {
        self.send("/cgi-bin/message/subscribe/send", token, body).await
    }

    /// `POST /cgi-bin/message/wxopen/template/send`. The body is a
    /// [`TemplateMessage`](crate::TemplateMessage) as JSON and is sent as it is.
    ///
    /// Source: "templateMessage.send" of WeChat's server documentation, withdrawn with the capability.
    ///
    /// # Errors
    /// Only if WeChat gave no verdict. A refusal is an answer.
    pub async fn send_template(&self, token: &SecretString, body: Bytes) -> Result<SendAnswer, Failure> {
        self.send("/cgi-bin/message/wxopen/template/send", token, body).await
    }

    async fn send(&self, path: &str, token: &SecretString, body: Bytes) -> Result<SendAnswer, Failure> {
        let answered = self.exchange(Method::POST, &with_token(path, token), JSON, body).await?;
        only_200(&answered)?;
        let mut answer = SendAnswer::parse(&answered.body).map_err(not_wechats)?;
        if !answer.errcode.is_ok() {
            answer.errmsg = redact(&answer.errmsg, token);
        }
        Ok(answer)
    }

    /// One exchange whose answer is `T` in WeChat's envelope. `secret` is what the request was authorised with.
    /// `repeat`: whether it may be asked twice.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: Bytes,
        secret: &SecretString,
        repeat: Repeat,
    ) -> Result<T, CallError> {
        let answered = self.exchange_or_repeat(method, path, content_type, body, repeat).await?;
        only_200(&answered)?;
        let answer = Answer::<T>::parse(&answered.body).map_err(not_wechats)?;
        match answer.body {
            Some(body) => Ok(body),
            None => Err(CallError::Refused {
                errcode: answer.errcode,
                errmsg: redact(&answer.errmsg, secret),
                rid: answer.rid,
            }),
        }
    }
}

/// WeChat answers 200 whatever it says; anything else is from something between us and it.
fn only_200(answered: &Answered) -> Result<(), Failure> {
    match answered.status {
        StatusCode::OK => Ok(()),
        other => Err(Failure::Unanswered(format!("HTTP {other}"))),
    }
}

fn not_wechats(why: NotWeChats) -> Failure {
    Failure::Unanswered(why.to_string())
}

pub(super) fn with_token(path: &str, token: &SecretString) -> String {
    address(path, &[("access_token", token.expose_secret())])
}

pub(super) fn address(path: &str, query: &[(&str, &str)]) -> String {
    let mut address = String::with_capacity(256);
    address.push_str(path);
    address.push('?');
    let start = address.len();
    form_urlencoded::Serializer::for_suffix(address, start).extend_pairs(query).finish()
}

pub(super) fn json(value: &impl Serialize) -> Bytes {
    Bytes::from(serde_json::to_vec(value).expect("these requests have texts, numbers and flags only"))
}
