//! The set-up that the configuration names, and what the next start would change.

use hongyan_clock::Clock;
use hongyan_gateway::config::Settings;
use hongyan_gateway::setup::{Plan, Present, Setup};
use hongyan_gateway::vault::Vault;
use hongyan_store::Store;

use crate::findings::Findings;
use crate::text::{Both, Text, both, say};

const WHAT: Both = both("声明的设置", "set-up");

/// Compares the set-up with the database. Without a set-up there is no finding.
pub(super) async fn setup(
    settings: &Settings,
    store: Option<&dyn Store>,
    vault: Option<&Vault>,
    findings: &mut Findings,
) {
    let setup = match Setup::read(settings) {
        Ok(setup) => setup,
        Err(error) => return findings.wrong_setting(WHAT, &error),
    };
    if let Some(warning) = setup.warning() {
        let warning = Text::from(&warning);
        findings.good(say!("明文", "in the clear"), say!("警告：{warning}", "warning: {warning}"; warning));
    }
    let [apps, webhooks, keys] = setup.counts();
    let zh = format!("{apps} 个小程序、{webhooks} 个 webhook、{keys} 个 API key");
    let named = Text { zh, en: setup.in_words() };
    let is_new = settings.sqlite_path().is_ok_and(|path| !path.exists());
    let present = match store {
        Some(store) => match Present::read(store).await {
            Ok(present) => present,
            Err(error) => return findings.bad(WHAT, &error),
        },
        None if is_new => Present::default(),
        None if setup.is_empty() => return,
        None => {
            let detail = say!(
                "{named}；没有与数据库比较，因为本版本还没有打开过它",
                "{named}; not compared with the database, which this version has not opened";
                named
            );
            return findings.good(WHAT, detail);
        }
    };
    if vault.is_none() && present.has_secrets() {
        if !setup.is_empty() {
            findings.skipped(
                WHAT,
                say!(
                    "没有主密钥，无法与数据库比较",
                    "it cannot be compared with the database without the master key"
                ),
            );
        }
        return;
    }
    match setup.plan(&present, vault, Clock::system().now()) {
        Ok(Plan { steps, remarks }) => {
            if steps.is_empty() && !setup.is_empty() {
                let found = say!("{named}；数据库里都已具备", "{named}; the database has everything"; named);
                findings.good(WHAT, found);
            } else if !steps.is_empty() {
                let steps: Vec<Text> = steps.iter().map(|step| Text::from(&step.name())).collect();
                let joined =
                    |of: fn(&Text) -> &str, between| steps.iter().map(of).collect::<Vec<_>>().join(between);
                let steps = Text { zh: joined(|step| &step.zh, "；"), en: joined(|step| &step.en, "; ") };
                let found = say!("{named}；下次启动会执行：{steps}", "{named}; the next start would {steps}"; named, steps);
                findings.good(WHAT, found);
            }
            for remark in remarks {
                let remark = Text::from(&remark);
                findings.good(WHAT, say!("警告：{remark}", "warning: {remark}"; remark));
            }
        }
        Err(error) => findings.wrong_setting(WHAT, &error),
    }
}
