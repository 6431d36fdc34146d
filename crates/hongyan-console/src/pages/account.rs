//! The person's own account: the password, and whether there is a second factor.

use askama::Template;
use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use hongyan_clock::UnixMillis;
use hongyan_gateway::people::password::{MAX_BYTES, MIN_CHARS};
use hongyan_gateway::people::{LoginError, OpenSession, PasswordError, Weakness};
use hongyan_store::StoreError;
use hongyan_ui::texts;
use http::{StatusCode, Uri};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::browser;
use crate::console::Console;
use crate::form::{Form, Nothing};
use crate::format::At;
use crate::page::{Frame, Place, html, with_status};
use crate::refusal::Refusal;
use crate::visit::Visit;

const PATH: &str = "/console/account";

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route(PATH, get(show).post(change))
        .route("/console/account/sessions", post(log_out_everywhere))
        .route("/console/account/sessions/{id}/end", post(end_session))
}

texts! {
    struct Words;
    title = "我的账号", "My account";
    name = "用户名", "Name";
    role = "角色", "Role";
    apps = "可见的小程序", "Apps";
    change = "修改口令", "Change the password";
    old = "现在的口令", "The password now";
    new = "新口令", "The new password";
    again = "再输入一次新口令", "The new password once more";
    rule(chars: usize) = "至少 {chars} 个字符。不要包含用户名或“鸿雁”，不要用常见的口令，也不要用重复或连续的字符。", "At least {chars} characters. Not your name, not “hongyan”, no frequent password, no pattern such as 1234 or abcabc.";
    must = "您的口令由别人生成：请先换成自己的口令。", "Somebody else made your password: choose one of your own first.";
    wrong = "现在的口令不对。", "The password that you have now is another.";
    differ = "两次输入的新口令不一样。", "The two new passwords differ.";
    short(chars: usize) = "新口令太短：至少 {chars} 个字符。", "The new password is too short: it needs at least {chars} characters.";
    long(bytes: usize) = "新口令太长：最多 {bytes} 字节。", "The new password is too long: it has at most {bytes} bytes.";
    has_name = "新口令包含您的用户名，容易被猜到。", "The new password is easy to guess: it has your name in it.";
    has_product = "新口令包含“鸿雁”或 hongyan，容易被猜到。", "The new password is easy to guess: it has “hongyan” in it.";
    pattern = "新口令是重复或连续的字符（如 abcabc、1234、qwerty），容易被猜到。", "The new password is easy to guess: it repeats itself, or follows an order such as 1234 or qwerty.";
    frequent = "新口令是很多人都在用的口令，容易被猜到。", "The new password is easy to guess: many people use it.";
    same = "新口令与现在的口令相同。", "The new password is the one that you have now.";
    later = "现在不能修改，请稍后重试。", "It cannot be changed now. Try again in a while.";
    factor = "第二因素", "Second factor";
    factor_lead = "登录时除口令外，还需要身份验证器应用（TOTP）显示的 6 位验证码。", "A login then also needs a code of 6 digits from an authenticator app (TOTP).";
    factor_is_on = "已启用：登录时需要验证码。", "It is on: a login needs a code.";
    factor_lead_off = "停用需要口令和一个新的验证码。", "Taking it away needs your password and a new code.";
    factor_must = "管理员要求使用第二因素：请先设置，然后才能打开其他页面。", "A second factor is required of you: set it up first. No other page opens until then.";
    code = "验证码", "Code";
    wrong_code = "验证码不对，或已经用过。请输入新的验证码。", "The code is wrong, or was used before. Enter a new code.";
    over = "验证超时，请重新开始。", "That took too long. Begin again.";
    set_up = "设置", "Set it up";
    take_away = "停用", "Take it away";
    factor_set = "第二因素已启用，下次登录时需要验证码。", "The second factor is on. The next login asks for a code.";
    factor_gone = "第二因素已停用。", "The second factor is taken away.";
    sessions = "会话", "Sessions";
    sessions_lead = "会话在 2 小时不使用后结束，最长 24 小时。", "A session ends after 2 hours without a request, and after 24 hours in any case.";
    began = "登录时间", "Logged in";
    from = "登录自", "From";
    last_used = "最近使用", "Last used";
    ends = "不再使用则结束于", "Ends if unused";
    this_session = "本会话", "this session";
    end_session = "结束会话", "End the session";
    session_ended = "会话已结束。", "The session is ended.";
    log_out_everywhere = "退出所有会话", "Log out everywhere";
    log_out_sure = "结束您的所有会话，包括本会话。确定吗？", "All your sessions end, this one too. Go on?";
    changed = "口令已修改，其他会话已退出。", "The password is changed, and your other sessions are ended.";
}

impl Words {
    /// Why a new password is not good enough.
    fn weakness(self, weakness: Weakness) -> String {
        match weakness {
            Weakness::Short => self.short(MIN_CHARS),
            Weakness::Long => self.long(MAX_BYTES),
            Weakness::Name => self.has_name().to_owned(),
            Weakness::Product => self.has_product().to_owned(),
            Weakness::Pattern => self.pattern().to_owned(),
            Weakness::Frequent => self.frequent().to_owned(),
            Weakness::Same => self.same().to_owned(),
        }
    }
}

#[derive(Template)]
#[template(path = "pages/account.html")]
pub(super) struct AccountPage {
    frame: Frame,
    words: Words,
    trouble: Option<String>,
    has_factor: bool,
    /// Why the second factor was not set up, or not taken away.
    factor_trouble: Option<&'static str>,
    /// The person's sessions; none, if a proxy logs the person in.
    sessions: Vec<OpenSession>,
}

impl AccountPage {
    async fn read(visit: &Visit, trouble: Option<String>) -> Result<Self, Refusal> {
        let sessions = &visit.console.gateway.sessions;
        let has_factor = sessions.has_factor(&visit.person).await;
        let open = sessions.open_sessions(&visit.person, visit.session.as_deref()).await;
        Ok(Self {
            frame: Frame::new(visit, Place::Apart),
            words: Words(visit.language()),
            trouble,
            has_factor: has_factor.map_err(|error| store_is_away(&error))?,
            factor_trouble: None,
            sessions: open.map_err(|error| store_is_away(&error))?,
        })
    }

    /// The client of a session, in a few words; its own words are the title.
    fn client(&self, session: &OpenSession) -> String {
        let browser = session.user_agent.as_deref().map(browser::short_name);
        [browser.as_deref(), session.address.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    fn at(&self, at: &UnixMillis) -> At {
        At(at.to_string())
    }

    /// The page after the second factor was not set up, or not taken away.
    pub(super) async fn with_factor_as_it_was(
        visit: &Visit,
        error: &LoginError,
    ) -> Result<Response, Refusal> {
        let mut page = Self::read(visit, None).await?;
        let (status, trouble) = match error {
            LoginError::Wrong => (StatusCode::FORBIDDEN, page.words.wrong()),
            LoginError::WrongCode => (StatusCode::FORBIDDEN, page.words.wrong_code()),
            LoginError::Over => (StatusCode::FORBIDDEN, page.words.over()),
            error => {
                tracing::warn!(%error, "a second factor was not changed");
                (StatusCode::SERVICE_UNAVAILABLE, page.words.later())
            }
        };
        page.factor_trouble = Some(trouble);
        Ok(with_status(status, &page))
    }
}

/// The store does not answer.
pub(super) fn store_is_away(error: &StoreError) -> Refusal {
    tracing::error!(%error, "an account could not be looked up or changed");
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", error.to_string())
}

async fn show(visit: Visit, uri: Uri) -> Result<Response, Refusal> {
    let mut page = AccountPage::read(&visit, None).await?;
    let done = match uri.query() {
        Some("changed") => Some(page.words.changed()),
        Some("factor-set") => Some(page.words.factor_set()),
        Some("factor-gone") => Some(page.words.factor_gone()),
        Some("session-ended") => Some(page.words.session_ended()),
        _ => None,
    };
    if done.is_none() && visit.must_change_password {
        page.trouble = Some(page.words.must().to_owned());
    }
    if visit.must_set_up_factor {
        page.factor_trouble = Some(page.words.factor_must());
    }
    page.frame = page.frame.done(done);
    Ok(html(&page))
}

#[derive(Deserialize)]
struct Change {
    old: SecretString,
    new: SecretString,
    again: SecretString,
}

async fn change(visit: Visit, Form(change): Form<Change>) -> Result<Response, Refusal> {
    let words = Words(visit.language());
    let refused = async |status, trouble: String| {
        AccountPage::read(&visit, Some(trouble)).await.map(|page| with_status(status, &page))
    };
    if change.new.expose_secret() != change.again.expose_secret() {
        return refused(StatusCode::UNPROCESSABLE_ENTITY, words.differ().to_owned()).await;
    }
    let token = visit.session.as_deref().unwrap_or_default();
    let sessions = &visit.console.gateway.sessions;
    match sessions.change_password(&visit.person, token, change.old, change.new).await {
        Ok(()) => Ok(Redirect::to("/console/account?changed").into_response()),
        Err(PasswordError::Weak(weakness)) => {
            refused(StatusCode::UNPROCESSABLE_ENTITY, words.weakness(weakness)).await
        }
        Err(PasswordError::Login(LoginError::Wrong)) => {
            refused(StatusCode::FORBIDDEN, words.wrong().to_owned()).await
        }
        Err(PasswordError::Login(error)) => {
            tracing::warn!(%error, "a password was not changed");
            refused(StatusCode::SERVICE_UNAVAILABLE, words.later().to_owned()).await
        }
    }
}

/// `POST /console/account/sessions/{id}/end`: ends one session of the person.
async fn end_session(visit: Visit, Path(id): Path<String>, _: Form<Nothing>) -> Result<Response, Refusal> {
    let sessions = &visit.console.gateway.sessions;
    sessions.end_own_session(&visit.person, &id).await.map_err(|error| store_is_away(&error))?;
    // If it was this session, the account leads to the login.
    Ok(Redirect::to("/console/account?session-ended").into_response())
}

/// `POST /console/account/sessions`: ends all sessions of the person, on all machines.
async fn log_out_everywhere(visit: Visit, _: Form<Nothing>) -> Result<Response, Refusal> {
    let sessions = &visit.console.gateway.sessions;
    sessions.log_out_everywhere(&visit.person).await.map_err(|error| store_is_away(&error))?;
    Ok(Redirect::to("/console/login").into_response())
}
