//! How things stand, as people ask for it.

use super::Reach;
use hongyan_clock::UnixMillis;
use hongyan_ledger::{MessageState, PermitKind};
use hongyan_wechat::{AppId, TemplateId};

/// The most open messages of one state that are counted.
pub const MAX_OPEN_COUNTED: u32 = 20_000;

/// The most permits of all apps that are looked at to count what can be used, users without a permit included.
pub const MAX_PERMITS_COUNTED: u32 = 20_000;

/// For so many days it is said what expires.
pub const EXPIRY_DAYS: usize = 7;

/// The open messages of an app in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenMessages {
    /// The app.
    pub appid: AppId,
    /// The state.
    pub state: MessageState,
    /// How many.
    pub count: u64,
    /// When the oldest of them is or was due. A message that is to be tried again later is due then.
    pub oldest_due_at: UnixMillis,
    /// There are more of this state than were counted.
    pub is_cut: bool,
}

/// What can be used now of an app's permits of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermitsOfKind {
    /// The app.
    pub appid: AppId,
    /// The kind.
    pub kind: PermitKind,
    /// Units, without unlimited permits.
    pub units: u64,
    /// Unlimited permits.
    pub unlimited: u64,
    /// Units that expire within the next 24 hours.
    pub expiring: u64,
}

/// What can be used now of all permits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsablePermits {
    /// By app and kind, in this order. What is missing is zero.
    pub kinds: Vec<PermitsOfKind>,
    /// There are permits that were not looked at.
    pub is_cut: bool,
}

/// Who can be reached now, and by which permits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReachParts {
    /// By all permits together. A user with permits of several kinds counts once.
    pub totals: Reach,
    /// By kind and template.
    pub parts: Vec<ReachPart>,
}

/// Permits of one kind, for one template, that can be used now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReachPart {
    /// The kind.
    pub kind: PermitKind,
    /// The template; `None`: any legacy template.
    pub template: Option<TemplateId>,
    /// Users who have one.
    pub users: u64,
    /// Units, without unlimited permits.
    pub units: u64,
    /// Unlimited permits.
    pub unlimited: u64,
    /// Units that expire within the next 24 hours, in the 24 hours after those, and so on.
    pub expiring: [u64; EXPIRY_DAYS],
}
