//! A call of WeChat's API as plain values, and its two results.

use std::borrow::Cow;

use bytes::Bytes;
use hongyan_clock::UnixMillis;
use hongyan_wechat::{AppId, Errcode};
use http::Method;
use serde_json::{Map, Value};

use crate::magic::Found;
use crate::state::State;
use crate::state::requests::shortened;

/// A call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// The query as it was sent.
    pub(crate) raw_query: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Bytes,
    pub(crate) content_type: Option<String>,
    pub(crate) now: UnixMillis,
    /// Whether another send to the same user runs at the same time.
    pub(crate) overlap: Overlap,
    /// The magic id in the call, if any.
    pub(crate) magic: Option<Found>,
    /// The call's app, for the log.
    pub(crate) about_app: Option<AppId>,
    /// The call's user, shortened, for the log.
    pub(crate) about_user: Option<String>,
    /// The card that the call put into the inbox, for the log.
    pub(crate) card: Option<u64>,
}

/// How a send overlaps with slow sends to the same user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overlap {
    /// The send is handled at once: it overlaps if a slow send is running.
    Instant,
    /// The send is slow, and was the first.
    First,
    /// The send is slow, and another slow send was running when it came.
    Second,
}

/// The answer as a JSON object, or a refusal.
pub(crate) type Outcome = Result<Value, Refusal>;

/// An answer with an errcode other than 0.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) errcode: Errcode,
    pub(crate) errmsg: Cow<'static, str>,
}

impl Refusal {
    pub(crate) fn new(errcode: Errcode, errmsg: impl Into<Cow<'static, str>>) -> Self {
        Self { errcode, errmsg: errmsg.into() }
    }
}

impl From<Errcode> for Refusal {
    /// A refusal with WeChat's text for the errcode.
    fn from(errcode: Errcode) -> Self {
        Self::new(errcode, errmsg(errcode))
    }
}

impl Call {
    /// A parameter of the query; `None` also if the parameter is empty.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_str())
    }

    /// The body, which must be a JSON object.
    pub(crate) fn members(&self) -> Result<Members, Refusal> {
        if self.body.is_empty() {
            return Err(Errcode::EMPTY_BODY.into());
        }
        serde_json::from_slice(&self.body).map(Members).map_err(|_| Errcode::BAD_JSON.into())
    }

    /// The app of the call's access token. Also counts the call against the app's daily quota.
    pub(crate) fn app_by_token(&mut self, state: &mut State) -> Result<AppId, Refusal> {
        let token = self.param("access_token").ok_or(Errcode::TOKEN_MISSING)?;
        let appid = state.tokens.check(token, self.now)?.clone();
        self.about_app = Some(appid.clone());
        let app = state.apps.get_mut(&appid).ok_or(Errcode::INVALID_APPID)?;
        app.quotas.count(&self.path, self.now)?;
        Ok(appid)
    }

    /// Records the receiver for the log.
    pub(crate) fn concerns(&mut self, openid: &str) {
        self.about_user = Some(shortened(openid));
    }
}

/// The members of a body. A missing member, `null` and a member of another type are treated alike: so every mistake gets
/// the errcode of its member, and only a body that is not a JSON object gets 47001.
#[derive(Debug, Default)]
pub(crate) struct Members(Map<String, Value>);

impl Members {
    /// A member unchanged; `null` if it is missing.
    pub(crate) fn get(&self, name: &str) -> &Value {
        static MISSING: Value = Value::Null;
        self.0.get(name).unwrap_or(&MISSING)
    }

    /// A member that is a non-empty string.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).as_str().filter(|text| !text.is_empty())
    }

    /// A member that is a whole number; 0 if it is not.
    pub(crate) fn number(&self, name: &str) -> usize {
        number_of(self.get(name))
    }

    /// A member that is a list of whole numbers, with 0 in place of other values; empty if it is not a list.
    pub(crate) fn numbers(&self, name: &str) -> Vec<usize> {
        self.get(name).as_array().into_iter().flatten().map(number_of).collect()
    }
}

fn number_of(value: &Value) -> usize {
    value.as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or_default()
}

/// The app with this `appid` and `secret`.
pub(crate) fn app_by_secret(
    state: &mut State,
    call: &mut Call,
    appid: Option<&str>,
    secret: Option<&str>,
) -> Result<AppId, Refusal> {
    let appid = appid.ok_or(Errcode::APPID_MISSING)?;
    let secret = secret.ok_or(Errcode::SECRET_MISSING)?;
    let (appid, app) = state.apps.get_key_value(appid).ok_or(Errcode::INVALID_APPID)?;
    call.about_app = Some(appid.clone());
    if app.secret != secret {
        return Err(Errcode::INVALID_SECRET.into());
    }
    let appid = appid.clone();
    let app = state.apps.get_mut(&appid).expect("it was found just now");
    app.quotas.count(&call.path, call.now)?;
    Ok(appid)
}

/// WeChat's text for an errcode, without the `rid`.
pub(crate) fn errmsg(errcode: Errcode) -> &'static str {
    match errcode {
        Errcode::OK => "ok",
        Errcode::SYSTEM_BUSY => "system error",
        Errcode::INVALID_CREDENTIAL => "invalid credential, access_token is invalid or not latest",
        Errcode::INVALID_GRANT_TYPE => "invalid grant_type",
        Errcode::INVALID_OPENID => "invalid openid",
        Errcode::INVALID_APPID => "invalid appid",
        Errcode::INVALID_ACCESS_TOKEN => "invalid access_token",
        Errcode::INVALID_CODE => "invalid code",
        Errcode::INVALID_TEMPLATE => "invalid template_id",
        Errcode::INVALID_SECRET => "invalid appsecret",
        Errcode::CODE_USED => "code been used",
        // Contains the caller's address, as WeChat's text does.
        Errcode::IP_NOT_LISTED => "invalid ip 127.0.0.1 ipv6 ::ffff:127.0.0.1, not in whitelist",
        Errcode::TOKEN_MISSING => "access_token missing",
        Errcode::APPID_MISSING => "appid missing",
        Errcode::SECRET_MISSING => "appsecret missing",
        Errcode::CODE_MISSING => "missing code",
        Errcode::INVALID_FORM_ID => "invalid form id",
        Errcode::FORM_ID_USED => "form id used",
        Errcode::INVALID_PAGE => "invalid page",
        Errcode::TOKEN_EXPIRED => "access_token expired",
        Errcode::POST_REQUIRED => "require POST method",
        Errcode::EMPTY_BODY => "empty post data",
        Errcode::NOT_ACCEPTED => "user refuse to accept the msg",
        Errcode::SEND_CONFLICT => "concurrent send to the same user",
        Errcode::DAY_QUOTA => "reach max api daily quota limit",
        Errcode::MINUTE_QUOTA => "api minute-quota reach limit, must slower, retry next minute",
        Errcode::BAD_JSON => "data format error",
        Errcode::FIELD_RULE => "argument invalid!",
        other => other.info().map_or("error", |info| info.meaning_en),
    }
}
