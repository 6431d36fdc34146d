//! The access token of one app: the token, the lock for fetching, and what is known about failures.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_ledger::retry::doubled;
use hongyan_store::types::TokenRecord;
use hongyan_sync::versions::Versions;
use hongyan_wechat::{ExposeSecret, SecretString};
use tokio::sync::OwnedMutexGuard;

use super::outcome::{Token, TokenError};
use super::standing::{FetchFailure, TokenStanding, TokenTimes};

/// A token that was not used for this long is not refreshed ahead: the next message fetches a token.
pub(super) const UNUSED_AFTER: Duration = Duration::from_secs(2 * 3600);

/// The least time between two refreshes ahead of the end. `stable_token` returns the same token until it has almost expired,
/// so more calls would only use up the quota.
const MIN_REFRESH_INTERVAL: Duration = Duration::from_secs(30);

/// The wait after the first failed fetch. Each further failure doubles the wait.
const FIRST_SETBACK: Duration = Duration::from_secs(1);

/// The longest wait after a failed fetch.
const LONGEST_SETBACK: Duration = Duration::from_secs(60);

/// The token of one app, and what is known about fetching it. Clones share the cell.
#[derive(Debug, Clone, Default)]
pub struct TokenCell(Arc<Cell>);

#[derive(Debug, Default)]
struct Cell {
    /// The token, by generations. An epoch is the time of one secret.
    token: Versions<Token, Option<Setback>>,
    /// The previous token, which WeChat accepts for some more minutes.
    previous: Mutex<Option<Arc<Token>>>,
    /// Held by the task that fetches.
    fetching: Arc<tokio::sync::Mutex<()>>,
    /// The last use of the token, in Unix milliseconds.
    last_used: AtomicI64,
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
        // A clock that was set back must not prolong a wait. A wait without an end stays.
        now >= self.until || (now < self.since && self.until != UnixMillis::MAX)
    }
}

/// Which token the caller accepts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Want {
    /// Any valid token.
    Valid,
    /// A valid token that is newer than this generation.
    After(u64),
    /// A token that need not be refreshed yet.
    Fresh,
}

impl TokenCell {
    /// A cell with a token from the store.
    pub(super) fn restored(token: Token) -> Self {
        let cell = Self::default();
        cell.0.last_used.store(token.fetched_at.0, Ordering::Relaxed);
        let (generation, epoch) = (token.generation, cell.epoch());
        cell.0.token.install(&Arc::new(token), generation, epoch);
        cell
    }

    /// The secret changed: drops the token and the failures, which belong to the old secret.
    pub(crate) fn forget(&self) {
        self.remember(None);
        self.0.token.forget();
    }

    /// An operator asks for another try: drops the failures.
    pub(crate) fn forgive(&self) {
        self.0.token.notes(|setback| *setback = None);
    }

    /// The epoch of the current secret; each secret has its own.
    pub(super) fn epoch(&self) -> u64 {
        self.0.token.epoch()
    }

    /// The last generation that was given out.
    pub(super) fn last_generation(&self) -> u64 {
        self.0.token.last_generation()
    }

    /// Waits for the lock. Its holder fetches.
    pub(super) async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.0.fetching).lock_owned().await
    }

    /// Records a use of the token. Returns whether the token had not been used for a long time.
    pub(super) fn touch(&self, now: UnixMillis) -> bool {
        let before = UnixMillis(self.0.last_used.swap(now.0, Ordering::Relaxed));
        now.since(before) > UNUSED_AFTER
    }

    /// The tokens that WeChat accepts, or accepted a moment ago: they must not reach any client.
    pub(crate) fn recent(&self) -> Vec<SecretString> {
        let previous = self.0.previous.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.current().into_iter().chain(previous).map(|token| token.value.clone()).collect()
    }

    /// The current token is about to be replaced, by this token if it is known.
    fn remember(&self, by: Option<&SecretString>) {
        let is_same = |token: &Token| by.is_some_and(|by| by.expose_secret() == token.value.expose_secret());
        if let Some(token) = self.current().filter(|token| !is_same(token)) {
            *self.0.previous.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
        }
    }

    /// The current token, valid or not.
    pub(super) fn current(&self) -> Option<Arc<Token>> {
        self.0.token.current()
    }

    /// The current token, if it satisfies `want`.
    pub(super) fn current_if(&self, want: Want, now: UnixMillis, ahead: Duration) -> Option<Arc<Token>> {
        let token = self.current()?;
        let good = match want {
            Want::Valid => true,
            Want::After(generation) => token.generation > generation,
            Want::Fresh => refresh_at(token.fetched_at, token.expires_at, ahead) > now,
        };
        (good && token.expires_at > now).then_some(token)
    }

    /// Installs a token that was fetched in this epoch; `false` if the epoch is over. An older generation never replaces a
    /// newer generation.
    pub(super) fn install(&self, token: &Arc<Token>, epoch: u64) -> bool {
        self.remember(Some(&token.value));
        self.0.token.install(token, token.generation, epoch)
    }

    /// When to refresh the token ahead of its end; `None` if the token is not in use or must not be fetched.
    pub(super) fn next_refresh(&self, now: UnixMillis, ahead: Duration) -> Option<UnixMillis> {
        if now.since(UnixMillis(self.0.last_used.load(Ordering::Relaxed))) > UNUSED_AFTER {
            return None;
        }
        let token = self.current()?;
        let at = refresh_at(token.fetched_at, token.expires_at, ahead);
        self.0.token.notes(|setback| match setback {
            Some(setback) if !setback.is_over(now) => {
                (setback.until != UnixMillis::MAX).then(|| at.max(setback.until))
            }
            _ => Some(at),
        })
    }

    /// How long WeChat will still accept the current token; `None`: there is no token.
    pub(crate) fn expires_in(&self, now: UnixMillis) -> Option<Duration> {
        self.current().map(|token| token.expires_at.since(now))
    }

    /// How the newest token stands, which may be the stored token, and why no other token is fetched now.
    pub(super) fn standing(
        &self,
        stored: Option<&TokenRecord>,
        now: UnixMillis,
        ahead: Duration,
    ) -> TokenStanding {
        let own = self.current();
        let newer = stored.filter(|stored| own.as_ref().is_none_or(|own| own.generation < stored.generation));
        let times = match (newer, own) {
            // Another node has fetched it, and refreshes it.
            (Some(TokenRecord { fetched_at, expires_at, .. }), _) => Some(TokenTimes {
                fetched_at: *fetched_at,
                expires_at: *expires_at,
                refresh_at: Some(refresh_at(*fetched_at, *expires_at, ahead)),
            }),
            (None, Some(own)) => Some(TokenTimes {
                fetched_at: own.fetched_at,
                expires_at: own.expires_at,
                refresh_at: self.next_refresh(now, ahead),
            }),
            (None, None) => None,
        };
        let failure = self.0.token.notes(|setback| {
            let setback = setback.as_ref().filter(|setback| !setback.is_over(now))?;
            Some(FetchFailure {
                detail: setback.error.to_string(),
                since: setback.since,
                until: (setback.until != UnixMillis::MAX).then_some(setback.until),
            })
        });
        TokenStanding { times, failure }
    }

    /// The failure that is not to be repeated yet.
    pub(super) fn setback(&self, now: UnixMillis) -> Option<TokenError> {
        self.0.token.notes(|setback| {
            setback.as_ref().filter(|setback| !setback.is_over(now)).map(|setback| setback.error.clone())
        })
    }

    /// A fetch of this epoch failed: no further fetch until then, or until a growing wait is over. `false` if the epoch is
    /// over; then the failure says nothing about the current secret.
    pub(super) fn set_back(
        &self,
        error: TokenError,
        epoch: u64,
        now: UnixMillis,
        until: Option<UnixMillis>,
    ) -> bool {
        self.0.token.note_in(epoch, |setback| {
            let failures = setback.as_ref().map_or(0, |setback| setback.failures) + 1;
            let until =
                until.unwrap_or_else(|| now.plus(doubled(FIRST_SETBACK, failures - 1, LONGEST_SETBACK)));
            *setback = Some(Setback { error, failures, since: now, until });
        })
    }
}

fn refresh_at(fetched_at: UnixMillis, expires_at: UnixMillis, ahead: Duration) -> UnixMillis {
    let life = expires_at.since(fetched_at);
    let soonest = fetched_at.plus((life / 2).max(MIN_REFRESH_INTERVAL));
    expires_at.minus(ahead).max(soonest)
}
