//! How WeChat treats a value.

/// How WeChat treats a value, as far as known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// WeChat describes this form, or was seen to accept it.
    Good,
    /// WeChat does not describe this form and was not seen to refuse it: WeChat decides.
    Undocumented,
    /// WeChat's description forbids this form, or WeChat was seen to refuse it.
    Bad,
}

impl Verdict {
    /// Good if the first condition holds; undocumented if only the second holds.
    pub(super) fn of(is_described: bool, is_open: bool) -> Self {
        match (is_described, is_open) {
            (true, _) => Self::Good,
            (false, true) => Self::Undocumented,
            (false, false) => Self::Bad,
        }
    }
}
