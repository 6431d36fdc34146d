//! The files that the phone's page loads, embedded in the binary.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderName, StatusCode, header};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::control;
use crate::inner::Inner;

/// The files of the directory `phone`.
#[derive(RustEmbed)]
#[folder = "phone/"]
struct Files;

/// `/phone/` and the path of a file.
pub(crate) fn routes() -> Router<Arc<Inner>> {
    Router::new().route(
        "/phone/{*path}",
        get(|Path(path): Path<String>, headers: HeaderMap| async move { file(&path, &headers) }),
    )
}

fn file(path: &str, headers: &HeaderMap) -> Response {
    let Some(EmbeddedFile { data, metadata }) = Files::get(path) else {
        return control::no_such_path(&format!("/phone/{path}"));
    };
    let etag = format!("\"{}\"", hex::encode(&metadata.sha256_hash()[..16]));
    // The browser asks each time and gets the file only if it has changed: after an update nobody sees old pages.
    let common: [(HeaderName, &str); 3] = [
        (header::CACHE_CONTROL, "no-cache"),
        (header::ETAG, &etag),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, [(header::CONTENT_TYPE, content_type(path))], Body::from(data.into_owned())).into_response()
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("css") => "text/css; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_the_browser_has_is_not_sent_again() {
        let first = file("phone.js", &HeaderMap::new());
        assert_eq!(first.status(), StatusCode::OK);
        assert_eq!(first.headers()[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        assert_eq!(file("phone.js", &headers).status(), StatusCode::NOT_MODIFIED);
    }

    #[test]
    fn only_files_of_the_page_are_served() {
        assert_eq!(file("../Cargo.toml", &HeaderMap::new()).status(), StatusCode::NOT_FOUND);
        assert_eq!(file("nothing.js", &HeaderMap::new()).status(), StatusCode::NOT_FOUND);
    }
}
