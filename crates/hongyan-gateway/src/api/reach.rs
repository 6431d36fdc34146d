//! `GET /v1/reach`.

use axum::extract::State;
use hongyan_ledger::PermitKind;
use hongyan_store::types::Reach;
use hongyan_wechat::AppId;
use serde::Deserialize;
use utoipa::IntoParams;

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
