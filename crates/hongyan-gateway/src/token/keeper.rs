//! Provides access tokens: returns the current token, fetches the next token, and refreshes the tokens in use.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hongyan_clock::UnixMillis;
use hongyan_failpoints::{TOKEN_AFTER_STORE, TOKEN_BEFORE_STORE, reach};
use hongyan_ledger::retry::{next_beijing_midnight, next_minute};
use hongyan_ledger::settle::{AppPause, PauseCode, is_misconfiguration};
use hongyan_store::StoreError;
use hongyan_store::types::{TokenLease, TokenRecord};
use hongyan_wechat::{AppId, CallError, Errcode, SecretString, TokenAnswer};
use secrecy::ExposeSecret;

use super::cell::{TokenCell, Want};
use super::outcome::{Token, TokenError};
use super::standing::TokenStanding;
use crate::apps::{App, Apps};
use crate::problem::errcode::in_words;
use crate::state::owned::Owned;
use crate::task::uncancelled;
use crate::vault::Purpose;

impl Apps {
    /// The app's access token: the current token while it is valid, otherwise a new token.
    ///
    /// # Errors
    /// When no token is cached and fetching a token fails.
    pub async fn token(&self, app: &App) -> Result<Arc<Token>, TokenError> {
        let now = self.touch(app);
        match app.token.current_if(Want::Valid, now, Duration::ZERO) {
            Some(token) => Ok(token),
            None => self.fetch(&app.record.appid, Want::Valid).await,
        }
    }

    /// A token newer than a token that WeChat refused (40001, 40014, 42001). Returns a newer token if there is one already;
    /// otherwise fetches once, however many callers ask.
    ///
    /// # Errors
    /// When fetching a token fails.
    pub async fn token_after(&self, app: &App, failed_generation: u64) -> Result<Arc<Token>, TokenError> {
        let now = self.touch(app);
        let want = Want::After(failed_generation);
        match app.token.current_if(want, now, Duration::ZERO) {
            Some(token) => Ok(token),
            None => self.fetch(&app.record.appid, want).await,
        }
    }

    /// A token for a call that may take long and cannot be repeated: a token that need not be refreshed yet.
    ///
    /// # Errors
    /// When no token is cached and fetching a token fails.
    pub async fn token_that_lasts(&self, app: &App) -> Result<Arc<Token>, TokenError> {
        let now = self.touch(app);
        if let Some(token) = app.token.current_if(Want::Fresh, now, self.0.options.token_refresh_ahead) {
            return Ok(token);
        }
        match self.fetch(&app.record.appid, Want::Fresh).await {
            Ok(token) => Ok(token),
            // The current token is better than no token.
            Err(_) => self.token(app).await,
        }
    }

    /// Refreshes the tokens of all apps in use ahead of their end. Runs until it is dropped, which does not interrupt a
    /// fetch.
    pub async fn keep_fresh(self, owned: Owned) {
        let mut lanes = owned.watch();
        let ahead = self.0.options.token_refresh_ahead;
        loop {
            lanes.mark_unchanged();
            let now = self.0.clock.now();
            let mut next = UnixMillis::MAX;
            let mut due = Vec::new();
            for app in self.list() {
                // One node refreshes for all. The other nodes read the new token from the store when their token expires.
                if !owned.has_app(&app.record.appid) || fetching_pause(&app, now).is_some() {
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
                    // The sender lives in `owned`.
                    _ = lanes.changed() => {}
                }
                continue;
            }
            // At the same time: an app that WeChat answers slowly must not let the tokens of other apps expire.
            join_all(due.iter().map(|app| async {
                if let Err(error) = self.fetch(&app.record.appid, Want::Fresh).await {
                    tracing::warn!(app = %app.record.appid, %error, "the access token was not refreshed");
                }
            }))
            .await;
        }
    }

    /// The app's access token, if there is one that is valid. Nothing is fetched, and the token does not count as used.
    pub(crate) fn token_at_hand(&self, app: &App) -> Option<SecretString> {
        let token = app.token.current_if(Want::Valid, self.0.clock.now(), Duration::ZERO)?;
        Some(token.value.clone())
    }

    /// How an app's access token stands. `stored`: the token in the store, which another node may have fetched.
    pub(crate) fn token_standing(&self, app: &App, stored: Option<&TokenRecord>) -> TokenStanding {
        let now = self.0.clock.now();
        let mut standing = app.token.standing(stored, now, self.0.options.token_refresh_ahead);
        if let Some(times) = standing.times.as_mut().filter(|_| fetching_pause(app, now).is_some()) {
            times.refresh_at = None;
        }
        standing
    }

    fn touch(&self, app: &App) -> UnixMillis {
        let now = self.0.clock.now();
        if app.token.touch(now) {
            self.0.tokens_changed.notify_one();
        }
        now
    }

    async fn fetch(&self, appid: &AppId, want: Want) -> Result<Arc<Token>, TokenError> {
        // Read the newest snapshot: an old snapshot may be of an app that was removed and registered again.
        let cell = self.get(appid).ok_or_else(|| unregistered(appid))?.token.clone();
        let turn = cell.turn().await;
        // The previous holder of the lock may have fetched the token, or may have recorded a failure.
        let now = self.0.clock.now();
        if let Some(token) = cell.current_if(want, now, self.0.options.token_refresh_ahead) {
            return Ok(token);
        }
        // Read the epoch before the app: if the secret changes in between, this fetch becomes void, not the next fetch.
        let epoch = cell.epoch();
        let app = self.get(appid).ok_or_else(|| unregistered(appid))?;
        if let Some(detail) = fetching_pause(&app, now) {
            return Err(TokenError::Paused { detail });
        }
        if let Some(error) = cell.setback(now) {
            return Err(error);
        }
        let fetch = Fetch { apps: self.clone(), app, cell, epoch, want };
        uncancelled(async move {
            let _turn = turn;
            fetch.run().await
        })
        .await
    }

    /// The token in the store, as a new cell.
    pub(crate) fn restored_token(&self, record: Option<TokenRecord>) -> TokenCell {
        record.and_then(|record| self.open_token(record)).map_or_else(TokenCell::default, TokenCell::restored)
    }

    async fn open_stored_token(&self, appid: &AppId) -> Result<Option<Token>, StoreError> {
        Ok(self.0.store.token(appid.clone()).await?.and_then(|record| self.open_token(record)))
    }

    fn open_token(&self, record: TokenRecord) -> Option<Token> {
        let TokenRecord { appid, value, generation, fetched_at, expires_at } = record;
        match self.0.vault.open_sealed(Purpose::AccessToken, &appid, &value) {
            Ok(value) => Some(Token { value, generation, fetched_at, expires_at }),
            Err(error) => {
                tracing::warn!(app = %appid, %error, "the stored access token cannot be decrypted; a new token is fetched");
                None
            }
        }
    }
}

/// How long a node may take for a fetch before another node may fetch: longer than WeChat takes to answer.
const TURN: Duration = Duration::from_secs(30);

/// How often to check whether it is this node's turn.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// One fetch, by the holder of the lock.
struct Fetch {
    apps: Apps,
    app: Arc<App>,
    cell: TokenCell,
    /// The epoch of the secret that the fetch uses.
    epoch: u64,
    want: Want,
}

impl Fetch {
    async fn run(self) -> Result<Arc<Token>, TokenError> {
        if let Some(token) = self.take_turn().await {
            return Ok(token);
        }
        let fetched = self.fetch().await;
        let (parts, appid) = (&self.apps.0, self.app.record.appid.clone());
        if let Err(error) = parts.store.end_token_lease(appid, Arc::clone(&parts.options.node)).await {
            // The lease expires by itself.
            tracing::debug!(%error, "the lease to fetch a token cannot be released; the lease will expire");
        }
        fetched
    }

    /// Waits for this node's turn among all nodes, because two nodes that ask WeChat at once make each other's token void.
    /// Returns a token that another node has fetched meanwhile, if it is good enough.
    async fn take_turn(&self) -> Option<Arc<Token>> {
        let parts = &self.apps.0;
        loop {
            let machine_now = parts.options.machine.now();
            let lease = TokenLease {
                appid: self.app.record.appid.clone(),
                node: Arc::clone(&parts.options.node),
                machine_now,
                until: machine_now.plus(TURN),
            };
            let is_ours = parts.store.lease_token(lease).await.unwrap_or_else(|error| {
                // A needless fetch is better than no token.
                tracing::warn!(%error, "the store cannot say whether another node is fetching a token; fetching it here");
                true
            });
            if let Some(token) = self.fetched_by_another().await {
                return Some(token);
            }
            if is_ours {
                return None;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// The token in the store, if it is newer than the current token and good enough.
    async fn fetched_by_another(&self) -> Option<Arc<Token>> {
        let (parts, appid) = (&self.apps.0, &self.app.record.appid);
        let stored = self.apps.open_stored_token(appid).await.inspect_err(|error| {
            tracing::error!(app = %appid, %error, "the stored access token cannot be read");
        });
        let stored = stored.ok().flatten().filter(|token| token.generation > self.cell.last_generation())?;
        self.cell.install(&Arc::new(stored), self.epoch);
        parts.tokens_changed.notify_one();
        self.cell.current_if(self.want, parts.clock.now(), parts.options.token_refresh_ahead)
    }

    async fn fetch(&self) -> Result<Arc<Token>, TokenError> {
        // Read the clock before the request: the life of the token begins at some moment after this.
        let now = self.apps.0.clock.now();
        let secret = match self.apps.secret(&self.app) {
            Ok(secret) => secret,
            Err(error) => {
                tracing::error!(app = %self.app.record.appid, %error, "the app's secret cannot be decrypted");
                let error = TokenError::Unavailable(format!("the app's secret cannot be decrypted: {error}"));
                return Err(self.set_back(error, now));
            }
        };
        let asked = self.ask(&secret).await;
        if self.cell.epoch() != self.epoch {
            return Err(outdated());
        }
        match asked {
            Ok((answer, is_new)) => self.keep(answer, is_new, now).await,
            Err(error) => Err(self.failed(error).await),
        }
    }

    /// Asks WeChat. Also returns whether the token is a new token.
    async fn ask(&self, secret: &SecretString) -> Result<(TokenAnswer, bool), CallError> {
        let (appid, wechat) = (&self.app.record.appid, self.apps.wechat());
        if !self.app.record.settings.stable_token {
            return Ok((wechat.token(appid, secret).await?, true));
        }
        let answer = wechat.stable_token(appid, secret, false).await?;
        let is_same = self
            .cell
            .current()
            .is_some_and(|token| token.value.expose_secret() == answer.access_token.expose_secret());
        // WeChat returned the refused token again: only `force_refresh` makes a new token.
        if is_same && matches!(self.want, Want::After(_)) {
            return Ok((wechat.stable_token(appid, secret, true).await?, true));
        }
        Ok((answer, !is_same))
    }

    async fn keep(
        &self,
        answer: TokenAnswer,
        is_new: bool,
        now: UnixMillis,
    ) -> Result<Arc<Token>, TokenError> {
        let (parts, appid) = (&self.apps.0, &self.app.record.appid);
        let generation = self.cell.last_generation() + u64::from(is_new);
        let expires_at = now.plus(Duration::from_secs(answer.expires_in));
        let mut token = Token { value: answer.access_token, generation, fetched_at: now, expires_at };
        let record = TokenRecord {
            appid: appid.clone(),
            value: parts.vault.seal(Purpose::AccessToken, appid, &token.value),
            generation,
            fetched_at: now,
            expires_at,
        };
        reach(TOKEN_BEFORE_STORE);
        let stored = parts.store.put_token(record).await;
        reach(TOKEN_AFTER_STORE);
        match stored {
            Ok(true) => {}
            // Another process fetched later than this process. WeChat accepts the token of the later fetch.
            Ok(false) => match self.apps.open_stored_token(appid).await {
                Ok(Some(later)) if later.expires_at > now => token = later,
                Ok(_) => {}
                Err(error) => tracing::error!(app = %appid, %error, "the stored access token cannot be read"),
            },
            // The token is usable all the same; only a restart would have to fetch another token.
            Err(error) => tracing::error!(app = %appid, %error, "the access token cannot be stored"),
        }
        let token = Arc::new(token);
        if !self.cell.install(&token, self.epoch) {
            return Err(outdated());
        }
        tracing::info!(
            app = %appid,
            generation = token.generation,
            expires_at = %token.expires_at,
            "access token refreshed"
        );
        parts.tokens_changed.notify_one();
        Ok(token)
    }

    /// Decides what a failed fetch means, and remembers the failure.
    async fn failed(&self, error: CallError) -> TokenError {
        let now = self.apps.0.clock.now();
        let (errcode, errmsg) = match error {
            CallError::Refused { errcode, errmsg, .. } => (errcode, errmsg),
            CallError::Failed(failure) => {
                return self.set_back(TokenError::Unavailable(format!("no access token: {failure}")), now);
            }
        };
        let pause = match errcode {
            Errcode::SYSTEM_BUSY => {
                let error = TokenError::Unavailable("no access token: WeChat is busy (-1)".into());
                return self.set_back(error, now);
            }
            Errcode::DAY_QUOTA => {
                AppPause { code: PauseCode::DayQuota, until: Some(next_beijing_midnight(now)) }
            }
            Errcode::MINUTE_QUOTA => AppPause { code: PauseCode::MinuteQuota, until: Some(next_minute(now)) },
            errcode if refuses_every_fetch(errcode) => {
                AppPause { code: PauseCode::Misconfigured, until: None }
            }
            _ => return self.set_back(TokenError::Refused { errcode, errmsg }, now),
        };
        let detail = in_words(errcode, &errmsg);
        let error = TokenError::Paused { detail: detail.clone() };
        // Remembered in memory too, because storing the pause may fail: a wrong secret must not be tried twice.
        let until = pause.until.unwrap_or(UnixMillis::MAX);
        if !self.cell.set_back(error.clone(), self.epoch, now, Some(until)) {
            return outdated();
        }
        let epoch = self.epoch;
        // If the secret was changed meanwhile, the new secret must not be paused.
        let still = move |app: &App| app.token.epoch() == epoch;
        let appid = &self.app.record.appid;
        if let Err(error) = self.apps.pause_while(appid, pause, Some(errcode), detail, still).await {
            tracing::error!(app = %appid, %error, "the app's pause cannot be stored");
        }
        error
    }

    fn set_back(&self, error: TokenError, now: UnixMillis) -> TokenError {
        if self.cell.set_back(error.clone(), self.epoch, now, None) { error } else { outdated() }
    }
}

/// Why tokens of this app must not be fetched, if its pause is of that kind. Other calls still get tokens when the quota of
/// sends is used up or an operator has paused the messages.
fn fetching_pause(app: &App, now: UnixMillis) -> Option<String> {
    let paused = app.record.paused.as_ref()?;
    let blocks = matches!(paused.code, PauseCode::Misconfigured | PauseCode::TokenRejected);
    (blocks && paused.until.is_none_or(|until| now < until)).then(|| paused.detail.clone())
}

/// Whether WeChat will refuse every fetch with this errcode until a setting changes. 40001 means here that the secret is
/// wrong, because the request contains no token. 89501 waits for the consent of an administrator.
pub(crate) fn refuses_every_fetch(errcode: Errcode) -> bool {
    is_misconfiguration(errcode)
        || matches!(
            errcode,
            Errcode::INVALID_CREDENTIAL | Errcode::APPID_MISSING | Errcode::SECRET_MISSING | Errcode(89501)
        )
}

/// The secret was changed during a fetch.
fn outdated() -> TokenError {
    TokenError::Unavailable("the app's secret was changed while a token was being fetched".into())
}

fn unregistered(appid: &AppId) -> TokenError {
    TokenError::Paused { detail: format!("the app {appid} is no longer registered") }
}
