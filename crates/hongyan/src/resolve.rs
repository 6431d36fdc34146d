//! `hongyan resolve`: an operator decides the outcome of a message in the state unknown, through a running gateway.

use ::http::Method;
use serde_json::{Value, json};

use crate::cli::ResolveArgs;
use crate::explain::told;
use crate::failure::Failure;
use crate::http::Api;
use crate::output;
use crate::text::say;

/// Runs the command.
pub(crate) async fn run(args: ResolveArgs) -> Result<(), Failure> {
    let api = Api::remote(&args.remote)?;
    let path = format!("/v1/messages/{}/resolve", args.id);
    let answer = api.call(Method::POST, &path, &[], Some(&request(&args))).await?;
    if args.remote.json {
        return output::json(&answer);
    }
    output::line(&format!("{}  {}", args.id, answer["state"].as_str().unwrap_or_default()))?;
    if answer["repeated"] == true {
        output::remark(say!(
            "以前已提交过相同的结论；没有任何改动",
            "the message was resolved in the same way before; nothing was changed"
        ));
    }
    if let Some(why) = told(&answer["reason"], "explanation") {
        output::remark(why);
    }
    Ok(())
}

fn request(args: &ResolveArgs) -> Value {
    let mut request = json!({ "outcome": if args.sent { "sent" } else { "not_sent" } });
    if args.give_up {
        request["then"] = "fail".into();
    }
    request
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn parse(flags: &[&str]) -> Result<Value, clap::Error> {
        let id = "msg_019a3c5e7b9170018a2b3c4d5e6f7001";
        let cli = Cli::try_parse_from(["hongyan", "resolve", id].iter().chain(flags))?;
        let Command::Resolve(args) = cli.command else { panic!("not resolve") };
        Ok(request(&args))
    }

    #[test]
    fn one_of_the_two_outcomes_must_be_named() {
        assert_eq!(parse(&["--sent"]).unwrap(), json!({ "outcome": "sent" }));
        assert_eq!(parse(&["--not-sent"]).unwrap(), json!({ "outcome": "not_sent" }));
        let given_up = json!({ "outcome": "not_sent", "then": "fail" });
        assert_eq!(parse(&["--not-sent", "--give-up"]).unwrap(), given_up);
        for wrong in [&[][..], &["--sent", "--not-sent"], &["--sent", "--give-up"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
