//! What an app's values may be.

use hongyan_ledger::permit::MAX_PAYMENT_UNITS;
use secrecy::{ExposeSecret, SecretString};

use crate::problem::Problem;

/// Longest AppSecret that is taken; WeChat's have 32 characters.
const MAX_SECRET_CHARS: usize = 128;

/// Longest name of an app.
const MAX_NAME_CHARS: usize = 100;

pub(super) fn checked_secret(secret: &SecretString) -> Result<SecretString, Problem> {
    // Copied from a web page, it often brings a space along.
    let text = secret.expose_secret().trim();
    if text.is_empty() || text.len() > MAX_SECRET_CHARS || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let detail = format!("an AppSecret has 1 to {MAX_SECRET_CHARS} visible ASCII characters");
        return Err(Problem::invalid("secret", detail));
    }
    Ok(SecretString::from(text))
}

pub(super) fn checked_name(name: &str) -> Result<String, Problem> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        return Err(Problem::invalid("name", format!("a name has 1 to {MAX_NAME_CHARS} characters")));
    }
    Ok(name.to_owned())
}

pub(super) fn checked_units(units: u32) -> Result<u32, Problem> {
    if (1..=MAX_PAYMENT_UNITS).contains(&units) {
        return Ok(units);
    }
    Err(Problem::invalid("payment_units", format!("a payment grants 1 to {MAX_PAYMENT_UNITS} messages")))
}
