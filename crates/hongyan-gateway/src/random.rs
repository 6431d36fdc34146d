//! The one place where random numbers for waiting times come from.

/// Any number: tells one process from another.
pub(crate) fn number() -> u64 {
    fastrand::u64(..)
}

/// A number from 0 (inclusive) to 1 (exclusive). For spreading retries, not for secrets.
pub(crate) fn unit() -> f64 {
    fastrand::f64()
}
