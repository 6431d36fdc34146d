//! Chance: the one place where random numbers for waiting times come from.

/// A number from 0 (inclusive) to 1 (exclusive). For spreading retries, not for secrets.
pub(crate) fn unit() -> f64 {
    // 53 bits are what an f64 holds exactly.
    let bits = getrandom::u64().unwrap_or(u64::MAX / 2) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}
