//! `hongyan check`: is everything set up well? Looks, and changes nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ::http::Method;
use bytes::Bytes;
use hongyan_gateway::Gateway;
use hongyan_gateway::config::Settings;
use hongyan_gateway::door::clear;
use hongyan_gateway::vault::{KEY_FILE, KeySource, Purpose, Vault, is_readable_by_others};
use hongyan_store::Store;
use hongyan_store::sqlite::{self, Depth, Looked};
use hongyan_store::types::AppRecord;
use hongyan_wechat::{CallError, Client, ClientConfig};
use serde::Serialize;

use crate::backup::stoppable;
use crate::cli::CheckArgs;
use crate::failure::Failure;
use crate::{output, settings};

/// What was looked at, and what was found.
#[derive(Debug, Serialize)]
struct Finding {
    what: String,
    ok: bool,
    /// What is there, or what to do.
    detail: String,
    /// Whether it is for the configuration to mend: decides the exit code.
    #[serde(skip)]
    configuration: bool,
}

/// What was found so far.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn good(&mut self, what: impl Into<String>, detail: impl Into<String>) {
        self.0.push(Finding { what: what.into(), ok: true, detail: detail.into(), configuration: false });
    }

    fn wrong_setting(&mut self, what: impl Into<String>, detail: impl Into<String>) {
        self.0.push(Finding { what: what.into(), ok: false, detail: detail.into(), configuration: true });
    }

    fn bad(&mut self, what: impl Into<String>, detail: impl Into<String>) {
        self.0.push(Finding { what: what.into(), ok: false, detail: detail.into(), configuration: false });
    }

    /// Prints them; the exit code is in the result.
    fn print(&self, as_json: bool) -> Result<(), Failure> {
        let all_good = self.0.iter().all(|finding| finding.ok);
        if as_json {
            output::json(&serde_json::json!({ "ok": all_good, "checks": self.0 }))?;
        } else {
            let row = |finding: &Finding| {
                let mark = if finding.ok { "ok" } else { "NOT OK" };
                vec![mark.to_owned(), finding.what.clone(), finding.detail.clone()]
            };
            let rows: Vec<_> = self.0.iter().map(row).collect();
            output::line(&output::table(&["", "WHAT", "FOUND"], &rows))?;
        }
        if all_good {
            Ok(())
        } else if self.0.iter().any(|finding| finding.configuration) {
            Err(Failure::said_configuration())
        } else {
            Err(Failure::said())
        }
    }
}

/// Runs the command.
pub(crate) async fn run(args: &CheckArgs) -> Result<(), Failure> {
    let mut findings = Findings::default();
    let depth = if args.deep { Depth::Indexes } else { Depth::Pages };
    match settings::load(&args.config, None) {
        Ok(settings) => {
            findings.good("configuration", format!("listen {}", settings.listen));
            for warning in clear::warnings(&settings) {
                findings.good("in the clear", format!("warning: {warning}"));
            }
            look(&settings, depth, &mut findings).await;
        }
        Err(error) => findings.wrong_setting("configuration", error.to_string()),
    }
    findings.print(args.json)
}

async fn look(settings: &Settings, depth: Depth, findings: &mut Findings) {
    data_dir(&settings.data_dir, findings);
    let vault = vault(settings, findings);
    let store = database(settings, depth, findings).await;
    let wechat = wechat(settings, findings).await;
    let Some(store) = store else { return };
    match (store.apps().await, &vault, &wechat) {
        (Err(error), ..) => findings.bad("apps", error.to_string()),
        (Ok(apps), ..) if apps.is_empty() => {
            findings.good("apps", "none is registered yet; register one with: hongyan app add");
        }
        (Ok(apps), Some(vault), Some(wechat)) => {
            for record in &apps {
                app(record, vault, wechat, findings).await;
            }
        }
        (Ok(apps), ..) => {
            findings.good("apps", format!("{} registered; not looked at, see above", apps.len()));
        }
    }
    store.close().await;
}

fn data_dir(path: &Path, findings: &mut Findings) {
    let what = "data directory";
    if !path.exists() {
        findings.good(what, format!("{} is not there yet; the first start makes it", path.display()));
        return;
    }
    // The surest way to know whether a file can be made there is to make one; it is gone at once.
    match tempfile::tempfile_in(path) {
        Ok(_) => findings.good(what, path.display().to_string()),
        Err(error) => {
            let detail = format!(
                "{} cannot be written: {error}; let this user write it, or set data_dir",
                path.display()
            );
            findings.wrong_setting(what, detail);
        }
    }
}

fn vault(settings: &Settings, findings: &mut Findings) -> Option<Vault> {
    let what = "master key";
    let named = settings.master_key.is_some() || settings.master_key_file.is_some();
    if !named && !settings.data_dir.join(KEY_FILE).exists() {
        findings.good(what, "none yet; the first start makes one in the data directory");
        return None;
    }
    match Vault::open(settings) {
        Ok((vault, source)) => {
            match source {
                KeySource::File(path) if is_readable_by_others(&path) => {
                    let detail = format!(
                        "{} can be read by every user of this machine; chmod o-rwx it",
                        path.display()
                    );
                    findings.wrong_setting(what, detail);
                }
                _ => findings.good(what, "readable, and not by others"),
            }
            Some(vault)
        }
        Err(error) => {
            findings.wrong_setting(what, error.to_string());
            None
        }
    }
}

/// Looks at every page before it is opened as the gateway would: that may write to it.
async fn database(settings: &Settings, depth: Depth, findings: &mut Findings) -> Option<Arc<dyn Store>> {
    let what = "database";
    let path = match settings.sqlite_path() {
        Ok(path) if !path.exists() => {
            findings.good(what, format!("{} is not there yet; the first start makes it", path.display()));
            return None;
        }
        Ok(path) => path,
        Err(error) => {
            findings.wrong_setting(what, error.to_string());
            return None;
        }
    };
    match stoppable(move |watcher| sqlite::look(&path, depth, Some(watcher))).await {
        Ok(Looked::Whole) => {}
        Ok(Looked::InPart) => {
            findings.bad(what, "the look at it was stopped before its end");
            return None;
        }
        Err(error) => {
            findings.wrong_setting(what, error.to_string());
            return None;
        }
    }
    match Gateway::open_store(settings) {
        Ok(store) => {
            findings.good(
                what,
                format!("{} opens, every page of it is whole, its schema is current", settings.database),
            );
            Some(store)
        }
        Err(error) => {
            findings.wrong_setting(what, error.to_string());
            None
        }
    }
}

async fn wechat(settings: &Settings, findings: &mut Findings) -> Option<Client> {
    let what = "WeChat";
    let url = &settings.wechat_base_url;
    let config = ClientConfig {
        proxy: settings.wechat_proxy.clone(),
        connect_timeout: Duration::from_millis(settings.connect_timeout_ms),
        answer_timeout: Duration::from_millis(settings.answer_timeout_ms),
        ..ClientConfig::new(url.clone())
    };
    let client = match Client::new(config) {
        Ok(client) => client,
        Err(error) => {
            findings.wrong_setting(what, error.to_string());
            return None;
        }
    };
    // Any answer will do: without a token WeChat refuses this call, and that shows that it is there.
    match client.exchange(Method::GET, "/cgi-bin/getcallbackip", None, Bytes::new()).await {
        Ok(_) => {
            findings.good(what, format!("{url} answers"));
            Some(client)
        }
        Err(failure) => {
            findings
                .bad(what, format!("{url}: {failure}; check the network, wechat_base_url and wechat_proxy"));
            None
        }
    }
}

/// An app's secret, token and templates.
///
/// The token is always asked for by `stable_token` without force: that call gives the token of today if there is
/// one and touches no other, so the check never kills a token that a running gateway uses.
async fn app(record: &AppRecord, vault: &Vault, wechat: &Client, findings: &mut Findings) {
    let what = format!("app {}", record.appid);
    let secret = match vault.open_sealed(Purpose::AppSecret, &record.appid, &record.settings.secret) {
        Ok(secret) => secret,
        Err(error) => {
            findings.wrong_setting(what, format!("its AppSecret does not open: {error}"));
            return;
        }
    };
    let token = match wechat.stable_token(&record.appid, &secret, false).await {
        Ok(answer) => answer.access_token,
        Err(error) => {
            findings.bad(what, format!("no access token: {}", advice(&error)));
            return;
        }
    };
    match wechat.subscribe_templates(&token).await {
        Ok(templates) => {
            findings.good(&what, format!("access token fetched, {} subscribe templates", templates.len()));
        }
        Err(error) => findings.bad(&what, format!("its templates cannot be read: {}", advice(&error))),
    }
    if let Some(paused) = &record.paused {
        findings.bad(
            what,
            format!(
                "is paused since {}: {}; when the cause is gone, POST /v1/apps/{}/resume",
                paused.since, paused.detail, record.appid
            ),
        );
    }
}

fn advice(error: &CallError) -> String {
    match error {
        CallError::Refused { errcode, errmsg, .. } => match errcode.info() {
            Some(info) => format!("WeChat says {errcode}: {}", info.explanation_en()),
            None => format!("WeChat says {errcode}: {errmsg}"),
        },
        CallError::Failed(failure) => failure.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_fresh_installation_is_looked_at_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = dir.path().join("data");
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = crate::listen::url(&free).unwrap();
        drop(free);
        let settings = Settings {
            database: format!("sqlite:{}", data_dir.join("h.db").display()),
            data_dir,
            wechat_base_url: url,
            ..Settings::default()
        };
        let mut findings = Findings::default();
        look(&settings, Depth::Pages, &mut findings).await;
        let found: Vec<_> = findings.0.iter().map(|finding| (finding.what.as_str(), finding.ok)).collect();
        assert_eq!(
            found,
            [("data directory", true), ("master key", true), ("database", true), ("WeChat", false)]
        );
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
