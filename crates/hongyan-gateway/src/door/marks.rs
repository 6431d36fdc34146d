//! What passes between the door and what stands behind it, beside the bytes.

use std::any::Any;
use std::sync::Arc;

/// A request's body did not come in time.
#[derive(Debug, thiserror::Error)]
#[error("the body of the request did not come in time")]
pub(crate) struct BodyTooSlow;

impl BodyTooSlow {
    /// Whether this is why something failed.
    pub(crate) fn is_behind(error: &(dyn std::error::Error + 'static)) -> bool {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if error.is::<Self>() {
                return true;
            }
            cause = error.source();
        }
        false
    }
}

/// In the extensions of an answer: it refuses a key, a session, a secret, a token or a signature that is wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WrongCredential;

/// Something that an answer holds until its last byte was handed on: put it into the response's extensions.
#[derive(Clone)]
pub(crate) struct Held(
    #[expect(dead_code, reason = "it is kept, not read")] pub(crate) Arc<dyn Any + Send + Sync>,
);
