//! Every code that a problem may have. Clients branch on the codes: add codes freely, rename none.

/// A code, its usual status, and its title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProblemCode {
    /// The stable code.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// A summary that is the same for every problem of this code.
    pub title: &'static str,
}

const fn code(code: &'static str, status: u16, title: &'static str) -> ProblemCode {
    ProblemCode { code, status, title }
}

/// All codes.
pub const CODES: &[ProblemCode] = &[
    // The request itself.
    code("malformed_json", 400, "The body is not JSON"),
    code("body_incomplete", 400, "The body is incomplete"),
    code("duplicate_header", 400, "A header is repeated"),
    code("invalid_host", 400, "The Host header is missing or invalid"),
    code("unauthorized", 401, "No valid API key"),
    code("key_expired", 401, "The API key has expired"),
    code("forbidden", 403, "The caller may not do this"),
    code("not_found", 404, "There is nothing with this id or path"),
    code("method_not_allowed", 405, "The path does not support this method"),
    code("body_too_slow", 408, "The body arrived too slowly"),
    code("body_too_large", 413, "The body is too large"),
    code("unsupported_media_type", 415, "The body must be JSON"),
    code("wrong_host", 421, "This server does not serve this host"),
    code("invalid_field", 422, "A field has an invalid value"),
    code("missing_field", 422, "A field is missing"),
    code("unknown_field", 422, "The field is unknown"),
    code("duplicate_field", 422, "A field is repeated"),
    code("too_many_requests", 429, "There were too many requests of this kind"),
    // Apps and templates.
    code("unknown_app", 404, "The app is not registered"),
    code("app_exists", 409, "The app is registered already"),
    code("app_paused", 409, "The app is paused"),
    code("unknown_template", 422, "The app has no such template"),
    code("template_exists", 409, "The app has this template already"),
    code("template_limit", 409, "The app has the maximum number of templates"),
    code("template_refused", 422, "WeChat's template library refused the request"),
    // Webhooks.
    code("too_many_webhooks", 409, "The maximum number of webhooks is reached"),
    // People.
    code("name_taken", 409, "There is a person with this name already"),
    code("last_admin", 409, "This is the only admin left"),
    // Messages and permits.
    code("idempotency_key_reused", 422, "The idempotency key was used for another request"),
    code("too_late_to_cancel", 409, "It is too late to cancel the message"),
    code("not_unknown", 409, "The message's outcome is not in doubt"),
    code("another_attempt", 409, "A different attempt is in doubt"),
    code("mock_form_id", 422, "This is not a real form id"),
    code("too_many_codes", 409, "The user has the maximum number of unused codes"),
    // Logins and sessions.
    code("invalid_session", 401, "No valid session"),
    code("session_of_another_app", 403, "The session belongs to another app"),
    code("risky_user", 403, "WeChat blocks this user's login"),
    code("invalid_code", 422, "The login code is wrong or too old"),
    code("code_used", 422, "The login code was used already"),
    code("undecipherable", 422, "The user data cannot be decrypted"),
    // WeChat and the gateway itself.
    code("access_token_hidden", 403, "WeChat's access token is not revealed"),
    code("wechat_busy", 429, "WeChat accepts no more calls for now"),
    code("wechat_refused", 502, "WeChat refused the call"),
    code("wechat_unavailable", 503, "WeChat did not answer"),
    code("store_unavailable", 503, "The database failed"),
    code("store_full", 503, "The database's disk is full"),
    code("store_damaged", 500, "The database is damaged"),
    code("took_too_long", 503, "The query took too long"),
    code("unavailable", 503, "The gateway cannot do this now"),
    code("internal", 500, "An internal error of the gateway"),
];
