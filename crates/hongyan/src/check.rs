//! `hongyan check`: finds mistakes in the setup, and changes nothing.
//!
//! The check is green only for things that it has looked at, and never where `serve` would refuse to start.
//!
//! | module | knows |
//! | --- | --- |
//! | [`setup`] | the apps, webhooks and keys that the configuration names |
//! | [`disk`] | the data directory, the database's files, the space under them |
//! | [`wechat`] | WeChat, the clock, each app |

use ::http::{Method, StatusCode};
use hongyan_gateway::config::{ConfigError, Place, Settings};
use hongyan_gateway::door::clear;
use hongyan_gateway::tls::Tls;
use hongyan_gateway::vault::{KeySource, Purpose, Vault, is_readable_by_others, rotation};
use hongyan_store::Store;
use hongyan_store::sqlite::Depth;
use hongyan_store::types::AppRecord;

use crate::cli::{CheckArgs, ConfigArgs};
use crate::failure::Failure;
use crate::findings::Findings;
use crate::http::Api;
use crate::text::{Text, say};
use crate::{listen, lock, logging, settings};

mod disk;
mod setup;
mod wechat;

/// Runs the command.
pub(crate) async fn run(args: &CheckArgs) -> Result<(), Failure> {
    let mut findings = Findings::default();
    this_machine(&args.config, args.deep, &mut findings).await?;
    findings.print(args.json)
}

/// Looks at the configuration, the files, and what the configured gateway needs. Returns the settings if they can be read.
///
/// # Errors
/// When a flag is wrong: that is no finding, but wrong usage.
pub(crate) async fn this_machine(
    config: &ConfigArgs,
    is_deep: bool,
    findings: &mut Findings,
) -> Result<Option<Settings>, Failure> {
    let depth = if is_deep { Depth::Indexes } else { Depth::Pages };
    match settings::load(config, None) {
        Ok(settings) => {
            configuration(&settings, findings);
            for warning in clear::warnings(&settings) {
                let warning = Text::from(&warning);
                let found = say!("警告：{warning}", "warning: {warning}"; warning);
                findings.good(say!("明文", "in the clear"), found);
            }
            look(&settings, depth, findings).await;
            Ok(Some(settings))
        }
        Err(error @ ConfigError::Value { place: Place::Flag(_), .. }) => Err(error.into()),
        Err(error) => {
            findings.wrong_setting(say!("配置", "configuration"), &error);
            findings.skipped(
                say!("其余各项", "everything else"),
                say!("读懂配置之后才能检查", "the rest can be checked only after the configuration is read"),
            );
            Ok(None)
        }
    }
}

fn configuration(settings: &Settings, findings: &mut Findings) {
    let what = say!("配置", "configuration");
    let tls = Tls::open(settings).map(|_| ()).map_err(Failure::from);
    if let Some(key) = settings.tls_key.as_deref().filter(|key| is_readable_by_others(key)) {
        let key = key.display();
        findings.wrong_setting(say!("TLS 私钥", "TLS key"), readable_by_all(&key));
    }
    match logging::filter(&settings.log).map(|_| ()).and(tls) {
        Ok(()) => findings.good(what, say!("监听 {}", "listen {}", settings.listen)),
        Err(error) => findings.wrong_setting(what, error.into_text()),
    }
}

fn readable_by_all(file: &dyn std::fmt::Display) -> Text {
    say!(
        "本机的每个用户都能读取 {file}；请禁止：chmod o= {file}",
        "{file} can be read by every user of this machine; forbid this with: chmod o= {file}"
    )
}

async fn look(settings: &Settings, depth: Depth, findings: &mut Findings) {
    disk::data_dir(&settings.data_dir, findings);
    disk::space(settings, findings);
    disk::owners_and_modes(settings, findings);
    let store = disk::database(settings, depth, findings).await;
    let known = match &store {
        Some(store) => known_secrets(&**store, findings).await,
        None => None,
    };
    let vault = master_key(settings, known.as_ref(), findings);
    if let (Some(store), Some(vault)) = (&store, &vault) {
        previous_key(&**store, vault, findings).await;
    }
    setup::setup(settings, store.as_deref(), vault.as_ref(), findings).await;
    gateway(settings, findings).await;
    let wechat = wechat::reach(settings, findings).await;
    if let Some(Known { apps, .. }) = &known {
        match (&vault, &wechat) {
            _ if apps.is_empty() => {
                findings.good(
                    say!("小程序", "apps"),
                    say!(
                        "还没有登记小程序；登记：hongyan app add",
                        "no app is registered yet; register an app with: hongyan app add"
                    ),
                );
            }
            (Some(vault), Some(wechat)) => {
                for record in apps {
                    wechat::app(record, vault, wechat, findings).await;
                }
            }
            (vault, _) => {
                let why = if vault.is_none() {
                    say!(
                        "没有主密钥，无法检查它的 AppSecret",
                        "its AppSecret cannot be checked without the master key"
                    )
                } else {
                    say!(
                        "微信没有应答，无法检查它的 AppSecret",
                        "its AppSecret cannot be checked while WeChat does not answer"
                    )
                };
                for record in apps {
                    findings.skipped(wechat::name(record), &why);
                }
            }
        }
    }
    if let Some(store) = store {
        store.close().await;
    }
}

/// The values in the database that only the right master key opens.
struct Known {
    apps: Vec<AppRecord>,
    /// There are secrets of webhooks, or of people's second factors.
    others: bool,
}

async fn known_secrets(store: &dyn Store, findings: &mut Findings) -> Option<Known> {
    let read = async {
        let others = !store.webhooks().await?.is_empty()
            || store.people().await?.iter().any(|person| person.totp.is_some());
        Ok::<_, hongyan_store::StoreError>(Known { apps: store.apps().await?, others })
    };
    match read.await {
        Ok(known) => Some(known),
        Err(error) => {
            findings.bad(say!("小程序", "apps"), &error);
            None
        }
    }
}

/// Checks the master key, and whether it opens the stored secrets.
fn master_key(settings: &Settings, known: Option<&Known>, findings: &mut Findings) -> Option<Vault> {
    let what = &say!("主密钥", "master key");
    if !Vault::has_key(settings) {
        match known {
            Some(known) if !known.apps.is_empty() || known.others => {
                let missing = ConfigError::no_master_key(settings);
                findings.wrong_setting(what, &missing);
            }
            _ => findings.good(
                what,
                say!(
                    "还没有主密钥；首次启动时会在数据目录里生成",
                    "there is no master key yet; the first start makes a master key in the data directory"
                ),
            ),
        }
        return None;
    }
    let (vault, source) = match Vault::open(settings) {
        Ok(opened) => opened,
        Err(error) => {
            findings.wrong_setting(what, &error);
            return None;
        }
    };
    let apps = known.map(|known| known.apps.as_slice()).unwrap_or_default();
    let closed = apps.iter().find_map(|app| {
        vault.open_sealed(Purpose::AppSecret, &app.appid, &app.settings.secret).err().map(|why| (app, why))
    });
    match (closed, known) {
        (Some((app, why)), _) => {
            let sealed = ConfigError::Sealed { appid: app.appid.to_string(), why };
            findings.wrong_setting(what, &sealed);
            None
        }
        (None, _) if matches!(&source, KeySource::File(path) if is_readable_by_others(path)) => {
            let path = match source {
                KeySource::File(path) => path.display().to_string(),
                _ => String::new(),
            };
            findings.wrong_setting(what, readable_by_all(&path));
            Some(vault)
        }
        (None, Some(_)) => {
            findings.good(
                what,
                say!(
                    "可以读取，并能解开 {} 个小程序的密文",
                    "readable, and opens the secrets of {} apps",
                    apps.len()
                ),
            );
            Some(vault)
        }
        (None, None) => {
            findings.good(
                what,
                say!(
                    "可以读取；数据库里还没有可供验证的密文",
                    "readable; the database has no secrets yet to try the master key on"
                ),
            );
            Some(vault)
        }
    }
}

/// Checks whether the previous master key, if it is set, is still needed.
async fn previous_key(store: &dyn Store, vault: &Vault, findings: &mut Findings) {
    let what = &say!("上一个主密钥", "previous master key");
    if !vault.has_previous() {
        return;
    }
    match rotation::sealed_with_the_previous_key(store, vault).await {
        Ok(0) => findings.good(
            what,
            say!(
                "已经没有用它加密的内容，可以去掉",
                "nothing is encrypted with the previous key any more; the key can be removed"
            ),
        ),
        Ok(count) => findings.good(
            what,
            say!(
                "警告：仍有 {count} 项用它加密；重新加密：hongyan key rotate-master",
                "warning: {count} values are still encrypted with the previous key; encrypt them again with: hongyan key \
                     rotate-master"
            ),
        ),
        Err(error) => findings.bad(what, &error),
    }
}

/// Checks whether the gateway that serves this database is ready, or whether a new gateway could listen.
async fn gateway(settings: &Settings, findings: &mut Findings) {
    let what = &say!("网关", "gateway");
    if !lock::is_held(settings) {
        let mut free = Vec::new();
        for (name, address) in [
            ("listen", Some(settings.listen)),
            ("tls_listen", settings.tls_listen),
            ("admin_listen", settings.admin_listen),
        ] {
            let Some(address) = address else { continue };
            if let Err(error) = listen::bind(address, name).await {
                let why = error.into_text();
                let found =
                    say!("没有运行，并且无法监听：{why}", "does not run, and could not listen: {why}"; why);
                findings.wrong_setting(what, found);
                return;
            }
            free.push(address.to_string());
        }
        let free = Text { zh: free.join("、"), en: free.join(" and ") };
        findings
            .good(what, say!("没有运行；可以监听 {free}", "does not run; it could listen on {free}"; free));
        return;
    }
    let url = listen::url_of(settings.admin_listen.unwrap_or(settings.listen));
    let asked = match Api::public(url.clone(), None) {
        Ok(api) => api.exchange(Method::GET, "/readyz", &[], None).await,
        Err(error) => return findings.skipped(what, error.into_text()),
    };
    match asked {
        Ok(answer) if answer.status == StatusCode::OK => {
            findings.good(what, say!("在 {url} 运行，已就绪", "runs at {url} and is ready"));
        }
        Ok(answer) => {
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            let (status, body) = (answer.status, body.trim());
            findings.bad(
                what,
                say!("{url}readyz 的应答是 {status}：{body}", "{url}readyz answers {status}: {body}"),
            );
        }
        Err(none) => {
            let why = none.why;
            let found = say!(
                "有进程正在使用这个数据库，但 {url}readyz 没有应答：{why}",
                "a process serves this database, and {url}readyz does not answer: {why}";
                why
            );
            findings.bad(what, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::State;

    #[tokio::test]
    async fn a_fresh_installation_is_looked_at_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = dir.path().join("data");
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = crate::listen::url(&free).unwrap();
        drop(free);
        let settings = Settings {
            listen: "127.0.0.1:0".parse().unwrap(),
            database: Some(format!("sqlite:{}", data_dir.join("h.db").display())),
            data_dir,
            wechat_base_url: url,
            ..Settings::default()
        };
        let mut findings = Findings::default();
        look(&settings, Depth::Pages, &mut findings).await;
        let found: Vec<_> =
            findings.0.iter().map(|finding| (finding.what.en.as_str(), finding.state)).collect();
        assert_eq!(
            found,
            [
                ("data directory", State::Ok),
                ("database", State::Ok),
                ("master key", State::Ok),
                ("gateway", State::Ok),
                ("WeChat", State::NotOk),
                ("clock", State::NotLookedAt),
            ]
        );
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
