//! `GET /v1/quotas`.

use axum::extract::State;
use hongyan_clock::UnixMillis;
use hongyan_wechat::AppId;
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::Caller;
use super::openapi::Refusals;
use crate::context::Context;
use crate::problem::Problem;
use crate::quotas::QuotasOfApp;
use crate::schemas;

/// WeChat's daily quotas of all apps.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QuotaList)]
pub(super) struct QuotasAnswer {
    /// By appid.
    apps: Vec<AppJson>,
}

/// WeChat's daily quotas of an app.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QuotasOfApp)]
struct AppJson {
    #[schema(value_type = schemas::AppId)]
    app: AppId,
    /// The calls that the gateway makes for the app, and that WeChat tells the quota of; empty until WeChat has answered.
    quotas: Vec<QuotaJson>,
    /// When WeChat was asked. Absent: WeChat has not answered yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    asked_at: Option<UnixMillis>,
    /// Why the quotas are not known, or not as of now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    failure: Option<String>,
}

/// The daily quota of a call.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Quota)]
struct QuotaJson {
    /// WeChat's path of the call.
    #[schema(example = "/cgi-bin/message/subscribe/send")]
    path: &'static str,
    /// How often the app may make the call in a day.
    #[schema(minimum = 0)]
    daily_limit: u64,
    /// How often the app has made the call today.
    #[schema(minimum = 0)]
    used: u64,
    /// How often the app may still make the call today.
    #[schema(minimum = 0)]
    left: u64,
}

/// Show how much of WeChat's daily quotas is used.
///
/// The gateway asks WeChat in the background, at most every five minutes for each app, and the call answers with what is
/// known: right after a start with nothing.
#[utoipa::path(
    get,
    path = "/v1/quotas",
    operation_id = "show_quotas",
    tag = "apps",
    security(("api_key" = ["apps"])),
    responses((status = 200, description = "The quotas of each app.", body = QuotasAnswer), Refusals),
)]
pub(super) async fn show(
    State(context): State<Context>,
    caller: Caller,
) -> Result<axum::Json<QuotasAnswer>, Problem> {
    let apps = context.apps.list();
    let seen = apps.iter().filter(|app| caller.sees(&app.record.appid));
    let apps = seen.map(|app| app_json(app.record.appid.clone(), context.quotas.of(app)));
    Ok(axum::Json(QuotasAnswer { apps: apps.collect() }))
}

fn app_json(app: AppId, of_app: QuotasOfApp) -> AppJson {
    let number = |number: i64| u64::try_from(number).unwrap_or(0);
    let quotas = of_app.quotas.iter().map(|(path, quota)| QuotaJson {
        path,
        daily_limit: number(quota.daily_limit),
        used: number(quota.used),
        left: number(quota.remain),
    });
    AppJson { app, quotas: quotas.collect(), asked_at: of_app.asked_at, failure: of_app.failure }
}

#[cfg(test)]
mod tests {
    use hongyan_wechat::Quota;

    use super::*;
    use crate::api::openapi::tests::description;

    #[test]
    fn every_member_of_the_answer_is_described() {
        let quota = Quota { daily_limit: 100, used: 110, remain: -10 };
        let of_app = QuotasOfApp {
            quotas: vec![("/cgi-bin/token", quota)].into(),
            asked_at: Some(UnixMillis(1_700_000_000_000)),
            failure: Some("busy".into()),
        };
        let answer = QuotasAnswer { apps: vec![app_json("wx1".parse().unwrap(), of_app)] };
        let answer = serde_json::to_value(answer).unwrap();
        description().check("QuotaList", &answer);
        assert_eq!(answer["apps"][0]["quotas"][0]["left"], 0);
    }
}
