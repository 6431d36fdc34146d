//! `GET /v1/permits`.

use axum::extract::State;
use hongyan_clock::UnixMillis;
use hongyan_ledger::units::Totals;
use hongyan_ledger::{PermitId, PermitKind};
use hongyan_store::types::PermitView;
use hongyan_wechat::{AppId, OpenId, TemplateId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::caller::Caller;
use crate::api::listing;
use crate::api::openapi::Refusals;
use crate::context::Context;
use crate::intake::request::parse;
use crate::problem::{Problem, Query};
use crate::schemas;

/// Whose permits to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct UserQuery {
    /// The app.
    #[param(value_type = schemas::AppId)]
    app: String,
    /// The user.
    #[param(value_type = schemas::OpenId)]
    openid: String,
    /// `next_cursor` of the previous page.
    #[param(value_type = Option<schemas::PermitId>)]
    cursor: Option<String>,
    /// The most entries of the page. Default: 50.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u32>,
}

/// One permit, with its counts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Permit)]
struct PermitJson {
    #[schema(value_type = schemas::PermitId)]
    id: PermitId,
    #[schema(value_type = schemas::PermitKind)]
    kind: PermitKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::TemplateId)]
    template: Option<TemplateId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    code: Option<String>,
    /// The permit serves any number of messages until the user withdraws it.
    unlimited: bool,
    #[serde(flatten)]
    #[schema(value_type = schemas::PermitTotals)]
    counts: Totals,
    #[schema(value_type = schemas::Time)]
    granted_at: UnixMillis,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    expires_at: Option<UnixMillis>,
}

/// A page of a user's permits, newest first, and the sum of the counts of all of them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UserPermits)]
pub(super) struct PermitsAnswer {
    permits: Vec<PermitJson>,
    /// The sums over all of the user's permits, including those on other pages.
    #[schema(value_type = schemas::PermitTotals)]
    totals: Totals,
    /// The number of unlimited permits among all permits. The units of such a permit are counted when they are used.
    unlimited: u32,
    /// Send this as `cursor` to get the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::PermitId)]
    next_cursor: Option<PermitId>,
}

/// List a user's permits and the sum of their counts.
///
/// granted is always available + reserved + spent + expired + revoked, for each permit and for the sums. The sums cover all
/// permits, not only this page.
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
    let limit = listing::limit(query.limit)?;
    let before: Option<PermitId> = query.cursor.map(|text| parse("cursor", &text)).transpose()?;
    let permits = context.store.permits(appid, openid, context.clock.now()).await?;
    let mut totals = Totals::default();
    for permit in &permits {
        totals += permit.totals;
    }
    let unlimited = permits.iter().filter(|view| view.permit.units.unlimited).count() as u32;
    // All permits are read for the sums; only a page of them is returned.
    let behind = permits.into_iter().filter(|view| before.is_none_or(|before| view.permit.id < before));
    let page = listing::first(behind.map(permit_json), limit, |permit| permit.id);
    Ok(axum::Json(PermitsAnswer { permits: page.items, totals, unlimited, next_cursor: page.next }))
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
    use hongyan_ledger::Lane;
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
    }
}
