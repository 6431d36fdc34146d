//! Chance: the one place where random numbers for waiting times come from.

/// A number from 0 (inclusive) to 1 (exclusive). For spreading retries, not for secrets.
pub(crate) fn unit() -> f64 {
    fastrand::f64()
}
