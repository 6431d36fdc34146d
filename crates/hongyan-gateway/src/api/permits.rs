//! `/v1/permits`.

use std::borrow::Cow;

use axum::extract::State;
use axum::http::StatusCode;
use hongyan_clock::UnixMillis;
use hongyan_ledger::acceptance::Source;
use hongyan_ledger::permit::{Claim, MAX_PAYMENT_UNITS, Origin};
use hongyan_ledger::units::Totals;
use hongyan_ledger::{Channel, Lane, PermitId, PermitKind};
use hongyan_store::types::{NewPermit, PermitView};
use hongyan_wechat::{AppId, OpenId, TemplateId, is_mock_form_id};
use serde::{Deserialize, Serialize};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::api::caller::Caller;
use crate::context::Context;
use crate::intake::request::parse;
use crate::problem::{Problem, Query, RawJson};
use crate::shapes;

use super::batch::{Items, MAX_BATCH, RefusedItem, items};
use super::bounded::Whole;
use super::openapi::Refusals;

/// The longest form id or prepay id; WeChat's are below 100.
const MAX_CODE_LENGTH: usize = 512;

/// The most units of one grant.
const MAX_COUNT: u32 = 1_000;

/// How many units one grant may bring.
pub(super) type Count = Whole<1, MAX_COUNT>;

/// One grant, as a caller reports it. [`FormPermit`], [`PaymentPermit`] and [`SubscriptionPermit`] describe it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantRequest {
    /// The app.
    pub(super) app: String,
    /// The user.
    pub(super) openid: String,
    /// Where the right comes from.
    pub(super) kind: PermitKind,
    /// The form id or prepay id, for forms and payments.
    pub(super) code: Option<String>,
    /// The template, for subscriptions.
    pub(super) template: Option<String>,
    /// How many units; absent: one (payments: as the app is set).
    pub(super) count: Option<Count>,
}

impl PartialSchema for GrantRequest {
    fn schema() -> RefOr<Schema> {
        shapes::one_of_three::<FormPermit, PaymentPermit, SubscriptionPermit>("One right to send.")
    }
}

impl ToSchema for GrantRequest {
    fn name() -> Cow<'static, str> {
        "PermitRequest".into()
    }

    fn schemas(schemas: &mut shapes::Schemas) {
        shapes::with_parts::<FormPermit>(schemas);
        shapes::with_parts::<PaymentPermit>(schemas);
        shapes::with_parts::<SubscriptionPermit>(schemas);
    }
}

/// The one message that a form is good for.
type One = Whole<1, 1>;

/// How many messages a payment may be good for.
type PaymentUnits = Whole<1, MAX_PAYMENT_UNITS>;

/// A submitted form: one message by any template of the old kind, for 7 days.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes one form of GrantRequest")]
struct FormPermit {
    /// The app.
    #[schema(value_type = shapes::AppId)]
    app: String,
    /// The user.
    #[schema(value_type = shapes::OpenId)]
    openid: String,
    #[schema(inline)]
    kind: OnlyForm,
    /// The form id.
    #[schema(min_length = 1, max_length = 512, pattern = "^[!-~]+$")]
    code: String,
    /// A form is good for one message.
    #[schema(inline)]
    count: Option<One>,
}

/// A payment: up to three messages by any template of the old kind, for 7 days.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes one form of GrantRequest")]
struct PaymentPermit {
    /// The app.
    #[schema(value_type = shapes::AppId)]
    app: String,
    /// The user.
    #[schema(value_type = shapes::OpenId)]
    openid: String,
    #[schema(inline)]
    kind: OnlyPayment,
    /// The prepay id.
    #[schema(min_length = 1, max_length = 512, pattern = "^[!-~]+$")]
    code: String,
    /// How many messages; absent: as the app is set.
    #[schema(inline)]
    count: Option<PaymentUnits>,
}

/// An accepted subscription to a template.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes one form of GrantRequest")]
struct SubscriptionPermit {
    /// The app.
    #[schema(value_type = shapes::AppId)]
    app: String,
    /// The user.
    #[schema(value_type = shapes::OpenId)]
    openid: String,
    kind: SubscriptionKind,
    /// The template that the user subscribed to.
    #[schema(value_type = shapes::TemplateId)]
    template: String,
    /// How many acceptances; absent: one.
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

/// One-time (counted, no expiry); long-term or of a device (unlimited until withdrawn).
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, clippy::enum_variant_names, reason = "it describes the words")]
enum SubscriptionKind {
    SubscribeOnce,
    SubscribeLongTerm,
    SubscribeDevice,
}

/// What became of one grant of several.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GrantedOrRefused)]
#[serde(untagged)]
pub(super) enum GrantAnswer {
    Granted(GrantedJson),
    Refused(RefusedItem),
}

/// A permit that is in the ledger.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GrantedPermit)]
pub(super) struct GrantedJson {
    #[schema(value_type = shapes::PermitId)]
    id: PermitId,
    #[schema(value_type = shapes::PermitKind)]
    kind: PermitKind,
    /// The same code was granted before, or WeChat had reported the same acceptances; nothing changed.
    duplicate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = shapes::Time)]
    expires_at: Option<UnixMillis>,
    /// Waiting messages that it set going.
    woken: u32,
}

/// One grant, or `{"permits":[…]}`.
pub(super) enum GrantsRequest {}

impl PartialSchema for GrantsRequest {
    fn schema() -> RefOr<Schema> {
        shapes::one_of::<GrantRequest, PermitBatch>("A right to send, or a batch of them.")
    }
}

impl ToSchema for GrantsRequest {
    fn name() -> Cow<'static, str> {
        "PermitOrBatch".into()
    }

    fn schemas(schemas: &mut shapes::Schemas) {
        shapes::with_parts::<GrantRequest>(schemas);
        shapes::with_parts::<PermitBatch>(schemas);
    }
}

/// Up to 1,000 rights to send.
pub(super) enum PermitBatch {}

impl PartialSchema for PermitBatch {
    fn schema() -> RefOr<Schema> {
        shapes::batch_of::<GrantRequest>("permits", MAX_BATCH)
    }
}

impl ToSchema for PermitBatch {}

/// What became of a request: of its one grant, or of its batch.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = GrantedPermits)]
pub(super) enum GrantAnswers {
    One(GrantedJson),
    Batch(GrantBatch),
}

/// What became of a batch of permits.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GrantedBatch)]
pub(super) struct GrantBatch {
    /// How many are in the ledger, those that were there before among them.
    accepted: usize,
    refused: usize,
    /// One answer each, in order. A refused permit does not hurt the others.
    permits: Vec<GrantAnswer>,
}

impl GrantBatch {
    fn of(permits: Vec<GrantAnswer>) -> Self {
        let refused = permits.iter().filter(|answer| matches!(answer, GrantAnswer::Refused(_))).count();
        Self { accepted: permits.len() - refused, refused, permits }
    }
}

/// Report a right to send, or up to 1,000.
///
/// The same form id or prepay id twice is one permit. Subscriptions add up.
#[utoipa::path(
    post,
    path = "/v1/permits",
    operation_id = "grant_permits",
    tag = "permits",
    security(("api_key" = ["permits"])),
    request_body = GrantsRequest,
    responses((status = 201, description = "Granted; of a batch, all that could be.", body = GrantAnswers), Refusals),
)]
pub(super) async fn grant(
    State(context): State<Context>,
    caller: Caller,
    RawJson(body): RawJson,
) -> Result<(StatusCode, axum::Json<GrantAnswers>), Problem> {
    match items::<GrantRequest>("permits", &body)? {
        Items::One(request) => {
            caller.may_name(&request.app)?;
            let wanted = checked(&context, request, Origin::BackEnd).await?;
            match grant_all(&context, vec![Ok(wanted)]).await?.pop().ok_or_else(Problem::internal)? {
                GrantAnswer::Refused(RefusedItem { error }) => Err(error),
                GrantAnswer::Granted(granted) => {
                    Ok((StatusCode::CREATED, axum::Json(GrantAnswers::One(granted))))
                }
            }
        }
        Items::Many(requests) => {
            let mut wanted = Vec::with_capacity(requests.len());
            for request in requests {
                wanted.push(match request {
                    Ok(request) => match caller.may_name(&request.app) {
                        Ok(()) => checked(&context, request, Origin::BackEnd).await,
                        Err(problem) => Err(problem),
                    },
                    Err(problem) => Err(problem),
                });
            }
            let permits = grant_all(&context, wanted).await?;
            Ok((StatusCode::CREATED, axum::Json(GrantAnswers::Batch(GrantBatch::of(permits)))))
        }
    }
}

/// Checks everything about a grant that can be checked without WeChat.
pub(super) async fn checked(
    context: &Context,
    request: GrantRequest,
    origin: Origin,
) -> Result<NewPermit, Problem> {
    let appid: AppId = parse("app", &request.app)?;
    let openid: OpenId = parse("openid", &request.openid)?;
    let app = context.apps.get(&appid).ok_or_else(|| Problem::unknown_app(&appid))?;
    let kind = request.kind;
    if kind == PermitKind::ServiceCard {
        return Err(Problem::invalid("kind", "service cards cannot be granted yet"));
    }
    let code = check_code(kind, request.code)?;
    let template = match request.template {
        Some(text) if !kind.has_code() => {
            let id: TemplateId = parse("template", &text)?;
            let template = context.apps.template(&appid, &id).await?;
            if template.record.channel != Channel::Subscribe {
                return Err(Problem::invalid(
                    "template",
                    "this is a template of the old kind; it takes forms",
                ));
            }
            Some(id)
        }
        Some(_) => {
            return Err(Problem::invalid(
                "template",
                "forms and payments serve any template of the old kind",
            ));
        }
        None if kind.has_code() => None,
        None => return Err(Problem::invalid("template", "a subscription is for one template: name it")),
    };
    let count = match (kind, request.count.map(|count| count.0)) {
        (PermitKind::Form, Some(count)) if count != 1 => {
            return Err(Problem::invalid("count", "a form is good for one message"));
        }
        (PermitKind::Payment, Some(count)) if count > MAX_PAYMENT_UNITS => {
            return Err(Problem::invalid(
                "count",
                format!("a payment is good for at most {MAX_PAYMENT_UNITS}"),
            ));
        }
        (PermitKind::Payment, None) => app.record.settings.payment_units,
        (_, count) => count.unwrap_or(1),
    };
    let now = context.clock.now();
    Ok(NewPermit {
        id: context.ids.permit(Lane::of(&appid, &openid), now),
        appid,
        openid,
        kind,
        code,
        template,
        count,
        expires_at: kind.lifetime().map(|lifetime| now.plus(lifetime)),
        // Where WeChat pushes, it reports the same acceptances.
        reported_by: (kind == PermitKind::SubscribeOnce && app.record.settings.callback.is_some())
            .then_some(Source::Caller),
        claim: kind.has_code().then(|| claim(context, origin)),
    })
}

/// A code that somebody claims, and how many of them a user may have open.
fn claim(context: &Context, origin: Origin) -> Claim {
    let at_most = match origin {
        Origin::BackEnd => context.settings.codes_per_user,
        Origin::MiniProgram => context.settings.mini_program_codes_per_user,
    };
    Claim { origin, at_most }
}

/// The user has as many open codes as a back end may report.
fn too_many_codes(most: u32) -> Problem {
    let detail = format!(
        "this user has {most} form ids or prepay ids that are still open, and may not have more: send with them first, or \
         wait until they expire (7 days). The setting codes_per_user says how many"
    );
    Problem::new(StatusCode::CONFLICT, "too_many_codes", detail).field("code")
}

fn check_code(kind: PermitKind, code: Option<String>) -> Result<Option<String>, Problem> {
    match code {
        None if kind.has_code() => Err(Problem::invalid(
            "code",
            "the form id (or prepay id) is what WeChat is shown: send it as code",
        )),
        Some(_) if !kind.has_code() => Err(Problem::invalid("code", "a subscription has no code")),
        Some(code) if is_mock_form_id(&code) => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "mock_form_id",
            "this is what developer tools hand out in place of a form id; submit the form on a real phone",
        )
        .field("code")),
        Some(code) if code.len() > MAX_CODE_LENGTH || !code.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err(Problem::invalid("code", format!("1 to {MAX_CODE_LENGTH} visible ASCII characters")))
        }
        code => Ok(code),
    }
}

/// Grants what passed its checks, in one transaction; one answer each, in order.
pub(super) async fn grant_all(
    context: &Context,
    wanted: Vec<Result<NewPermit, Problem>>,
) -> Result<Vec<GrantAnswer>, Problem> {
    let now = context.clock.now();
    let good: Vec<NewPermit> = wanted.iter().filter_map(|permit| permit.as_ref().ok().cloned()).collect();
    let granted = if good.is_empty() { Vec::new() } else { context.store.grant(good, now).await? };
    let mut granted = granted.into_iter();
    let answers = wanted.into_iter().filter_map(|wanted| match wanted {
        Ok(permit) => granted.next().map(|granted| {
            if granted.refused {
                let error = too_many_codes(context.settings.codes_per_user);
                return GrantAnswer::Refused(RefusedItem { error });
            }
            GrantAnswer::Granted(GrantedJson {
                id: granted.id,
                kind: permit.kind,
                duplicate: granted.duplicate,
                expires_at: granted.expires_at,
                woken: granted.woken,
            })
        }),
        Err(error) => Some(GrantAnswer::Refused(RefusedItem { error })),
    });
    Ok(answers.collect())
}

/// The most permits of one page.
const MAX_PAGE: u32 = 1_000;

/// So many, unless said.
const DEFAULT_PAGE: u32 = 50;

/// Whose permits to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct UserQuery {
    /// The app.
    #[param(value_type = shapes::AppId)]
    app: String,
    /// The user.
    #[param(value_type = shapes::OpenId)]
    openid: String,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<shapes::PermitId>)]
    cursor: Option<String>,
    /// How many; 50 unless said.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u32>,
}

/// One permit, with its counts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Permit)]
struct PermitJson {
    #[schema(value_type = shapes::PermitId)]
    id: PermitId,
    #[schema(value_type = shapes::PermitKind)]
    kind: PermitKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = shapes::TemplateId)]
    template: Option<TemplateId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    code: Option<String>,
    /// Serves any number of messages until the user withdraws it.
    unlimited: bool,
    #[serde(flatten)]
    #[schema(value_type = shapes::PermitTotals)]
    counts: Totals,
    #[schema(value_type = shapes::Time)]
    granted_at: UnixMillis,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = shapes::Time)]
    expires_at: Option<UnixMillis>,
}

/// A page of a user's permits, newest first, and the sum of the counts of all of them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UserPermits)]
pub(super) struct PermitsAnswer {
    permits: Vec<PermitJson>,
    /// Of all of the user's permits, also those of other pages.
    #[schema(value_type = shapes::PermitTotals)]
    totals: Totals,
    /// How many of all permits are unlimited; their units are counted as they are used.
    unlimited: u32,
    /// Give this back as `cursor` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = shapes::PermitId)]
    next_cursor: Option<PermitId>,
}

/// List a user's permits and the sum of their counts.
///
/// Always granted = available + reserved + spent + expired + revoked, for each permit and in sum. The sums are those of all
/// permits, whatever the page.
#[utoipa::path(
    get,
    path = "/v1/permits",
    operation_id = "list_permits",
    tag = "permits",
    security(("api_key" = ["permits"])),
    params(UserQuery),
    responses((status = 200, description = "A page of permits, newest first.", body = PermitsAnswer), Refusals),
)]
pub(super) async fn list(
    State(context): State<Context>,
    caller: Caller,
    Query(query): Query<UserQuery>,
) -> Result<axum::Json<PermitsAnswer>, Problem> {
    let appid: AppId = parse("app", &query.app)?;
    let openid: OpenId = parse("openid", &query.openid)?;
    caller.app(&context, &appid)?;
    let limit = query.limit.unwrap_or(DEFAULT_PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Problem::invalid("limit", format!("1 to {MAX_PAGE}")));
    }
    let before: Option<PermitId> = query.cursor.map(|text| parse("cursor", &text)).transpose()?;
    let permits = context.store.permits(appid, openid, context.clock.now()).await?;
    let mut totals = Totals::default();
    for permit in &permits {
        totals += permit.totals;
    }
    let unlimited = permits.iter().filter(|view| view.permit.units.unlimited).count() as u32;
    // All are read, for their sums; what goes out is a page.
    let behind = permits.into_iter().filter(|view| before.is_none_or(|before| view.permit.id < before));
    let (permits, next_cursor) = page(behind.map(permit_json), limit as usize);
    Ok(axum::Json(PermitsAnswer { permits, totals, unlimited, next_cursor }))
}

/// The first of them, and the last of these if there are more.
fn page(permits: impl Iterator<Item = PermitJson>, limit: usize) -> (Vec<PermitJson>, Option<PermitId>) {
    let mut page: Vec<_> = permits.take(limit + 1).collect();
    let has_more = page.len() > limit;
    page.truncate(limit);
    let next = page.last().filter(|_| has_more).map(|permit| permit.id);
    (page, next)
}

fn permit_json(PermitView { permit, totals }: PermitView) -> PermitJson {
    PermitJson {
        id: permit.id,
        kind: permit.kind,
        template: permit.template,
        code: permit.code,
        unlimited: permit.units.unlimited,
        counts: totals,
        granted_at: permit.granted_at,
        expires_at: permit.expires_at,
    }
}

#[cfg(test)]
mod tests {
    use hongyan_ledger::ids::IdMaker;
    use hongyan_ledger::permit::Permit;
    use hongyan_ledger::units::Units;

    use super::*;
    use crate::api::openapi::tests::description;

    #[test]
    fn every_member_of_a_permit_is_described() {
        let moment = UnixMillis(1_700_000_000_000);
        let id = IdMaker::new().permit(Lane::all().next().unwrap(), moment);
        let totals = Totals { granted: 1, available: 1, ..Totals::default() };
        let permit = permit_json(PermitView {
            permit: Permit {
                id,
                kind: PermitKind::Form,
                template: Some("template-1".parse().unwrap()),
                code: Some("form-1".into()),
                units: Units::default(),
                granted_at: moment,
                expires_at: Some(moment),
            },
            totals,
        });
        let answer = PermitsAnswer { permits: vec![permit], totals, unlimited: 0, next_cursor: Some(id) };
        description().check("UserPermits", &serde_json::to_value(answer).unwrap());

        let granted = GrantAnswer::Granted(GrantedJson {
            id,
            kind: PermitKind::Form,
            duplicate: false,
            expires_at: Some(moment),
            woken: 1,
        });
        let error = Problem::invalid("code", "no").with("more", 1);
        let refused = GrantAnswer::Refused(RefusedItem { error });
        let batch = GrantBatch::of(vec![granted, refused]);
        assert_eq!((batch.accepted, batch.refused), (1, 1));
        let answers = GrantAnswers::Batch(batch);
        description().check("GrantedPermits", &serde_json::to_value(answers).unwrap());
    }
}
