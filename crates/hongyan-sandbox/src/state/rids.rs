//! Request ids: the request behind each `rid` in an errmsg.

use std::collections::{HashMap, VecDeque};

use hongyan_clock::UnixMillis;
use hongyan_wechat::{AppId, Errcode};
use serde::{Deserialize, Serialize};

/// How long a rid can be queried.
const LIFETIME_MS: i64 = 7 * 24 * 3600 * 1000;
/// The most bytes that are kept of parameters and of a body.
const MAX_KEPT_CHARS: usize = 2_000;

/// A refused request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) appid: Option<AppId>,
    pub(crate) invoke_time: UnixMillis,
    /// The path: WeChat does not reveal requests to `/sns/…`.
    #[serde(default)]
    pub(crate) path: String,
    /// The parameters of the URL, as they were sent. WeChat's page shows an access token in its example, so nothing is
    /// blotted out here either: a test of a program in between must see everything.
    pub(crate) request_url: String,
    /// The body as it was sent, including secrets.
    pub(crate) request_body: String,
    pub(crate) response_body: String,
}

/// The newest refused requests.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Rids {
    by_rid: HashMap<String, Asked>,
    order: VecDeque<String>,
}

impl Rids {
    /// Adds a request; at most `most` requests are remembered, the newest.
    pub(crate) fn add(&mut self, rid: String, asked: Asked, most: usize) {
        while self.order.len() >= most
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_rid.remove(&oldest);
        }
        self.order.push_back(rid.clone());
        self.by_rid.insert(rid, asked);
    }

    pub(crate) fn len(&self) -> usize {
        self.by_rid.len()
    }

    /// The request with this rid, if it belongs to this app and is not too old.
    pub(crate) fn find(&self, rid: &str, appid: &AppId, now: UnixMillis) -> Result<&Asked, Errcode> {
        let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_hexdigit());
        if rid.split('-').count() != 3 || !rid.split('-').all(part) {
            return Err(Errcode::RID_INVALID);
        }
        let asked = self.by_rid.get(rid).ok_or(Errcode::RID_NOT_FOUND)?;
        if asked.appid.as_ref().is_some_and(|owner| owner != appid) {
            return Err(Errcode::RID_OF_ANOTHER_APP);
        }
        if now.0.saturating_sub(asked.invoke_time.0) > LIFETIME_MS {
            return Err(Errcode::RID_EXPIRED);
        }
        if asked.path.starts_with("/sns/") {
            return Err(Errcode::CGI_PATH_FORBIDDEN);
        }
        Ok(asked)
    }
}

/// The beginning of a text, for the kept part of a request.
pub(crate) fn beginning(text: &str) -> String {
    text.chars().take(MAX_KEPT_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rid_is_its_own_apps_for_seven_days() {
        let mut rids = Rids::default();
        let (own, other): (AppId, AppId) = ("wx1".parse().unwrap(), "wx2".parse().unwrap());
        let asked = Asked {
            appid: Some(own.clone()),
            invoke_time: UnixMillis(0),
            path: "/x".into(),
            request_url: "access_token=t&a=1".into(),
            request_body: r#"{"secret":"s"}"#.into(),
            response_body: String::new(),
        };
        rids.add("0a-0b-0e".into(), Asked { path: "/sns/jscode2session".into(), ..asked.clone() }, 9);
        rids.add("0a-0b-0c".into(), asked, 9);
        let found = rids.find("0a-0b-0c", &own, UnixMillis(LIFETIME_MS)).unwrap();
        assert_eq!(found.request_url, "access_token=t&a=1", "nothing is blotted out");
        let why = |rid, app, at| rids.find(rid, app, UnixMillis(at)).unwrap_err();
        assert_eq!(why("0a-0b-0c", &other, 0), Errcode::RID_OF_ANOTHER_APP);
        assert_eq!(why("0a-0b-0c", &own, LIFETIME_MS + 1), Errcode::RID_EXPIRED);
        assert_eq!(why("0a-0b-0d", &own, 0), Errcode::RID_NOT_FOUND);
        assert_eq!(why("0a-0b-0e", &own, 0), Errcode::CGI_PATH_FORBIDDEN, "logins are not revealed");
        assert_eq!(why("", &own, 0), Errcode::RID_INVALID);
        assert_eq!(why("nonsense", &own, 0), Errcode::RID_INVALID);
    }
}
