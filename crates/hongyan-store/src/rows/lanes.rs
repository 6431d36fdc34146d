//! Who owns a lane.

use hongyan_ledger::Lane;

use crate::trouble::Res;
use crate::types::Epoch;

/// Questions about lanes, and writes.
pub(crate) trait LaneRows {
    /// A lane's epoch. Asked for every message.
    fn epoch(&self, lane: Lane) -> Res<Epoch>;

    /// Writes who has a lane under this epoch; `None`: nobody.
    fn set_owner(&self, lane: Lane, epoch: Epoch, node: Option<&str>) -> Res<()>;
}
