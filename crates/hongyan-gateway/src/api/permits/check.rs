//! The rules of a grant.

use axum::http::StatusCode;
use hongyan_ledger::acceptance::Source;
use hongyan_ledger::permit::{Claim, MAX_PAYMENT_UNITS, Origin};
use hongyan_ledger::{Channel, Lane, PermitKind};
use hongyan_store::types::NewPermit;
use hongyan_wechat::{AppId, OpenId, TemplateId, is_mock_form_id};

use super::request::GrantRequest;
use crate::context::Context;
use crate::intake::request::parse;
use crate::problem::Problem;

/// The longest form id or prepay id; WeChat's are below 100.
const MAX_CODE_LENGTH: usize = 512;

/// Checks everything about a grant that can be checked without WeChat.
pub(crate) async fn checked(
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
                    "this is a template of the old kind; it needs forms or payments",
                ));
            }
            Some(id)
        }
        Some(_) => {
            return Err(Problem::invalid(
                "template",
                "a form or payment serves any template of the old kind; leave out template",
            ));
        }
        None if kind.has_code() => None,
        None => {
            return Err(Problem::invalid(
                "template",
                "a subscription is for one template; name the template",
            ));
        }
    };
    let count = match (kind, request.count.map(|count| count.0)) {
        (PermitKind::Form, Some(count)) if count != 1 => {
            return Err(Problem::invalid("count", "a form allows one message"));
        }
        (PermitKind::Payment, Some(count)) if count > MAX_PAYMENT_UNITS => {
            return Err(Problem::invalid(
                "count",
                format!("a payment allows at most {MAX_PAYMENT_UNITS} messages"),
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
        // If the app has a callback, WeChat's events report the same acceptances.
        reported_by: (kind == PermitKind::SubscribeOnce && app.record.settings.callback.is_some())
            .then_some(Source::Caller),
        claim: kind.has_code().then(|| claim(context, origin)),
    })
}

/// The claim of a code: who reports it, and how many unused codes a user may have.
fn claim(context: &Context, origin: Origin) -> Claim {
    let at_most = match origin {
        Origin::BackEnd => context.settings.codes_per_user,
        Origin::MiniProgram => context.settings.mini_program_codes_per_user,
    };
    Claim { origin, at_most }
}

fn check_code(kind: PermitKind, code: Option<String>) -> Result<Option<String>, Problem> {
    match code {
        None if kind.has_code() => {
            Err(Problem::invalid("code", "send the form id or prepay id as code; WeChat requires it"))
        }
        Some(_) if !kind.has_code() => Err(Problem::invalid("code", "a subscription has no code")),
        Some(code) if is_mock_form_id(&code) => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "mock_form_id",
            "the developer tools give this text instead of a form id; submit the form on a real phone",
        )
        .field("code")),
        Some(code) if code.len() > MAX_CODE_LENGTH || !code.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err(Problem::invalid("code", format!("1 to {MAX_CODE_LENGTH} visible ASCII characters")))
        }
        code => Ok(code),
    }
}
