//! How much of WeChat's daily quotas is used, for people. WeChat is asked in the background while somebody looks, at most
//! every few minutes for each app, with the access token that is at hand. Nobody waits for the answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_ledger::Channel;
use hongyan_wechat::{AppId, CallError, Errcode, Quota, SecretString};

use crate::apps::{App, Apps};
use crate::problem::errcode::in_words;

/// So long an answer of WeChat is shown before WeChat is asked again.
const FRESH: Duration = Duration::from_secs(300);

/// So long WeChat is not asked again after it gave no answer.
const SETBACK: Duration = Duration::from_secs(60);

/// What is known of an app's quotas. Clones are cheap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct QuotasOfApp {
    /// The calls that the gateway makes for the app, with their quotas.
    pub(crate) quotas: Arc<[(&'static str, Quota)]>,
    /// When WeChat was asked; `None`: not yet.
    pub(crate) asked_at: Option<UnixMillis>,
    /// Why the quotas are not known, or not as of now.
    pub(crate) failure: Option<String>,
}

#[derive(Default)]
struct Known {
    of_app: QuotasOfApp,
    /// When WeChat may be asked again.
    next: Option<UnixMillis>,
    is_asking: bool,
}

/// What is known of all apps' quotas. Clones share it.
#[derive(Clone)]
pub(crate) struct Quotas(Arc<Inner>);

struct Inner {
    apps: Apps,
    known: Mutex<HashMap<AppId, Known>>,
    /// Held by who asks: one call at a time, so that sends have the other connections.
    asking: tokio::sync::Mutex<()>,
}

impl Quotas {
    /// Nothing is known yet.
    pub(crate) fn new(apps: Apps) -> Self {
        Self(Arc::new(Inner { apps, known: Mutex::default(), asking: tokio::sync::Mutex::default() }))
    }

    /// What is known of an app's quotas. If that is old, WeChat is asked meanwhile.
    pub(crate) fn of(&self, app: &App) -> QuotasOfApp {
        let appid = &app.record.appid;
        let now = self.0.apps.0.clock.now();
        let Some(token) = self.0.apps.token_at_hand(app) else {
            let failure = Some("there is no access token at the moment".to_owned());
            let known = self.known().get(appid).map(|known| known.of_app.clone()).unwrap_or_default();
            return QuotasOfApp { failure, ..known };
        };
        let mut all = self.known();
        let known = all.entry(appid.clone()).or_default();
        // A clock that was set back must not prolong a wait.
        let is_fresh = known.next.is_some_and(|next| now < next && next.since(now) <= FRESH);
        if !is_fresh && !known.is_asking {
            known.is_asking = true;
            let (quotas, appid, paths) = (self.clone(), appid.clone(), paths(app));
            tokio::spawn(async move { quotas.ask(appid, token, paths).await });
        }
        known.of_app.clone()
    }

    async fn ask(&self, appid: AppId, token: SecretString, paths: Vec<&'static str>) {
        let _turn = self.0.asking.lock().await;
        let mut found = Vec::new();
        let mut failure = None;
        for path in paths {
            match self.0.apps.wechat().quota(&token, path).await {
                Ok(quota) => found.push((path, quota)),
                // WeChat has no quota for this call, or does not tell it.
                Err(CallError::Refused {
                    errcode: Errcode::CGI_PATH_NOT_FOUND | Errcode::CGI_PATH_FORBIDDEN,
                    ..
                }) => {}
                Err(CallError::Refused { errcode, errmsg, .. }) => {
                    failure = Some(in_words(errcode, &errmsg));
                    break;
                }
                Err(CallError::Failed(why)) => {
                    failure = Some(why.to_string());
                    break;
                }
            }
        }
        let now = self.0.apps.0.clock.now();
        let mut all = self.known();
        let known = all.entry(appid).or_default();
        known.is_asking = false;
        known.next = Some(now.plus(if failure.is_some() { SETBACK } else { FRESH }));
        if failure.is_none() {
            known.of_app.quotas = found.into();
            known.of_app.asked_at = Some(now);
        }
        known.of_app.failure = failure;
        // An app that was removed is forgotten.
        all.retain(|appid, _| self.0.apps.get(appid).is_some());
    }

    fn known(&self) -> MutexGuard<'_, HashMap<AppId, Known>> {
        // Whole after any panic; held for one look.
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The calls that the gateway makes for an app, and that WeChat tells the quota of: sends, tokens, the list of templates.
fn paths(app: &App) -> Vec<&'static str> {
    let has = |channel| app.templates.values().any(|template| template.record.channel == channel);
    let mut paths = Vec::new();
    if has(Channel::Subscribe) || !has(Channel::Legacy) {
        paths.push("/cgi-bin/message/subscribe/send");
    }
    if has(Channel::Legacy) {
        paths.push("/cgi-bin/message/wxopen/template/send");
    }
    let stable = app.record.settings.stable_token;
    paths.push(if stable { "/cgi-bin/stable_token" } else { "/cgi-bin/token" });
    paths.push("/wxaapi/newtmpl/gettemplate");
    paths
}
