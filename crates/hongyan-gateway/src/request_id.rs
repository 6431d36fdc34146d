//! A name for each request, in its answer and in the log.

use axum::http::{HeaderName, HeaderValue, Request};
use tracing::Span;
use uuid::Uuid;

/// The header.
pub(crate) const NAME: HeaderName = HeaderName::from_static("x-request-id");

/// What a good one looks like: it is written into the log as it is.
pub(crate) const PATTERN: &str = "^[A-Za-z0-9._:+/=-]{1,128}$";

/// The longest that a caller may bring.
const MAX_CHARS: usize = 128;

/// Whether requests for this path have one: those of the gateway's own calls. The facade answers as WeChat does.
pub(crate) fn is_given_to(path: &str) -> bool {
    path.starts_with("/v1/") || path.starts_with("/mp/")
}

/// The name that a request brings, or a new one; `None`: requests for its path have none.
pub(crate) fn of<B>(request: &Request<B>) -> Option<HeaderValue> {
    is_given_to(request.uri().path())
        .then(|| request.headers().get(NAME).filter(|value| is_good(value)).cloned().unwrap_or_else(made))
}

/// Puts the name into every line of the log that is about the request.
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
