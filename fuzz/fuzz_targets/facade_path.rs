//! An address as somebody calls it at the facade. What is the gateway's (token, secret, appid) never goes on to WeChat,
//! however it is written; the real token goes on once; everything else goes on as it came.
#![no_main]

use hongyan_wechat::query::{parameters, rewritten};
use libfuzzer_sys::fuzz_target;

const OURS: [&str; 3] = ["access_token", "appid", "secret"];

fuzz_target!(|query: &str| {
    // A query ends where a fragment would begin, and has no spaces: who reads addresses sees to that.
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
    // WeChat reads it plainly, without looking for what was glued on.
    let plain = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    assert!(rest.split('&').all(|pair| !ours(&plain(pair))), "{address}");
    let kept: Vec<_> = parameters(query).filter(|(key, _)| !ours(key)).collect();
    assert_eq!(parameters(rest).collect::<Vec<_>>(), kept, "{address}");
    // Once more changes nothing.
    assert_eq!(rewritten("/wxa/x", rest, &OURS, &[("access_token", "REAL")]), address);
});
