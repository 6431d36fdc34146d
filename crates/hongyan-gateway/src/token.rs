//! The keeper of access tokens.
//!
//! WeChat limits how many tokens an app may fetch in a day, and by the old call each fetch kills the token before
//! it. So: one fetch at a time per app however many ask; what was fetched is stored, so that a restart fetches
//! nothing; a refused token is replaced only if it is still the one that was refused; and a fetch that WeChat
//! refuses for good (a wrong secret, an address that is not listed) pauses the app instead of being repeated.
//!
//! Tokens are told apart by their *generation*, which counts fetches that gave a new value.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures_util::future::join_all;
use hongyan_clock::UnixMillis;
use hongyan_ledger::retry::{next_beijing_midnight, next_minute};
use hongyan_ledger::settle::{AppPause, PauseCode, is_misconfiguration};
use hongyan_store::StoreError;
use hongyan_store::types::TokenRecord;
use hongyan_wechat::{AppId, CallError, Errcode, SecretString, TokenAnswer};
use secrecy::ExposeSecret;

use crate::apps::{App, Apps, uncancelled};
use crate::templates::Template;
use crate::vault::Purpose;

/// An app that asked for no token for so long is not kept fresh: its next message fetches one.
const UNUSED_AFTER: Duration = Duration::from_secs(2 * 3600);

/// The least time between two refreshes ahead of the end: `stable_token` gives the same token again until it is
/// almost over, and asking more often would only spend calls.
const MIN_REFRESH_INTERVAL: Duration = Duration::from_secs(30);

/// After a fetch that failed, the next one waits so long; doubled each time.
const FIRST_SETBACK: Duration = Duration::from_secs(1);

/// The longest such wait.
const LONGEST_SETBACK: Duration = Duration::from_secs(60);

/// An access token.
#[derive(Debug, Clone)]
pub struct Token {
    /// The token.
    pub value: SecretString,
    /// Counts the values that this app has had.
    pub generation: u64,
    /// When it was fetched.
    pub fetched_at: UnixMillis,
    /// When WeChat will stop taking it.
    pub expires_at: UnixMillis,
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The app is paused; nothing is fetched until that ends.
    #[error("the app is paused: {detail}")]
    Paused {
        /// Why.
        detail: String,
    },
    /// WeChat refused, for a reason that is not known to be lasting.
    #[error("WeChat refused to give an access token: {errcode} {errmsg}")]
    Refused {
        /// Its errcode.
        errcode: Errcode,
        /// Its words.
        errmsg: String,
    },
    /// It cannot be had now; later perhaps.
    #[error("{0}")]
    Unavailable(String),
}

/// The token of one app, and what is known about getting one. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct TokenCell(Arc<Cell>);

#[derive(Debug, Default)]
struct Cell {
    current: ArcSwapOption<Token>,
    /// Held by the one who fetches.
    fetching: Arc<tokio::sync::Mutex<()>>,
    state: Mutex<State>,
    /// When somebody last asked, in Unix milliseconds.
    last_used: AtomicI64,
}

#[derive(Debug, Default)]
struct State {
    /// The last generation that was given out, also if its token is forgotten.
    last_generation: u64,
    /// Counts changes of the secret: what was asked with an old one does not count any more.
    epoch: u64,
    setback: Option<Setback>,
}

/// A failure that is not to be repeated at once.
#[derive(Debug, Clone)]
struct Setback {
    error: TokenError,
    failures: u32,
    since: UnixMillis,
    until: UnixMillis,
}

impl Setback {
    fn is_over(&self, now: UnixMillis) -> bool {
        // A clock that was put back must not stretch a wait; one without an end stays.
        now >= self.until || (now < self.since && self.until != UnixMillis::MAX)
    }
}

/// Which token is good enough.
#[derive(Debug, Clone, Copy)]
enum Want {
    /// Any that is valid.
    Valid,
    /// A valid one that is newer than this generation.
    After(u64),
    /// One that need not be refreshed yet.
    Fresh,
}

impl TokenCell {
    fn restored(token: Token) -> Self {
        let cell = Self::default();
        cell.0.last_used.store(token.fetched_at.0, Ordering::Relaxed);
        cell.state().last_generation = token.generation;
        cell.0.current.store(Some(Arc::new(token)));
        cell
    }

    /// The secret changed: the token and all that is known about failures belong to the old one.
    pub(crate) fn forget(&self) {
        let mut state = self.state();
        state.epoch += 1;
        state.setback = None;
        self.0.current.store(None);
    }

    /// An operator wants it tried again.
    pub(crate) fn forgive(&self) {
        self.state().setback = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Plain values; a panic elsewhere leaves them whole.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current_if(&self, want: Want, now: UnixMillis, ahead: Duration) -> Option<Arc<Token>> {
        let token = self.0.current.load_full()?;
        let good = match want {
            Want::Valid => true,
            Want::After(generation) => token.generation > generation,
            Want::Fresh => refresh_at(&token, ahead) > now,
        };
        (good && token.expires_at > now).then_some(token)
    }

    /// When the token is to be refreshed ahead of its end; `None` if nobody needs it or nothing may be fetched.
    fn next_refresh(&self, now: UnixMillis, ahead: Duration) -> Option<UnixMillis> {
        if now.since(UnixMillis(self.0.last_used.load(Ordering::Relaxed))) > UNUSED_AFTER {
            return None;
        }
        let at = refresh_at(&*self.0.current.load_full()?, ahead);
        match &self.state().setback {
            Some(setback) if !setback.is_over(now) => {
                (setback.until != UnixMillis::MAX).then(|| at.max(setback.until))
            }
            _ => Some(at),
        }
    }

    fn set_back(&self, error: TokenError, now: UnixMillis, until: Option<UnixMillis>) {
        let mut state = self.state();
        let failures = state.setback.as_ref().map_or(0, |setback| setback.failures) + 1;
        let doubled = FIRST_SETBACK.saturating_mul(1 << (failures - 1).min(16));
        let until = until.unwrap_or_else(|| now.plus(doubled.min(LONGEST_SETBACK)));
        state.setback = Some(Setback { error, failures, since: now, until });
    }
}

fn refresh_at(token: &Token, ahead: Duration) -> UnixMillis {
    let life = token.expires_at.since(token.fetched_at);
    let soonest = token.fetched_at.plus((life / 2).max(MIN_REFRESH_INTERVAL));
    token.expires_at.minus(ahead).max(soonest)
}

impl Apps {
    /// The app's access token: the one at hand while it is valid, otherwise a new one.
    ///
    /// # Errors
    /// When there is none and none can be had.
    pub async fn token(&self, app: &App) -> Result<Arc<Token>, TokenError> {
        let now = self.touch(app);
        match app.token.current_if(Want::Valid, now, Duration::ZERO) {
            Some(token) => Ok(token),
            None => self.fetch(app, Want::Valid).await,
        }
    }

    /// A token after one that WeChat refused (40001, 40014, 42001). If there is a newer one already, that;
    /// otherwise one is fetched, however many ask.
    ///
    /// # Errors
    /// When none can be had.
    pub async fn token_after(&self, app: &App, failed_generation: u64) -> Result<Arc<Token>, TokenError> {
        let now = self.touch(app);
        let want = Want::After(failed_generation);
        match app.token.current_if(want, now, Duration::ZERO) {
            Some(token) => Ok(token),
            None => self.fetch(app, want).await,
        }
    }

    /// Refreshes the tokens of all apps in use ahead of their end. Runs until it is dropped, which interrupts no
    /// fetch.
    pub async fn keep_fresh(self) {
        let ahead = self.0.options.token_refresh_ahead;
        loop {
            let now = self.0.clock.now();
            let mut next = UnixMillis::MAX;
            let mut due = Vec::new();
            for app in self.list() {
                if fetching_pause(&app, now).is_some() {
                    continue;
                }
                match app.token.next_refresh(now, ahead) {
                    Some(at) if at <= now => due.push(app),
                    Some(at) => next = next.min(at),
                    None => {}
                }
            }
            if due.is_empty() {
                tokio::select! {
                    () = self.0.clock.sleep_until(next) => {}
                    () = self.0.tokens_changed.notified() => {}
                }
                continue;
            }
            // Side by side: an app that WeChat answers slowly must not let the others' tokens end.
            join_all(due.iter().map(|app| async {
                if let Err(error) = self.fetch(app, Want::Fresh).await {
                    tracing::warn!(app = %app.record.appid, %error, "the access token was not refreshed");
                }
            }))
            .await;
        }
    }

    fn touch(&self, app: &App) -> UnixMillis {
        let now = self.0.clock.now();
        let before = UnixMillis(app.token.0.last_used.swap(now.0, Ordering::Relaxed));
        if now.since(before) > UNUSED_AFTER {
            self.0.tokens_changed.notify_one();
        }
        now
    }

    async fn fetch(&self, app: &App, want: Want) -> Result<Arc<Token>, TokenError> {
        let cell = &app.token;
        let turn = Arc::clone(&cell.0.fetching).lock_owned().await;
        // Whoever had the turn before may have done the work, or found out that it is in vain.
        let now = self.0.clock.now();
        if let Some(token) = cell.current_if(want, now, self.0.options.token_refresh_ahead) {
            return Ok(token);
        }
        let appid = app.record.appid.clone();
        let Some(app) = self.get(&appid) else { return Err(unregistered(&appid)) };
        if let Some(detail) = fetching_pause(&app, now) {
            return Err(TokenError::Paused { detail });
        }
        if let Some(setback) = cell.state().setback.as_ref().filter(|setback| !setback.is_over(now)) {
            return Err(setback.error.clone());
        }
        let apps = self.clone();
        uncancelled(async move {
            let _turn = turn;
            apps.fetch_now(&app, want).await
        })
        .await
    }

    /// Who calls it holds the turn.
    async fn fetch_now(&self, app: &App, want: Want) -> Result<Arc<Token>, TokenError> {
        let (cell, appid) = (&app.token, &app.record.appid);
        let epoch = cell.state().epoch;
        // Before the request: the token's life is counted from some moment after it.
        let now = self.0.clock.now();
        let secret = self.secret(app).map_err(|error| {
            tracing::error!(app = %appid, %error, "the app's secret does not open");
            let error = TokenError::Unavailable(format!("the app's secret does not open: {error}"));
            cell.set_back(error.clone(), now, None);
            error
        })?;
        let asked = self.ask_for_token(app, &secret, want).await;
        if cell.state().epoch != epoch {
            let why = "the app was changed while a token was fetched with its old secret";
            return Err(TokenError::Unavailable(why.into()));
        }
        match asked {
            Ok((answer, is_new)) => Ok(self.keep(app, answer, is_new, now).await),
            Err(error) => Err(self.failed(app, error).await),
        }
    }

    /// Asks WeChat. Also says whether the token counts as a new one.
    async fn ask_for_token(
        &self,
        app: &App,
        secret: &SecretString,
        want: Want,
    ) -> Result<(TokenAnswer, bool), CallError> {
        let (appid, wechat) = (&app.record.appid, &self.0.wechat);
        if !app.record.stable_token {
            return Ok((wechat.token(appid, secret).await?, true));
        }
        let current = app.token.0.current.load_full();
        let answer = wechat.stable_token(appid, secret, false).await?;
        let same = |token: &Arc<Token>| token.value.expose_secret() == answer.access_token.expose_secret();
        match &current {
            // The very token that was refused: only force makes another one.
            Some(token) if same(token) && matches!(want, Want::After(_)) => {
                Ok((wechat.stable_token(appid, secret, true).await?, true))
            }
            Some(token) => {
                let is_new = !same(token);
                Ok((answer, is_new))
            }
            None => Ok((answer, true)),
        }
    }

    async fn keep(&self, app: &App, answer: TokenAnswer, is_new: bool, now: UnixMillis) -> Arc<Token> {
        let (cell, appid) = (&app.token, &app.record.appid);
        let generation = cell.state().last_generation + u64::from(is_new);
        let expires_at = now.plus(Duration::from_secs(answer.expires_in));
        let mut token = Token { value: answer.access_token, generation, fetched_at: now, expires_at };
        let record = TokenRecord {
            appid: appid.clone(),
            value: self.0.vault.seal(Purpose::AccessToken, appid, &token.value),
            generation,
            fetched_at: now,
            expires_at,
        };
        match self.0.store.put_token(record).await {
            Ok(true) => {}
            // Another process fetched later than we; what it has is what WeChat takes.
            Ok(false) => match self.open_stored_token(appid).await {
                Ok(Some(later)) if later.expires_at > now => token = later,
                Ok(_) => {}
                Err(error) => tracing::error!(app = %appid, %error, "the stored access token cannot be read"),
            },
            // The token is good all the same; a restart would have to fetch another.
            Err(error) => tracing::error!(app = %appid, %error, "the access token cannot be stored"),
        }
        tracing::info!(
            app = %appid,
            generation = token.generation,
            expires_at = %token.expires_at,
            "access token refreshed"
        );
        let token = Arc::new(token);
        {
            let mut state = cell.state();
            state.last_generation = token.generation.max(state.last_generation);
            state.setback = None;
            cell.0.current.store(Some(Arc::clone(&token)));
        }
        self.0.tokens_changed.notify_one();
        token
    }

    /// Decides what a failed fetch means, and remembers it.
    async fn failed(&self, app: &App, error: CallError) -> TokenError {
        let cell = &app.token;
        let now = self.0.clock.now();
        let (errcode, errmsg) = match error {
            CallError::Failed(failure) => {
                let error = TokenError::Unavailable(format!("no access token: {failure}"));
                cell.set_back(error.clone(), now, None);
                return error;
            }
            CallError::Refused { errcode, errmsg, .. } => (errcode, errmsg),
        };
        let pause = match errcode {
            Errcode::SYSTEM_BUSY => {
                let error = TokenError::Unavailable("no access token: WeChat is busy (-1)".into());
                cell.set_back(error.clone(), now, None);
                return error;
            }
            Errcode::DAY_QUOTA => {
                AppPause { code: PauseCode::DayQuota, until: Some(next_beijing_midnight(now)) }
            }
            Errcode::MINUTE_QUOTA => AppPause { code: PauseCode::MinuteQuota, until: Some(next_minute(now)) },
            errcode if refuses_every_fetch(errcode) => AppPause { code: PauseCode::Misconfigured, until: None },
            _ => {
                let error = TokenError::Refused { errcode, errmsg };
                cell.set_back(error.clone(), now, None);
                return error;
            }
        };
        let detail = in_words(errcode, &errmsg);
        let error = TokenError::Paused { detail: detail.clone() };
        // Beside the stored pause, for that may fail to be stored: a wrong secret must not be tried twice.
        cell.set_back(error.clone(), now, Some(pause.until.unwrap_or(UnixMillis::MAX)));
        if let Err(error) = self.pause(&app.record.appid, pause, Some(errcode), detail).await {
            tracing::error!(app = %app.record.appid, %error, "the app's pause cannot be stored");
        }
        error
    }

    /// The token that the store has, as a cell of its own.
    pub(crate) async fn stored_token(&self, appid: &AppId) -> Result<TokenCell, StoreError> {
        Ok(self.open_stored_token(appid).await?.map_or_else(TokenCell::default, TokenCell::restored))
    }

    async fn open_stored_token(&self, appid: &AppId) -> Result<Option<Token>, StoreError> {
        let Some(record) = self.0.store.token(appid.clone()).await? else { return Ok(None) };
        let TokenRecord { value, generation, fetched_at, expires_at, .. } = record;
        match self.0.vault.open_sealed(Purpose::AccessToken, appid, &value) {
            Ok(value) => Ok(Some(Token { value, generation, fetched_at, expires_at })),
            Err(error) => {
                tracing::warn!(app = %appid, %error, "the stored access token does not open; another is fetched");
                Ok(None)
            }
        }
    }

    /// The templates that the store has.
    pub(crate) async fn stored_templates(
        &self,
        appid: &AppId,
    ) -> Result<HashMap<hongyan_wechat::TemplateId, Arc<Template>>, StoreError> {
        let records = self.0.store.templates(appid.clone()).await?;
        Ok(records
            .into_iter()
            .map(|record| (record.template_id.clone(), Arc::new(Template::from(record))))
            .collect())
    }
}

/// Why nothing is fetched for this app, if its pause is of that kind. A used-up quota of sends, or an operator
/// who stops the messages, leaves other calls their token.
fn fetching_pause(app: &App, now: UnixMillis) -> Option<String> {
    let paused = app.record.paused.as_ref()?;
    let blocks = matches!(paused.code, PauseCode::Misconfigured | PauseCode::TokenRejected);
    (blocks && paused.until.is_none_or(|until| now < until)).then(|| paused.detail.clone())
}

/// Whether WeChat will refuse every fetch with this errcode until somebody changes a setting. 40001 here says
/// that the secret is wrong: there is no token in the request. 89501 waits for an administrator's consent.
fn refuses_every_fetch(errcode: Errcode) -> bool {
    is_misconfiguration(errcode)
        || matches!(
            errcode,
            Errcode::INVALID_CREDENTIAL | Errcode::APPID_MISSING | Errcode::SECRET_MISSING | Errcode(89501)
        )
}

/// An errcode for people: what it means, what to do, and WeChat's own words.
pub(crate) fn in_words(errcode: Errcode, errmsg: &str) -> String {
    match errcode.info() {
        Some(info) => format!("{} {} (WeChat: {errcode} {errmsg})", info.meaning_en, info.advice_en),
        None => format!("WeChat refused with {errcode} {errmsg}"),
    }
}

fn unregistered(appid: &AppId) -> TokenError {
    TokenError::Paused { detail: format!("the app {appid} is not registered any more") }
}
