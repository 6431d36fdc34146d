//! `hongyan demo`: simulated WeChat with its phone, a gateway and the tutorial's back end, in one process.
//!
//! All three share one clock, so the sandbox's time travel moves the time of all three. Otherwise they talk only over
//! HTTP, as in production.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use hongyan_clock::Clock;
use hongyan_gateway::config::{LogFormat, Settings};
use hongyan_gateway::door::descriptors;
use hongyan_gateway::people::Role;
use hongyan_gateway::people::admin::{self, NewPerson};
use hongyan_gateway::stop::Stop;
use hongyan_gateway::vault::{create_private_dir, random_token};
use hongyan_gateway::{Context, Gateway};
use hongyan_sandbox::{Sandbox, SandboxConfig, Seed};
use secrecy::ExposeSecret;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::cli::DemoArgs;
use crate::credentials::Credentials;
use crate::failure::Failure;
use crate::http::Api;
use crate::listen::base;
use crate::text::{Text, say, word};
use crate::tutorial::{self, Tutorial};
use crate::{listen, lock, logging, output, signals};

/// How long a stop waits for work in progress. No work of a demo deserves a longer wait.
const DRAIN_SECONDS: u64 = 5;

/// Runs until it is told to stop.
pub(crate) async fn run(args: &DemoArgs) -> Result<(), Failure> {
    // Without --json a person reads the output, and a log would disturb; a program that asked for JSON gets the log on
    // standard error.
    let filter = if args.json { "info" } else { "warn" };
    logging::start_from_environment(filter, LogFormat::Auto)?;
    descriptors::raise();
    descriptors::without_core_dumps();
    let stop = signals::stop_with_parent(args.exit_with_parent)?;
    let demo = Demo::start(args).await?;
    demo.addresses.log();
    if args.json {
        output::json(&demo.addresses)?;
    } else {
        output::line(&demo.addresses.for_people(args.data_dir.as_deref()))?;
    }
    stop.await;
    demo.stop().await?;
    tracing::info!("stopped");
    Ok(())
}

/// All addresses and keys: the readiness line.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Addresses {
    gateway: String,
    sandbox: String,
    phone: String,
    console: String,
    console_login: String,
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
    /// The lock of the database, held until the end.
    _lock: std::fs::File,
    /// The data directory; a temporary directory is removed at the end.
    data_dir: DataDir,
}

/// One of the services, with its own stop signal: the services stop one after the other.
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
        self.task.await.map_err(|error| {
            Failure::run(say!("演示的一个部件出错：{error}", "a part of the demo failed: {error}"))
        })?
    }
}

enum DataDir {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

impl DataDir {
    fn open(wanted: Option<&Path>) -> Result<Self, Failure> {
        let unusable = |what: Text, error: std::io::Error| {
            Failure::configuration(say!(
                "{what}不可用：{error}；请用 --data-dir 指定一个可写的目录",
                "cannot use {what}: {error}; name a writable directory with --data-dir";
                what
            ))
        };
        match wanted {
            Some(path) => {
                create_private_dir(path).map_err(|error| {
                    unusable(say!("数据目录 {} ", "the data directory {}", path.display()), error)
                })?;
                Ok(Self::Kept(path.to_owned()))
            }
            None => tempfile::Builder::new()
                .prefix("hongyan-demo-")
                .tempdir()
                .map(Self::Temporary)
                .map_err(|error| unusable(say!("临时目录", "a temporary directory"), error)),
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
        // The ports come first: a port in use is reported before anything is done.
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
            // A kept database needs a kept master key: the gateway writes the key beside the database. A temporary
            // database does not.
            master_key: args.data_dir.is_none().then(|| random_token("")),
            drain_seconds: DRAIN_SECONDS,
            // A web page in the same browser could otherwise read from the gateway under a host name of its own (DNS
            // rebinding).
            hosts: Some(Vec::new()),
            // Security scanners send a thousand requests without a key. On a laptop they need no limit.
            wrong_credential_rate: 100_000,
            // Somebody who tries the demo receives webhooks on this machine. `serve` allows neither http nor private
            // addresses.
            webhook_allow_http: true,
            webhook_allow_private: true,
            ..Settings::default()
        };
        let lock = lock::database(&settings)?;

        let sandbox = Sandbox::new(SandboxConfig {
            hosts: args.sandbox_hosts.clone(),
            backend: Some(listen::url(&backend_listener)?),
            // A kept ledger together with a sandbox that forgets would disagree about every permit.
            state_file: args.data_dir.is_some().then(|| data_dir.path().join("sandbox.json")),
            ..SandboxConfig::new(clock.clone())
        })?;
        let seed = sandbox.seed();
        let sandbox = sandbox.with_pages(hongyan_docs::router());
        let sandbox = serve_sandbox(sandbox, sandbox_listener);

        let gateway = Gateway::start(settings, clock.clone()).await?;
        let credentials = Credentials::ensure(gateway.context(), &seed, data_dir.path()).await?;
        let pages = hongyan_console::router(gateway.context()).merge(hongyan_docs::router());
        let gateway = gateway.with_pages(pages);
        let login = console_login(gateway.context()).await?;
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
        let addresses = Addresses::new(base(&gateway_url), base(&sandbox_url), seed, credentials, &login);
        Ok(Self { addresses, gateway, backend, sandbox, _lock: lock, data_dir })
    }

    /// Stops everything in an order that lets each part finish: first the back end with its callers, then the gateway
    /// with its messages in flight, then WeChat.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        let ended = [self.backend.end().await, self.gateway.end().await, self.sandbox.end().await];
        if let DataDir::Temporary(dir) = self.data_dir {
            let path = dir.path().to_owned();
            if let Err(error) = dir.close() {
                let path = path.display();
                output::warn(say!("不能删除 {path}：{error}", "{path} could not be removed: {error}"));
            }
        }
        ended.into_iter().collect()
    }
}

/// Who looks at the demo's console.
const VISITOR: &str = "demo";

/// The link lasts as long as somebody who has started a demo may be away from it.
const LINK_LASTS: Duration = Duration::from_secs(24 * 3_600);

/// The token of a link that logs the demo's visitor in, as an admin.
async fn console_login(context: &Context) -> Result<String, Failure> {
    let store = &*context.store;
    let person = match store.person(VISITOR).await? {
        Some(person) => person,
        None => {
            // Nobody sees the password, so nobody has to change it.
            let new = NewPerson { name: VISITOR, role: Role::Admin, apps: None, must_change_password: false };
            let added = admin::add(store, &context.ids, &context.clock, new).await;
            added.map_err(|error| Failure::run(&error))?.0
        }
    };
    Ok(context.sessions.link(&person, LINK_LASTS).await?.expose_secret().to_owned())
}

fn serve_sandbox(sandbox: Sandbox, listener: TcpListener) -> Part {
    Part::spawn(|stop| async move {
        sandbox.serve(listener, stopping(stop)).await?;
        Ok(())
    })
}

impl Addresses {
    fn log(&self) {
        let Self { gateway, sandbox, phone, console, .. } = self;
        tracing::info!(version = env!("CARGO_PKG_VERSION"), gateway, sandbox, phone, console, "started");
    }

    fn new(gateway: &str, sandbox: &str, seed: Seed, credentials: Credentials, login: &str) -> Self {
        Self {
            gateway: gateway.to_owned(),
            sandbox: sandbox.to_owned(),
            phone: format!("{sandbox}/phone"),
            console: format!("{gateway}/console"),
            console_login: format!("{gateway}/console/login?token={login}"),
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

    /// The first things that a person needs to know.
    fn for_people(&self, kept_in: Option<&Path>) -> String {
        let Self {
            gateway,
            sandbox,
            phone,
            console_login,
            appid,
            gateway_secret,
            api_key,
            openid,
            templates,
            ..
        } = self;
        let kept = kept_in.map_or_else(
            || {
                say!(
                    "临时目录，结束时删除（--data-dir 可保留）",
                    "in a temporary directory that is removed at the end (--data-dir keeps it)"
                )
            },
            |dir| say!("{}", "in {}", dir.display()),
        );
        let Templates { legacy, subscribe, .. } = templates;
        let curl = self.curl(word("你好，鸿雁", "Hello 你好"));
        let text = say!(
            "手机页面：{phone}   ← 打开它，写几个字，点提交
控制台：  {console_login}   ← 登录链接，只能用一次

网关        {gateway}
微信        {sandbox}   （沙箱）
API key     {api_key}
appid       {appid}   （兼容接口用的 gateway secret：{gateway_secret}）
用户        {openid}
模板        {legacy}（keyword1、keyword2、keyword3）
            {subscribe}（thing1、date2、amount3）
数据        {kept}
webhook     可以用 http:// 和本机地址，仅限演示

发一条消息：粘贴下面的命令，再看手机页面。沙箱里的用户点允许，网关得到额度并发出消息。

{curl}

按 Ctrl-C 结束。",
            "The phone:  {phone}   ← open this, type something, tap Submit
The console: {console_login}   ← logs you in, once

Gateway     {gateway}
WeChat      {sandbox}   (simulated)
API key     {api_key}
appid       {appid}   (gateway secret for the facade: {gateway_secret})
user        {openid}
templates   {legacy} (keyword1, keyword2, keyword3)
            {subscribe} (thing1, date2, amount3)
data        {kept}
webhooks    may use http:// and addresses of this machine, only in the demo

To send a message, paste this and look at the phone. The simulated user taps Allow, the gateway gets the permit and
sends the message.

{curl}

Ctrl-C stops.";
            kept
        );
        text.shown().to_owned()
    }

    /// Commands that send a message when pasted into a shell. They have no comments: some shells do not accept comments.
    fn curl(&self, greeting: &str) -> String {
        let Self { gateway, sandbox, appid, api_key, openid, templates, .. } = self;
        let template = &templates.subscribe;
        format!(
            r#"curl -sS {sandbox}/_sandbox/subscriptions -H 'Content-Type: application/json' \
  -d '{{"appid":"{appid}","openid":"{openid}","template_id":"{template}","result":"accept"}}'; echo
curl -sS {gateway}/v1/permits -H 'Authorization: Bearer {api_key}' -H 'Content-Type: application/json' \
  -d '{{"app":"{appid}","openid":"{openid}","kind":"subscribe_once","template":"{template}"}}'; echo
curl -sS '{gateway}/v1/messages?wait=5' -H 'Authorization: Bearer {api_key}' -H 'Content-Type: application/json' \
  -d '{{"app":"{appid}","to":"{openid}","template":"{template}","data":{{"thing1":"{greeting}","date2":"2026-05-01","amount3":"¥18.00"}}}}'; echo"#
        )
    }
}

mod events;
#[cfg(test)]
mod tests;
