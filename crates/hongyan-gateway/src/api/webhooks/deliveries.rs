//! `GET /v1/webhooks/{id}/deliveries`.

use axum::extract::State;
use hongyan_clock::UnixMillis;
use hongyan_ledger::WebhookEventId;
use hongyan_ledger::webhook::EventType;
use hongyan_store::types::{DeliveryState, DeliveryView};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::answer::AnswerJson;
use super::request::known;
use crate::api::caller::Caller;
use crate::api::listing;
use crate::api::openapi::Refusals;
use crate::context::Context;
use crate::intake::request::parse;
use crate::problem::{Path, Problem, Query};
use crate::schemas;

/// Which deliveries to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct DeliveriesQuery {
    /// `next_cursor` of the previous page.
    #[param(value_type = Option<schemas::WebhookEventId>)]
    cursor: Option<String>,
    /// The most entries of the page. Default: 50.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u32>,
}

/// The delivery of an event to a webhook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(crate) struct DeliveryJson {
    #[schema(value_type = schemas::WebhookEventId)]
    event: WebhookEventId,
    #[serde(rename = "type")]
    #[schema(value_type = schemas::EventType)]
    kind: EventType,
    /// When the event happened.
    #[schema(value_type = schemas::Time)]
    timestamp: UnixMillis,
    #[schema(value_type = schemas::DeliveryState)]
    state: &'static str,
    /// The number of delivery attempts.
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last_answer: Option<AnswerJson>,
    /// When the delivery is tried next. Absent while it is pending: after the previous event about the same user.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    next_try_at: Option<UnixMillis>,
}

/// A page of deliveries, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeliveryPage)]
pub(super) struct DeliveriesAnswer {
    deliveries: Vec<DeliveryJson>,
    /// Send this as `cursor` to get the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::WebhookEventId)]
    next_cursor: Option<WebhookEventId>,
}

impl From<DeliveryView> for DeliveryJson {
    fn from(view: DeliveryView) -> Self {
        Self {
            event: view.event,
            kind: view.kind,
            timestamp: view.created_at,
            state: DeliveryState::name(view.state),
            attempts: view.tries,
            last_answer: view.last.map(AnswerJson::from),
            next_try_at: view.next_try_at,
        }
    }
}

/// List the deliveries to a webhook, newest first: done, to be tried again, or given up. Events that were never tried are not
/// listed, only counted in the webhook's `pending`.
///
/// `last_answer` says why a delivery is tried again.
#[utoipa::path(
    get,
    path = "/v1/webhooks/{id}/deliveries",
    operation_id = "list_deliveries",
    tag = "webhooks",
    security(("api_key" = ["webhooks"])),
    params(("id" = schemas::WebhookId, Path), DeliveriesQuery),
    responses((status = 200, description = "A page of deliveries.", body = DeliveriesAnswer), Refusals),
)]
pub(super) async fn deliveries(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<DeliveriesQuery>,
) -> Result<axum::Json<DeliveriesAnswer>, Problem> {
    let limit = listing::limit(query.limit)?;
    let before = query.cursor.map(|text| parse("cursor", &text)).transpose()?;
    let id = known(&context, &caller, &id).await?.id;
    // One more than the page has, to know whether there is another page.
    let deliveries = context.store.deliveries(id, before, limit + 1).await?;
    let page = listing::first(deliveries, limit, |delivery| delivery.event);
    Ok(axum::Json(DeliveriesAnswer {
        deliveries: page.items.into_iter().map(DeliveryJson::from).collect(),
        next_cursor: page.next,
    }))
}

#[cfg(test)]
mod tests {
    use hongyan_ledger::ids::IdMaker;
    use hongyan_store::types::WebhookAnswer;

    use super::*;
    use crate::api::openapi::tests::description;

    #[test]
    fn every_member_of_a_delivery_is_described() {
        let at = UnixMillis(1_700_000_000_000);
        let view = DeliveryView {
            event: IdMaker::new().webhook_event(7, at),
            kind: EventType::PermitGranted,
            created_at: at,
            state: DeliveryState::Pending,
            tries: 2,
            last: Some(WebhookAnswer { at, status: None, text: "no answer within 15 s".into() }),
            next_try_at: Some(at),
        };
        let json = serde_json::to_value(DeliveryJson::from(view)).unwrap();
        let description = description();
        description.check("Delivery", &json);
        for name in description.members("Delivery") {
            assert!(json.get(&name).is_some(), "{name} is described but was never seen");
        }
    }
}
