//! The query of a call at the facade. The gateway's own parameters (token, secret, appid) never reach WeChat, in any
//! spelling. The real token is passed on once. All other parameters are passed on unchanged.
#![no_main]

use hongyan_wechat::query::{parameters, rewritten};
use libfuzzer_sys::fuzz_target;

const OURS: [&str; 3] = ["access_token", "appid", "secret"];

fuzz_target!(|query: &str| {
    // The parser of addresses ends a query at a fragment and refuses spaces.
    if query.contains(['#', ' ']) || query.chars().any(char::is_control) {
        return;
    }
    let address = rewritten("/wxa/x", query, &OURS, &[("access_token", "REAL")]);
    let (path, passed) = address.split_once('?').expect("there is at least the token");
    assert_eq!(path, "/wxa/x");
    let rest = passed.strip_prefix("access_token=REAL").expect("the real token comes first");
    let rest = rest.strip_prefix('&').unwrap_or(rest);
    let ours = |key: &str| OURS.contains(&key);
    assert!(parameters(rest).all(|(key, _)| !ours(&key)), "{address}");
    // WeChat splits the query at `&` and `=`, without undoing other separators.
    let plain = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    assert!(rest.split('&').all(|pair| !ours(&plain(pair))), "{address}");
    let kept: Vec<_> = parameters(query).filter(|(key, _)| !ours(key)).collect();
    assert_eq!(parameters(rest).collect::<Vec<_>>(), kept, "{address}");
    // A second rewriting changes nothing.
    assert_eq!(rewritten("/wxa/x", rest, &OURS, &[("access_token", "REAL")]), address);
});
