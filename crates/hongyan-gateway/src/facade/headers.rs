//! Which headers are passed on, and which belong to a single connection.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use hongyan_wechat::blot::Blotter;

/// Headers of a single connection (RFC 9110, section 7.6.1), besides those that `Connection` names.
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

/// Request headers that are not for WeChat: where the caller is, who it is, what called it, and headers that the gateway sets
/// itself. Range headers are dropped too, because a range chosen by the caller could cut a secret in half and hide it from the
/// search.
const FOR_US: [&str; 27] = [
    "authorization",
    "baggage",
    "cdn-loop",
    "content-length",
    "cookie",
    "expect",
    "fastly-client-ip",
    "forwarded",
    "host",
    "if-range",
    "origin",
    "range",
    "referer",
    "traceparent",
    "tracestate",
    "true-client-ip",
    "via",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-correlation-id",
    "x-host",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-real-ip",
    "x-request-id",
    "x-rewrite-url",
];

/// Prefixes of more such headers, which proxies, CDNs and browsers add.
const FAMILIES_FOR_US: [&str; 8] =
    ["cf-", "sec-", "x-amz", "x-appengine-", "x-azure-", "x-b3-", "x-envoy-", "x-forwarded"];

/// Headers of WeChat's answers that must not take effect at the gateway's origin: they set cookies, open the origin to other
/// pages, or set rules for the host.
const FOR_WECHATS_ORIGIN: [&str; 11] = [
    "alt-svc",
    "clear-site-data",
    "content-security-policy",
    "content-security-policy-report-only",
    "nel",
    "refresh",
    "report-to",
    "reporting-endpoints",
    "service-worker-allowed",
    "set-cookie",
    "strict-transport-security",
];

/// The headers of a caller's request that are passed on to WeChat.
pub(super) fn of_request(headers: &HeaderMap) -> HeaderMap {
    let mut passed = end_to_end(headers, |name| {
        FOR_US.contains(&name.as_str())
            || FAMILIES_FOR_US.iter().any(|family| name.as_str().starts_with(family))
            // The gateway must be able to read the answer, and decompresses nothing.
            || name == header::ACCEPT_ENCODING
    });
    // Some servers compress if the header is absent.
    passed.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    passed
}

/// The headers of WeChat's answer that are passed on to the caller, without headers that contain a secret. `Content-Length` is
/// passed on only if there is no body; otherwise the body declares its length.
///
/// `Location` is left out: the function's caller sets it.
pub(super) fn of_answer(headers: &HeaderMap, has_body: bool, blotter: &Blotter) -> HeaderMap {
    let mut passed = end_to_end(headers, |name| {
        (has_body && name == header::CONTENT_LENGTH)
            || name == header::LOCATION
            || name == header::CONTENT_LOCATION
            || FOR_WECHATS_ORIGIN.contains(&name.as_str())
            || name.as_str().starts_with("access-control-")
            || blotter.is_in(name.as_str().as_bytes())
    });
    let dirty: Vec<HeaderName> = passed
        .iter()
        .filter(|(_, value)| blotter.is_in(value.as_bytes()))
        .map(|(name, _)| name.clone())
        .collect();
    for name in dirty {
        passed.remove(name);
    }
    // The answer may be an HTML page. It must not run scripts at the gateway's origin.
    passed.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    passed.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    passed
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
            ("x-forwarded", "192.0.2.1"),
            ("true-client-ip", "192.0.2.1"),
            ("cf-connecting-ip", "192.0.2.1"),
            ("referer", "https://x.example/?access_token=hyt_x"),
            ("origin", "https://x.example"),
            ("range", "bytes=0-9"),
            ("accept-encoding", "gzip"),
        ]);
        let expected = headers(&[
            ("content-type", "multipart/form-data; boundary=x"),
            ("wechatmp-signature", "s"),
            ("accept-encoding", "identity"),
        ]);
        assert_eq!(of_request(&given), expected);
        assert!(FOR_US.is_sorted() && FAMILIES_FOR_US.is_sorted() && FOR_WECHATS_ORIGIN.is_sorted());
    }

    #[test]
    fn an_answer_keeps_what_says_something_about_its_body_and_nothing_secret() {
        let given = headers(&[
            ("content-type", "image/jpeg"),
            ("content-disposition", "attachment; filename=\"x.jpg\""),
            ("transfer-encoding", "chunked"),
            ("content-length", "9"),
            ("set-cookie", "a=b"),
            ("access-control-allow-origin", "*"),
            ("location", "https://x.example/"),
            ("x-request-url", "/x?access_token=T0KEN-T0KEN"),
            ("x-escaped", "/x?access_token=%540KEN%2DT0KEN"),
        ]);
        let mut expected = headers(&[
            ("content-type", "image/jpeg"),
            ("content-disposition", "attachment; filename=\"x.jpg\""),
            ("content-security-policy", "sandbox"),
            ("x-content-type-options", "nosniff"),
        ]);
        let blotter = Blotter::new(["T0KEN-T0KEN".into()]);
        assert_eq!(of_answer(&given, true, &blotter), expected);
        expected.insert("content-length", "9".parse().unwrap());
        assert_eq!(of_answer(&given, false, &blotter), expected);
    }
}
