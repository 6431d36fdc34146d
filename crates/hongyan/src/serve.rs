//! `hongyan serve`: the gateway.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Instant;

use hongyan_clock::Clock;
use hongyan_gateway::Context;
use hongyan_gateway::Gateway;
use hongyan_gateway::config::Settings;
use hongyan_gateway::door::{Listeners, clear, descriptors};
use hongyan_gateway::tls::Tls;
use hongyan_store::sqlite;
use serde_json::json;

use crate::cli::ServeArgs;
use crate::failure::Failure;
use crate::files::{self, Heirs};
use crate::listen::base;
use crate::text::{Text, say};
use crate::{listen, lock, logging, output, settings, signals};

/// Runs until it is told to stop.
pub(crate) async fn run(args: &ServeArgs) -> Result<(), Failure> {
    let began = Instant::now();
    let settings = settings::load(&args.config, args.listen)?;
    logging::start(&settings.log, settings.log_format, Some(&settings.node_id))?;
    clear::warn(&settings);
    descriptors::raise();
    descriptors::without_core_dumps();
    let stop = signals::stop()?;
    // The port comes before the lock: an accidental second start fails before it touches a file.
    let listener = listen::bind(settings.listen, "--listen").await?;
    let heirs = Heirs::of(&settings)?;
    let lock = lock::database(&settings)?;
    files::check_usable(&settings)?;
    let url = listen::url(&listener)?;
    let url = base(&url);
    let tls = match Tls::open(&settings)? {
        Some((address, tls)) => Some((listen::bind(address, "tls_listen").await?, tls)),
        None => None,
    };
    let tls_url = match &tls {
        Some((listener, _)) => {
            Some(listen::url(listener)?.as_str().trim_end_matches('/').replacen("http", "https", 1))
        }
        None => None,
    };
    let admin = match settings.admin_listen {
        Some(address) => Some(listen::bind(address, "admin_listen").await?),
        None => None,
    };
    let admin_url = admin.as_ref().map(listen::url).transpose()?;
    let hangups = tls.as_ref().map(|(_, tls)| signals::hangups(Arc::clone(tls))).transpose()?;
    let clock = args.test_pace.map_or_else(Clock::system, |pace| {
        tracing::warn!(%pace, "the clock runs fast: this is for tests only, and messages are sent at the wrong time");
        Clock::fast(pace)
    });
    let started = Gateway::start(settings.clone(), clock).await;
    // Runs after a failure too: files may exist by then.
    heirs.inherit(&settings)?;
    let gateway = started?;
    let pages = hongyan_console::router(gateway.context()).merge(hongyan_docs::router());
    let gateway = gateway.with_pages(pages);
    lock::say_keys(&lock, &gateway.context().vault.key_ids())?;
    say_what_is_missing(gateway.context()).await?;
    let addresses = Addresses { gateway: url, tls: tls_url.as_deref(), admin: admin_url.as_ref().map(base) };
    say_started(&addresses, gateway.context(), began);
    if args.json {
        let mut line = json!({ "gateway": url });
        if let Some(url) = addresses.tls {
            line["gateway_tls"] = json!(url);
        }
        if let Some(url) = addresses.admin {
            line["admin"] = json!(url);
        }
        output::json(&line)?;
    } else if std::io::stdout().is_terminal() {
        let also = tls_url.map_or_else(|| Text::same(""), |url| say!(" 和 {url}", " and {url}"));
        output::line(say!("鸿雁已在 {url}{also} 提供服务", "Hongyan serves {url}{also}"; also).shown())?;
    }
    gateway.serve(Listeners { plain: listener, tls, admin }, stop).await?;
    if let Some(hangups) = hangups {
        hangups.abort();
    }
    tracing::info!("stopped");
    Ok(())
}

/// The URLs that the gateway serves, for clients on this machine.
struct Addresses<'a> {
    gateway: &'a str,
    tls: Option<&'a str>,
    admin: Option<&'a str>,
}

/// Logs that the gateway serves, and what an operator compares first when something is wrong.
fn say_started(addresses: &Addresses<'_>, context: &Context, began: Instant) {
    let settings: &Settings = &context.settings;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        gateway = addresses.gateway,
        gateway_tls = addresses.tls,
        admin = addresses.admin,
        database = settings.shown_database(),
        schema_version = sqlite::newest_schema(),
        node = settings.node_id,
        lanes = context.lanes.owned.count(),
        took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        "started"
    );
}

/// A gateway without a key or without an app runs, but is useless; these hints tell how to continue.
async fn say_what_is_missing(context: &Context) -> Result<(), Failure> {
    let keys = context.store.keys().await?;
    if keys.iter().all(|key| key.revoked_at.is_some()) {
        tracing::warn!(
            "there is no API key, so nobody can use /v1; make a key with: hongyan key create --name NAME"
        );
    }
    if context.apps.list().is_empty() {
        tracing::warn!(
            "no app is registered, so nothing can be sent; register an app with: \
             hongyan app add --appid APPID --secret-file FILE"
        );
    }
    Ok(())
}
