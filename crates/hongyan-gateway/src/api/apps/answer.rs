//! The JSON of an app in answers.

use hongyan_clock::UnixMillis;
use hongyan_ledger::settle::PauseCode;
use hongyan_ledger::{OnUnknown, WaitingOrder};
use hongyan_store::types::{CallbackStatus, TokenRecord};
use hongyan_wechat::{AppId, Errcode};
use serde::Serialize;
use utoipa::ToSchema;

use super::callback::{self, CallbackJson};
use super::settings::TokenCall;
use crate::apps::{App, SyncReport};
use crate::context::Context;
use crate::problem::Problem;
use crate::schemas;
use crate::token::{FetchFailure, TokenStanding};

/// An app as everybody may see it: without its secrets.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = App)]
pub(super) struct AppJson {
    #[schema(value_type = schemas::AppId)]
    appid: AppId,
    name: String,
    token: TokenCall,
    access_token: AccessTokenJson,
    #[schema(value_type = schemas::OnUnknown)]
    on_unknown: OnUnknown,
    payment_units: u32,
    #[schema(value_type = schemas::WaitingOrder)]
    waiting_order: WaitingOrder,
    truncate: bool,
    /// How WeChat pushes events. Absent: the gateway takes no pushes for this app.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    callback: Option<CallbackJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    resend_unknown_after_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    paused: Option<PausedJson>,
    /// How many templates the app has.
    templates: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    templates_synced_at: Option<UnixMillis>,
    /// Why WeChat's list of templates cannot be read at present. The templates that are known stay in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    template_sync_failure: Option<SyncFailureJson>,
    #[schema(value_type = schemas::Time)]
    created_at: UnixMillis,
    #[schema(value_type = schemas::Time)]
    updated_at: UnixMillis,
}

/// How WeChat's access token of the app stands; empty: no token was fetched yet. The token itself is never shown here.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccessTokenStanding)]
struct AccessTokenJson {
    /// When the present token was fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    fetched_at: Option<UnixMillis>,
    /// When WeChat stops accepting it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    expires_at: Option<UnixMillis>,
    /// When it is refreshed. Absent: it is not refreshed ahead of its end, because the app has not used it for two hours or
    /// because no token is fetched during the app's pause.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    refresh_at: Option<UnixMillis>,
    /// Why the last fetch failed. Absent: it did not fail, or the next fetch may be tried now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    failure: Option<TokenFailureJson>,
}

/// Why no access token can be fetched.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccessTokenFailure)]
struct TokenFailureJson {
    detail: String,
    /// When the last fetch failed.
    #[schema(value_type = schemas::Time)]
    since: UnixMillis,
    /// When the next fetch may be tried. Absent: after `POST /v1/apps/{appid}/resume` or a change of the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    until: Option<UnixMillis>,
}

impl From<TokenStanding> for AccessTokenJson {
    fn from(TokenStanding { times, failure }: TokenStanding) -> Self {
        Self {
            fetched_at: times.map(|times| times.fetched_at),
            expires_at: times.map(|times| times.expires_at),
            refresh_at: times.and_then(|times| times.refresh_at),
            failure: failure.map(|FetchFailure { detail, since, until }| TokenFailureJson {
                detail,
                since,
                until,
            }),
        }
    }
}

/// Why an app's templates cannot be read.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TemplateSyncFailure)]
struct SyncFailureJson {
    /// When the first of these failures happened; failures before the gateway's last start are not known.
    #[schema(value_type = schemas::Time)]
    since: UnixMillis,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Errcode)]
    errcode: Option<Errcode>,
    detail: String,
}

/// Why the app sends no messages.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Pause)]
struct PausedJson {
    #[schema(value_type = schemas::PauseCode)]
    code: PauseCode,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Errcode)]
    errcode: Option<Errcode>,
    detail: String,
    #[schema(value_type = schemas::Time)]
    since: UnixMillis,
    /// When the pause ends by itself; with `wechat_unavailable`, when one message is tried next. Absent: the pause lasts
    /// until `POST /v1/apps/{appid}/resume` or a change of the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    until: Option<UnixMillis>,
}

/// An app with the members that are shown only once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AppWithSecret {
    #[serde(flatten)]
    pub(super) app: AppJson,
    /// What clients of the facade use as `secret`. Not shown again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) gateway_secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) template_sync: Option<SyncReport>,
}

/// An app as it is now.
pub(super) async fn shown(context: &Context, app: &App) -> Result<AppJson, Problem> {
    let heard = callback::heard(context, app).await?;
    let stored = context.store.token(app.record.appid.clone()).await?;
    Ok(app_json(context, app, heard, stored.as_ref()))
}

/// The JSON of an app, with the times of its callback and its token from the store.
pub(super) fn app_json(
    context: &Context,
    app: &App,
    heard: CallbackStatus,
    stored: Option<&TokenRecord>,
) -> AppJson {
    let now = context.clock.now();
    let (record, settings) = (&app.record, &app.record.settings);
    let paused = app.pause_in_force(now);
    AppJson {
        appid: record.appid.clone(),
        name: settings.name.clone(),
        token: if settings.stable_token { TokenCall::Stable } else { TokenCall::Plain },
        access_token: context.apps.token_standing(app, stored).into(),
        on_unknown: settings.on_unknown,
        payment_units: settings.payment_units,
        waiting_order: settings.waiting_order,
        truncate: settings.truncate,
        callback: CallbackJson::of(record, heard),
        resend_unknown_after_seconds: settings.resend_unknown_after_seconds,
        paused: paused.map(|paused| PausedJson {
            code: paused.code,
            errcode: paused.errcode,
            detail: paused.detail.clone(),
            since: paused.since,
            until: paused.until,
        }),
        templates: app.templates.len(),
        templates_synced_at: record.templates_synced_at,
        template_sync_failure: app.sync_gate.trouble().map(|trouble| SyncFailureJson {
            since: trouble.since,
            errcode: trouble.errcode,
            detail: trouble.detail,
        }),
        created_at: record.created_at,
        updated_at: record.updated_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::openapi::tests::description;
    use crate::templates::{LibraryReport, LibraryState};

    #[test]
    fn every_member_of_an_app_is_described() {
        let moment = UnixMillis(1_700_000_000_000);
        let library = LibraryReport {
            state: LibraryState::Failed,
            templates: 2,
            errcode: Some(Errcode(-1)),
            detail: Some("busy".into()),
        };
        let app = AppWithSecret {
            app: AppJson {
                appid: "wx0123456789abcdef".parse().unwrap(),
                name: "Coffee".into(),
                token: TokenCall::Stable,
                access_token: AccessTokenJson {
                    fetched_at: Some(moment),
                    expires_at: Some(moment),
                    refresh_at: Some(moment),
                    failure: Some(TokenFailureJson {
                        detail: "busy".into(),
                        since: moment,
                        until: Some(moment),
                    }),
                },
                on_unknown: OnUnknown::Hold,
                payment_units: 1,
                waiting_order: WaitingOrder::NewestFirst,
                truncate: true,
                callback: Some(CallbackJson::example(moment)),
                resend_unknown_after_seconds: Some(3600),
                paused: Some(PausedJson {
                    code: PauseCode::Misconfigured,
                    errcode: Some(Errcode::INVALID_SECRET),
                    detail: "invalid appsecret".into(),
                    since: moment,
                    until: Some(moment),
                }),
                templates: 2,
                templates_synced_at: Some(moment),
                template_sync_failure: Some(SyncFailureJson {
                    since: moment,
                    errcode: Some(Errcode(-1)),
                    detail: "busy".into(),
                }),
                created_at: moment,
                updated_at: moment,
            },
            gateway_secret: Some("secret".into()),
            template_sync: Some(SyncReport {
                subscribe: library.clone(),
                legacy: library,
                changes: Vec::new(),
            }),
        };
        let description = description();
        let app = serde_json::to_value(app).unwrap();
        description.check("AppWithSecret", &app);
        for name in description.members("AppWithSecret") {
            assert!(app.get(&name).is_some(), "{name} is described but missing in the answer");
        }
    }
}
