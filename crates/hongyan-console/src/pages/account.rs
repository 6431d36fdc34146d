//! The person's own account: the password.

use askama::Template;
use axum::Router;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use hongyan_gateway::people::password::MIN_CHARS;
use hongyan_gateway::people::{LoginError, PasswordError};
use hongyan_ui::texts;
use http::{HeaderMap, StatusCode, Uri};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::console::Console;
use crate::form::Form;
use crate::page::{Frame, Place, html, with_status};
use crate::visit::{self, Visit};

const PATH: &str = "/console/account";

pub(super) fn routes() -> Router<Console> {
    Router::new().route(PATH, get(show).post(change))
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
    rule(chars: usize) = "至少 {chars} 个字符,不要包含用户名。", "At least {chars} characters, and not your name.";
    must = "您的口令由别人生成:请先换成自己的口令。", "Somebody else made your password: choose one of your own first.";
    wrong = "现在的口令不对。", "The password that you have now is another.";
    differ = "两次输入的新口令不一样。", "The two new passwords differ.";
    weak = "新口令不够好:太短、太长、太容易猜,或与现在的相同。", "The new password is not good enough: too short, too long, easy to guess, or the one that you have now.";
    later = "现在不能修改,请稍后重试。", "It cannot be changed now. Try again in a while.";
    changed = "口令已修改,其他会话已退出。", "The password is changed, and your other sessions are ended.";
}

#[derive(Template)]
#[template(path = "pages/account.html")]
struct AccountPage {
    frame: Frame,
    words: Words,
    trouble: Option<&'static str>,
}

impl AccountPage {
    fn new(visit: &Visit, trouble: Option<&'static str>) -> Self {
        Self { frame: Frame::new(visit, Place::Apart), words: Words(visit.language()), trouble }
    }
}

async fn show(visit: Visit, uri: Uri) -> Response {
    let mut page = AccountPage::new(&visit, None);
    if uri.query() == Some("changed") {
        page.frame = page.frame.done(Some(page.words.changed()));
    } else if visit.must_change_password {
        page.trouble = Some(page.words.must());
    }
    html(&page)
}

#[derive(Deserialize)]
struct Change {
    old: SecretString,
    new: SecretString,
    again: SecretString,
}

async fn change(visit: Visit, headers: HeaderMap, Form(change): Form<Change>) -> Response {
    let words = Words(visit.language());
    let refused = |status, trouble| with_status(status, &AccountPage::new(&visit, Some(trouble)));
    if change.new.expose_secret() != change.again.expose_secret() {
        return refused(StatusCode::UNPROCESSABLE_ENTITY, words.differ());
    }
    let token = visit::session_token(&headers).unwrap_or_default();
    let sessions = &visit.console.gateway.sessions;
    match sessions.change_password(&visit.person, token, change.old, change.new).await {
        Ok(()) => Redirect::to("/console/account?changed").into_response(),
        Err(PasswordError::Weak(_)) => refused(StatusCode::UNPROCESSABLE_ENTITY, words.weak()),
        Err(PasswordError::Login(LoginError::Wrong)) => refused(StatusCode::FORBIDDEN, words.wrong()),
        Err(PasswordError::Login(error)) => {
            tracing::warn!(%error, "a password was not changed");
            refused(StatusCode::SERVICE_UNAVAILABLE, words.later())
        }
    }
}
