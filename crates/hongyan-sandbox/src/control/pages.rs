//! `/_sandbox/pages`: the pages of a mini program. After they are set, the sandbox refuses other pages with 41030, as
//! WeChat does.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use bytes::Bytes;
use hongyan_wechat::AppId;
use http::Uri;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{ControlError, parse, parse_query};
use super::look_up::app;
use crate::inner::Inner;
use crate::state::pages::{MAX_PAGES, Pages};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetPages {
    appid: AppId,
    /// The paths as in `app.json`; a page of a sub-package begins with the sub-package's root.
    pages: Vec<String>,
}

/// `POST /_sandbox/pages`: sets the app's pages; all other pages are refused from now on.
pub(super) async fn set(Shared(inner): Shared<Arc<Inner>>, body: Bytes) -> Result<Json<Value>, ControlError> {
    let SetPages { appid, pages } = parse(&body)?;
    let pages = pages_of(&pages)?;
    let mut state = inner.state();
    let app = app(&mut state, &appid)?;
    app.pages = pages;
    Ok(Json(shown(&appid, &app.pages)))
}

/// The pages from the request, if all of them are valid paths.
pub(super) fn pages_of(pages: &[String]) -> Result<Pages, ControlError> {
    if pages.len() > MAX_PAGES {
        return Err(ControlError::bad_request(format!("pages: at most {MAX_PAGES} pages")));
    }
    Pages::known(pages).map_err(|wrong| {
        ControlError::bad_request(format!(
            "pages: {wrong:?} is not a valid page path, such as pages/index/index"
        ))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfApp {
    appid: AppId,
}

/// `GET /_sandbox/pages`: `null` if any page is accepted.
pub(super) async fn show(Shared(inner): Shared<Arc<Inner>>, uri: Uri) -> Result<Json<Value>, ControlError> {
    let OfApp { appid } = parse_query(&uri)?;
    Ok(Json(shown(&appid, &app(&mut inner.state(), &appid)?.pages)))
}

/// `DELETE /_sandbox/pages`: any page is accepted again.
pub(super) async fn forget(Shared(inner): Shared<Arc<Inner>>, uri: Uri) -> Result<Json<Value>, ControlError> {
    let OfApp { appid } = parse_query(&uri)?;
    let mut state = inner.state();
    let app = app(&mut state, &appid)?;
    app.pages = Pages::default();
    Ok(Json(shown(&appid, &app.pages)))
}

fn shown(appid: &AppId, pages: &Pages) -> Value {
    json!({ "appid": appid, "pages": pages.list() })
}
