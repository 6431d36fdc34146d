//! The paths of the calls that the gateway handles itself.

pub(super) const TOKEN: &str = "/cgi-bin/token";
pub(super) const STABLE_TOKEN: &str = "/cgi-bin/stable_token";
pub(super) const LOGIN: &str = "/sns/jscode2session";
pub(super) const SEND_TEMPLATE: &str = "/cgi-bin/message/wxopen/template/send";
pub(super) const SEND_SUBSCRIBE: &str = "/cgi-bin/message/subscribe/send";
pub(super) const CLEAR_QUOTA: &str = "/cgi-bin/clear_quota/v2";
pub(super) const RID: &str = "/cgi-bin/openapi/rid/get";
pub(super) const OAUTH2: &str = "/sns/oauth2/access_token";

/// The calls that the gateway handles itself. Other spellings of these paths are not passed on.
pub(super) const OWN_CALLS: [&str; 8] =
    [TOKEN, STABLE_TOKEN, LOGIN, SEND_TEMPLATE, SEND_SUBSCRIBE, CLEAR_QUOTA, RID, OAUTH2];

/// The calls among them that WeChat documents as GET. WeChat accepts the others only by POST.
pub(super) const GET_CALLS: [&str; 3] = [TOKEN, LOGIN, OAUTH2];
