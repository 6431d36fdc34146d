//! Permits: what is granted, and what is there.

use hongyan_clock::UnixMillis;
use hongyan_ledger::acceptance::Source;
use hongyan_ledger::permit::Claim;
use hongyan_ledger::units::Totals;
use hongyan_ledger::{Permit, PermitId, PermitKind};
use hongyan_wechat::{AppId, OpenId, TemplateId};
use serde::Serialize;

/// A grant to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPermit {
    /// An id for it, should it be new. Its lane is the user's.
    pub id: PermitId,
    /// The app.
    pub appid: AppId,
    /// The user.
    pub openid: OpenId,
    /// Where the right comes from.
    pub kind: PermitKind,
    /// The form id or prepay id, for kinds that have one.
    pub code: Option<String>,
    /// The template, for kinds that are bound to one.
    pub template: Option<TemplateId>,
    /// Units.
    pub count: u32,
    /// When it is void; `None` for kinds that do not expire.
    pub expires_at: Option<UnixMillis>,
    /// Who reports it, if the other side may report the same one-time subscriptions: what that has done already is not
    /// granted again. `None`: it is granted as it is.
    pub reported_by: Option<Source>,
    /// Who claims that there is this code, and how many a user may have open. `None`: it has no code, or it is not a
    /// claim but comes with its message.
    pub claim: Option<Claim>,
}

/// What came of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The permit that now has the units: the new one, or the one of this code or counter that was there before.
    pub id: PermitId,
    /// The same code was granted before, or WeChat had reported the same acceptances; nothing changed.
    pub duplicate: bool,
    /// When it is void.
    pub expires_at: Option<UnixMillis>,
    /// How many waiting messages it set going.
    pub woken: u32,
    /// The user has as many open codes as the claim allows: nothing was granted, and no permit has this id.
    pub refused: bool,
}

/// A permit with its counts as the world sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermitView {
    /// The permit.
    pub permit: Permit,
    /// Its six counts; they balance.
    pub totals: Totals,
}

/// Who can be reached now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Reach {
    /// Users with at least one usable permit.
    pub users: u64,
    /// Usable units (of counted permits).
    pub units: u64,
    /// Usable unlimited permits.
    pub unlimited: u64,
}
