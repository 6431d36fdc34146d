//! Apps and their pauses.

use hongyan_clock::UnixMillis;
use hongyan_ledger::WaitingOrder;
use hongyan_ledger::gate::AppGate;
use hongyan_wechat::AppId;

use crate::row_error::RowResult;
use crate::types::{AppPaused, AppRecord, AppSettings};

/// Questions about apps, and writes of apps.
pub(crate) trait AppRows {
    /// One app.
    fn app(&self, appid: &AppId) -> RowResult<Option<AppRecord>>;

    /// Whether an app's messages may go out; `None` if there is no such app. This is asked for every message.
    fn gate(&self, appid: &AppId) -> RowResult<Option<AppGate>>;

    /// Which of a user's waiting messages a permit serves first.
    fn waiting_order(&self, appid: &AppId) -> RowResult<WaitingOrder>;

    /// Writes a new app. `false`: this appid exists already.
    fn insert_app(&self, app: &AppRecord) -> RowResult<bool>;

    /// Writes all settings of an existing app, with this version.
    fn update_settings(
        &self,
        appid: &AppId,
        settings: &AppSettings,
        version: u64,
        now: UnixMillis,
    ) -> RowResult<()>;

    /// Writes an app's pause; `None` ends it.
    fn update_pause(&self, appid: &AppId, paused: Option<&AppPaused>) -> RowResult<()>;

    /// Writes when the next probe of an app may go out. A backend with several writers writes only if the row still has the
    /// gate that this transaction has read, and otherwise runs the verb again: two transactions may read the same gate, and only
    /// one of them may send a probe.
    fn set_probe_at(&self, appid: &AppId, probe_at: UnixMillis) -> RowResult<()>;

    /// Removes an app with its templates and tokens, and with the times of its callback. `false`: there was no such app.
    fn delete_app(&self, appid: &AppId) -> RowResult<bool>;
}
