//! Random numbers for waiting times and ids of processes.

/// Any number: distinguishes processes.
pub(crate) fn number() -> u64 {
    fastrand::u64(..)
}

/// A number from 0 (inclusive) to 1 (exclusive), to spread retries. Not for secrets.
pub(crate) fn unit() -> f64 {
    fastrand::f64()
}
