//! Who sends messages.

use hongyan_ledger::{KeyId, PersonId};

use super::ActorKind;

/// A caller that messages are accepted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallerId {
    /// An API key.
    Key(KeyId),
    /// A person at the console.
    Person(PersonId),
}

impl CallerId {
    pub(crate) const fn kind(&self) -> ActorKind {
        match self {
            Self::Key(_) => ActorKind::Key,
            Self::Person(_) => ActorKind::Person,
        }
    }

    pub(crate) const fn bytes(&self) -> &[u8; 16] {
        match self {
            Self::Key(id) => id.as_bytes(),
            Self::Person(id) => id.as_bytes(),
        }
    }
}

/// The number under which the store keeps a caller. A message has the number, because it is shorter than an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallerNumber(pub i64);
