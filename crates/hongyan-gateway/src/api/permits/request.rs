//! The request of a grant, or of a batch of grants.

use std::borrow::Cow;

use hongyan_ledger::PermitKind;
use hongyan_ledger::permit::MAX_PAYMENT_UNITS;
use serde::Deserialize;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::api::batch::MAX_BATCH;
use crate::api::bounded::Whole;
use crate::schemas;

/// The most units of one grant.
const MAX_COUNT: u32 = 1_000;

/// How many units one grant may bring.
type Count = Whole<1, MAX_COUNT>;

/// One grant, as a caller reports it. [`FormPermit`], [`PaymentPermit`] and [`SubscriptionPermit`] are its OpenAPI schemas.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GrantRequest {
    /// The app.
    pub(crate) app: String,
    /// The user.
    pub(crate) openid: String,
    /// Where the permit comes from.
    pub(crate) kind: PermitKind,
    /// The form id or prepay id, for forms and payments.
    pub(crate) code: Option<String>,
    /// The template, for subscriptions.
    pub(crate) template: Option<String>,
    /// The number of units. Default: 1; for a payment, the app's setting.
    pub(crate) count: Option<Count>,
}

impl PartialSchema for GrantRequest {
    fn schema() -> RefOr<Schema> {
        schemas::one_of_three::<FormPermit, PaymentPermit, SubscriptionPermit>("One right to send.")
    }
}

impl ToSchema for GrantRequest {
    fn name() -> Cow<'static, str> {
        "PermitRequest".into()
    }

    fn schemas(schemas: &mut schemas::Schemas) {
        schemas::with_parts::<FormPermit>(schemas);
        schemas::with_parts::<PaymentPermit>(schemas);
        schemas::with_parts::<SubscriptionPermit>(schemas);
    }
}

/// The count of a form, which serves one message.
type One = Whole<1, 1>;

/// The count of a payment.
type PaymentUnits = Whole<1, MAX_PAYMENT_UNITS>;

/// A submitted form: allows one message with any template of the old kind, within 7 days.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes one form of GrantRequest")]
struct FormPermit {
    /// The app.
    #[schema(value_type = schemas::AppId)]
    app: String,
    /// The user.
    #[schema(value_type = schemas::OpenId)]
    openid: String,
    #[schema(inline)]
    kind: OnlyForm,
    /// The form id.
    #[schema(min_length = 1, max_length = 512, pattern = "^[!-~]+$")]
    code: String,
    /// Always 1: a form allows one message.
    #[schema(inline)]
    count: Option<One>,
}

/// A payment: allows up to three messages with any template of the old kind, within 7 days.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes one form of GrantRequest")]
struct PaymentPermit {
    /// The app.
    #[schema(value_type = schemas::AppId)]
    app: String,
    /// The user.
    #[schema(value_type = schemas::OpenId)]
    openid: String,
    #[schema(inline)]
    kind: OnlyPayment,
    /// The prepay id.
    #[schema(min_length = 1, max_length = 512, pattern = "^[!-~]+$")]
    code: String,
    /// The number of messages. Default: the app's setting.
    #[schema(inline)]
    count: Option<PaymentUnits>,
}

/// An accepted subscription to a template.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes one form of GrantRequest")]
struct SubscriptionPermit {
    /// The app.
    #[schema(value_type = schemas::AppId)]
    app: String,
    /// The user.
    #[schema(value_type = schemas::OpenId)]
    openid: String,
    kind: SubscriptionKind,
    /// The template that the user subscribed to.
    #[schema(value_type = schemas::TemplateId)]
    template: String,
    /// The number of acceptances. Default: 1.
    #[schema(inline)]
    count: Option<Count>,
}

#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "it describes a word")]
enum OnlyForm {
    Form,
}

#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "it describes a word")]
enum OnlyPayment {
    Payment,
}

/// One-time (counted, no expiry), long-term or device (unlimited until withdrawn).
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, clippy::enum_variant_names, reason = "it describes the words")]
enum SubscriptionKind {
    SubscribeOnce,
    SubscribeLongTerm,
    SubscribeDevice,
}

/// One grant, or `{"permits":[…]}`.
pub(super) enum GrantsRequest {}

impl PartialSchema for GrantsRequest {
    fn schema() -> RefOr<Schema> {
        schemas::one_of::<GrantRequest, PermitBatch>("A right to send, or a batch of them.")
    }
}

impl ToSchema for GrantsRequest {
    fn name() -> Cow<'static, str> {
        "PermitOrBatch".into()
    }

    fn schemas(schemas: &mut schemas::Schemas) {
        schemas::with_parts::<GrantRequest>(schemas);
        schemas::with_parts::<PermitBatch>(schemas);
    }
}

/// Up to 1,000 rights to send.
pub(super) enum PermitBatch {}

impl PartialSchema for PermitBatch {
    fn schema() -> RefOr<Schema> {
        schemas::batch_of::<GrantRequest>("permits", MAX_BATCH)
    }
}

impl ToSchema for PermitBatch {}
