//! What an import sends.

/// What an import sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Messages,
    Permits,
}

impl Kind {
    /// The name in the API.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Permits => "permits",
        }
    }
}
