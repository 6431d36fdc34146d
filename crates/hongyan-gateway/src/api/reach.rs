//! `GET /v1/reach`, and who can be reached by which permits.

use axum::extract::State;
use hongyan_ledger::PermitKind;
use hongyan_store::types::{Reach, ReachParts, UsablePermits};
use hongyan_wechat::{AppId, TemplateId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::openapi::Refusals;
use crate::api::caller::Caller;
use crate::context::Context;
use crate::intake::request::parse;
use crate::problem::{Problem, Query};
use crate::schemas;

/// Which users to count.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ReachQuery {
    /// The app.
    #[param(value_type = schemas::AppId)]
    app: String,
    /// Only permits that serve this template.
    #[param(value_type = Option<schemas::TemplateId>)]
    template: Option<String>,
    /// Only permits of this kind.
    #[param(value_type = Option<schemas::PermitKind>)]
    kind: Option<PermitKind>,
}

/// Count how many users can be reached now.
///
/// Counts the users with a permit that can be used now, and their units.
#[utoipa::path(
    get,
    path = "/v1/reach",
    operation_id = "count_reach",
    tag = "permits",
    security(("api_key" = ["permits"])),
    params(ReachQuery),
    responses((status = 200, description = "Users and units.", body = schemas::Reach), Refusals),
)]
pub(super) async fn reach(
    State(context): State<Context>,
    caller: Caller,
    Query(query): Query<ReachQuery>,
) -> Result<axum::Json<Reach>, Problem> {
    let appid: AppId = parse("app", &query.app)?;
    caller.app(&context, &appid)?;
    let template = query.template.map(|text| parse("template", &text)).transpose()?;
    Ok(axum::Json(context.store.reach(appid, template, query.kind, context.clock.now()).await?))
}

/// The permits of all apps that can be used now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsablePermits)]
pub(super) struct KindsAnswer {
    /// By appid and kind. What is not listed is zero.
    kinds: Vec<KindJson>,
    /// There are more: 20,000 permits of all apps were looked at, users without a permit included.
    more: bool,
}

/// What can be used now of an app's permits of one kind.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsablePermitsOfKind)]
struct KindJson {
    #[schema(value_type = schemas::AppId)]
    app: AppId,
    #[schema(value_type = schemas::PermitKind)]
    kind: PermitKind,
    /// Units, without unlimited permits.
    #[schema(minimum = 0)]
    units: u64,
    /// Unlimited permits.
    #[schema(minimum = 0)]
    unlimited: u64,
    /// Units that expire within 24 hours from now.
    #[schema(minimum = 0)]
    expiring: u64,
}

/// Count by app and kind what can be used now.
///
/// Also says how many units expire within 24 hours. The answer is quick however many permits there are: it counts a limited
/// number of them. `/v1/reach/parts` counts all permits of an app.
#[utoipa::path(
    get,
    path = "/v1/reach/kinds",
    operation_id = "count_usable_permits",
    tag = "permits",
    security(("api_key" = ["permits"])),
    responses((status = 200, description = "Units by app and kind.", body = KindsAnswer), Refusals),
)]
pub(super) async fn kinds(
    State(context): State<Context>,
    caller: Caller,
) -> Result<axum::Json<KindsAnswer>, Problem> {
    let UsablePermits { kinds, is_cut } = context.store.usable_permits(context.clock.now()).await?;
    let kinds = kinds.into_iter().filter(|of| caller.sees(&of.appid)).map(|of| KindJson {
        app: of.appid,
        kind: of.kind,
        units: of.units,
        unlimited: of.unlimited,
        expiring: of.expiring,
    });
    Ok(axum::Json(KindsAnswer { kinds: kinds.collect(), more: is_cut }))
}

/// Whose permits to count.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct PartsQuery {
    /// The app.
    #[param(value_type = schemas::AppId)]
    app: String,
}

/// Who can be reached by which permits.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReachParts)]
pub(super) struct PartsAnswer {
    /// By all permits together. A user with permits of several kinds counts once.
    #[schema(value_type = schemas::Reach)]
    totals: Reach,
    /// By kind and template.
    parts: Vec<PartJson>,
}

/// Permits of one kind, for one template, that can be used now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReachPart)]
struct PartJson {
    #[schema(value_type = schemas::PermitKind)]
    kind: PermitKind,
    /// Absent: they serve any template of the channel `legacy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::TemplateId)]
    template: Option<TemplateId>,
    /// Users who have such a permit.
    #[schema(minimum = 0)]
    users: u64,
    /// Units, without unlimited permits.
    #[schema(minimum = 0)]
    units: u64,
    /// Unlimited permits.
    #[schema(minimum = 0)]
    unlimited: u64,
    /// Units that expire within 24 hours from now, in the 24 hours after those, and so on, for seven days.
    #[schema(min_items = 7, max_items = 7)]
    expiring: Vec<u64>,
}

/// Count by kind and template how many users can be reached now.
///
/// Also says how many units expire in each of the next seven days.
#[utoipa::path(
    get,
    path = "/v1/reach/parts",
    operation_id = "count_reach_parts",
    tag = "permits",
    security(("api_key" = ["permits"])),
    params(PartsQuery),
    responses((status = 200, description = "Users and units by kind and template.", body = PartsAnswer), Refusals),
)]
pub(super) async fn parts(
    State(context): State<Context>,
    caller: Caller,
    Query(query): Query<PartsQuery>,
) -> Result<axum::Json<PartsAnswer>, Problem> {
    let appid: AppId = parse("app", &query.app)?;
    caller.app(&context, &appid)?;
    let ReachParts { totals, parts } = context.store.reach_parts(appid, context.clock.now()).await?;
    let parts = parts.into_iter().map(|part| PartJson {
        kind: part.kind,
        template: part.template,
        users: part.users,
        units: part.units,
        unlimited: part.unlimited,
        expiring: part.expiring.to_vec(),
    });
    Ok(axum::Json(PartsAnswer { totals, parts: parts.collect() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::openapi::tests::description;

    #[test]
    fn every_member_of_the_answer_is_described() {
        let reach = Reach { users: 1, units: 2, unlimited: 0 };
        description().check("Reach", &serde_json::to_value(reach).unwrap());
    }
}
