//! `hongyan sandbox`: the simulated WeChat platform alone.

use hongyan_clock::Clock;
use hongyan_gateway::config::LogFormat;
use hongyan_sandbox::{Sandbox, SandboxConfig};
use serde_json::json;

use crate::cli::SandboxArgs;
use crate::failure::Failure;
use crate::listen::base;
use crate::{listen, logging, output, signals};

/// Runs until it is told to stop.
pub(crate) async fn run(args: &SandboxArgs) -> Result<(), Failure> {
    logging::start_from_environment("info", LogFormat::Auto)?;
    let stop = signals::stop()?;
    let listener = listen::bind(args.listen, "--listen").await?;
    let url = listen::url(&listener)?;
    let url = base(&url);
    let sandbox = Sandbox::new(SandboxConfig {
        clock: args.test_pace.map_or_else(Clock::system, Clock::fast),
        backend: None,
        state_file: args.state.clone(),
    })?;
    let seed = sandbox.seed();
    if args.json {
        output::json(&json!({
            "sandbox": url,
            "phone": format!("{url}/phone"),
            "appid": seed.appid,
            "app_secret": seed.app_secret,
            "openid": seed.openid,
            "templates": { "legacy": seed.legacy_template, "subscribe": seed.subscribe_template },
        }))?;
    } else {
        output::line(&format!(
            "Simulated WeChat at {url}, the phone at {url}/phone\n\n\
             appid        {}\n\
             AppSecret    {}\n\
             openid       {}\n\
             templates    {} (keyword1, keyword2, keyword3)\n\
             \x20            {} (thing1, date2, amount3)\n\n\
             Point a gateway at it:  hongyan serve --wechat-base-url {url}",
            seed.appid, seed.app_secret, seed.openid, seed.legacy_template, seed.subscribe_template,
        ))?;
    }
    sandbox.serve(listener, stop).await?;
    Ok(())
}
