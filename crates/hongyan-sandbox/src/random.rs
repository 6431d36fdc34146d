//! Random texts in the forms of WeChat's ids.

const ALPHANUMERIC: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Fills a buffer with random bytes.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut buffer = [0; N];
    getrandom::fill(&mut buffer).expect("the operating system always has random bytes once it has started");
    buffer
}

/// `chars` letters and digits. Not suitable for real secrets: a few letters are a little more frequent than others.
pub(crate) fn alphanumeric(chars: usize) -> String {
    let mut buffer = vec![0; chars];
    getrandom::fill(&mut buffer).expect("the operating system always has random bytes once it has started");
    buffer.iter().map(|b| char::from(ALPHANUMERIC[usize::from(*b) % ALPHANUMERIC.len()])).collect()
}

/// `N` random bytes as twice as many hexadecimal digits.
pub(crate) fn hex<const N: usize>() -> String {
    ::hex::encode(bytes::<N>())
}

/// True with the given probability (0 never, 1 always).
pub(crate) fn happens(probability: f64) -> bool {
    let dice = f64::from(u32::from_ne_bytes(bytes())) / (f64::from(u32::MAX) + 1.0);
    dice < probability
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_the_length_that_was_asked_for() {
        assert_eq!(alphanumeric(27).len(), 27);
        assert_eq!(hex::<16>().len(), 32);
    }

    #[test]
    fn the_certain_happens_and_the_impossible_does_not() {
        assert!((0..100).all(|_| happens(1.0)));
        assert!(!(0..100).any(|_| happens(0.0)));
    }
}
