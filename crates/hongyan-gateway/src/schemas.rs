//! How the words of the domain look in the OpenAPI description.
//!
//! The types below the gateway know nothing of OpenAPI, so each has a stand-in of the same name here that is never
//! built: `#[schema(value_type = schemas::OpenId)]` beside a field names it. Lists of words are taken from the types
//! themselves, so that a new word is described as soon as it exists.

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

/// Stand-ins whose schema is made by an expression.
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

/// What identifiers of WeChat's look like; see `hongyan_wechat::ids`.
const WECHAT_ID: &str = "^[A-Za-z0-9_-]{1,64}$";

/// An identifier that WeChat gave.
fn wechat_id(description: &str, example: &str) -> ObjectBuilder {
    text(description, example).pattern(Some(WECHAT_ID))
}

/// An identifier of the gateway's own; see `hongyan_ledger::ids`.
fn own_id(prefix: &str, more: &str, example: &str) -> ObjectBuilder {
    text(&format!("{prefix} and the 32 digits of a UUIDv7{more}"), example)
        .pattern(Some(format!("^{prefix}[0-9a-fA-F]{{32}}$")))
}

/// Any text like this one.
fn text(description: &str, example: &str) -> ObjectBuilder {
    Object::builder().schema_type(Type::String).description(Some(description)).examples([json!(example)])
}

/// One of these, as they are written in JSON.
fn words<T: Serialize>(description: &str, words: impl IntoIterator<Item = T>) -> ObjectBuilder {
    Object::builder()
        .schema_type(Type::String)
        .description(Some(description))
        .enum_values(Some(words.into_iter().map(|word| json!(word))))
}

/// Every value that a type reads back from its stored numbers.
fn from_codes<T>(from_code: impl Fn(u8) -> Option<T>) -> impl Iterator<Item = T> {
    (0..=u8::MAX).filter_map(from_code)
}

fn integer(description: &str) -> ObjectBuilder {
    Object::builder().schema_type(Type::Integer).description(Some(description))
}

fn count(description: &str) -> ObjectBuilder {
    integer(description).minimum(Some(0))
}

/// An object whose members are all there.
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
    /// Where a webhook is.
    WebhookUrl = text(
        "`https`, at a public address, without a user, a password or a fragment. With the settings webhook_allow_http and \
         webhook_allow_private also `http`, and other addresses.",
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
    TokenId = own_id("tok_", ". It names a gateway token, and is not the token.", "tok_019a3c5e7b9170018a2b3c4d5e6f7081");
    /// An API key's id.
    KeyId = own_id("key_", ". It names an API key, and is not the key.", "key_019a3c5e7b9170018a2b3c4d5e6f7081");
    /// What a key may do.
    Scope = words(
        "What an API key may do. all is every other one but facade, access_token and keys.",
        crate::keys::Scope::ALL,
    );
    /// An event's id.
    EventId = own_id("evt_", ".", "evt_019a3c5e7b9170018a2b3c4d5e6f7081");
    /// A webhook's id.
    WebhookId = own_id("whk_", ".", "whk_019a3c5e7b9170018a2b3c4d5e6f7081");
    /// An event's id.
    WebhookEventId = own_id(
        "whe_",
        "; the header webhook-id of every try.",
        "whe_019a3c5e7b9170018a2b3c4d5e6f7081",
    );
    /// What an event says.
    EventType = words("What an event says. More may be added.", hongyan_ledger::webhook::EventType::ALL);
    /// What a webhook may want to hear of.
    WantedEventType = words(
        "What a webhook may want to hear of. A webhook.test comes when it is asked for.",
        hongyan_ledger::webhook::EventType::ALL.into_iter().filter(|kind| kind.is_for_all()),
    );
    /// Why a webhook is disabled.
    DisabledReason = words(
        "Why a webhook is disabled: it failed for three days without a success, it answered 410, or somebody wanted it.",
        hongyan_ledger::webhook::DisabledReason::ALL,
    );
    /// Where a delivery is.
    DeliveryState = words(
        "pending: to be tried (again). taken: with a 2xx. given_up: nobody took it for three days.",
        hongyan_store::types::DeliveryState::ALL.map(hongyan_store::types::DeliveryState::name),
    );
    /// WeChat's verdict.
    Errcode = integer("WeChat's errcode; 0 is success.").examples([json!(43101)]);

    /// Where a message is in its life.
    MessageState = words(
        "Where a message is in its life. It stays where it is once it is delivered, refused, failed, cancelled or \
         expired; sent may still become delivered or refused, and unknown be settled.",
        hongyan_ledger::MessageState::ALL,
    );
    /// Why a message is where it is.
    ReasonCode = words("Why a message is where it is. Stable.", hongyan_ledger::ReasonCode::ALL);
    /// Why there was no permit.
    BecauseCode = words(
        "Why there was no permit. Stable; more may be added. reserved: what was left is kept by another message. revoked: \
         WeChat said that it is void. expired: its time was over, or will be when the message is due. spent: all of it. \
         own_permit_used: the form id that came with the message had been used before. never_granted: none that serves its \
         template had been granted. other_template: there was one, but for another template. granted_later: there is one \
         by now, too late for this message. too_many_void: WeChat took none of the codes of five permits in a row; others \
         were not tried.",
        hongyan_ledger::explain::BecauseCode::ALL,
    );
    /// Where a right to send comes from.
    PermitKind = words(
        "Where the right comes from: a submitted form (7 days), a payment (7 days), an accepted one-time \
         subscription (counted, no expiry), a long-term or device subscription (unlimited until withdrawn). Service \
         cards cannot be granted yet.",
        hongyan_ledger::PermitKind::ALL,
    );
    /// What to do without a permit.
    PermitPolicy = words(
        "What to do without a permit: require fails at once, wait keeps the message until one is granted or the \
         deadline passes, try sends without one in the ledger.",
        from_codes(hongyan_ledger::PermitPolicy::from_code),
    );
    /// What to do when an answer is lost.
    OnUnknown = words(
        "What to do when WeChat's answer is lost: hold never risks a second copy, resend never risks silence.",
        from_codes(hongyan_ledger::OnUnknown::from_code),
    );
    /// What to do with a message that turned out not to have been sent.
    NotSentAction = {
        use hongyan_ledger::resolve::Then;
        words(
            "What to do with a message that was not sent: send it, by the permit that it kept and until its deadline; or \
             let it fail, and free the permit.",
            [Then::Send, Then::Fail],
        )
    };
    /// Who found out what became of a message.
    ResolvedBy = words(
        "Who found it out: an operator; an event of WeChat's; silence, that no such event came for as long as the app \
         is set to wait for one.",
        from_codes(hongyan_ledger::resolve::Witness::from_code),
    );
    /// Which waiting message is served first.
    WaitingOrder = words(
        "Which of a user's messages that wait for a permit is served first when one is granted: the one that was to go out \
         first, or the one that was to go out last. What is ready is always sent by send_at, then by acceptance.",
        from_codes(hongyan_ledger::WaitingOrder::from_code),
    );
    /// Which of WeChat's two calls.
    Channel = words(
        "By which of WeChat's calls a message goes out; follows from its template.",
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
        ("granted", count("Ever granted.")),
        ("available", count("Can be used now.")),
        ("reserved", count("Kept for messages in flight, of unknown outcome, or scheduled with their permit.")),
        ("spent", count("Spent.")),
        ("expired", count("Void because their time passed.")),
        ("revoked", count("Void because the user or WeChat said so.")),
    ]);
    /// Who can be reached.
    Reach = object("Who can be reached now.", [
        ("users", count("Users with at least one usable permit.")),
        ("units", count("Usable units of counted permits.")),
        ("unlimited", count("Usable unlimited permits.")),
    ]);
    /// How an attempt ended. No member is required: an attempt in flight has none of them.
    AttemptOutcome = Object::builder()
        .description(Some("How the attempt ended; absent while it is in flight."))
        .property("outcome", words(
            "answered: by WeChat, with errcode and errmsg. not_sent: nothing of the request was written. unanswered: it \
             was written, at least in part, and no answer of WeChat's came.",
            ["answered", "not_sent", "unanswered"],
        ))
        .property("errcode", Ref::from_schema_name(Errcode::name()))
        .property("errmsg", Object::builder().schema_type(Type::String).description(Some("WeChat's words.")))
        .property("msgid", Object::builder().schema_type(Type::String).description(Some(
            "WeChat's number of the message, if it gave one. Text, for it is longer than numbers in scripts.",
        )))
        .property("why", Object::builder().schema_type(Type::String).description(Some("What went wrong.")));
}

schemas! {
    /// How far the work on an event is.
    EventState = words(
        "received: stored, nothing done yet. done: all is done that it asks for. parked: it may be about a message whose \
         answer is not stored yet, and is looked at again.",
        from_codes(hongyan_store::types::EventState::from_code),
    );
    /// An event's content.
    EventBody = Object::builder()
        .schema_type(Type::Object)
        .description(Some("What WeChat sent; which members there are depends on the event."))
        .additional_properties(Some(AdditionalProperties::FreeForm(true)));
    /// One thing that an event did.
    EventEffect = Object::builder()
        .description(Some("One thing that an event did. Which members there are depends on effect."))
        .property("effect", words(
            "granted: a unit. already_reported: the mini program or its back end had reported the same acceptance. revoked: \
             what was left of a permit. delivered, refused: what became of a message. already_settled: that was known of the \
             message. no_message: it is about a message that is not known here.",
            ["granted", "already_reported", "revoked", "delivered", "refused", "already_settled", "no_message"],
        ))
        .required("effect")
        .property("template", Ref::from_schema_name(TemplateId::name()))
        .property("kind", Ref::from_schema_name(PermitKind::name()))
        .property("permit", Ref::from_schema_name(PermitId::name()))
        .property("message", Ref::from_schema_name(MessageId::name()))
        .property("units", count("Units that are void now."))
        .property("woken", count("Waiting messages that it set going."))
        .property("errcode", Ref::from_schema_name(Errcode::name()))
        .property("errmsg", Object::builder().schema_type(Type::String).description(Some("WeChat's words.")));
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
            "The template's fields by name: the text, or an object with its colour. All of them, and no others; each \
             keeps the rule that its name stands for.",
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
        let code = format!("Stable; branch on it. More may be added.\n\n{}", codes.join("\n"));
        let object = object(
            "A refusal (RFC 9457). Members beside these may say more.",
            [
                ("type", text("urn:hongyan:problem: and the code.", "urn:hongyan:problem:invalid_field")),
                ("title", string("The code in a few words.")),
                ("status", integer("The HTTP status.").examples([json!(422)])),
                ("detail", string("What happened this time, and what to do.")),
                ("code", text(&code, "invalid_field")),
            ],
        );
        let object = object
            .property("field", text("The field, header or parameter at fault.", "data.thing1"))
            .property("detail_zh", string("The detail in Chinese, where it is about fields of a message."))
            .property("errors", faults())
            .property("errcode", Ref::from_schema_name(Errcode::name()))
            .property("errmsg", string("WeChat's words."))
            .property("explanation", string("What WeChat's errcode means and what helps."))
            .property("explanation_zh", string("The same in Chinese."))
            .property(
                "help",
                text("Where the gateway's own page explains the errcode.", "/errcodes#errcode-43101"),
            )
            .property("retry_after_seconds", count("When it makes sense to try again."))
            .property("rule_zh", string("Of one wrong field of a message: what it may hold, in Chinese."))
            .property("detail_zh", string("The detail in Chinese, where it has been put into Chinese."))
            .property(
                "errors_left_off",
                count("How many more fields of a message are wrong than errors lists."),
            )
            .property("line", integer("Of malformed_json: the line of the body, from 1.").minimum(Some(1)))
            .property("column", count("Of malformed_json: the byte in that line."))
            .property("scope", string("Of forbidden: the scope that the API key lacks."))
            .property("message", Ref::from_schema_name(MessageId::name()))
            .property("state", Ref::from_schema_name(MessageState::name()))
            .property(
                "attempt",
                integer("Of another_attempt: the number of the attempt that is in doubt.").minimum(Some(1)),
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

/// Every field of a message that breaks a rule.
fn faults() -> ArrayBuilder {
    let string =
        |description: &str| Object::builder().schema_type(Type::String).description(Some(description));
    let fault = Object::builder()
        .property("field", text("The field.", "data.thing1"))
        .required("field")
        .property("rule", string("What it may hold."))
        .required("rule")
        .property("rule_zh", string("The same in Chinese."))
        .required("rule_zh")
        .property("value", string("What it holds, or the beginning of that."))
        .property("detail", string("The rule, and what is wrong."))
        .required("detail")
        .property("detail_zh", string("The same in Chinese."))
        .required("detail_zh");
    ArrayBuilder::new().items(fault).description(Some(
        "All fields of a message that are wrong, up to 20; errors_left_off counts the others.",
    ))
}

/// One of two forms.
pub(crate) fn one_of<A: ToSchema, B: ToSchema>(description: &str) -> RefOr<Schema> {
    Schema::from(forms(description, [A::name(), B::name()])).into()
}

/// One of three forms.
pub(crate) fn one_of_three<A: ToSchema, B: ToSchema, C: ToSchema>(description: &str) -> RefOr<Schema> {
    Schema::from(forms(description, [A::name(), B::name(), C::name()])).into()
}

fn forms<const N: usize>(description: &str, names: [Cow<'static, str>; N]) -> OneOfBuilder {
    let forms = OneOfBuilder::new().description(Some(description));
    names.into_iter().fold(forms, |forms, name| forms.item(Ref::from_schema_name(name)))
}

/// An object whose only member `name` lists up to `most` of them.
pub(crate) fn batch_of<T: ToSchema>(name: &str, most: usize) -> RefOr<Schema> {
    let list = ArrayBuilder::new()
        .items(Ref::from_schema_name(T::name()))
        .min_items(Some(1))
        .max_items(Some(most))
        .description(Some("One that breaks a rule is refused in its place; it does not hurt the others."));
    let batch = Object::builder()
        .property(name, list)
        .required(name)
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    Schema::from(batch).into()
}

/// A schema by its name, and those that it refers to.
pub(crate) fn with_parts<T: ToSchema>(schemas: &mut Schemas) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}
