//! WeChat's calls, one method each.
//!
//! The URLs of these calls contain tokens and secrets. No error here contains a URL, and a server's text is cleaned of
//! the request's secret, in case the server repeats it.

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

/// The most pages of legacy templates that are fetched. An app had at most 25 templates; a server with endless pages is
/// not WeChat.
const MAX_LEGACY_PAGES: u32 = 50;

impl Client {
    /// `GET /cgi-bin/token`: fetches a new access token and invalidates the token before.
    ///
    /// Source: <https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-access-token/api_getaccesstoken.html>.
    ///
    /// # Errors
    /// When WeChat refuses the call or does not answer.
    pub async fn token(&self, appid: &AppId, secret: &SecretString) -> Result<TokenAnswer, CallError> {
        let path = address(
            "/cgi-bin/token",
            &[
                ("grant_type", CLIENT_CREDENTIAL),
                ("appid", appid.as_str()),
                ("secret", secret.expose_secret()),
            ],
        );
        // A repeat would invalidate the first token, which nobody would have received.
        self.call(Method::GET, &path, None, Bytes::new(), secret, Repeat::IfHungUp).await
    }

    /// `POST /cgi-bin/stable_token`: fetches the current access token. WeChat makes a new token only after expiry or when
    /// forced.
    ///
    /// Source: <https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-access-token/api_getstableaccesstoken.html>.
    ///
    /// # Errors
    /// When WeChat refuses the call or does not answer.
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
        // WeChat counts forced refreshes.
        let repeat = if force_refresh { Repeat::Never } else { Repeat::IfHungUp };
        self.call(Method::POST, "/cgi-bin/stable_token", JSON, body, secret, repeat).await
    }

    /// `GET /sns/jscode2session`: finds out who logged in. A code works once, for five minutes.
    ///
    /// Source: <https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_code2session.html>.
    ///
    /// # Errors
    /// When WeChat refuses the call or does not answer.
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
        // A code works once: a repeat would refuse the same login.
        self.call(Method::GET, &path, None, Bytes::new(), secret, Repeat::Never).await
    }

    /// `GET /wxaapi/newtmpl/gettemplate`: lists the app's templates of subscribe messages.
    ///
    /// Source: <https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-message-management/subscribe-message/api_getwxapubnewtemplate.html>.
    ///
    /// # Errors
    /// When WeChat refuses the call or does not answer.
    pub async fn subscribe_templates(
        &self,
        token: &SecretString,
    ) -> Result<Vec<SubscribeTemplate>, CallError> {
        let path = with_token("/wxaapi/newtmpl/gettemplate", token);
        let list: SubscribeTemplateList =
            self.call(Method::GET, &path, None, Bytes::new(), token, Repeat::IfHungUp).await?;
        Ok(list.data)
    }

    /// `POST /cgi-bin/wxopen/template/list`, page by page: lists the app's templates of template messages.
    ///
    /// Source: "templateMessage.getTemplateList" of WeChat's server documentation, withdrawn with the capability.
    ///
    /// # Errors
    /// When WeChat refuses the call or does not answer.
    pub async fn legacy_templates(&self, token: &SecretString) -> Result<Vec<LegacyTemplate>, CallError> {
        let path = with_token("/cgi-bin/wxopen/template/list", token);
        let mut all: Vec<LegacyTemplate> = Vec::new();
        for page in 0..MAX_LEGACY_PAGES {
            let body = json(&LegacyTemplateListRequest { offset: page * LEGACY_PAGE, count: LEGACY_PAGE });
            let list: LegacyTemplateList =
                self.call(Method::POST, &path, JSON, body, token, Repeat::IfHungUp).await?;
            let is_last = list.list.len() < LEGACY_PAGE as usize;
            for template in list.list {
                // A template added meanwhile shifts the pages, so a template may come twice.
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
    /// When WeChat gives no result. A refusal is an answer, not an error.
    pub async fn send_subscribe(&self, token: &SecretString, body: Bytes) -> Result<SendAnswer, Failure> {
        self.send("/cgi-bin/message/subscribe/send", token, body).await
    }

    /// `POST /cgi-bin/message/wxopen/template/send`. The body is a
    /// [`TemplateMessage`](crate::TemplateMessage) as JSON and is sent as it is.
    ///
    /// Source: "templateMessage.send" of WeChat's server documentation, withdrawn with the capability.
    ///
    /// # Errors
    /// When WeChat gives no result. A refusal is an answer, not an error.
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

    /// One exchange whose answer is `T` in WeChat's envelope. `secret` is the token or secret in the request. `repeat`
    /// says whether the request may be sent twice.
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

/// WeChat always answers with status 200; another status comes from a server in between.
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
