//! Whose turn it is to ask WeChat for an app's templates, and how the last one fared.

use std::sync::{Mutex, PoisonError};

use hongyan_clock::UnixMillis;
use hongyan_wechat::{AppId, Errcode};
use tokio::sync::MutexGuard;

use super::LibraryReport;
use crate::problem::Problem;

/// Shared by all snapshots of an app.
#[derive(Debug, Default)]
pub(crate) struct SyncGate {
    /// Lets one at a time ask WeChat because of an unknown template, and not again for a while.
    asked: tokio::sync::Mutex<Option<Asked>>,
    /// Held from asking WeChat until the store has what it said.
    turn: tokio::sync::Mutex<()>,
    /// Why the last synchronisation failed, if it did.
    trouble: Mutex<Option<SyncTrouble>>,
}

/// Somebody asked because of an unknown template.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) at: UnixMillis,
    /// What went wrong then.
    pub(super) trouble: Option<Problem>,
}

/// Why an app's templates cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncTrouble {
    /// Since when.
    pub since: UnixMillis,
    /// WeChat's errcode, if it refused.
    pub errcode: Option<Errcode>,
    /// In words.
    pub detail: String,
}

impl SyncGate {
    /// Waits for the turn to ask because of an unknown template.
    pub(super) async fn asked(&self) -> MutexGuard<'_, Option<Asked>> {
        self.asked.lock().await
    }

    /// Lets the next one ask at once. One who asks right now goes on; waiting for that could take as long as
    /// WeChat does.
    pub(crate) fn open(&self) {
        if let Ok(mut asked) = self.asked.try_lock() {
            *asked = None;
        }
    }

    /// Waits for the turn to ask and to store.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Why the last synchronisation failed, if it did.
    pub(crate) fn trouble(&self) -> Option<SyncTrouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps how a synchronisation went. Trouble is logged when it begins or becomes another, not each hour.
    pub(super) fn went(&self, appid: &AppId, failed: Option<&LibraryReport>, now: UnixMillis) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(failed) = failed else {
            if trouble.take().is_some() {
                tracing::info!(app = %appid, "templates can be synchronised again");
            }
            return;
        };
        let detail = failed.detail.clone().unwrap_or_default();
        let since = trouble.as_ref().map(|trouble| trouble.since);
        // WeChat's words differ each time: they hold the request's id.
        let is_known = trouble.as_ref().is_some_and(|trouble| {
            trouble.errcode == failed.errcode && (failed.errcode.is_some() || trouble.detail == detail)
        });
        if !is_known {
            tracing::warn!(app = %appid, detail, "templates could not be synchronised; the stored templates stay in use");
        }
        *trouble = Some(SyncTrouble { since: since.unwrap_or(now), errcode: failed.errcode, detail });
    }
}
