//! What an import is of.

/// What an import is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Messages,
    Permits,
}

impl Kind {
    /// As the API calls it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Permits => "permits",
        }
    }
}
