//! `POST /v1/permits`.

use axum::extract::State;
use axum::http::StatusCode;
use hongyan_ledger::permit::Origin;

use super::check::checked;
use super::granted::{GrantAnswer, GrantAnswers, GrantBatch, grant_all};
use super::request::{GrantRequest, GrantsRequest};
use crate::api::batch::{Items, RefusedItem, items};
use crate::api::caller::Caller;
use crate::api::openapi::Refusals;
use crate::context::Context;
use crate::problem::{Problem, RawJson};

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
    responses((status = 201, description = "Granted. In a batch, permits may be refused.", body = GrantAnswers), Refusals),
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
            let appid = wanted.appid.clone();
            match grant_all(&context, vec![Ok(wanted)]).await?.pop().ok_or_else(Problem::internal)? {
                GrantAnswer::Refused(RefusedItem { error }) => Err(error),
                GrantAnswer::Granted(granted) => {
                    caller.is_about_one(&appid, granted.id());
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
