//! What WeChat makes of a value.

/// What WeChat makes of a value, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// WeChat describes it, or was seen to take it.
    Good,
    /// Neither described nor known to be refused: WeChat decides.
    Undocumented,
    /// Against WeChat's description, or seen to be refused.
    Bad,
}

impl Verdict {
    /// Good if the first is so; left to WeChat if only the second is.
    pub(super) fn of(is_described: bool, is_open: bool) -> Self {
        match (is_described, is_open) {
            (true, _) => Self::Good,
            (false, true) => Self::Undocumented,
            (false, false) => Self::Bad,
        }
    }
}
