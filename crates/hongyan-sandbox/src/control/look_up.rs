//! Finds the app and the user that a call names.

use hongyan_wechat::{AppId, OpenId};

use super::error::ControlError;
use crate::state::{App, State, User};

pub(super) fn app<'a>(state: &'a mut State, appid: &AppId) -> Result<&'a mut App, ControlError> {
    state.apps.get_mut(appid).ok_or_else(|| unknown_app(appid.as_str()))
}

pub(crate) fn unknown_app(appid: &str) -> ControlError {
    ControlError::unknown(
        "unknown_app",
        format!("there is no app {appid}; make an app with POST /_sandbox/apps"),
    )
}

pub(super) fn user<'a>(
    state: &'a mut State,
    appid: &AppId,
    openid: &OpenId,
) -> Result<&'a mut User, ControlError> {
    let most = state.limits.users;
    let found = app(state, appid)?.user(openid.as_str(), most);
    let (_, user) = found.ok_or_else(|| unknown_user(appid, openid))?;
    Ok(user)
}

pub(super) fn unknown_user(appid: &AppId, openid: &OpenId) -> ControlError {
    ControlError::unknown(
        "unknown_user",
        format!("the app {appid} has no user {openid}; make a user with POST /_sandbox/users"),
    )
}
