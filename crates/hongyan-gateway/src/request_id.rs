//! The id of a request, in its answer and in the log.

use axum::http::{HeaderName, HeaderValue, Request};
use hongyan_wechat::paths::FAMILIES;
use tracing::Span;
use uuid::Uuid;

/// The header of the id.
pub(crate) const NAME: HeaderName = HeaderName::from_static("x-request-id");

/// The pattern of an accepted id: the id is written to the log unchanged.
pub(crate) const PATTERN: &str = "^[A-Za-z0-9._:+/=-]{1,128}$";

/// The longest id that a caller may send.
const MAX_CHARS: usize = 128;

/// Whether answers to requests for this path have the header: only the gateway's own API. The facade answers as WeChat does.
pub(crate) fn is_in_answers(path: &str) -> bool {
    path.starts_with("/v1/") || path.starts_with("/mp/")
}

/// Whether requests for this path get an id: the gateway's own API, the facade, and the console.
fn is_given_to(path: &str) -> bool {
    let first = path.split('/').nth(1).unwrap_or_default();
    is_in_answers(path) || first == "console" || FAMILIES.contains(&first)
}

/// The id that a request brings, or a new id; `None`: requests for this path get no id.
pub(crate) fn of<B>(request: &Request<B>) -> Option<HeaderValue> {
    is_given_to(request.uri().path())
        .then(|| request.headers().get(NAME).filter(|value| is_good(value)).cloned().unwrap_or_else(made))
}

/// Adds the id to every log line about the request.
pub(crate) fn span(id: &HeaderValue) -> Span {
    tracing::info_span!("request", id = id.to_str().unwrap_or_default())
}

fn is_good(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    (1..=MAX_CHARS).contains(&bytes.len())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._:+/=-".contains(byte))
}

fn made() -> HeaderValue {
    let id = Uuid::now_v7().as_simple().to_string();
    HeaderValue::try_from(id).expect("hexadecimal digits are a header's value")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_send_a_message_gets_an_id_and_only_the_own_api_tells_it() {
        for (path, is_given, is_told) in [
            ("/v1/messages", true, true),
            ("/mp/wx1/login", true, true),
            ("/console/messages/msg_1/send", true, false),
            ("/cgi-bin/message/subscribe/send", true, false),
            ("/wxa/getwxacode", true, false),
            ("/metrics", false, false),
            ("/", false, false),
            ("/docs/console", false, false),
        ] {
            assert_eq!((is_given_to(path), is_in_answers(path)), (is_given, is_told), "{path}");
        }
    }

    #[test]
    fn a_good_name_is_short_and_plain() {
        for good in
            ["a", "019a3c5e7b9170018a2b3c4d5e6f7081", "00-4bf92f35-01", "a/b+c=:d_".trim_end_matches('_')]
        {
            assert!(is_good(&HeaderValue::from_static(good)), "{good}");
        }
        let long = "x".repeat(MAX_CHARS + 1);
        for bad in ["", "a b", "a\tb", "{}", "a\"b", long.as_str()] {
            assert!(!is_good(&HeaderValue::from_str(bad).unwrap()), "{bad}");
        }
        assert!(is_good(&made()));
    }
}
