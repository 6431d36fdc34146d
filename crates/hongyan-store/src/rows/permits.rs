//! Permits, and accepted subscriptions that only one side has reported yet.

use hongyan_clock::UnixMillis;
use hongyan_ledger::PermitId;
use hongyan_ledger::acceptance::{Source, Unpaired};
use hongyan_ledger::permit::{Origin, Permit, PermitKind};
use hongyan_wechat::TemplateId;

use super::user::User;
use crate::row_error::{RowError, RowResult};

/// Questions about a user's permits, and writes.
pub(crate) trait PermitRows {
    /// One permit of a user.
    fn permit(&self, user: &User, id: PermitId) -> RowResult<Option<Permit>>;

    /// One permit of a user that must be there.
    fn present_permit(&self, user: &User, id: PermitId) -> RowResult<Permit> {
        self.permit(user, id)?.ok_or_else(|| RowError::corrupt(format!("{id} is named but not there")))
    }

    /// The permit of a user that has this code.
    fn permit_of_code(&self, user: &User, code: &str) -> RowResult<Option<Permit>>;

    /// The counter of a user: the permit without a code of this kind, for this template.
    fn counter(
        &self,
        user: &User,
        kind: PermitKind,
        template: Option<&TemplateId>,
    ) -> RowResult<Option<Permit>>;

    /// The user's permits that have units left and have not expired. Which of them serves is the ledger's to say.
    fn open_permits(&self, user: &User, now: UnixMillis) -> RowResult<Vec<Permit>>;

    /// All permits of a user, newest first.
    fn permits(&self, user: &User) -> RowResult<Vec<Permit>>;

    /// Writes a new permit.
    fn insert_permit(&self, user: &User, permit: &Permit, origin: Option<Origin>) -> RowResult<()>;

    /// Writes a permit's counts.
    fn update_permit(&self, user: &User, permit: &Permit) -> RowResult<()>;

    /// Who claimed a permit's code.
    fn origin_of(&self, user: &User, id: PermitId) -> RowResult<Option<Origin>>;

    /// How many open permits of the user have a code that was claimed so.
    fn count_claims(&self, user: &User, origin: Origin, now: UnixMillis) -> RowResult<u32>;

    /// Removes the oldest such permits of which nothing was ever used, at most `limit`.
    fn remove_claims(&self, user: &User, origin: Origin, now: UnixMillis, limit: u32) -> RowResult<()>;

    /// Voids what is left of all permits of the user whose codes were claimed so.
    fn revoke_claims(&self, user: &User, origin: Origin) -> RowResult<()>;

    /// What a source reported of a user's acceptances and the other side has not, oldest first.
    fn unpaired(
        &self,
        user: &User,
        template: &TemplateId,
        source: Source,
        at: UnixMillis,
    ) -> RowResult<Vec<Unpaired>>;

    /// Adds to what a source reported at a moment; it counts until `expires_at`.
    fn add_unpaired(
        &self,
        user: &User,
        template: &TemplateId,
        source: Source,
        unpaired: Unpaired,
        expires_at: UnixMillis,
    ) -> RowResult<()>;

    /// Writes how many are left of what a source reported at a moment. None: the row goes.
    fn set_unpaired(
        &self,
        user: &User,
        template: &TemplateId,
        source: Source,
        unpaired: Unpaired,
    ) -> RowResult<()>;
}
