//! The locks for asking WeChat for an app's templates, and the result of the last synchronisation.

use std::sync::{Mutex, PoisonError};

use hongyan_clock::UnixMillis;
use hongyan_wechat::{AppId, Errcode};
use tokio::sync::MutexGuard;

use super::LibraryReport;
use crate::problem::Problem;

/// Shared by all snapshots of an app.
#[derive(Debug, Default)]
pub(crate) struct SyncGate {
    /// Held by the task that asks WeChat because of an unknown template. It records the time, so that WeChat is not asked
    /// again for a while.
    asked: tokio::sync::Mutex<Option<Asked>>,
    /// Held from asking WeChat until the answer is stored.
    turn: tokio::sync::Mutex<()>,
    /// Why the last synchronisation failed, if it did.
    trouble: Mutex<Option<SyncTrouble>>,
}

/// WeChat was asked because of an unknown template.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) at: UnixMillis,
    /// The error of that request, if it failed.
    pub(super) trouble: Option<Problem>,
}

/// Why an app's templates cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncTrouble {
    /// Since when.
    pub since: UnixMillis,
    /// WeChat's errcode, if WeChat refused.
    pub errcode: Option<Errcode>,
    /// The reason in words.
    pub detail: String,
}

impl SyncGate {
    /// Waits for the lock for asking because of an unknown template.
    pub(super) async fn asked(&self) -> MutexGuard<'_, Option<Asked>> {
        self.asked.lock().await
    }

    /// Lets the next task ask at once. A task that is asking now goes on: waiting for it could take as long as WeChat does.
    pub(crate) fn open(&self) {
        if let Ok(mut asked) = self.asked.try_lock() {
            *asked = None;
        }
    }

    /// Waits for the lock for asking and storing.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Why the last synchronisation failed, if it did.
    pub(crate) fn trouble(&self) -> Option<SyncTrouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stores the result of a synchronisation. An error is logged when it begins or changes, not every hour.
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
        // WeChat's text differs each time, because it contains the id of the request.
        let is_known = trouble.as_ref().is_some_and(|trouble| {
            trouble.errcode == failed.errcode && (failed.errcode.is_some() || trouble.detail == detail)
        });
        if !is_known {
            tracing::warn!(app = %appid, detail, "templates could not be synchronised; the stored templates stay in use");
        }
        *trouble = Some(SyncTrouble { since: since.unwrap_or(now), errcode: failed.errcode, detail });
    }
}
