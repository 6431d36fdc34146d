//! Permits, and accepted subscriptions that only one side has reported yet.

use hongyan_clock::UnixMillis;
use hongyan_ledger::PermitId;
use hongyan_ledger::acceptance::{Source, Unpaired};
use hongyan_ledger::permit::{Origin, Permit, PermitKind};
use hongyan_wechat::TemplateId;

use super::user::User;
use crate::row_error::{RowError, RowResult};

/// Questions about a user's permits, and writes of permits.
pub(crate) trait PermitRows {
    /// One permit of a user.
    fn permit(&self, user: &User, id: PermitId) -> RowResult<Option<Permit>>;

    /// One permit of a user, which must exist.
    fn present_permit(&self, user: &User, id: PermitId) -> RowResult<Permit> {
        self.permit(user, id)?
            .ok_or_else(|| RowError::corrupt(format!("{id} is named by another row but does not exist")))
    }

    /// The permit of a user with this code.
    fn permit_of_code(&self, user: &User, code: &str) -> RowResult<Option<Permit>>;

    /// The counter of a user: the permit of this kind and template, which has no code.
    fn counter(
        &self,
        user: &User,
        kind: PermitKind,
        template: Option<&TemplateId>,
    ) -> RowResult<Option<Permit>>;

    /// The user's permits that have units left and have not expired. The ledger decides which of them serves.
    fn open_permits(&self, user: &User, now: UnixMillis) -> RowResult<Vec<Permit>>;

    /// All permits of a user, newest first.
    fn permits(&self, user: &User) -> RowResult<Vec<Permit>>;

    /// Writes a new permit.
    fn insert_permit(&self, user: &User, permit: &Permit, origin: Option<Origin>) -> RowResult<()>;

    /// Writes a permit's counts.
    fn update_permit(&self, user: &User, permit: &Permit) -> RowResult<()>;

    /// Who claimed a permit's code.
    fn origin_of(&self, user: &User, id: PermitId) -> RowResult<Option<Origin>>;

    /// How many open permits of the user have a code that this origin claimed.
    fn count_claims(&self, user: &User, origin: Origin, now: UnixMillis) -> RowResult<u32>;

    /// Removes the oldest of these permits of which no unit was ever used, at most `limit`.
    fn remove_claims(&self, user: &User, origin: Origin, now: UnixMillis, limit: u32) -> RowResult<()>;

    /// Voids the units left in all permits of the user whose codes this origin claimed.
    fn revoke_claims(&self, user: &User, origin: Origin) -> RowResult<()>;

    /// Acceptances of a user that this source reported and the other side has not, oldest first.
    fn unpaired(
        &self,
        user: &User,
        template: &TemplateId,
        source: Source,
        at: UnixMillis,
    ) -> RowResult<Vec<Unpaired>>;

    /// Adds units to what a source reported at a moment; they count until `expires_at`.
    fn add_unpaired(
        &self,
        user: &User,
        template: &TemplateId,
        source: Source,
        unpaired: Unpaired,
        expires_at: UnixMillis,
    ) -> RowResult<()>;

    /// Writes how many units are left of what a source reported at a moment. Zero removes the row.
    fn set_unpaired(
        &self,
        user: &User,
        template: &TemplateId,
        source: Source,
        unpaired: Unpaired,
    ) -> RowResult<()>;
}
