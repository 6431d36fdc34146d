//! `hongyan sandbox`: the simulated WeChat platform alone.

use std::path::Path;

use hongyan_clock::Clock;
use hongyan_gateway::config::LogFormat;
use hongyan_sandbox::{Limits, Listening, Sandbox, SandboxConfig, Seed, Tls};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::cli::SandboxArgs;
use crate::failure::Failure;
use crate::listen::base;
use crate::text::{Text, say};
use crate::{listen, logging, output, signals};

/// Runs until it is told to stop.
pub(crate) async fn run(args: &SandboxArgs) -> Result<(), Failure> {
    logging::start_from_environment("info", LogFormat::Auto)?;
    let stop = signals::stop_with_parent(args.exit_with_parent)?;
    let mut limits = Limits::default();
    for text in &args.keep {
        limits.set(text).map_err(|why| Failure::usage(Text::same(format!("--keep {text}: {why}"))))?;
    }
    let http = listen::bind(args.listen, "--listen").await?;
    let https = tls(args).await?;
    let url = listen::url(&http)?;
    let url = base(&url).to_owned();
    let tls_url = https.as_ref().map(|(listener, _)| https_url(listener)).transpose()?;
    let clock = args.test_pace.map_or_else(Clock::system, Clock::fast);
    let sandbox = Sandbox::new(SandboxConfig {
        state_file: args.state.clone(),
        hosts: args.hosts.clone(),
        limits,
        ..SandboxConfig::new(clock)
    })?
    .with_pages(hongyan_docs::router());
    let seed = sandbox.seed();
    if args.json {
        let mut line = json!({
            "sandbox": url,
            "phone": format!("{url}/phone"),
            "appid": seed.appid,
            "app_secret": seed.app_secret,
            "openid": seed.openid,
            "templates": {
                "legacy": seed.legacy_template,
                "subscribe": seed.subscribe_template,
                "long_term": seed.long_term_template,
            },
        });
        if let Some(tls_url) = &tls_url {
            line["sandbox_tls"] = Value::from(tls_url.as_str());
        }
        output::json(&line)?;
    } else {
        let also =
            tls_url.as_ref().map_or_else(|| Text::same(""), |url| say!("，以及 {url}", ", and at {url}"));
        let Seed {
            appid, app_secret, openid, legacy_template, subscribe_template, long_term_template, ..
        } = &seed;
        let text = say!(
            "沙箱在 {url}{also}，手机页面在 {url}/phone\n\n\
             appid        {appid}\n\
             AppSecret    {app_secret}\n\
             openid       {openid}\n\
             模板         {legacy_template}（keyword1、keyword2、keyword3）\n\
             \x20            {subscribe_template}（thing1、date2、amount3）\n\
             \x20            {long_term_template}（长期订阅：thing1、time2）\n\n\
             让网关使用它：hongyan serve --wechat-base-url {url}",
            "Simulated WeChat at {url}{also}, the phone at {url}/phone\n\n\
             appid        {appid}\n\
             AppSecret    {app_secret}\n\
             openid       {openid}\n\
             templates    {legacy_template} (keyword1, keyword2, keyword3)\n\
             \x20            {subscribe_template} (thing1, date2, amount3)\n\
             \x20            {long_term_template} (long-term: thing1, time2)\n\n\
             Point a gateway at it:  hongyan serve --wechat-base-url {url}";
            also
        );
        output::line(text.shown())?;
    }
    tracing::info!(version = env!("CARGO_PKG_VERSION"), sandbox = url, sandbox_tls = tls_url, "started");
    sandbox.serve_on(Listening { http, https }, stop).await?;
    tracing::info!("stopped");
    Ok(())
}

/// The listener for HTTPS, if HTTPS is wanted, with the named certificate or a new certificate.
async fn tls(args: &SandboxArgs) -> Result<Option<(TcpListener, Tls)>, Failure> {
    let Some(address) = args.tls_listen else { return Ok(None) };
    let read = |path: &Path| {
        std::fs::read(path)
            .map_err(|error| Failure::configuration(Text::same(format!("{}: {error}", path.display()))))
    };
    let tls = match (&args.tls_certificate, &args.tls_key, &args.tls_ca) {
        (Some(certificate), Some(key), _) => {
            Tls::from_pem(&read(certificate)?, &read(key)?).map_err(|why| {
                let files = format!("{}, {}: {why}", certificate.display(), key.display());
                Failure::configuration(Text::same(files))
            })?
        }
        (_, _, Some(authority)) => {
            let (tls, pem) =
                Tls::made(&args.hosts).map_err(|why| Failure::configuration(Text::same(why.to_string())))?;
            std::fs::write(authority, pem).map_err(|error| {
                Failure::configuration(Text::same(format!("{}: {error}", authority.display())))
            })?;
            tls
        }
        _ => {
            let text = say!(
                "--tls-listen 需要证书：用 --tls-certificate 和 --tls-key 指定；或用 --tls-ca FILE 生成证书，并把它的 CA 写到 FILE",
                "--tls-listen needs a certificate: use --tls-certificate with --tls-key; or --tls-ca FILE, \
                 which makes a certificate and writes its CA to FILE"
            );
            return Err(Failure::usage(text));
        }
    };
    Ok(Some((listen::bind(address, "--tls-listen").await?, tls)))
}

/// The URL `https://…` with a host name that the certificate has.
fn https_url(listener: &TcpListener) -> Result<String, Failure> {
    let url = listen::url(listener)?;
    Ok(base(&url).replacen("http://", "https://", 1))
}
