//! `GET /openapi.json`: the parts of the description that all calls share, and the call that serves it.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use axum::routing::get;
use utoipa::openapi::response::Response;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::tag::Tag;
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Paths, Ref,
    RefOr, ResponseBuilder, Server,
};
use utoipa::{IntoResponses, ToSchema};

use crate::problem::{MEDIA_TYPE, Problem};
use crate::schemas;

mod finish;
mod links;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
mod validate;
mod webhooks;

pub(super) use finish::finished;

/// The introduction to the description.
const ABOUT: &str = "\
Sends WeChat's notifications to the users of mini programs: it keeps the access token, collects the rights to send, \
sends each message once, and explains every failure.

Times are RFC 3339. Ids are opaque. Any answer may get new fields and new enum values. A refusal is a problem (RFC \
9457) with a stable `code`. A request with an unknown field, or with a repeated field in an object, is refused. Every \
answer has the header `x-request-id`; a request may set its own.

The gateway also serves WeChat's own paths (`/cgi-bin`, `/wxa`, `/wxaapi`, `/sns`) in WeChat's own form, for software \
that already calls WeChat: change its host, and use the app's gateway secret as `secret`. WeChat's documentation \
describes those paths.";

/// The families of calls.
const TAGS: [(&str, &str); 10] = [
    ("messages", "Send, look up, cancel and resolve messages."),
    ("permits", "The rights to send, and how many users they reach."),
    ("logins", "Exchange a login code for a user's openid."),
    ("apps", "Mini programs: their secrets, pauses and templates."),
    ("webhooks", "URLs that receive events, and the deliveries to them."),
    ("keys", "API keys, and the audit trail."),
    ("people", "The people who may use the console."),
    ("nodes", "The running gateways, and which users each works for."),
    ("mini program", "Calls for the mini program itself, without an API key."),
    ("health", "For operators and monitoring."),
];

/// The description without its calls.
pub(super) fn head() -> OpenApi {
    let bearer = |description: &str| {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.description = Some(description.to_owned());
        SecurityScheme::Http(scheme)
    };
    let mut schemas = schemas::Schemas::new();
    schemas::with_parts::<Problem>(&mut schemas);
    let components = ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .response(REFUSAL, refusal())
        .security_scheme(
            "api_key",
            bearer(
                "`Authorization: Bearer hyk_…`. Make a key with `hongyan key create --name NAME --scopes SCOPES`; each call \
                 names the scope that it needs; `all` is every scope except `facade`, `access_token` and `keys`.",
            ),
        )
        .security_scheme(
            "session",
            bearer("`Authorization: Bearer hys_…`: the session that the mini program got from its login."),
        );
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Hongyan")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(ABOUT))
                .license(Some(
                    LicenseBuilder::new()
                        .name("MIT or Apache-2.0")
                        .identifier(Some("MIT OR Apache-2.0"))
                        .build(),
                ))
                .build(),
        )
        .servers(Some([Server::new("/")]))
        .tags(Some(TAGS.map(|(name, description)| {
            let mut tag = Tag::new(name);
            tag.description = Some(description.to_owned());
            tag
        })))
        .components(Some(components.build()))
        .paths(Paths::new())
        .build()
}

/// The name of the response that describes every refusal.
const REFUSAL: &str = "Refusal";

fn refusal() -> Response {
    ResponseBuilder::new()
        .description("Refused; the body says why and what to do.")
        .content(
            MEDIA_TYPE,
            ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name()))).build(),
        )
        .build()
}

/// Every answer that is not a success.
pub(super) enum Refusals {}

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        ["4XX", "5XX"].map(|status| (status.to_owned(), RefOr::Ref(Ref::from_response_name(REFUSAL)))).into()
    }
}

/// Serves the description, which is serialized once.
pub(super) fn routes<S: Clone + Send + Sync + 'static>(description: &OpenApi) -> Router<S> {
    let json = Bytes::from(finished(description).to_string());
    let answer = move || async move { ([(header::CONTENT_TYPE, "application/json")], json) };
    Router::new().route("/openapi.json", get(answer))
}
