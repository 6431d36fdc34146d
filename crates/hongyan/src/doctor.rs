//! `hongyan doctor`: everything that needs a person, on this machine and at the running gateway.
//!
//! | module | knows |
//! | --- | --- |
//! | [`gateway`] | what the running gateway says |

use crate::cli::DoctorArgs;
use crate::failure::Failure;
use crate::findings::Findings;
use crate::http::Api;
use crate::settings::variable;
use crate::text::say;
use crate::{check, listen};

mod gateway;

/// Runs the command.
pub(crate) async fn run(args: DoctorArgs) -> Result<(), Failure> {
    let mut findings = Findings::default();
    let mut remote = args.gateway;
    if !args.remote {
        let settings = check::this_machine(&args.config, args.deep, &mut findings).await?;
        // The gateway is the one that the settings are for, unless another one is named.
        if let Some(settings) = settings.filter(|_| remote.url.is_none() && variable("HONGYAN_URL").is_none())
        {
            remote.url = Some(listen::url_of(settings.listen));
        }
    }
    if variable("HONGYAN_API_KEY").is_some() {
        gateway::look(&Api::remote(&remote)?, &mut findings).await;
    } else {
        findings.skipped(
            say!("运行中的网关", "running gateway"),
            say!(
                "请把 HONGYAN_API_KEY 设为网关的 API key；可用 `hongyan key create --name doctor` 创建",
                "set HONGYAN_API_KEY to an API key of the gateway; `hongyan key create --name doctor` makes one"
            ),
        );
    }
    findings.print(remote.json)
}
