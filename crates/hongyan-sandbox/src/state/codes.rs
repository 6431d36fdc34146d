//! Login codes: the result of `wx.login` for the mini program, and their exchange.

use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_wechat::{AppId, Errcode, OpenId};
use serde::{Deserialize, Serialize};

use super::aging::AgingMap;
use crate::random;

/// A code must be exchanged within this time.
const LIFETIME: Duration = Duration::from_mins(5);
/// How long old codes are remembered, to tell "used" from "never existed".
const REMEMBER: Duration = Duration::from_hours(24);

/// All login codes.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct LoginCodes {
    codes: AgingMap<LoginCode>,
}

#[derive(Debug, Serialize, Deserialize)]
struct LoginCode {
    appid: AppId,
    openid: OpenId,
    made_at: UnixMillis,
    used: bool,
}

impl LoginCodes {
    /// Makes a code for `wx.login` of this user. At most `most` codes are remembered.
    pub(crate) fn make(&mut self, appid: AppId, openid: OpenId, now: UnixMillis, most: usize) -> String {
        let code = format!("0{}", random::alphanumeric(31));
        let entry = LoginCode { appid, openid, made_at: now, used: false };
        self.codes.insert(code.clone(), entry, now, REMEMBER, most);
        code
    }

    pub(crate) fn len(&self) -> usize {
        self.codes.len()
    }

    /// Returns the code's user; from now on the code is used.
    pub(crate) fn exchange(&mut self, appid: &AppId, code: &str, now: UnixMillis) -> Result<OpenId, Errcode> {
        let entry = self.codes.get_mut(code).filter(|c| c.appid == *appid).ok_or(Errcode::INVALID_CODE)?;
        if entry.used {
            return Err(Errcode::CODE_USED);
        }
        if now.since(entry.made_at) >= LIFETIME {
            return Err(Errcode::INVALID_CODE);
        }
        entry.used = true;
        Ok(entry.openid.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting() -> (LoginCodes, AppId, OpenId) {
        (LoginCodes::default(), "wx1".parse().unwrap(), "o1".parse().unwrap())
    }

    #[test]
    fn a_code_works_once() {
        let (mut codes, app, user) = setting();
        let code = codes.make(app.clone(), user.clone(), UnixMillis(0), 9);
        assert_eq!(codes.exchange(&app, &code, UnixMillis(299_999)), Ok(user));
        assert_eq!(codes.exchange(&app, &code, UnixMillis(299_999)), Err(Errcode::CODE_USED));
    }

    #[test]
    fn an_old_a_foreign_and_an_invented_code_are_all_invalid() {
        let (mut codes, app, user) = setting();
        let code = codes.make(app.clone(), user, UnixMillis(0), 9);
        let other = "wx2".parse().unwrap();
        assert_eq!(codes.exchange(&other, &code, UnixMillis(0)), Err(Errcode::INVALID_CODE));
        assert_eq!(codes.exchange(&app, "invented", UnixMillis(0)), Err(Errcode::INVALID_CODE));
        assert_eq!(codes.exchange(&app, &code, UnixMillis(300_000)), Err(Errcode::INVALID_CODE));
    }
}
