"""What schemathesis must know beyond the description, and what the checks of hongyan's own look at."""

import schemathesis

# A request that fits its schema may be refused with these: they speak of what the gateway or WeChat knows.
KNOWLEDGE = {
    "unknown_template",
    "template_refused",
    "idempotency_key_reused",
    "mock_form_id",
    "invalid_code",
    "code_used",
    "undecipherable",
    "too_many_codes",
}

# Rules between the fields of a template and a message, between one parameter and another, or about words such as a
# mock form id: JSON Schema has no words for them. Each by the call and the field.
RULES = {
    ("show_stats", "since"),  # at most so many steps
    ("show_stats", "until"),  # later than since
    ("send_messages", "data"),
    ("send_messages", "emphasis_keyword"),
    ("send_messages", "lang"),
    ("send_messages", "miniprogram_state"),
    ("send_messages", "deadline"),
    # Counted in bytes, as WeChat counts it.
    ("send_messages", "page"),
    ("grant_permits", "template"),
    # Which kind goes by which library.
    ("add_template", "keywords"),
    ("add_template", "scene"),
    ("look_through_library", "limit"),
    # Private addresses and special hosts.
    ("create_webhook", "url"),
    ("change_webhook", "url"),
    # An openid belongs to one app.
    ("list_messages", "to"),
    ("list_events", "openid"),
    # The first callback of an app needs a token, a change of it does not.
    ("change_app", "callback"),
    # Not in the past, nor behind the end of the caller's own key.
    ("create_key", "expires_at"),
    # Both or none.
    ("decrypt_user_data", "raw_data"),
    ("decrypt_user_data", "signature"),
}


@schemathesis.hook
def before_call(context, case, kwargs):
    """No request leaves this machine, and none waits: a made-up webhook is at a host that cannot exist."""
    wait = (case.query or {}).get("wait")
    if isinstance(wait, (int, float)) and 0 < wait <= 30:
        case.query["wait"] = 0.01
    if isinstance(case.body, dict) and str(case.body.get("url", "")).startswith("http"):
        case.body["url"] = "https://webhook.invalid/"


def refusals(response):
    """The problems of an answer: its own, or those of a batch's items."""
    body = response.json()
    if "code" in body:
        return [body]
    items = body.get("messages") or body.get("permits") or []
    return [item["error"] for item in items if isinstance(item, dict) and "error" in item]


@schemathesis.check
def what_fits_is_taken(ctx, response, case):
    """A request that fits its schema is refused only for what no schema can say."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code != 422:
        return
    operation = case.operation.definition.raw["operationId"]
    for problem in refusals(response):
        field = problem.get("field", "").split(".")[0].split("[")[0]
        known = problem["code"] in KNOWLEDGE or (operation, field) in RULES
        assert known, f"fits its schema and was refused: {problem}"


@schemathesis.check
def what_does_not_fit_is_refused(ctx, response, case):
    """A request that does not fit its schema is refused; of a batch, at least the item that does not."""
    if case.meta is None or not case.meta.generation.mode.is_negative or response.status_code not in (200, 201, 202):
        return
    if case.operation.definition.raw["operationId"] in ("send_messages", "grant_permits"):
        assert "code" not in response.json() and refusals(response), "does not fit its schema and was taken"


@schemathesis.check
def every_answer_has_a_request_id(ctx, response, case):
    """Every answer under /v1 and /mp names its request."""
    if case.operation.path.startswith(("/v1/", "/mp/")):
        assert response.headers.get("x-request-id"), "no x-request-id"
