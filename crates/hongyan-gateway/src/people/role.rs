//! What a person may do, by role.

use axum::http::Method;
use hongyan_ledger::names;
use serde::{Deserialize, Serialize};

use crate::keys::Scope;

/// What an operator may change of apps and webhooks: what stops and starts things, or tries them once more. Whatever
/// decides where data goes, or which secret opens what, is an admin's.
const OPERATORS_CHANGES: [(&str, &str); 7] = [
    ("POST", "/v1/apps/{appid}/pause"),
    ("POST", "/v1/apps/{appid}/resume"),
    ("POST", "/v1/apps/{appid}/templates/sync"),
    ("DELETE", "/v1/apps/{appid}/sessions"),
    ("POST", "/v1/webhooks/{id}/enable"),
    ("POST", "/v1/webhooks/{id}/replay"),
    ("POST", "/v1/webhooks/{id}/test"),
];

/// Calls that a back end makes for its users. Their answers are secrets of users, so no person makes them.
const BACK_ENDS_ONLY: [&str; 2] = ["/v1/login", "/v1/users/decrypt"];

/// What a person may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Look at everything but the audit trail, API keys and people.
    Viewer,
    /// Also send, cancel and resolve messages, grant permits, pause and resume apps, replay events, read the audit trail.
    Operator,
    /// Also register, change and remove apps and webhooks, see and change API keys and people.
    Admin,
}

names!(Role { Viewer: "viewer", Operator: "operator", Admin: "admin" });

impl Role {
    /// Whether a person with this role may make the call that has this scope, method and path. `path` is the route, with
    /// its placeholders.
    pub fn may(self, scope: Scope, method: &Method, path: &str) -> bool {
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        let needed = match scope {
            // They give away secrets of WeChat's, or are secrets themselves. `all` names no call.
            Scope::Facade | Scope::AccessToken | Scope::All => return false,
            _ if BACK_ENDS_ONLY.contains(&path) => return false,
            Scope::Messages | Scope::Permits | Scope::Apps | Scope::Webhooks if is_read => Self::Viewer,
            Scope::Apps | Scope::Webhooks if OPERATORS_CHANGES.contains(&(method.as_str(), path)) => {
                Self::Operator
            }
            Scope::Messages | Scope::Permits | Scope::Audit => Self::Operator,
            Scope::Apps | Scope::Webhooks | Scope::Keys | Scope::People => Self::Admin,
        };
        self >= needed
    }

    /// Whether a person with this role may give a scope to an API key, or revoke a key that has it. An admin could do both
    /// at the command line, too.
    pub const fn may_give_scopes(self) -> bool {
        matches!(self, Self::Admin)
    }
}

#[cfg(test)]
mod tests {
    use super::Role::{Admin, Operator, Viewer};
    use super::*;

    #[test]
    fn a_viewer_only_reads_and_no_role_reads_secrets() {
        let call = |role: Role, scope, method: Method, path| role.may(scope, &method, path);
        assert!(call(Viewer, Scope::Messages, Method::GET, "/v1/messages"));
        for scope in
            [Scope::Messages, Scope::Permits, Scope::Apps, Scope::Webhooks, Scope::Keys, Scope::Audit]
        {
            for method in [Method::POST, Method::PATCH, Method::PUT, Method::DELETE] {
                assert!(!call(Viewer, scope, method, "/v1/anything"));
            }
        }
        assert!(!call(Viewer, Scope::Audit, Method::GET, "/v1/audit"));
        assert!(!call(Operator, Scope::Keys, Method::GET, "/v1/keys"));
        assert!(call(Operator, Scope::Apps, Method::POST, "/v1/apps/{appid}/resume"));
        assert!(!call(Operator, Scope::Apps, Method::DELETE, "/v1/apps/{appid}"));
        assert!(!call(Operator, Scope::Webhooks, Method::POST, "/v1/webhooks"));
        assert!(call(Admin, Scope::Keys, Method::POST, "/v1/keys"));
        assert!(!call(Admin, Scope::AccessToken, Method::POST, "/v1/apps/{appid}/access_token"));
        assert!(!call(Admin, Scope::Permits, Method::POST, "/v1/users/decrypt"));
    }
}
