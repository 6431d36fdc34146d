//! Apps and their pauses.

use hongyan_clock::UnixMillis;
use hongyan_ledger::WaitingOrder;
use hongyan_ledger::gate::AppGate;
use hongyan_wechat::AppId;

use crate::row_error::RowResult;
use crate::types::{AppPaused, AppRecord, AppSettings};

/// Questions about apps, and writes.
pub(crate) trait AppRows {
    /// One app.
    fn app(&self, appid: &AppId) -> RowResult<Option<AppRecord>>;

    /// Whether an app's messages may go out; `None` if there is no such app. Asked for every message.
    fn gate(&self, appid: &AppId) -> RowResult<Option<AppGate>>;

    /// Which of a user's waiting messages a permit serves first.
    fn waiting_order(&self, appid: &AppId) -> RowResult<WaitingOrder>;

    /// Writes a new app. `false`: there is one with this appid.
    fn insert_app(&self, app: &AppRecord) -> RowResult<bool>;

    /// Writes all settings of an app that is there, under a version.
    fn update_settings(
        &self,
        appid: &AppId,
        settings: &AppSettings,
        version: u64,
        now: UnixMillis,
    ) -> RowResult<()>;

    /// Writes an app's pause, or that it has none.
    fn update_pause(&self, appid: &AppId, paused: Option<&AppPaused>) -> RowResult<()>;

    /// Writes when the next probe of an app may go out.
    fn set_probe_at(&self, appid: &AppId, probe_at: UnixMillis) -> RowResult<()>;

    /// Removes an app with its templates, tokens, and what is known of its callback. `false`: there was none.
    fn delete_app(&self, appid: &AppId) -> RowResult<bool>;
}
