//! Users, as people look for them.

use hongyan_clock::UnixMillis;
use hongyan_wechat::{AppId, OpenId};

/// Which users to list.
#[derive(Debug, Clone)]
pub struct UserFilter {
    /// Of this app.
    pub appid: AppId,
    /// Whose openid begins so, or whose unionid is this; empty: all.
    pub search: String,
    /// Behind this user, where the page before ended.
    pub after: Option<OpenId>,
    /// At most so many.
    pub limit: u32,
}

/// A user that has logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserView {
    /// The user.
    pub openid: OpenId,
    /// The same person in all of a company's apps, if WeChat has told it.
    pub unionid: Option<String>,
    /// The last login.
    pub logged_in_at: UnixMillis,
    /// Sessions that have not expired, as of the last login that cleared them away.
    pub sessions: u32,
}
