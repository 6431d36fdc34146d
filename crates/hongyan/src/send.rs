//! `hongyan send`: sends one message through a running gateway; with `--validate` the gateway only checks the message.

use ::http::Method;
use hongyan_clock::UnixMillis;
use serde_json::{Map, Value, json};

use crate::cli::SendArgs;
use crate::explain::told;
use crate::failure::Failure;
use crate::http::Api;
use crate::output;
use crate::text::{Text, say, word};

/// The states in which the user did not get the message, or perhaps did not.
const NOT_SENT: [&str; 5] = ["failed", "expired", "cancelled", "refused", "unknown"];

/// The states in which the user got the message.
const SENT: [&str; 2] = ["sent", "delivered"];

/// Runs the command. Exit code 1 if the user did not get the message; with `--wait`, also if the message is not sent in
/// time.
pub(crate) async fn run(args: SendArgs) -> Result<(), Failure> {
    if let Some(name) = named_twice(&args.data) {
        return Err(Failure::usage(say!(
            "--data 里 {name} 出现了两次；应以哪个为准？",
            "--data names {name} twice; which of the two texts is meant?"
        )));
    }
    let api = Api::remote(&args.remote)?;
    let path = match args.wait {
        _ if args.validate => "/v1/messages?validate=true".to_owned(),
        Some(wait) => format!("/v1/messages?wait={wait}"),
        None => "/v1/messages".to_owned(),
    };
    let headers: Vec<_> = args.idempotency_key.iter().map(|key| ("idempotency-key", key.as_str())).collect();
    let answer = api.call(Method::POST, &path, &headers, Some(&message(&args))).await?;
    let state = answer["state"].as_str().unwrap_or_default();
    if args.remote.json {
        output::json(&answer)?;
    } else {
        let id = answer["id"].as_str().unwrap_or_default();
        output::line(&if args.validate {
            word("有效", "valid").to_owned()
        } else {
            format!("{id}  {state}")
        })?;
        if let Some(why) = told(&answer["reason"], "explanation") {
            output::remark(why);
        }
        if args.wait.is_some() && !SENT.contains(&state) && !NOT_SENT.contains(&state) {
            output::warn(why_not_yet(&api, &args.app, state).await);
        }
        for warning in answer["warnings"].as_array().into_iter().flatten() {
            output::warn(told(warning, "detail").unwrap_or_else(|| Text::same("")));
        }
    }
    let is_late = args.wait.is_some() && !SENT.contains(&state);
    if NOT_SENT.contains(&state) || is_late { Err(Failure::said()) } else { Ok(()) }
}

/// Why a message is still unsent after the wait. The app's pause is read from the API: the message itself shows the pause
/// only after an attempt.
async fn why_not_yet(api: &Api, app: &str, state: &str) -> Text {
    // A key without the scope `apps` may not read the app; then the message's state must do.
    let answer = api.call(Method::GET, &format!("/v1/apps/{app}"), &[], None).await.unwrap_or_default();
    match answer["paused"]["detail"].as_str() {
        Some(detail) => say!(
            "消息还没有发出，因为小程序已暂停：{detail}。消息已保留；排除原因后恢复：hongyan app resume {app}",
            "the message is not sent, because the app is paused: {detail}. The message is kept; after the cause is fixed: \
             hongyan app resume {app}"
        ),
        None => say!("消息还没有发出，状态是 {state}", "the message is not sent yet, its state is {state}"),
    }
}

/// The name of a field that has two texts.
fn named_twice(data: &[(String, String)]) -> Option<&str> {
    let is_named_before =
        |&(at, (name, _)): &(usize, &(String, String))| data[..at].iter().any(|(before, _)| before == name);
    data.iter().enumerate().find(is_named_before).map(|(_, (name, _))| name.as_str())
}

fn message(args: &SendArgs) -> Value {
    let data: Map<String, Value> =
        args.data.iter().map(|(name, text)| (name.clone(), text.as_str().into())).collect();
    let mut message = json!({ "app": args.app, "to": args.to, "template": args.template, "data": data });
    let time = |at: Option<UnixMillis>| at.map(|at| at.to_string().into());
    let optional = [
        ("page", args.page.as_deref().map(Value::from)),
        ("send_at", time(args.send_at)),
        ("deadline", time(args.deadline)),
        ("permit", args.permit.map(|policy| policy.name().into())),
        ("reference", args.reference.as_deref().map(Value::from)),
        ("collapse_key", args.collapse_key.as_deref().map(Value::from)),
        ("truncate", args.truncate.then_some(Value::Bool(true))),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            message[name] = value;
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn a_field_that_is_named_twice_is_found() {
        let data = |names: &[&str]| {
            names.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(named_twice(&data(&["thing1", "date2", "thing1"])), Some("thing1"));
        assert_eq!(named_twice(&data(&["thing1", "date2"])), None);
    }

    #[test]
    fn flags_become_a_message_and_absent_ones_leave_no_trace() {
        let cli = Cli::parse_from([
            "hongyan",
            "send",
            "--app",
            "wx1",
            "--to",
            "o1",
            "--template",
            "t1",
            "--data",
            "thing1=Latte",
            "--data",
            "date2=2026-05-01",
            "--send-at",
            "2026-05-01T09:30:00+08:00",
            "--permit",
            "wait",
        ]);
        let Command::Send(args) = cli.command else { panic!("not send") };
        assert_eq!(
            message(&args),
            json!({
                "app": "wx1", "to": "o1", "template": "t1",
                "data": { "thing1": "Latte", "date2": "2026-05-01" },
                "send_at": "2026-05-01T01:30:00.000Z", "permit": "wait",
            })
        );
    }
}
