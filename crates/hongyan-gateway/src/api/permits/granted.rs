//! Stores grants in the ledger and answers each.

use axum::http::StatusCode;
use hongyan_clock::UnixMillis;
use hongyan_ledger::{PermitId, PermitKind};
use hongyan_store::types::NewPermit;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::batch::RefusedItem;
use crate::context::Context;
use crate::problem::Problem;
use crate::schemas;

/// The answer to one grant of a batch.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GrantedOrRefused)]
#[serde(untagged)]
pub(crate) enum GrantAnswer {
    Granted(GrantedJson),
    Refused(RefusedItem),
}

/// A permit that is in the ledger.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GrantedPermit)]
pub(crate) struct GrantedJson {
    #[schema(value_type = schemas::PermitId)]
    id: PermitId,
    #[schema(value_type = schemas::PermitKind)]
    kind: PermitKind,
    /// The code was granted before, or WeChat had reported the same acceptances; nothing was changed.
    duplicate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Time)]
    expires_at: Option<UnixMillis>,
    /// The number of waiting messages that can be sent now.
    woken: u32,
}

impl GrantedJson {
    /// The permit's id.
    pub(super) fn id(&self) -> PermitId {
        self.id
    }
}

/// The answer to a request: to its single grant or its batch.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = GrantedPermits)]
pub(super) enum GrantAnswers {
    One(GrantedJson),
    Batch(GrantBatch),
}

/// The answers to a batch of permits.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GrantedBatch)]
pub(super) struct GrantBatch {
    /// The number of permits that are in the ledger now, including duplicates.
    accepted: usize,
    refused: usize,
    /// One answer for each permit, in order. A refused permit does not affect the others.
    permits: Vec<GrantAnswer>,
}

impl GrantBatch {
    pub(super) fn of(permits: Vec<GrantAnswer>) -> Self {
        let refused = permits.iter().filter(|answer| matches!(answer, GrantAnswer::Refused(_))).count();
        Self { accepted: permits.len() - refused, refused, permits }
    }
}

/// Grants the permits that passed their checks, in one transaction; one answer for each permit, in order.
pub(crate) async fn grant_all(
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

/// The user has the maximum number of unused codes.
fn too_many_codes(most: u32) -> Problem {
    let detail = format!(
        "this user has {most} unused form ids and prepay ids, the maximum of the setting codes_per_user; use some of them \
         first, or wait until they expire (7 days)"
    );
    Problem::new(StatusCode::CONFLICT, "too_many_codes", detail).field("code")
}

#[cfg(test)]
mod tests {
    use hongyan_ledger::Lane;
    use hongyan_ledger::ids::IdMaker;

    use super::*;
    use crate::api::openapi::tests::description;

    #[test]
    fn every_member_of_an_answer_to_grants_is_described() {
        let moment = UnixMillis(1_700_000_000_000);
        let granted = GrantAnswer::Granted(GrantedJson {
            id: IdMaker::new().permit(Lane::all().next().unwrap(), moment),
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
