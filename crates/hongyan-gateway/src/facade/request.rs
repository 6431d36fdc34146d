//! Reads calls in WeChat's form, leniently, and refuses them in WeChat's form.
//!
//! SDKs put the token into odd places of the query ([`hongyan_wechat::query`]).

use std::borrow::Cow;
use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::extract::FromRequestParts;
use axum::http::Uri;
use axum::http::request::Parts;
use hongyan_wechat::{Errcode, query};

use super::answer::{BODY_BROKE_OFF, BODY_TOO_LARGE, Refusal};
use super::body::{Taken, begin, drain};
use crate::gateway_tokens::TOKEN_PREFIX;
use crate::members::Members;

/// The parameter that has the token.
pub(super) const ACCESS_TOKEN: &str = "access_token";

/// The parameters that are never passed on. They are for the gateway; WeChat gets the app from the token.
pub(super) const OURS: [&str; 5] = [ACCESS_TOKEN, "appid", "secret", "appsecret", "service"];

/// The parameters in the query.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn of(uri: &Uri) -> Self {
        Self(query::parameters(uri.query().unwrap_or_default()).map(owned).collect())
    }

    /// The first value that is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The token. If there are several, the first that looks like a gateway token.
    pub(super) fn access_token(&self) -> Option<&str> {
        self.all(ACCESS_TOKEN)
            .find(|token| token.starts_with(TOKEN_PREFIX))
            .or_else(|| self.get(ACCESS_TOKEN))
    }

    fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }
}

impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.uri))
    }
}

/// The largest body of a call with a secret or token to check. Anybody can make such a call, so only a little is held.
pub(super) const MAX_CREDENTIALS_BYTES: usize = 16 * 1024;

/// Reads the whole body.
pub(super) async fn whole(body: Body, most_bytes: usize) -> Result<Bytes, Refusal> {
    match begin(body, most_bytes).await {
        Ok(Taken::Whole(body)) => Ok(body),
        Ok(Taken::Beginning(rest)) => {
            drain(rest).await;
            Err(Refusal::own(&BODY_TOO_LARGE, format!("> {most_bytes} B")))
        }
        Err(_) => Err(Refusal::own(&BODY_BROKE_OFF, "")),
    }
}

/// Parses a body that must be an object. WeChat has a separate errcode for an empty body.
pub(super) fn object(body: &[u8]) -> Result<Members<'_>, Refusal> {
    if body.is_empty() {
        return Err(Refusal::new(Errcode::EMPTY_BODY, "empty post data"));
    }
    Members::read(body)
        .map_err(|error| Refusal::new(Errcode::BAD_JSON, format!("data format error: {error}")))
}

/// The path and query to pass on: without the gateway's parameters, and with `first` before the others.
pub(super) fn passed_on(uri: &Uri, first: &[(&str, &str)]) -> String {
    query::rewritten(uri.path(), uri.query().unwrap_or_default(), &OURS, first)
}

fn owned((key, value): (Cow<'_, str>, Cow<'_, str>)) -> (String, String) {
    (key.into_owned(), value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(query: &str) -> Option<String> {
        let uri: Uri = format!("/cgi-bin/x?{query}").parse().unwrap();
        Parameters::of(&uri).access_token().map(str::to_owned)
    }

    fn passed(address: &str) -> String {
        passed_on(&address.parse().unwrap(), &[(ACCESS_TOKEN, "RE AL")])
    }

    #[test]
    fn a_token_is_found_wherever_an_sdk_puts_it() {
        for query in [
            "access_token=hyt_x",
            "a=b&access_token=hyt_x",
            "access%5Ftoken=hyt%5Fx",
            "access_token=&access_token=hyt_x",
            "access_token=ACCESS_TOKEN&access_token=hyt_x",
            "a=b?access_token=hyt_x",
            "?access_token=hyt_x",
        ] {
            assert_eq!(token(query).as_deref(), Some("hyt_x"), "{query}");
        }
        assert_eq!(token("access_token=other").as_deref(), Some("other"));
        assert_eq!(token("access_token="), None);
        assert_eq!(token("a=access_token"), None);
    }

    #[test]
    fn what_is_passed_on_keeps_its_bytes_and_loses_what_is_the_gateways() {
        assert_eq!(
            passed("/wxa/x?access_token=hyt_x&b=1%202+3&c&%64=%E4%BD%A0"),
            "/wxa/x?access_token=RE+AL&b=1%202+3&c&%64=%E4%BD%A0"
        );
        assert_eq!(
            passed("/wxa/x?appid=wx1&secret=s&b=1&appsecret=s&access%5Ftoken=hyt_x"),
            "/wxa/x?access_token=RE+AL&b=1"
        );
        assert_eq!(passed("/wxa/x?b=1?access_token=hyt_x"), "/wxa/x?access_token=RE+AL&b=1");
        assert_eq!(passed("/wxa/x"), "/wxa/x?access_token=RE+AL");
        assert_eq!(passed_on(&"/wxa/x".parse().unwrap(), &[]), "/wxa/x");
        assert_eq!(passed_on(&"/wxa/x?b=1".parse().unwrap(), &[]), "/wxa/x?b=1");
    }
}
