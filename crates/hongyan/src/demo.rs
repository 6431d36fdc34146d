//! `hongyan demo`: simulated WeChat with its phone, a gateway and the tutorial's back end, in one process.
//!
//! They share one clock, so that moving the sandbox's time moves everybody's. Otherwise they know each other only
//! through HTTP, as in earnest.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use hongyan_clock::Clock;
use hongyan_gateway::Gateway;
use hongyan_gateway::config::{LogFormat, Settings};
use hongyan_gateway::door::descriptors;
use hongyan_gateway::stop::Stop;
use hongyan_gateway::vault::{create_private_dir, random_token};
use hongyan_sandbox::{Sandbox, SandboxConfig, Seed};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::cli::DemoArgs;
use crate::credentials::Credentials;
use crate::failure::Failure;
use crate::http::Api;
use crate::listen::base;
use crate::tutorial::{self, Tutorial};
use crate::{listen, lock, logging, output, signals};

/// How long a stop waits for what is under way. Nothing in a demo is worth more.
const DRAIN_SECONDS: u64 = 5;

/// Runs until it is told to stop.
pub(crate) async fn run(args: &DemoArgs) -> Result<(), Failure> {
    // A person reads what is printed, not a log; a program that asked for JSON gets the log beside it.
    let filter = if args.json { "info" } else { "warn" };
    logging::start_from_environment(filter, LogFormat::Auto)?;
    descriptors::raise();
    descriptors::without_core_dumps();
    let stop = signals::stop()?;
    let demo = Demo::start(args).await?;
    if args.json {
        output::json(&demo.addresses)?;
    } else {
        output::line(&demo.addresses.for_people(args.data_dir.as_deref()))?;
    }
    stop.await;
    demo.stop().await
}

/// Where everything is: the readiness line.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Addresses {
    gateway: String,
    sandbox: String,
    phone: String,
    console: String,
    appid: String,
    gateway_secret: String,
    app_secret: String,
    api_key: String,
    openid: String,
    templates: Templates,
}

#[derive(Debug, Clone, Serialize)]
struct Templates {
    legacy: String,
    subscribe: String,
    long_term: String,
}

/// A running demo.
pub(crate) struct Demo {
    addresses: Addresses,
    gateway: Part,
    backend: Part,
    sandbox: Part,
    /// Held until the end.
    _lock: std::fs::File,
    /// Removed at the end, if it is a temporary one.
    data_dir: DataDir,
}

/// One of the services, with its own signal: they stop one after the other.
struct Part {
    stop: Stop,
    task: JoinHandle<Result<(), Failure>>,
}

impl Part {
    fn spawn<F>(serve: impl FnOnce(Stop) -> F) -> Self
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let stop = Stop::default();
        Self { task: tokio::spawn(serve(stop.clone())), stop }
    }

    async fn end(self) -> Result<(), Failure> {
        self.stop.stop();
        self.task.await.map_err(|error| Failure::run(format!("a part of the demo broke: {error}")))?
    }
}

enum DataDir {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

impl DataDir {
    fn open(wanted: Option<&Path>) -> Result<Self, Failure> {
        let unusable = |what: String, error: std::io::Error| {
            Failure::configuration(format!(
                "cannot use {what}: {error}; name one that this user may write with --data-dir"
            ))
        };
        match wanted {
            Some(path) => {
                create_private_dir(path)
                    .map_err(|error| unusable(format!("the data directory {}", path.display()), error))?;
                Ok(Self::Kept(path.to_owned()))
            }
            None => tempfile::Builder::new()
                .prefix("hongyan-demo-")
                .tempdir()
                .map(Self::Temporary)
                .map_err(|error| unusable("a temporary directory".into(), error)),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(dir) => dir.path(),
        }
    }
}

async fn stopping(stop: Stop) {
    stop.stopping().await;
}

impl Demo {
    /// Starts everything. When this returns, every address answers.
    pub(crate) async fn start(args: &DemoArgs) -> Result<Self, Failure> {
        // All ports first: a port that is taken is found before anything is done.
        let gateway_listener = listen::bind(args.listen, "--listen").await?;
        let sandbox_listener = listen::bind(args.sandbox_listen, "--sandbox-listen").await?;
        let backend_listener = listen::bind(([127, 0, 0, 1], 0).into(), "--listen").await?;
        let gateway_url = listen::url(&gateway_listener)?;
        let sandbox_url = listen::url(&sandbox_listener)?;

        let data_dir = DataDir::open(args.data_dir.as_deref())?;
        let clock = Clock::system();
        let settings = Settings {
            listen: args.listen,
            data_dir: data_dir.path().to_owned(),
            database: Some(format!("sqlite:{}", data_dir.path().join("hongyan.db").display())),
            wechat_base_url: sandbox_url.clone(),
            // A kept database needs a kept key, which the gateway writes beside it; a temporary one does not.
            master_key: args.data_dir.is_none().then(|| random_token("")),
            drain_seconds: DRAIN_SECONDS,
            // A web page in the same browser must not read from it under a name of its own.
            hosts: Some(Vec::new()),
            // Tools that try an API without its key do so a thousand times, and are no strangers on a laptop.
            wrong_credential_rate: 100_000,
            // Whoever tries it out receives webhooks on this machine. `serve` allows neither.
            webhook_allow_http: true,
            webhook_allow_private: true,
            ..Settings::default()
        };
        let lock = lock::database(&settings)?;

        let sandbox = Sandbox::new(SandboxConfig {
            hosts: args.sandbox_hosts.clone(),
            backend: Some(listen::url(&backend_listener)?),
            // A kept ledger and a forgetful WeChat would disagree about every permit.
            state_file: args.data_dir.is_some().then(|| data_dir.path().join("sandbox.json")),
            ..SandboxConfig::new(clock.clone())
        })?;
        let seed = sandbox.seed();
        let sandbox = serve_sandbox(sandbox, sandbox_listener);

        let gateway = Gateway::start(settings, clock.clone()).await?;
        let credentials = Credentials::ensure(gateway.context(), &seed, data_dir.path()).await?;
        let api = Api::new(gateway_url.clone(), credentials.api_key.as_str().into())?;
        let gateway = Part::spawn(|stop| async move {
            gateway.serve(gateway_listener, stopping(stop)).await?;
            Ok(())
        });
        if args.events {
            events::connect(&api, &sandbox_url, &seed.appid).await?;
        }
        let tutorial = Tutorial {
            gateway: api,
            appid: seed.appid.clone(),
            legacy_template: seed.legacy_template.clone(),
            subscribe_template: seed.subscribe_template.clone(),
            clock,
            sessions: Mutex::new(HashMap::new()),
        };
        let backend = Part::spawn(|stop| tutorial::serve(tutorial, backend_listener, stopping(stop)));
        let addresses = Addresses::new(base(&gateway_url), base(&sandbox_url), seed, credentials);
        Ok(Self { addresses, gateway, backend, sandbox, _lock: lock, data_dir })
    }

    /// Stops everything, so that each part can still finish what it owes the others: the back end's callers, then
    /// the gateway's messages in flight, then WeChat.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        let ended = [self.backend.end().await, self.gateway.end().await, self.sandbox.end().await];
        if let DataDir::Temporary(dir) = self.data_dir {
            let path = dir.path().to_owned();
            if let Err(error) = dir.close() {
                output::warn(&format!("{} could not be removed: {error}", path.display()));
            }
        }
        ended.into_iter().collect()
    }
}

fn serve_sandbox(sandbox: Sandbox, listener: TcpListener) -> Part {
    Part::spawn(|stop| async move {
        sandbox.serve(listener, stopping(stop)).await?;
        Ok(())
    })
}

impl Addresses {
    fn new(gateway: &str, sandbox: &str, seed: Seed, credentials: Credentials) -> Self {
        Self {
            gateway: gateway.to_owned(),
            sandbox: sandbox.to_owned(),
            phone: format!("{sandbox}/phone"),
            console: format!("{gateway}/console"),
            appid: seed.appid,
            gateway_secret: credentials.gateway_secret,
            app_secret: seed.app_secret,
            api_key: credentials.api_key,
            openid: seed.openid,
            templates: Templates {
                legacy: seed.legacy_template,
                subscribe: seed.subscribe_template,
                long_term: seed.long_term_template,
            },
        }
    }

    /// What a person wants to know first.
    fn for_people(&self, kept_in: Option<&Path>) -> String {
        let Self { gateway, sandbox, phone, appid, gateway_secret, api_key, openid, templates, .. } = self;
        let kept = kept_in.map_or_else(
            || "in a temporary directory that is removed at the end (--data-dir keeps it)".to_owned(),
            |dir| format!("in {}", dir.display()),
        );
        format!(
            "The phone:  {phone}   ← open this, type something, tap Submit

Gateway     {gateway}
WeChat      {sandbox}   (simulated)
API key     {api_key}
appid       {appid}   (gateway secret for the facade: {gateway_secret})
user        {openid}
templates   {legacy} (keyword1, keyword2, keyword3)
            {subscribe} (thing1, date2, amount3)
data        {kept}
webhooks    may be at http:// and on this machine, in the demo alone

Send a message yourself: paste this and look at the phone. The user taps Allow (simulated), the gateway is told of
it, and sends.

{curl}

Ctrl-C stops.",
            legacy = templates.legacy,
            subscribe = templates.subscribe,
            curl = self.curl(),
        )
    }

    /// Commands that send a message when they are pasted into a shell. No comments: not every shell takes them.
    fn curl(&self) -> String {
        let Self { gateway, sandbox, appid, api_key, openid, templates, .. } = self;
        let template = &templates.subscribe;
        format!(
            r#"curl -sS {sandbox}/_sandbox/subscriptions -H 'Content-Type: application/json' \
  -d '{{"appid":"{appid}","openid":"{openid}","template_id":"{template}","result":"accept"}}'; echo
curl -sS {gateway}/v1/permits -H 'Authorization: Bearer {api_key}' -H 'Content-Type: application/json' \
  -d '{{"app":"{appid}","openid":"{openid}","kind":"subscribe_once","template":"{template}"}}'; echo
curl -sS '{gateway}/v1/messages?wait=5' -H 'Authorization: Bearer {api_key}' -H 'Content-Type: application/json' \
  -d '{{"app":"{appid}","to":"{openid}","template":"{template}","data":{{"thing1":"Hello 你好","date2":"2026-05-01","amount3":"¥18.00"}}}}'; echo"#
        )
    }
}

mod events;
#[cfg(test)]
mod tests;
