//! `POST /v1/messages?validate=true`: checks messages without sending them.

use std::collections::HashMap;

use hongyan_ledger::permit::choose;
use hongyan_ledger::{Permit, PermitPolicy};
use hongyan_store::types::NewMessage;
use hongyan_wechat::{AppId, OpenId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::batch::RefusedItem;
use crate::context::Context;
use crate::intake::request::Checked;
use crate::intake::warnings::Warning;
use crate::problem::Problem;

/// The results of the checks of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ValidBatch {
    valid: usize,
    refused: usize,
    /// One answer for each message, in order.
    messages: Vec<ValidAnswer>,
}

/// The result of the checks of one message of a batch.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = ValidOrRefused)]
pub(super) enum ValidAnswer {
    Valid(ValidJson),
    Refused(RefusedItem),
}

/// A message that would be accepted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ValidMessage)]
pub(super) struct ValidJson {
    /// Always true; an invalid message gets a problem.
    valid: bool,
    /// Things that are allowed but may surprise, and things that would keep the message from being sent now: a missing permit
    /// or a paused app.
    warnings: Vec<Warning>,
}

impl ValidBatch {
    pub(super) fn of(messages: Vec<ValidAnswer>) -> Self {
        let valid = messages.iter().filter(|answer| matches!(answer, ValidAnswer::Valid(_))).count();
        Self { valid, refused: messages.len() - valid, messages }
    }
}

/// Looks for what would keep valid messages from being sent. Each user's permits are read once.
pub(super) struct Outlook<'a> {
    context: &'a Context,
    permits: HashMap<(AppId, OpenId), Vec<Permit>>,
}

impl<'a> Outlook<'a> {
    pub(super) fn new(context: &'a Context) -> Self {
        Self { context, permits: HashMap::new() }
    }

    /// The answer to a message that passed its checks.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn of(&mut self, checked: Checked) -> Result<ValidJson, Problem> {
        let Checked { message, mut warnings, .. } = checked;
        if let Some(pause) = self.pause(&message) {
            warnings.push(pause);
        }
        if !self.has_permit(&message).await? {
            warnings.push(no_permit(message.policy));
        }
        Ok(ValidJson { valid: true, warnings })
    }

    fn pause(&self, message: &NewMessage) -> Option<Warning> {
        let app = self.context.apps.get(&message.appid)?;
        let pause = app.pause_in_force(self.context.clock.now())?;
        Some(Warning::new(
            "app_paused",
            format!("the app is paused; the message would wait: {}", pause.detail),
            format!("小程序已暂停，消息会等到恢复：{}", pause.detail),
        ))
    }

    async fn has_permit(&mut self, message: &NewMessage) -> Result<bool, Problem> {
        let user = (message.appid.clone(), message.openid.clone());
        if !self.permits.contains_key(&user) {
            let now = self.context.clock.now();
            let views = self.context.store.permits(user.0.clone(), user.1.clone(), now).await?;
            self.permits.insert(user.clone(), views.into_iter().map(|view| view.permit).collect());
        }
        let permits = self.permits.get(&user).map(Vec::as_slice).unwrap_or_default();
        Ok(choose(permits, message.channel, &message.template, message.send_at).is_some())
    }
}

fn no_permit(policy: PermitPolicy) -> Warning {
    let (then, then_zh) = match policy {
        PermitPolicy::Require => ("the message would fail with no_permit", "消息会以 no_permit 失败"),
        PermitPolicy::Wait => ("the message would wait for a permit", "消息会等待额度"),
        PermitPolicy::Try => ("the message would be sent without a permit", "消息会不带额度直接下发"),
    };
    Warning::new(
        "no_permit",
        format!("the user has no permit that serves this message when it is due; {then}"),
        format!("该用户目前没有届时可用的下发额度，{then_zh}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::openapi::tests::description;

    #[test]
    fn every_member_of_an_answer_is_described() {
        let valid = || ValidJson { valid: true, warnings: vec![no_permit(PermitPolicy::Require)] };
        let description = description();
        description.check("ValidMessage", &serde_json::to_value(valid()).unwrap());
        let refused = ValidAnswer::Refused(RefusedItem { error: Problem::invalid("to", "no") });
        let batch = ValidBatch::of(vec![ValidAnswer::Valid(valid()), refused]);
        assert_eq!((batch.valid, batch.refused), (1, 1));
        description.check("ValidBatch", &serde_json::to_value(batch).unwrap());
    }
}
