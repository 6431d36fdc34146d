//! Permits: grants, and permits as they are.

use hongyan_clock::UnixMillis;
use hongyan_ledger::acceptance::Source;
use hongyan_ledger::permit::Claim;
use hongyan_ledger::units::Totals;
use hongyan_ledger::{Permit, PermitId, PermitKind};
use hongyan_wechat::{AppId, OpenId, TemplateId};
use serde::Serialize;

/// A grant to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPermit {
    /// The id that the permit gets if it is new. Its lane is the user's lane.
    pub id: PermitId,
    /// The app.
    pub appid: AppId,
    /// The user.
    pub openid: OpenId,
    /// Where the right comes from.
    pub kind: PermitKind,
    /// The form id or prepay id, if the kind has one.
    pub code: Option<String>,
    /// The template, if the kind is bound to a template.
    pub template: Option<TemplateId>,
    /// How many units.
    pub count: u32,
    /// When the permit expires; `None` for kinds that do not expire.
    pub expires_at: Option<UnixMillis>,
    /// Who reports the grant, if the other side may report the same one-time subscriptions: units that the other side has
    /// reported already are not granted again. `None`: all units are granted.
    pub reported_by: Option<Source>,
    /// Who claims that this code exists, and how many open claims a user may have. `None`: the permit has no code, or its
    /// code came with a message and is not a claim.
    pub claim: Option<Claim>,
}

/// The result of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The permit that has the units now: a new permit, or the existing permit of this code or counter.
    pub id: PermitId,
    /// The same code was granted before, or the other side had reported the same acceptances. Nothing changed.
    pub duplicate: bool,
    /// When the permit expires.
    pub expires_at: Option<UnixMillis>,
    /// How many waiting messages were woken.
    pub woken: u32,
    /// The user has as many open codes as the claim allows: nothing was granted, and no permit has this id.
    pub refused: bool,
}

/// A permit with its counts as the API shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermitView {
    /// The permit.
    pub permit: Permit,
    /// Its six counts; they balance.
    pub totals: Totals,
}

/// How many users can be reached now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Reach {
    /// Users with at least one usable permit.
    pub users: u64,
    /// Usable units, without unlimited permits.
    pub units: u64,
    /// Usable unlimited permits.
    pub unlimited: u64,
}
