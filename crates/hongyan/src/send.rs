//! `hongyan send`: one message, through a running gateway; with `--validate`, only checked there.

use ::http::Method;
use hongyan_clock::UnixMillis;
use serde_json::{Map, Value, json};

use crate::cli::SendArgs;
use crate::failure::Failure;
use crate::http::Api;
use crate::output;

/// Where a message ends without having reached the user, or perhaps not.
const NOT_SENT: [&str; 5] = ["failed", "expired", "cancelled", "refused", "unknown"];

/// Runs the command. Exit code 1 if the message is known not to have reached the user.
pub(crate) async fn run(args: SendArgs) -> Result<(), Failure> {
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
        output::line(&if args.validate { "valid".to_owned() } else { format!("{id}  {state}") })?;
        if let Some(why) = answer["reason"]["explanation"].as_str() {
            output::remark(why);
        }
        for warning in answer["warnings"].as_array().into_iter().flatten() {
            output::warn(warning["detail"].as_str().unwrap_or_default());
        }
    }
    if NOT_SENT.contains(&state) { Err(Failure::said()) } else { Ok(()) }
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
