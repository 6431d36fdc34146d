//! One card on a page of its own, whose address can be passed on.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State as Shared};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use hongyan_ui::card::{Card as Picture, Field};

use super::frame::{Frame, link};
use crate::complaints;
use crate::control::Opened;
use crate::inner::Inner;
use crate::state::inbox::CardKind;

#[derive(Template)]
#[template(path = "opened.html")]
struct OpenedPage {
    frame: Frame,
    opened: Option<Opened>,
    /// The card as HTML.
    picture: String,
}

impl OpenedPage {
    fn meaning(&self, code: &str) -> &'static str {
        let found = complaints::CODES.iter().find(|(known, _, _)| *known == code);
        found.map(|(_, zh, en)| self.frame.language.pick(*zh, *en)).unwrap_or_default()
    }

    fn is_legacy(&self) -> bool {
        self.opened.as_ref().is_some_and(|opened| opened.card.kind == CardKind::Legacy)
    }

    /// A link that names the user of the card, or only the app.
    fn link(&self, path: &str, with_user: bool) -> String {
        let Some(Opened { card, .. }) = &self.opened else { return path.to_owned() };
        let openid = if with_user { card.openid.as_str() } else { "" };
        link(path, &[("appid", card.appid.as_str()), ("openid", openid)])
    }

    fn phone(&self) -> String {
        self.link("/phone", true)
    }

    fn of_app(&self) -> String {
        self.link("/inbox", false)
    }

    fn of_user(&self) -> String {
        self.link("/inbox", true)
    }
}

/// `GET /inbox/{id}`.
pub(super) async fn show(
    Shared(inner): Shared<Arc<Inner>>,
    Path(id): Path<String>,
    address: Uri,
    headers: HeaderMap,
) -> Response {
    let frame = Frame::new("/inbox", &address, &headers);
    let opened = id.parse().ok().and_then(|id| Opened::find(&inner.state(), id));
    let status = if opened.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let picture = opened.as_ref().map(|opened| picture(&frame, opened)).unwrap_or_default();
    let page = OpenedPage { frame, opened, picture };
    page.frame.answer(status, &page)
}

fn picture(frame: &Frame, Opened { card, .. }: &Opened) -> String {
    let is_large = |name: &str| card.emphasis.as_deref() == Some(name);
    let field = |field: &crate::state::inbox::CardField| Field {
        label: field.label.to_string(),
        value: field.value.clone(),
        complaint: None,
    };
    Picture {
        language: frame.language,
        app: card.appid.to_string(),
        title: card.title.to_string(),
        time: None,
        emphasis: card.fields.iter().find(|f| is_large(&f.name)).map(field),
        fields: card.fields.iter().filter(|f| !is_large(&f.name)).map(field).collect(),
        page: card.page.clone(),
    }
    .html()
}
