//! OpenAPI schemas of the domain's types.
//!
//! The crates below the gateway do not depend on utoipa. Each of their types has a stand-in of the same name here, which is
//! never constructed: `#[schema(value_type = schemas::OpenId)]` beside a field names it. Enum values are taken from the
//! types themselves, so a new value is described as soon as it exists.

use std::borrow::Cow;

use hongyan_wechat::fields::MAX_KEYWORD_CHARS;
use hongyan_wechat::messages::MAX_FIELDS;
use serde::Serialize;
use serde_json::json;
use utoipa::openapi::schema::{AdditionalProperties, KnownFormat, Schema, SchemaFormat, Type};
use utoipa::openapi::{ArrayBuilder, Object, ObjectBuilder, OneOfBuilder, Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::problem::{CODES, Problem};

/// Names and schemas, as utoipa collects them.
pub(crate) type Schemas = Vec<(String, RefOr<Schema>)>;

/// Declares stand-ins; an expression makes the schema of each.
macro_rules! schemas {
    ($($(#[$doc:meta])* $name:ident = $object:expr;)*) => {$(
        $(#[$doc])*
        pub(crate) enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                Schema::from($object).into()
            }
        }

        impl ToSchema for $name {}
    )*};
}

/// The pattern of WeChat's identifiers; see `hongyan_wechat::ids`.
const WECHAT_ID: &str = "^[A-Za-z0-9_-]{1,64}$";

/// An identifier that WeChat assigned.
fn wechat_id(description: &str, example: &str) -> ObjectBuilder {
    text(description, example).pattern(Some(WECHAT_ID))
}

/// An identifier of the gateway's own; see `hongyan_ledger::ids`.
fn own_id(prefix: &str, more: &str, example: &str) -> ObjectBuilder {
    text(&format!("{prefix} and the 32 digits of a UUIDv7{more}"), example)
        .pattern(Some(format!("^{prefix}[0-9a-fA-F]{{32}}$")))
}

/// A string, with an example.
fn text(description: &str, example: &str) -> ObjectBuilder {
    Object::builder().schema_type(Type::String).description(Some(description)).examples([json!(example)])
}

/// A string that is one of these values, as serde writes them.
fn words<T: Serialize>(description: &str, words: impl IntoIterator<Item = T>) -> ObjectBuilder {
    Object::builder()
        .schema_type(Type::String)
        .description(Some(description))
        .enum_values(Some(words.into_iter().map(|word| json!(word))))
}

/// Every value of an enum: tries every number that may be stored.
fn from_codes<T>(from_code: impl Fn(u8) -> Option<T>) -> impl Iterator<Item = T> {
    (0..=u8::MAX).filter_map(from_code)
}

fn integer(description: &str) -> ObjectBuilder {
    Object::builder().schema_type(Type::Integer).description(Some(description))
}

fn count(description: &str) -> ObjectBuilder {
    integer(description).minimum(Some(0))
}

/// An object whose members are all required.
fn object<const N: usize>(description: &str, members: [(&str, ObjectBuilder); N]) -> ObjectBuilder {
    members.into_iter().fold(Object::builder().description(Some(description)), |object, (name, member)| {
        object.property(name, member).required(name)
    })
}

schemas! {
    /// A moment.
    Time = text("RFC 3339; answers are in UTC with milliseconds.", "2026-05-01T01:30:00.000Z")
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
    /// An app's id.
    AppId = wechat_id("The appid of a mini program.", "wx0123456789abcdef");
    /// An app's name.
    AppName = text("1 to 100 characters, not only spaces.", "Coffee")
        .pattern(Some(r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"))
        .max_length(Some(100));
    /// An API key's name.
    KeyName = text("1 to 64 characters, not only spaces.", "orders")
        .pattern(Some(r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"))
        .max_length(Some(64));
    /// A webhook's URL.
    WebhookUrl = text(
        "An `https` URL at a public address, without a user, a password or a fragment. The setting webhook_allow_http also \
         allows `http`; the setting webhook_allow_private also allows addresses that are not public.",
        "https://example.com/hongyan",
    )
        .format(Some(SchemaFormat::Custom("uri".to_owned())))
        .pattern(Some("^https?://[A-Za-z0-9]"))
        .max_length(Some(2_048));
    /// A user's id.
    OpenId = wechat_id("A user of one app.", "oSandboxUser0000000000000001");
    /// A template's id.
    TemplateId = wechat_id("The id of a template, as WeChat gave it.", "SandboxSubscribeTemplate-Paid-0000000000001");
    /// A message's id.
    MessageId = own_id("msg_", ".", "msg_019a3c5e7b9170018a2b3c4d5e6f7081");
    /// A permit's id.
    PermitId = own_id("prm_", ".", "prm_019a3c5e7b9170018a2b3c4d5e6f7081");
    /// A gateway token's id.
    TokenId = own_id("tok_", ". Identifies a gateway token. This is not the token itself.", "tok_019a3c5e7b9170018a2b3c4d5e6f7081");
    /// An API key's id.
    KeyId = own_id("key_", ". Identifies an API key. This is not the key itself.", "key_019a3c5e7b9170018a2b3c4d5e6f7081");
    /// A person's id.
    PersonId = own_id("psn_", ". Identifies a person who may use the console.", "psn_019a3c5e7b9170018a2b3c4d5e6f7081");
    /// What a person may do.
    Role = words(
        "What a person may do at the console. viewer: look at messages, users, permits, apps, events and webhooks. operator: \
         also send, cancel and resolve messages, grant permits, pause and resume apps, read the audit trail. admin: everything.",
        crate::people::Role::ALL,
    );
    /// What an API key may do.
    Scope = words(
        "What an API key may do. all stands for every scope except facade, access_token, keys and people.",
        crate::keys::Scope::ALL,
    );
    /// An event's id.
    EventId = own_id("evt_", ".", "evt_019a3c5e7b9170018a2b3c4d5e6f7081");
    /// A webhook's id.
    WebhookId = own_id("whk_", ".", "whk_019a3c5e7b9170018a2b3c4d5e6f7081");
    /// A webhook event's id.
    WebhookEventId = own_id(
        "whe_",
        "; also the header webhook-id of every delivery attempt.",
        "whe_019a3c5e7b9170018a2b3c4d5e6f7081",
    );
    /// The type of a webhook event.
    EventType = words("What happened. More types may be added.", hongyan_ledger::webhook::EventType::ALL);
    /// The event types that a webhook can subscribe to.
    WantedEventType = words(
        "An event type that a webhook can subscribe to. A webhook.test is sent only on request.",
        hongyan_ledger::webhook::EventType::ALL.into_iter().filter(|kind| kind.is_for_all()),
    );
    /// Why a webhook is disabled.
    DisabledReason = words(
        "Why a webhook is disabled: three days of attempts failed, the receiver answered 410, or somebody disabled it.",
        hongyan_ledger::webhook::DisabledReason::ALL,
    );
    /// The state of a delivery.
    DeliveryState = words(
        "pending: will be tried (again). taken: the receiver answered 2xx. given_up: three days of attempts failed.",
        hongyan_store::types::DeliveryState::ALL.map(hongyan_store::types::DeliveryState::name),
    );
    /// WeChat's errcode.
    Errcode = integer("WeChat's errcode; 0 is success.").examples([json!(43101)]);

    /// A message's state.
    MessageState = words(
        "A message's state. delivered, refused, failed, cancelled and expired are final. sent may still become delivered or \
         refused. unknown may still be resolved.",
        hongyan_ledger::MessageState::ALL,
    );
    /// Why a message is in its state.
    ReasonCode = words("Why the message is in this state. Stable.", hongyan_ledger::ReasonCode::ALL);
    /// Why a message had no permit.
    BecauseCode = words(
        "Why the message had no permit. Stable; more codes may be added. reserved: other messages keep the units that are \
         left. revoked: WeChat reported that the permit is void. expired: the permit has expired, or will have expired when \
         the message is due. spent: all units are spent. own_permit_used: the form id that came with the message had been \
         used before. never_granted: the user had never granted a permit that serves the template. other_template: the \
         user has a permit, but for another template. granted_later: a permit was granted too late for this message. \
         too_many_void: WeChat refused the codes of five permits in a row; the other permits were not tried.",
        hongyan_ledger::explain::BecauseCode::ALL,
    );
    /// Where a right to send comes from.
    PermitKind = words(
        "Where the permit comes from: a submitted form (7 days), a payment (7 days), an accepted one-time \
         subscription (counted, no expiry), a long-term or device subscription (unlimited until withdrawn). Service \
         cards cannot be granted yet.",
        hongyan_ledger::PermitKind::ALL,
    );
    /// What to do without a permit.
    PermitPolicy = words(
        "What to do if the ledger has no permit for the message. require: the message fails at once. wait: the message waits \
         until a permit is granted or the deadline passes. try: the message is sent without a permit.",
        from_codes(hongyan_ledger::PermitPolicy::from_code),
    );
    /// What to do when WeChat's answer is lost.
    OnUnknown = words(
        "What to do when WeChat's answer is lost. hold: the message becomes unknown; the user may not get it. resend: the \
         message is sent again; the user may get it twice.",
        from_codes(hongyan_ledger::OnUnknown::from_code),
    );
    /// What to do with a message that was not sent.
    NotSentAction = {
        use hongyan_ledger::resolve::Then;
        words(
            "What to do with a message that was not sent. send: send it with the permit that it kept, unless its deadline \
             has passed. fail: let it fail and free the permit.",
            [Then::Send, Then::Fail],
        )
    };
    /// Who found out whether the user has a message.
    ResolvedBy = words(
        "Who found it out. operator: a person or a back end. event: WeChat's event about the message. silence: no such event \
         came for as long as the app is set to wait.",
        from_codes(hongyan_ledger::resolve::Witness::from_code),
    );
    /// Which waiting message gets the next permit.
    WaitingOrder = words(
        "Which of a user's waiting messages gets the next permit: the message with the earliest send_at (oldest_first) or the \
         latest (newest_first). Messages that are ready are always sent in the order of send_at, then of acceptance.",
        from_codes(hongyan_ledger::WaitingOrder::from_code),
    );
    /// Which of WeChat's two send calls.
    Channel = words(
        "Which of WeChat's calls sends the message. The template decides it.",
        from_codes(hongyan_ledger::Channel::from_code),
    );
    /// Why an app is paused.
    PauseCode = words("Why an app is paused. Stable.", hongyan_ledger::settle::PauseCode::ALL);
    /// The language of a card's frame.
    Lang = {
        use hongyan_wechat::Lang;
        words("The language of the card's frame.", [Lang::ZhCn, Lang::EnUs, Lang::ZhHk, Lang::ZhTw])
    };
    /// Which version of the mini program a tap opens.
    MiniprogramState = {
        use hongyan_wechat::MiniprogramState as State;
        words("The version of the mini program that a tap opens.", [State::Developer, State::Trial, State::Formal])
    };

    /// One field's text.
    FieldValue = Object::builder()
        .property(
            "value",
            Object::builder()
                .schema_type(Type::String)
                .max_length(Some(MAX_KEYWORD_CHARS))
                .description(Some("What the user reads.")),
        )
        .required("value")
        .property(
            "color",
            text("Template messages of the old kind only.", "#173177").pattern(Some("^#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})$")),
        );
    /// The counts of a permit.
    PermitTotals = object("granted is the sum of the others.", [
        ("granted", count("Units granted so far.")),
        ("available", count("Units that can be used now.")),
        ("reserved", count("Units kept for messages that are in flight, unknown, or scheduled with their permit.")),
        ("spent", count("Units that are spent.")),
        ("expired", count("Units that have expired.")),
        ("revoked", count("Units that the user withdrew or WeChat declared void.")),
    ]);
    /// How long a step of figures is.
    StatsStep = words(
        "How long a step is. A day is a day of China: it begins at 16:00 UTC.",
        hongyan_ledger::tally::TallyStep::ALL.map(hongyan_ledger::tally::TallyStep::name),
    );
    /// What figures are summed up by.
    StatsBy = words(
        "Whether figures are summed up by app or by template.",
        hongyan_store::types::TallyBy::ALL.map(hongyan_store::types::TallyBy::name),
    );
    /// How many users can be reached.
    Reach = object("How many users can be reached now.", [
        ("users", count("Users with at least one usable permit.")),
        ("units", count("Usable units of counted permits.")),
        ("unlimited", count("Usable unlimited permits.")),
    ]);
    /// How an attempt ended. No member is required, because an attempt in flight has no outcome yet.
    AttemptOutcome = Object::builder()
        .description(Some("How the attempt ended; absent while it is in flight."))
        .property("outcome", words(
            "answered: WeChat answered with errcode and errmsg. not_sent: no byte of the request was written. unanswered: \
             the request was written, at least in part, and WeChat did not answer.",
            ["answered", "not_sent", "unanswered"],
        ))
        .property("errcode", Ref::from_schema_name(Errcode::name()))
        .property("errmsg", Object::builder().schema_type(Type::String).description(Some("WeChat's error message.")))
        .property("msgid", Object::builder().schema_type(Type::String).description(Some(
            "WeChat's id of the message, if WeChat gave one. A string, because the number is too large for JavaScript.",
        )))
        .property("why", Object::builder().schema_type(Type::String).description(Some("What went wrong.")));
}

schemas! {
    /// How far the processing of an event is.
    EventState = words(
        "received: stored, not processed yet. done: processed. parked: the event may be about a message whose answer is not \
         stored yet; it is processed again soon.",
        from_codes(hongyan_store::types::EventState::from_code),
    );
    /// An event's content.
    EventBody = Object::builder()
        .schema_type(Type::Object)
        .description(Some("What WeChat sent. The members depend on the event."))
        .additional_properties(Some(AdditionalProperties::FreeForm(true)));
    /// One effect of an event.
    EventEffect = Object::builder()
        .description(Some("One effect of an event. The members depend on effect."))
        .property("effect", words(
            "granted: a unit was granted. already_reported: the mini program or its back end had reported the same acceptance. \
             revoked: the remaining units of a permit were revoked. delivered, refused: the message got this state. \
             already_settled: the message had its final state before. no_message: the gateway does not know the message.",
            ["granted", "already_reported", "revoked", "delivered", "refused", "already_settled", "no_message"],
        ))
        .required("effect")
        .property("template", Ref::from_schema_name(TemplateId::name()))
        .property("kind", Ref::from_schema_name(PermitKind::name()))
        .property("permit", Ref::from_schema_name(PermitId::name()))
        .property("message", Ref::from_schema_name(MessageId::name()))
        .property("units", count("Units that were revoked."))
        .property("woken", count("Waiting messages that can be sent now."))
        .property("errcode", Ref::from_schema_name(Errcode::name()))
        .property("errmsg", Object::builder().schema_type(Type::String).description(Some("WeChat's error message.")));
}

/// The fields of a message, as answers show them.
pub(crate) enum MessageFields {}

impl PartialSchema for MessageFields {
    fn schema() -> RefOr<Schema> {
        let value = RefOr::Ref(Ref::from_schema_name(FieldValue::name()));
        fields("The fields by name.", value, json!({"thing1": {"value": "Latte"}}))
    }
}

impl ToSchema for MessageFields {
    fn schemas(schemas: &mut Schemas) {
        schemas.push((FieldValue::name().into_owned(), FieldValue::schema()));
    }
}

/// The fields of a message, as a caller may write them.
pub(crate) enum MessageFieldsInput {}

impl PartialSchema for MessageFieldsInput {
    fn schema() -> RefOr<Schema> {
        let text = Object::builder().schema_type(Type::String).max_length(Some(MAX_KEYWORD_CHARS));
        let value = OneOfBuilder::new()
            .item(text)
            .item(Object::with_type(Type::Number))
            .item(Ref::from_schema_name(FieldValue::name()));
        fields(
            "The template's fields by name. A value is a text, a number, or an object with a text and a colour. Every field \
             of the template is required and no other is allowed. A field's name decides what the field may hold.",
            RefOr::T(value.into()),
            json!({"thing1": "Latte", "date2": "2026-05-01 09:30", "amount3": "¥18.00"}),
        )
    }
}

impl ToSchema for MessageFieldsInput {
    fn schemas(schemas: &mut Schemas) {
        MessageFields::schemas(schemas);
    }
}

fn fields(description: &str, value: RefOr<Schema>, example: serde_json::Value) -> RefOr<Schema> {
    let object = Object::builder()
        .schema_type(Type::Object)
        .description(Some(description))
        .additional_properties(Some(AdditionalProperties::RefOr(value)))
        .max_properties(Some(MAX_FIELDS))
        .examples([example]);
    Schema::from(object).into()
}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        let string =
            |description: &str| Object::builder().schema_type(Type::String).description(Some(description));
        let codes: Vec<String> =
            CODES.iter().map(|code| format!("- `{}` ({}): {}", code.code, code.status, code.title)).collect();
        let code = format!("Stable; branch on it. More codes may be added.\n\n{}", codes.join("\n"));
        let object = object(
            "A refusal (RFC 9457). It may have more members than these.",
            [
                (
                    "type",
                    text("urn:hongyan:problem: followed by the code.", "urn:hongyan:problem:invalid_field"),
                ),
                ("title", string("A summary that is the same for every problem of this code.")),
                ("status", integer("The HTTP status.").examples([json!(422)])),
                ("detail", string("What happened this time, and what to do.")),
                ("code", text(&code, "invalid_field")),
            ],
        );
        let object = object
            .property("field", text("The field, header or parameter at fault.", "data.thing1"))
            .property("errors", faults())
            .property("errcode", Ref::from_schema_name(Errcode::name()))
            .property("errmsg", string("WeChat's error message."))
            .property("explanation", string("What WeChat's errcode means and what to do."))
            .property("explanation_zh", string("The same in Chinese."))
            .property(
                "help",
                text("The path of the gateway's page that explains the errcode.", "/errcodes#errcode-43101"),
            )
            .property("retry_after_seconds", count("Seconds to wait before another try."))
            .property(
                "rule_zh",
                string("If one field of a message is wrong: what the field may hold, in Chinese."),
            )
            .property("detail_zh", string("The detail in Chinese, if there is a translation."))
            .property("errors_left_off", count("How many wrong fields of a message errors leaves out."))
            .property(
                "line",
                integer("For malformed_json: the line of the body, counted from 1.").minimum(Some(1)),
            )
            .property("column", count("For malformed_json: the byte in that line."))
            .property("scope", string("For forbidden: the scope that the API key lacks."))
            .property("message", Ref::from_schema_name(MessageId::name()))
            .property("state", Ref::from_schema_name(MessageState::name()))
            .property(
                "attempt",
                integer("For another_attempt: the number of the attempt in doubt.").minimum(Some(1)),
            )
            .additional_properties(Some(AdditionalProperties::FreeForm(true)));
        Schema::from(object).into()
    }
}

impl ToSchema for Problem {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Problem")
    }

    fn schemas(schemas: &mut Schemas) {
        schemas.push((Errcode::name().into_owned(), Errcode::schema()));
        with_parts::<MessageId>(schemas);
        with_parts::<MessageState>(schemas);
    }
}

/// The wrong fields of a message.
fn faults() -> ArrayBuilder {
    let string =
        |description: &str| Object::builder().schema_type(Type::String).description(Some(description));
    let fault = Object::builder()
        .property("field", text("The field.", "data.thing1"))
        .required("field")
        .property("rule", string("What the field may hold."))
        .required("rule")
        .property("rule_zh", string("The same in Chinese."))
        .required("rule_zh")
        .property("value", string("The field's value; only its beginning if it is long."))
        .property("detail", string("The rule, and how the value breaks it."))
        .required("detail")
        .property("detail_zh", string("The same in Chinese."))
        .required("detail_zh");
    ArrayBuilder::new()
        .items(fault)
        .description(Some("The wrong fields of a message, at most 20; errors_left_off counts the rest."))
}

/// A schema that is one of two others.
pub(crate) fn one_of<A: ToSchema, B: ToSchema>(description: &str) -> RefOr<Schema> {
    Schema::from(forms(description, [A::name(), B::name()])).into()
}

/// A schema that is one of three others.
pub(crate) fn one_of_three<A: ToSchema, B: ToSchema, C: ToSchema>(description: &str) -> RefOr<Schema> {
    Schema::from(forms(description, [A::name(), B::name(), C::name()])).into()
}

fn forms<const N: usize>(description: &str, names: [Cow<'static, str>; N]) -> OneOfBuilder {
    let forms = OneOfBuilder::new().description(Some(description));
    names.into_iter().fold(forms, |forms, name| forms.item(Ref::from_schema_name(name)))
}

/// An object whose only member `name` lists up to `most` items.
pub(crate) fn batch_of<T: ToSchema>(name: &str, most: usize) -> RefOr<Schema> {
    let list = ArrayBuilder::new()
        .items(Ref::from_schema_name(T::name()))
        .min_items(Some(1))
        .max_items(Some(most))
        .description(Some("An item that breaks a rule is refused alone; the other items are not affected."));
    let batch = Object::builder()
        .property(name, list)
        .required(name)
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    Schema::from(batch).into()
}

/// A schema under its name, and the schemas that it refers to.
pub(crate) fn with_parts<T: ToSchema>(schemas: &mut Schemas) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}
