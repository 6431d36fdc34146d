//! `hongyan healthcheck`: whether a gateway runs, for containers and supervisors. It needs no shell and no key.

use std::time::Duration;

use ::http::{Method, StatusCode};
use url::Url;

use crate::cli::{ConfigArgs, HealthcheckArgs};
use crate::failure::Failure;
use crate::http::Api;
use crate::text::say;
use crate::{listen, settings};

/// Runs the command. It prints nothing if the gateway is well.
pub(crate) async fn run(args: HealthcheckArgs) -> Result<(), Failure> {
    let path = if args.ready { "/readyz" } else { "/livez" };
    let url = match args.url {
        Some(url) => url,
        None => configured(&args.config)?,
    };
    let api = Api::public(url, args.ca_file.as_deref())?;
    let patience = Duration::from_secs(args.timeout.into());
    let asked = tokio::time::timeout(patience, api.exchange(Method::GET, path, &[], None)).await;
    let at = format!("{}{path}", listen::base(api.url()));
    match asked {
        Ok(Ok(answer)) if answer.status == StatusCode::OK => Ok(()),
        Ok(Ok(answer)) => {
            let body = String::from_utf8_lossy(&answer.body);
            let (status, body) = (answer.status, body.trim());
            Err(Failure::run(say!("{at} 的应答是 {status}：{body}", "{at} answers {status}: {body}")))
        }
        Ok(Err(none)) => {
            let why = none.why;
            Err(Failure::run(say!("{at} 没有应答：{why}", "{at} does not answer: {why}"; why)))
        }
        Err(_) => Err(Failure::run(say!(
            "{at} 在 {} 秒内没有应答",
            "{at} does not answer within {} s",
            args.timeout
        ))),
    }
}

/// The URL at which the configured gateway serves its health.
fn configured(config: &ConfigArgs) -> Result<Url, Failure> {
    let settings = settings::load(config, None)?;
    Ok(listen::url_of(settings.admin_listen.unwrap_or(settings.listen)))
}
