//! Query strings of WeChat's URLs in the forms that SDKs send; removes and adds parameters.
//!
//! SDKs append the token to any URL: twice, percent-encoded, or after a second question mark. So queries are read
//! leniently; parameters that stay keep their bytes.

use std::borrow::Cow;

use url::form_urlencoded;

/// A query is split here besides `&`: an SDK appended the token to a URL that had a query already.
const GLUED_ON: &str = "?access_token=";

/// The decoded parameters, in order.
pub fn parameters(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    segments(query).filter_map(|segment| form_urlencoded::parse(segment.as_bytes()).next())
}

/// Path and query without the parameters with these names, and with `first` before all others, which keep their bytes.
pub fn rewritten(path: &str, query: &str, without: &[&str], first: &[(&str, &str)]) -> String {
    let mut address = format!("{path}?");
    let start = address.len();
    address = form_urlencoded::Serializer::for_suffix(address, start).extend_pairs(first).finish();
    let is_kept = |segment: &&str| {
        let key = form_urlencoded::parse(segment.as_bytes()).next().map(|(key, _)| key);
        key.is_none_or(|key| !without.contains(&key.as_ref()))
    };
    for segment in segments(query).filter(is_kept) {
        if address.len() > start {
            address.push('&');
        }
        address.push_str(segment);
    }
    if address.len() == start {
        address.pop();
    }
    address
}

/// The parts of the query. A part appended after a second question mark counts as its own part.
fn segments(query: &str) -> impl Iterator<Item = &str> {
    query
        .split('&')
        .flat_map(|part| {
            // Several parts may be appended in this way.
            let mut rest = Some(part);
            std::iter::from_fn(move || {
                let part = rest?;
                match part.find(GLUED_ON) {
                    Some(at) => {
                        rest = Some(&part[at + 1..]);
                        Some(&part[..at])
                    }
                    None => rest.take(),
                }
            })
        })
        .filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewrite(query: &str) -> String {
        rewritten("/wxa/x", query, &["access_token", "secret"], &[("access_token", "RE AL")])
    }

    #[test]
    fn a_parameter_is_found_wherever_an_sdk_puts_it() {
        for query in [
            "access_token=t",
            "a=b&access%5Ftoken=t",
            "a=b?access_token=t",
            "?access_token=t",
            "a=?access_token=x?access_token=t",
        ] {
            let values: Vec<_> = parameters(query).filter(|(key, _)| key == "access_token").collect();
            assert_eq!(values.last().map(|(_, value)| value.as_ref()), Some("t"), "{query}");
        }
        assert_eq!(parameters("a=access_token").count(), 1);
    }

    #[test]
    fn what_is_kept_keeps_its_bytes() {
        assert_eq!(
            rewrite("access_token=t&b=1%202+3&c&%64=%E4%BD%A0"),
            "/wxa/x?access_token=RE+AL&b=1%202+3&c&%64=%E4%BD%A0"
        );
        assert_eq!(rewrite("secret=s&b=1&access%5Ftoken=t"), "/wxa/x?access_token=RE+AL&b=1");
        assert_eq!(rewrite("b=1?access_token=t?access_token=u"), "/wxa/x?access_token=RE+AL&b=1");
        assert_eq!(rewrite(""), "/wxa/x?access_token=RE+AL");
        assert_eq!(rewritten("/wxa/x", "", &[], &[]), "/wxa/x");
        assert_eq!(rewritten("/wxa/x", "b=1", &[], &[]), "/wxa/x?b=1");
    }
}
