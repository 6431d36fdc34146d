//! A browser at the console: it logs in, opens pages, and draws an open page anew when the gateway says so.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};

use crate::Result;
use crate::client::{Connection, Target};

/// The header that a page sends when it asks for itself once more.
const REFRESH: &str = "x-part";

/// A page may lead to another one, and that to no third one.
const MAX_REDIRECTS: u32 = 1;

/// The password that the person chooses. It guards a database that is removed after the measurement.
const PASSWORD: &str = "seven wild geese over the river";

/// A browser with a session.
pub(super) struct Browser {
    target: Target,
    connection: Connection,
    cookie: String,
}

/// A page that was opened.
pub(super) struct Opened {
    /// From the request to the last byte.
    pub(super) took: Duration,
    pub(super) html: Bytes,
}

impl Browser {
    /// Logs a person in for the first time: the person has to choose a password then.
    pub(super) async fn first_login(target: &Target, name: &str, first_password: &str) -> Result<Self> {
        let mut browser = Self::log_in(target, name, first_password).await?;
        let account = browser.open("/console/account").await?;
        let html = String::from_utf8_lossy(&account.html).into_owned();
        let token = value_of(&html, "csrf").ok_or("the page of the account has no form")?;
        let change = [("csrf", token), ("old", first_password), ("new", PASSWORD), ("again", PASSWORD)];
        browser.post("/console/account", &change).await?;
        Ok(browser)
    }

    /// Logs the person in again, as another browser does.
    pub(super) async fn another_login(target: &Target, name: &str) -> Result<Self> {
        Self::log_in(target, name, PASSWORD).await
    }

    async fn log_in(target: &Target, name: &str, password: &str) -> Result<Self> {
        let target = target.without_key();
        let connection = target.connect().await?;
        let mut browser = Self { target, connection, cookie: String::new() };
        browser.post("/console/login", &[("name", name), ("password", password)]).await?;
        if browser.cookie.is_empty() { Err("the login gave no session".into()) } else { Ok(browser) }
    }

    /// Opens a page.
    pub(super) async fn open(&mut self, path: &str) -> Result<Opened> {
        self.get(path, false).await
    }

    /// Asks for a page once more, as one that is open does.
    pub(super) async fn refresh(&mut self, path: &str) -> Result<Opened> {
        self.get(path, true).await
    }

    /// Listens to when an open page is to be drawn anew.
    pub(super) async fn listen(&self) -> Result<Ticks> {
        let mut connection = self.target.connect().await?;
        let request = self.request(Method::GET, "/console/live", Bytes::new())?;
        let answer = connection.request(request).await.map_err(|error| format!("/console/live: {error}"))?;
        if answer.status() != StatusCode::OK {
            return Err(format!("/console/live: {}", answer.status()));
        }
        Ok(Ticks { body: answer.into_body(), _connection: connection })
    }

    /// Reads a page, and follows where it leads to: a search for an id opens what has it.
    async fn get(&mut self, path: &str, is_refresh: bool) -> Result<Opened> {
        let begin = Instant::now();
        let mut path = path.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            let mut request = self.request(Method::GET, &path, Bytes::new())?;
            if is_refresh {
                request.headers_mut().insert(REFRESH, header::HeaderValue::from_static("live"));
            }
            let (status, headers, html) = self.exchange(&path, request).await?;
            let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
            match location {
                Some(location) if status.is_redirection() => location.clone_into(&mut path),
                _ if status == StatusCode::OK => return Ok(Opened { took: begin.elapsed(), html }),
                _ => return Err(format!("{path}: {status}")),
            }
        }
        Err(format!("{path}: it leads on and on"))
    }

    /// Sends a form, whose answer must lead on.
    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Result {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut request = self.request(Method::POST, path, form.into())?;
        let kind = header::HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(header::CONTENT_TYPE, kind);
        let (status, headers, _) = self.exchange(path, request).await?;
        if !status.is_redirection() {
            return Err(format!("{path}: {status}"));
        }
        let given = headers.get_all(header::SET_COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        if let Some(session) =
            given.filter_map(|cookie| cookie.split(';').next()).find(|it| it.contains("session="))
        {
            session.clone_into(&mut self.cookie);
        }
        Ok(())
    }

    fn request(&self, method: Method, path: &str, body: Bytes) -> Result<Request<Full<Bytes>>> {
        Request::builder()
            .method(method)
            .uri(path)
            .header(header::COOKIE, &self.cookie)
            .body(Full::new(body))
            .map_err(|error| format!("{path}: {error}"))
    }

    async fn exchange(
        &mut self,
        path: &str,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, HeaderMap, Bytes)> {
        let failed = |error: hyper::Error| format!("{path}: {error}");
        let (head, body) = self.connection.request(request).await.map_err(failed)?.into_parts();
        let body = body.collect().await.map_err(failed)?.to_bytes();
        Ok((head.status, head.headers, body))
    }
}

/// The stream that says when an open page is to be drawn anew.
pub(super) struct Ticks {
    body: hyper::body::Incoming,
    _connection: Connection,
}

impl Ticks {
    /// Waits for the next tick; false when the stream has ended.
    pub(super) async fn next(&mut self) -> bool {
        while let Some(Ok(frame)) = self.body.frame().await {
            if frame.data_ref().is_some_and(|data| data.starts_with(b"event: tick")) {
                return true;
            }
        }
        false
    }
}

/// The value of a form's hidden field.
fn value_of<'a>(html: &'a str, field: &str) -> Option<&'a str> {
    let (_, behind) = html.split_once(&format!("name=\"{field}\" value=\""))?;
    behind.split_once('"').map(|(value, _)| value)
}

/// The files that a page loads before it is first painted.
pub(super) fn files_of(html: &str) -> Vec<&str> {
    let mut files: Vec<&str> =
        html.split('"').filter(|text| text.starts_with("/assets/") && !text.contains("/icon-")).collect();
    files.sort_unstable();
    files.dedup();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_of_a_form_is_found() {
        let html =
            r#"<form><input type="hidden" name="csrf" value="abc"><input name="old" value="x"></form>"#;
        assert_eq!(value_of(html, "csrf"), Some("abc"));
        assert_eq!(value_of(html, "new"), None);
    }

    #[test]
    fn the_files_of_a_page_are_counted_once() {
        let html = r#"<link rel="icon" href="/assets/icon-1.svg"><link href="/assets/style-2.css"><script src="/assets/live-3.js"></script><script src="/assets/live-3.js"></script>"#;
        assert_eq!(files_of(html), ["/assets/live-3.js", "/assets/style-2.css"]);
    }
}
