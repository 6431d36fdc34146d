//! Passwords: how they are hashed.

use std::sync::LazyLock;
use std::time::Duration;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

/// The shortest password that a person may choose.
pub const MIN_CHARS: usize = 10;

/// The longest. What is longer costs time and helps nobody.
pub const MAX_BYTES: usize = 256;

/// A hash takes 19 MiB (argon2id as OWASP recommends it: m = 19,456 KiB, t = 2, p = 1) and some 20 ms. So one is made at a
/// time, however many strangers try.
static ONE_AT_A_TIME: Semaphore = Semaphore::const_new(1);

/// The memory of a hash is asked for in one piece of more than 32 MiB, of which only the 19 MiB are touched. Such a piece goes
/// back to the system as soon as it is free. A smaller one stays with the process, once for each thread that has hashed
/// (mallopt(3), `M_MMAP_THRESHOLD`).
const MEMORY_BLOCKS: usize = 33 * 1024;

/// So long somebody waits for the turn. Then there are too many.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// What is compared with where nobody has the name: an answer takes equally long then.
static NOBODYS: LazyLock<String> = LazyLock::new(|| hash_now(b"nobody's"));

/// Too many passwords are being tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being tried; try again in a moment")]
pub struct TooMany;

/// Hashes a password, as a PHC string.
///
/// # Errors
/// When too many are being hashed.
pub async fn hash(password: SecretString) -> Result<String, TooMany> {
    in_turn(move || hash_now(password.expose_secret().as_bytes())).await
}

/// Whether a password is the one that was hashed. Without a hash it takes equally long, and is not.
///
/// # Errors
/// When too many are being compared.
pub async fn is_right(password: SecretString, hash: Option<String>) -> Result<bool, TooMany> {
    in_turn(move || {
        let known = hash.as_deref().unwrap_or(&NOBODYS);
        let known = PasswordHash::new(known).ok();
        let matches = known.and_then(|known| matches(password.expose_secret().as_bytes(), &known));
        matches == Some(true) && hash.is_some()
    })
    .await
}

fn hash_now(password: &[u8]) -> String {
    let hashed = || {
        let (argon2, salt) = (Argon2::default(), Salt::generate());
        Some(PasswordHash {
            algorithm: Algorithm::default().ident(),
            version: Some(Version::default().into()),
            params: ParamsString::try_from(argon2.params()).ok()?,
            hash: Some(output(&argon2, password, &salt)?),
            salt: Some(salt),
        })
    };
    hashed().expect("the parameters are argon2's own").to_string()
}

/// Whether a password is the one that was hashed; nothing, if the hash is not argon2's.
fn matches(password: &[u8], known: &PasswordHash) -> Option<bool> {
    let algorithm = Algorithm::try_from(known.algorithm.as_str()).ok()?;
    let version = known.version.map_or(Ok(Version::default()), Version::try_from).ok()?;
    let argon2 = Argon2::new(algorithm, version, Params::try_from(known).ok()?);
    // An output is compared in constant time.
    Some(output(&argon2, password, known.salt.as_ref()?)? == known.hash?)
}

fn output(argon2: &Argon2<'_>, password: &[u8], salt: &Salt) -> Option<Output> {
    let blocks = argon2.params().block_count();
    let mut memory = Vec::with_capacity(blocks.max(MEMORY_BLOCKS));
    memory.resize(blocks, Block::default());
    let mut hashed = [0; Params::DEFAULT_OUTPUT_LEN];
    argon2.hash_password_into_with_memory(password, salt, &mut hashed, &mut memory[..]).ok()?;
    Output::new(&hashed).ok()
}

async fn in_turn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, TooMany> {
    let turn = tokio::time::timeout(PATIENCE, ONE_AT_A_TIME.acquire()).await;
    let turn = turn.map_err(|_| TooMany)?.map_err(|_| TooMany)?;
    let work = move || {
        // The turn lasts as long as the work, also if the caller hangs up meanwhile.
        let _turn = turn;
        work()
    };
    // A panic in there is ours; nobody is let in by it.
    tokio::task::spawn_blocking(work).await.map_err(|_| TooMany)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_right_for_its_own_hash_alone() {
        let secret = |text: &str| SecretString::from(text.to_owned());
        let hashed = hash(secret("correct horse")).await.unwrap();
        assert!(hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hashed}");
        assert_eq!(is_right(secret("correct horse"), Some(hashed.clone())).await, Ok(true));
        assert_eq!(is_right(secret("correct horsf"), Some(hashed.clone())).await, Ok(false));
        assert_eq!(is_right(secret("nobody's"), None).await, Ok(false), "nobody has no password");
        assert_eq!(is_right(secret("x"), Some("no hash".into())).await, Ok(false));
        assert_ne!(hash(secret("correct horse")).await.unwrap(), hashed, "each has its own salt");
    }

    #[tokio::test]
    async fn a_password_keeps_its_turn_when_its_caller_hangs_up() {
        let (began, has_begun) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let caller = tokio::spawn(in_turn(move || {
            began.send(()).unwrap();
            // Ends when the sender is dropped.
            let _ = ended.recv();
        }));
        tokio::task::spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        assert_eq!(ONE_AT_A_TIME.available_permits(), 0, "the work goes on, and so does its turn");
        drop(end);
        in_turn(|| ()).await.unwrap();
    }
}
