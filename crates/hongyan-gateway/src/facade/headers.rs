//! Which headers are passed on, and which are only between two neighbours.

use axum::http::{HeaderMap, HeaderName, header};

/// Headers of one connection (RFC 9110, section 7.6.1). Those that `Connection` names are, too.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What a caller tells the gateway and not WeChat: where it is, who it is, and what the gateway works out itself.
const FOR_US: [&str; 8] =
    ["authorization", "content-length", "cookie", "expect", "forwarded", "host", "via", "x-real-ip"];

/// The headers of a caller's request that WeChat gets.
pub(super) fn of_request(headers: &HeaderMap) -> HeaderMap {
    let mut passed = end_to_end(headers, |name| {
        FOR_US.contains(&name.as_str())
            || name.as_str().starts_with("x-forwarded-")
            // A refusal must be legible to the gateway, which unpacks nothing.
            || name == header::ACCEPT_ENCODING
    });
    // Some servers take its absence for a wish for anything.
    passed.insert(header::ACCEPT_ENCODING, header::HeaderValue::from_static("identity"));
    passed
}

/// The headers of WeChat's answer that the caller gets. The length is the body's own to say, except where there is
/// none.
pub(super) fn of_answer(headers: &HeaderMap, has_body: bool) -> HeaderMap {
    end_to_end(headers, |name| has_body && name == header::CONTENT_LENGTH)
}

fn end_to_end(headers: &HeaderMap, is_dropped: impl Fn(&HeaderName) -> bool) -> HeaderMap {
    let named: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let stays = |name: &HeaderName| {
        !HOP_BY_HOP.contains(&name.as_str())
            && !named.iter().any(|other| other == name.as_str())
            && !is_dropped(name)
    };
    headers
        .iter()
        .filter(|(name, _)| stays(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_caller_s_own_matters_stay_here() {
        let given = headers(&[
            ("authorization", "Bearer hyk_x"),
            ("connection", "keep-alive, X-Mine"),
            ("x-mine", "1"),
            ("content-type", "multipart/form-data; boundary=x"),
            ("content-length", "9"),
            ("wechatmp-signature", "s"),
            ("x-forwarded-for", "192.0.2.1"),
            ("accept-encoding", "gzip"),
        ]);
        let expected = headers(&[
            ("content-type", "multipart/form-data; boundary=x"),
            ("wechatmp-signature", "s"),
            ("accept-encoding", "identity"),
        ]);
        assert_eq!(of_request(&given), expected);
    }

    #[test]
    fn an_answer_keeps_what_says_something_about_its_body() {
        let given = headers(&[
            ("content-type", "image/jpeg"),
            ("content-disposition", "attachment; filename=\"x.jpg\""),
            ("transfer-encoding", "chunked"),
            ("content-length", "9"),
        ]);
        let mut expected = headers(&[
            ("content-type", "image/jpeg"),
            ("content-disposition", "attachment; filename=\"x.jpg\""),
        ]);
        assert_eq!(of_answer(&given, true), expected);
        expected.insert("content-length", "9".parse().unwrap());
        assert_eq!(of_answer(&given, false), expected);
    }
}
