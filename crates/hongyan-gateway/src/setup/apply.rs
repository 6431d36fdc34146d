//! Carries out a plan.

use std::sync::Arc;

use hongyan_clock::Clock;
use hongyan_ledger::ids::IdMaker;
use hongyan_store::types::{Actor, NewAudit, Subject};
use hongyan_store::{Store, StoreError};
use hongyan_wechat::AppId;

use super::declared::Setup;
use super::plan::{Plan, Present, Step};
use super::words::StepName;
use crate::apps::Apps;
use crate::audit::{self, Fields};
use crate::error::GatewayError;
use crate::keys::add_key;
use crate::problem::Problem;
use crate::vault::Vault;

/// How often the plan is made anew because another node was faster. Each round leaves less to do.
const ROUNDS: u32 = 8;

/// The parts that the steps need.
pub(crate) struct Applier {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) apps: Apps,
    pub(crate) vault: Arc<Vault>,
    pub(crate) clock: Clock,
    pub(crate) ids: Arc<IdMaker>,
}

/// Why a step was not done.
enum Undone {
    /// Another node did the same at this moment. The next plan knows.
    Overtaken,
    /// The store failed.
    Failed(String),
}

impl From<StoreError> for Undone {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<Problem> for Undone {
    fn from(problem: Problem) -> Self {
        match problem.code {
            "app_exists" => Self::Overtaken,
            code => Self::Failed(format!("{} ({code})", problem.detail)),
        }
    }
}

impl Applier {
    /// Makes the database agree with the set-up. Returns the apps whose templates are to be read from WeChat, which is not
    /// asked here: the gateway starts without WeChat, too.
    ///
    /// # Errors
    /// When an entry contradicts the database: then nothing was changed. When the store fails.
    pub(crate) async fn apply(&self, setup: &Setup) -> Result<Vec<AppId>, GatewayError> {
        if let Some(warning) = setup.warning() {
            tracing::warn!("{warning}");
        }
        let mut unread = Vec::new();
        for _ in 0..ROUNDS {
            let present = Present::read(&*self.store).await?;
            let Plan { steps, remarks } = setup.plan(&present, Some(&self.vault), self.clock.now())?;
            let mut was_overtaken = false;
            for step in steps {
                let name = step.name();
                let appid = match &step {
                    Step::AddApp(new) => Some(new.appid.clone()),
                    Step::ChangeApp(appid, change, _) => change.secret.is_some().then(|| appid.clone()),
                    Step::AddWebhook(..) | Step::ChangeWebhook(..) | Step::AddKey(..) => None,
                };
                match self.carry_out(step).await {
                    Ok(()) => {
                        tracing::info!(step = %name, "set up from the configuration");
                        unread.extend(appid);
                    }
                    Err(Undone::Overtaken) => was_overtaken = true,
                    Err(Undone::Failed(why)) => return Err(GatewayError::Setup { step: name, why }),
                }
            }
            if !was_overtaken {
                for remark in remarks {
                    tracing::info!("{remark}");
                }
                return Ok(unread);
            }
        }
        let why = "other nodes change the same entries again and again".to_owned();
        Err(GatewayError::Setup { step: StepName::Compare, why })
    }

    /// Carries out one step, with its line in the audit trail.
    async fn carry_out(&self, step: Step) -> Result<(), Undone> {
        let (call, subject) = match &step {
            Step::AddApp(new) => ("setup: register app", about_app(&new.appid)),
            Step::ChangeApp(appid, ..) => ("setup: change app", about_app(appid)),
            Step::AddWebhook(_, record) => ("setup: set up webhook", about(record.id.to_string())),
            Step::ChangeWebhook(_, id, ..) => ("setup: change webhook", about(id.to_string())),
            Step::AddKey(..) => ("setup: create key", Subject::default()),
        };
        let new =
            NewAudit { at: self.clock.now(), actor: Actor::CONFIGURATION, call: call.to_owned(), subject };
        let fields = Fields::of(match &step {
            Step::ChangeApp(.., what) | Step::ChangeWebhook(.., what) => what,
            Step::AddApp(_) | Step::AddWebhook(..) | Step::AddKey(..) => &[],
        });
        let line = audit::begin(&*self.store, new).await?.of_fields(fields);
        let done = self.change(step).await;
        let (result, subject) = match &done {
            Ok(subject) => (audit::OK, subject.clone()),
            Err(Undone::Overtaken) => ("overtaken", Subject::default()),
            Err(Undone::Failed(_)) => ("failed", Subject::default()),
        };
        line.end(&*self.store, result, subject).await;
        done.map(|_| ())
    }

    /// Makes the change. Returns what only the change itself could tell.
    async fn change(&self, step: Step) -> Result<Subject, Undone> {
        match step {
            Step::AddApp(new) => {
                self.apps.add(*new).await?;
            }
            Step::ChangeApp(appid, change, _) => {
                self.apps.change(&appid, *change).await?;
            }
            Step::AddWebhook(_, record) => {
                let id = record.id;
                match self.store.add_webhook(*record).await {
                    Ok(true) => {}
                    Ok(false) => return Err(Undone::Failed("there are too many webhooks".into())),
                    Err(error) => {
                        let is_there = self.store.webhook(id).await?.is_some();
                        return Err(if is_there { Undone::Overtaken } else { error.into() });
                    }
                }
            }
            Step::ChangeWebhook(_, id, change, _) => {
                if self.store.change_webhook(id, change, self.clock.now()).await?.is_none() {
                    return Err(Undone::Overtaken);
                }
            }
            Step::AddKey(new, hash) => match add_key(&*self.store, &self.ids, &self.clock, new, hash).await {
                Ok(record) => return Ok(about(record.id.to_string())),
                Err(error) => {
                    let is_there = self.store.key(hash).await?.is_some();
                    return Err(if is_there { Undone::Overtaken } else { error.into() });
                }
            },
        }
        Ok(Subject::default())
    }
}

fn about_app(appid: &AppId) -> Subject {
    Subject { appid: Some(appid.clone()), object: Some(appid.to_string()) }
}

fn about(object: String) -> Subject {
    Subject { appid: None, object: Some(object) }
}
