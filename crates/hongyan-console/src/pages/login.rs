//! Logging in and out.

use askama::Template;
use axum::Router;
use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use hongyan_gateway::door;
use hongyan_gateway::people::{LoggedIn, LoginClient, LoginError};
use hongyan_ui::{Document, Language, texts};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::console::Console;
use crate::form::{self, Form, Nothing};
use crate::page::with_status;
use crate::refusal::Refusal;
use crate::visit::{self, Visit};

pub(super) fn routes() -> Router<Console> {
    let back = async || Redirect::to("/console/login");
    Router::new()
        .route("/console/login", get(show).post(log_in))
        .route("/console/login/code", get(back).post(log_in_with_code))
}

texts! {
    struct Words;
    title = "登录", "Log in";
    brand = "鸿雁控制台", "Hongyan console";
    heading = "登录鸿雁控制台", "Log in to the Hongyan console";
    name = "用户名", "Name";
    password = "口令", "Password";
    log_in = "登录", "Log in";
    how = "没有账号？在服务器上运行：", "No account yet? On the server, run:";
    wrong = "用户名或口令不对。", "The name or the password is wrong.";
    wait(seconds: u64) = "错误次数太多，请在 {seconds} 秒后重试。", "Too many wrong passwords or codes. Try again in {seconds} seconds.";
    busy = "登录的人太多，请稍后重试。", "Too many people are logging in. Try again in a moment.";
    away = "数据库暂时不可用，请稍后重试。", "The database is not available at the moment. Try again in a while.";
    code = "身份验证器应用显示的验证码", "The code that your authenticator app shows";
    wrong_code = "验证码不对，或已经用过。请输入新的验证码。", "The code is wrong, or was used before. Enter a new code.";
    over = "验证超时，请重新登录。", "The login took too long. Begin again.";
    no_factor = "现在无法核对验证码，请联系管理员。", "The code cannot be checked now. Ask an admin.";
    lost = "手机丢失？请管理员重置口令，第二因素会同时停用。", "Lost the phone? An admin can reset your password, which also takes the second factor away.";
    again = "重新登录", "Begin again";
    link_is_over = "登录链接只能使用一次，而且会过期。请重新获取，或用口令登录。", "A link to log in is good once, and for a while. Get another one, or log in with a password.";
}

impl Words {
    /// What stands in the head of the pages.
    fn document(self) -> Document {
        Document { language: self.0, brand: self.brand() }
    }
}

#[derive(Template)]
#[template(path = "pages/login.html")]
struct LoginPage {
    frame: Document,
    words: Words,
    name: String,
    next: String,
    trouble: Option<String>,
}

impl LoginPage {
    fn new(language: Language, next: String) -> Self {
        let words = Words(language);
        Self { frame: words.document(), words, name: String::new(), next, trouble: None }
    }
}

#[derive(Template)]
#[template(path = "pages/login_code.html")]
struct CodePage {
    frame: Document,
    words: Words,
    note: SecretString,
    next: String,
    trouble: Option<String>,
}

impl CodePage {
    fn new(language: Language, note: SecretString, next: String) -> Self {
        let words = Words(language);
        Self { frame: words.document(), words, note, next, trouble: None }
    }
}

#[derive(Deserialize)]
struct LoginQuery {
    #[serde(default)]
    next: String,
    token: Option<String>,
}

/// `GET /console/login`; with `?token=`: the link that logs a person in, once.
async fn show(
    State(console): State<Console>,
    Query(query): Query<LoginQuery>,
    uri: Uri,
    client: LoginClient,
    headers: HeaderMap,
) -> Response {
    let mut page = LoginPage::new(Language::wanted(uri.query(), &headers), query.next);
    let Some(token) = query.token else {
        return with_cookie_of_language(&uri, with_status(StatusCode::OK, &page));
    };
    match console.gateway.sessions.follow_link(&token, client).await {
        Ok(session) => enter(&console, &headers, &session, "/console").await,
        Err(error) => {
            let (status, trouble) = told(page.words, &error);
            let is_over = matches!(error, LoginError::Wrong);
            page.trouble = Some(if is_over { page.words.link_is_over().to_owned() } else { trouble });
            refused(status, &page)
        }
    }
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: SecretString,
    #[serde(default)]
    next: String,
}

/// `POST /console/login`. There is no session yet whose token it could bring; a page of another site that logs somebody in
/// here is refused by where it says that it comes from.
async fn log_in(State(console): State<Console>, client: LoginClient, request: Request) -> Response {
    let language = Language::wanted(request.uri().query(), request.headers());
    let headers = request.headers().clone();
    if is_of_another_site(&request) {
        return Refusal::new(StatusCode::FORBIDDEN, "foreign_form", "the form is another site's")
            .into_response();
    }
    let credentials = match form::bytes_of(request).await.and_then(|bytes| form::read::<Credentials>(&bytes))
    {
        Ok(Form(credentials)) => credentials,
        Err(refusal) => return refusal.into_response(),
    };
    match console.gateway.sessions.log_in(&credentials.name, credentials.password, client).await {
        Ok(LoggedIn::Session(token)) => enter(&console, &headers, &token, own_path(&credentials.next)).await,
        Ok(LoggedIn::NeedsCode(note)) => {
            with_status(StatusCode::OK, &CodePage::new(language, note, credentials.next))
        }
        Err(error) => {
            let mut page = LoginPage::new(language, credentials.next);
            page.name = credentials.name;
            let (status, trouble) = told(page.words, &error);
            page.trouble = Some(trouble);
            refused(status, &page)
        }
    }
}

#[derive(Deserialize)]
struct CodeForm {
    note: SecretString,
    code: String,
    #[serde(default)]
    next: String,
}

/// `POST /console/login/code`. The note in the form says that the password was right; there is no session yet.
async fn log_in_with_code(State(console): State<Console>, client: LoginClient, request: Request) -> Response {
    let language = Language::wanted(request.uri().query(), request.headers());
    let headers = request.headers().clone();
    if is_of_another_site(&request) {
        return Refusal::new(StatusCode::FORBIDDEN, "foreign_form", "the form is another site's")
            .into_response();
    }
    let form = match form::bytes_of(request).await.and_then(|bytes| form::read::<CodeForm>(&bytes)) {
        Ok(Form(form)) => form,
        Err(refusal) => return refusal.into_response(),
    };
    match console.gateway.sessions.log_in_with_code(&form.note, &form.code, client).await {
        Ok(token) => enter(&console, &headers, &token, own_path(&form.next)).await,
        Err(error @ LoginError::Over) => {
            let mut page = LoginPage::new(language, form.next);
            let (status, trouble) = told(page.words, &error);
            page.trouble = Some(trouble);
            refused(status, &page)
        }
        Err(error) => {
            let mut page = CodePage::new(language, form.note, form.next);
            let (status, trouble) = told(page.words, &error);
            page.trouble = Some(trouble);
            refused(status, &page)
        }
    }
}

/// A page that refuses a credential: the door counts it.
fn refused(status: StatusCode, page: &impl Template) -> Response {
    let mut response = with_status(status, page);
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS) {
        door::is_wrong_credential(&mut response);
    }
    response
}

fn told(words: Words, error: &LoginError) -> (StatusCode, String) {
    match error {
        LoginError::Wrong => (StatusCode::UNAUTHORIZED, words.wrong().to_owned()),
        LoginError::WrongCode => (StatusCode::UNAUTHORIZED, words.wrong_code().to_owned()),
        LoginError::Over => (StatusCode::UNAUTHORIZED, words.over().to_owned()),
        LoginError::Sealed(error) => {
            tracing::error!(%error, "a person with a second factor cannot log in");
            (StatusCode::SERVICE_UNAVAILABLE, words.no_factor().to_owned())
        }
        LoginError::Wait(wait) => (StatusCode::TOO_MANY_REQUESTS, words.wait(wait.as_secs() + 1)),
        LoginError::TooMany(_) => (StatusCode::SERVICE_UNAVAILABLE, words.busy().to_owned()),
        LoginError::Store(error) => {
            tracing::error!(%error, "nobody can log in");
            (StatusCode::SERVICE_UNAVAILABLE, words.away().to_owned())
        }
    }
}

/// `POST /console/logout`.
pub(super) async fn log_out(visit: Visit, headers: HeaderMap, _: Form<Nothing>) -> Result<Response, Refusal> {
    if let Some(token) = visit::session_token(&headers) {
        let ended = visit.console.gateway.sessions.log_out(token).await;
        ended.map_err(|error| {
            tracing::error!(%error, "a session could not be ended");
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", error.to_string())
        })?;
    }
    let mut response = Redirect::to("/console/login").into_response();
    for gone in [
        format!("{}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax", visit::SECURE_COOKIE),
        format!("{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax", visit::PLAIN_COOKIE),
    ] {
        add_cookie(&mut response, &gone);
    }
    Ok(response)
}

/// Logged in: keeps the session in a cookie, and goes where the person wanted to go. The session that the browser had before
/// ends: no cookie leads to it any more.
async fn enter(console: &Console, headers: &HeaderMap, token: &SecretString, next: &str) -> Response {
    if let Some(before) = visit::session_token(headers)
        && let Err(error) = console.gateway.sessions.log_out(before).await
    {
        tracing::warn!(%error, "the session before a login could not be ended");
    }
    let token = token.expose_secret();
    let cookie = if visit::is_secure(headers) {
        format!("{}={token}; Path=/; Secure; HttpOnly; SameSite=Lax", visit::SECURE_COOKIE)
    } else {
        format!("{}={token}; Path=/; HttpOnly; SameSite=Lax", visit::PLAIN_COOKIE)
    };
    let mut response = Redirect::to(next).into_response();
    add_cookie(&mut response, &cookie);
    response
}

fn add_cookie(response: &mut Response, cookie: &str) {
    if let Ok(cookie) = cookie.parse() {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

fn with_cookie_of_language(uri: &Uri, mut response: Response) -> Response {
    Language::keep_asked(uri.query(), response.headers_mut());
    response
}

/// Whether a browser says that a request was caused by a page of another site. Over plain HTTP to another machine a browser
/// says only the origin of the page, which is `null` if that page hides it.
fn is_of_another_site(request: &Request) -> bool {
    let headers = request.headers();
    if let Some(site) = headers.get("sec-fetch-site") {
        return !matches!(site.as_bytes(), b"same-origin" | b"none");
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let host = request.uri().authority().map(|host| host.as_str().as_bytes());
    let host = host.or_else(|| headers.get(header::HOST).map(HeaderValue::as_bytes));
    let origin = origin.as_bytes();
    let of_origin = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
    !of_origin.zip(host).is_some_and(|(of_origin, host)| of_origin.eq_ignore_ascii_case(host))
}

/// A path of the console, and of nobody else: `//host` and `/\host` lead away.
fn own_path(next: &str) -> &str {
    let is_own = next == "/console" || next.starts_with("/console/") || next.starts_with("/console?");
    let is_plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_own && is_plain { next } else { "/console" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_login_nobody_is_led_away() {
        for own in ["/console", "/console/messages?state=failed", "/console?lang=zh"] {
            assert_eq!(own_path(own), own);
        }
        for foreign in
            ["", "//evil", "/\\evil", "https://evil", "/consolex", "/v1/keys", "/console/\r\nSet-Cookie: a"]
        {
            assert_eq!(own_path(foreign), "/console", "{foreign}");
        }
    }
}
