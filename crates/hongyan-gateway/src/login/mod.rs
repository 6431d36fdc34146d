//! Logins: exchange a code of `wx.login` for an openid and a session of the gateway. The session_key is sealed and never
//! leaves the gateway through this API.

use std::time::Duration;

use axum::http::StatusCode;
use hongyan_clock::{Clock, UnixMillis};
use hongyan_ledger::Lane;
use hongyan_ledger::settle::{AppPause, PauseCode, is_misconfiguration};
use hongyan_store::Store;
use hongyan_store::types::{LoginRecord, SessionRecord};
use hongyan_wechat::{AppId, CallError, Errcode, Failure, LoginAnswer, OpenId};
use secrecy::{ExposeSecret, SecretString};

use crate::apps::{App, Apps};
use crate::problem::Problem;
use crate::problem::errcode::in_words;
use crate::vault::{Vault, random_token, sha256};

/// The prefix of every session token. The user's lane follows as two hexadecimal digits, so that a session is looked up in
/// one lane.
pub const SESSION_PREFIX: &str = "hys_";

/// The longest accepted code; WeChat's codes have 32 characters.
const MAX_CODE_CHARS: usize = 128;

/// When to try again if WeChat did not answer.
const RETRY_SECONDS: u64 = 5;

/// A user who logged in.
#[derive(Debug, Clone)]
pub struct Login {
    /// The user's openid in this app.
    pub openid: OpenId,
    /// The user's id across the apps of the company, if WeChat returned it.
    pub unionid: Option<String>,
    /// The token that the mini program shows to act as this user. Opaque.
    pub session: SecretString,
    /// When the session ends.
    pub expires_at: UnixMillis,
}

/// Exchanges a code for its user.
///
/// 1. The code is one line of 1 to 128 visible ASCII characters.
/// 2. For a misconfigured app WeChat is not asked, because it would refuse.
/// 3. The session_key is sealed and stored. The store keeps the last two, because a second `wx.login` replaces the first
///    session_key while it is still in use.
///
/// # Errors
/// `unknown_app`, `invalid_field`, `invalid_code`, `code_used`, `risky_user`, `app_paused`, `wechat_busy`,
/// `wechat_refused`, `wechat_unavailable`.
pub async fn login(
    apps: &Apps,
    store: &dyn Store,
    vault: &Vault,
    clock: &Clock,
    session_days: u32,
    appid: &AppId,
    code: &str,
) -> Result<Login, Problem> {
    let app = apps.get(appid).ok_or_else(|| Problem::unknown_app(appid))?;
    check_code(code)?;
    if let Some(paused) = &app.record.paused
        && paused.code == PauseCode::Misconfigured
    {
        let problem = Problem::conflict("app_paused", paused.detail.clone());
        return Err(match paused.errcode {
            Some(errcode) => problem.errcode(errcode, ""),
            None => problem,
        });
    }
    let answer = ask(apps, &app, code).await.map_err(problem)?;
    let session = new_session(appid, &answer.openid);
    let now = clock.now();
    let expires_at = now.plus(Duration::from_secs(u64::from(session_days) * 86_400));
    store.put_login(record(vault, appid, &answer, &session, now, expires_at)).await?;
    Ok(Login { openid: answer.openid, unionid: answer.unionid, session, expires_at })
}

/// The same for a back end that uses the facade: the back end gets WeChat's answer, including the session_key, and no
/// session of the gateway. The session_key is stored all the same.
///
/// # Errors
/// The errors of WeChat's client.
pub async fn exchange(
    apps: &Apps,
    store: &dyn Store,
    vault: &Vault,
    clock: &Clock,
    app: &App,
    code: &str,
) -> Result<LoginAnswer, CallError> {
    let answer = ask(apps, app, code).await?;
    let appid = &app.record.appid;
    let now = clock.now();
    // The store keeps a session with every login. This session is over at once, and nobody knows its token.
    let kept = record(vault, appid, &answer, &new_session(appid, &answer.openid), now, now);
    if let Err(error) = store.put_login(kept).await {
        // The code is used up, and the back end gets its answer. Only the stored copy of the session_key is missing.
        tracing::error!(app = %appid, %error, "a session_key could not be stored");
    }
    Ok(answer)
}

/// Asks WeChat. A refusal that concerns the whole app pauses the app.
async fn ask(apps: &Apps, app: &App, code: &str) -> Result<LoginAnswer, CallError> {
    let appid = &app.record.appid;
    let secret = apps.secret(app).map_err(|error| {
        tracing::error!(app = %appid, %error, "the app's secret cannot be decrypted");
        Failure::NotSent("the app's secret cannot be decrypted".into())
    })?;
    let answer = apps.wechat().login(appid, &secret, code).await;
    if let Err(CallError::Refused { errcode, errmsg, .. }) = &answer
        && is_misconfiguration(*errcode)
    {
        // With these errcodes no token can be fetched either: nothing of this app can work.
        let pause = AppPause { code: PauseCode::Misconfigured, until: None };
        if let Err(error) = apps.pause(appid, pause, Some(*errcode), in_words(*errcode, errmsg)).await {
            tracing::error!(app = %appid, %error, "the app's pause cannot be stored");
        }
    }
    answer
}

fn new_session(appid: &AppId, openid: &OpenId) -> SecretString {
    random_token(&format!("{SESSION_PREFIX}{:02x}", Lane::of(appid, openid).number()))
}

fn record(
    vault: &Vault,
    appid: &AppId,
    answer: &LoginAnswer,
    session: &SecretString,
    at: UnixMillis,
    expires_at: UnixMillis,
) -> LoginRecord {
    LoginRecord {
        appid: appid.clone(),
        openid: answer.openid.clone(),
        unionid: answer.unionid.clone(),
        session_key: vault.seal_session_key(appid, &answer.openid, &answer.session_key),
        session_hash: sha256(session.expose_secret()),
        at,
        expires_at,
    }
}

/// The session of a token.
///
/// # Errors
/// 401 `invalid_session` when the token is unknown or the session has ended.
pub async fn session(store: &dyn Store, clock: &Clock, token: &str) -> Result<SessionRecord, Problem> {
    let invalid = || {
        let detail = "the session is unknown or has expired; log in again with a new code from wx.login";
        Problem::new(StatusCode::UNAUTHORIZED, "invalid_session", detail)
    };
    let lane = lane_of(token).ok_or_else(invalid)?;
    store.session(lane, sha256(token), clock.now()).await?.ok_or_else(invalid)
}

fn lane_of(token: &str) -> Option<Lane> {
    let digits = token.strip_prefix(SESSION_PREFIX)?.get(..2)?;
    u8::from_str_radix(digits, 16).ok().and_then(Lane::new)
}

fn check_code(code: &str) -> Result<(), Problem> {
    if (1..=MAX_CODE_CHARS).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    let detail = format!(
        "a code from wx.login has 1 to {MAX_CODE_CHARS} visible ASCII characters; developer tools \
         without an appid return a sentence instead of a code"
    );
    Err(Problem::invalid("code", detail))
}

/// The answer to a caller of `/v1` or `/mp` when a login failed.
fn problem(error: CallError) -> Problem {
    let (errcode, errmsg) = match error {
        CallError::Refused { errcode, errmsg, .. } => (errcode, errmsg),
        CallError::Failed(failure) => {
            let detail = format!("{failure}; try again with a new code from wx.login");
            return unavailable(detail);
        }
    };
    let words = in_words(errcode, &errmsg);
    let (status, code) = refused_as(errcode);
    let problem = Problem::new(status, code, words);
    let problem = match code {
        "invalid_code" | "code_used" => problem.field("code"),
        "wechat_unavailable" => problem.retry_after(RETRY_SECONDS),
        "wechat_busy" => problem.retry_after(60),
        _ => problem,
    };
    problem.errcode(errcode, &errmsg)
}

/// The answer to a caller when WeChat refuses a login.
pub(crate) fn refused_as(errcode: Errcode) -> (StatusCode, &'static str) {
    match errcode {
        Errcode::INVALID_CODE => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_code"),
        Errcode::CODE_USED => (StatusCode::UNPROCESSABLE_ENTITY, "code_used"),
        Errcode::RISKY_USER => (StatusCode::FORBIDDEN, "risky_user"),
        Errcode::SYSTEM_BUSY => (StatusCode::SERVICE_UNAVAILABLE, "wechat_unavailable"),
        Errcode::MINUTE_QUOTA => (StatusCode::TOO_MANY_REQUESTS, "wechat_busy"),
        errcode if is_misconfiguration(errcode) => (StatusCode::CONFLICT, "app_paused"),
        _ => (StatusCode::BAD_GATEWAY, "wechat_refused"),
    }
}

fn unavailable(detail: String) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "wechat_unavailable", detail).retry_after(RETRY_SECONDS)
}

#[cfg(test)]
mod tests;
