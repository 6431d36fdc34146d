//! The log of the newest requests to the platform.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use hongyan_clock::UnixMillis;
use hongyan_wechat::AppId;
use serde::Serialize;

use crate::chaos::{ChaosKind, path_matches};

/// The most bytes that are kept of a body, and of all parameters together.
const MAX_KEPT_BYTES: usize = 8 * 1024;
/// The most bytes that are kept of a path, a method and a content type.
const MAX_KEPT_CHARS: usize = 200;

/// A request, without secrets.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LoggedRequest {
    pub(crate) time: UnixMillis,
    pub(crate) method: String,
    /// The path only: the query contains tokens and secrets.
    pub(crate) path: String,
    /// The app that the token or the parameters named.
    pub(crate) appid: Option<AppId>,
    /// The receiver, shortened.
    pub(crate) openid: Option<String>,
    /// The resulting errcode. `null` if the connection died before a result. With `reset_after`, `hang` and `garbage` the
    /// sender did not get the result.
    pub(crate) errcode: Option<i32>,
    /// The fault that a chaos rule made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) chaos: Option<ChaosKind>,
    /// The word of the magic id that decided the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) magic: Option<&'static str>,
    /// The id of the card that the request became.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) card: Option<u64>,
    /// The input of the complaints. It contains tokens and secrets, which are never shown.
    #[serde(skip)]
    pub(crate) kept: Kept,
}

/// The parts of a request.
#[derive(Clone, Default)]
pub(crate) struct Kept {
    pub(crate) query: Vec<(String, String)>,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Arc<[u8]>,
    /// The body was chunked, without a length, and was not read.
    pub(crate) is_chunked: bool,
}

impl Kept {
    /// A larger body is not kept, nor are more parameters; a correct request is never so large.
    pub(crate) fn of(query: Vec<(String, String)>, content_type: Option<String>, body: &[u8]) -> Self {
        let body = if body.len() > MAX_KEPT_BYTES { &[] } else { body };
        let mut room = MAX_KEPT_BYTES;
        let query = query.into_iter().take_while(|(name, value)| {
            let size = size_of::<(String, String)>() + name.len() + value.len();
            room.checked_sub(size).is_some_and(|left| {
                room = left;
                true
            })
        });
        let query = query.collect();
        let content_type = content_type.map(beginning);
        // A copy: the received slice would keep the connection's whole buffer alive.
        Self { query, content_type, body: body.into(), is_chunked: false }
    }
}

/// The beginning of a text from outside.
fn beginning(text: String) -> String {
    if text.len() <= MAX_KEPT_CHARS { text } else { text.chars().take(MAX_KEPT_CHARS).collect() }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept(…)")
    }
}

/// The newest requests.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    kept: VecDeque<LoggedRequest>,
    /// For each card the number of the request that sent it; the first request has number 0.
    by_card: HashMap<u64, u64>,
    total: u64,
}

impl RequestLog {
    /// Adds a request; at most `most` requests are kept, the newest.
    pub(crate) fn add(&mut self, mut request: LoggedRequest, most: usize) {
        while self.kept.len() >= most
            && let Some(oldest) = self.kept.pop_front()
        {
            if let Some(card) = oldest.card {
                self.by_card.remove(&card);
            }
        }
        request.path = beginning(request.path);
        request.method = beginning(request.method);
        if let Some(card) = request.card {
            self.by_card.insert(card, self.total);
        }
        self.kept.push_back(request);
        self.total += 1;
    }

    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    /// The total number of requests, including forgotten requests.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The request that sent a card, while it is kept.
    pub(crate) fn of_card(&self, card: u64) -> Option<&LoggedRequest> {
        let number = self.by_card.get(&card)?;
        let oldest = self.total - self.kept.len() as u64;
        self.kept.get(usize::try_from(number.checked_sub(oldest)?).ok()?)
    }

    /// The newest `limit` requests to the path (to all paths without `path`; a `*` at its end matches any text), in the
    /// order of arrival.
    pub(crate) fn newest(&self, path: Option<&str>, limit: usize) -> Vec<LoggedRequest> {
        let matches = |r: &&LoggedRequest| path.is_none_or(|p| path_matches(p, &r.path));
        let mut found: Vec<_> = self.kept.iter().rev().filter(matches).take(limit).cloned().collect();
        found.reverse();
        found
    }
}

/// The first four and the last two characters of an openid: enough to recognise it, not enough to misuse it.
pub(crate) fn shortened(openid: &str) -> String {
    let chars: Vec<char> = openid.chars().collect();
    if chars.len() <= 8 {
        return "…".to_owned();
    }
    chars[..4].iter().chain(&['…']).chain(&chars[chars.len() - 2..]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_given_in_the_order_in_which_they_came() {
        let mut log = RequestLog::default();
        for (at, path) in [(1, "/cgi-bin/token"), (2, "/sns/x"), (3, "/cgi-bin/y"), (4, "/cgi-bin/z")] {
            log.add(
                LoggedRequest {
                    time: UnixMillis(at),
                    method: "GET".into(),
                    path: path.into(),
                    appid: None,
                    openid: None,
                    errcode: Some(0),
                    chaos: None,
                    magic: None,
                    card: Some(at.unsigned_abs() * 10),
                    kept: Kept::default(),
                },
                9,
            );
        }
        let times = |path, limit| log.newest(path, limit).iter().map(|r| r.time.0).collect::<Vec<_>>();
        assert_eq!(times(Some("/cgi-bin/*"), 2), [3, 4]);
        assert_eq!(times(Some("/sns/x"), 9), [2]);
        assert_eq!(times(None, 9), [1, 2, 3, 4]);
        assert_eq!(log.of_card(20).unwrap().time.0, 2);
        let fifth = LoggedRequest { time: UnixMillis(5), card: Some(50), ..log.newest(None, 1)[0].clone() };
        log.add(fifth, 3);
        assert_eq!((log.of_card(50).unwrap().time.0, log.of_card(30).unwrap().time.0), (5, 3));
        assert!(log.of_card(20).is_none(), "the request is not kept any more");
        assert_eq!(log.by_card.len(), 3);
    }

    #[test]
    fn of_what_is_too_large_only_a_part_is_kept() {
        let query = vec![("a".to_owned(), "x".repeat(5_000)); 3];
        let kept = Kept::of(query, Some("t".repeat(9_000)), &[b'x'; MAX_KEPT_BYTES + 1]);
        assert_eq!((kept.query.len(), kept.body.len()), (1, 0));
        assert_eq!(kept.content_type.unwrap().len(), MAX_KEPT_CHARS);
    }

    #[test]
    fn an_openid_is_never_written_whole() {
        assert_eq!(shortened("oSandboxUser0000000000000001"), "oSan…01");
        assert_eq!(shortened("o12"), "…");
    }
}
