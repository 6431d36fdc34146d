//! The checks of an app's values, for changes and new apps.

use std::ops::RangeInclusive;

use hongyan_ledger::permit::MAX_PAYMENT_UNITS;
use hongyan_wechat::callback::EncodingAesKey;
use secrecy::{ExposeSecret, SecretString};

use super::{AppChange, CallbackChange, GATEWAY_SECRET_PREFIX};
use crate::config::{Invalid, Why};
use crate::vault::check_token;

/// The longest accepted AppSecret. WeChat's AppSecrets have 32 characters.
const MAX_SECRET_CHARS: usize = 128;

/// The longest name of an app.
const MAX_NAME_CHARS: usize = 100;

/// The length of a callback token. Source: the page on mp.weixin.qq.com where the token is entered.
const TOKEN_CHARS: RangeInclusive<usize> = 3..=32;

/// The limits of `resend_after_seconds`. In less than a minute, an event that WeChat repeats could still be on its way. After a
/// week, nobody waits for the message any more.
pub(crate) const RESEND_AFTER_SECONDS: RangeInclusive<u32> = 60..=7 * 86_400;

/// The change, if its values are valid.
pub(crate) fn checked(change: AppChange) -> Result<AppChange, Invalid> {
    Ok(AppChange {
        secret: change.secret.as_ref().map(checked_secret).transpose()?,
        gateway_secret: change.gateway_secret.map(checked_gateway_secret).transpose()?,
        name: change.name.as_deref().map(checked_name).transpose()?,
        payment_units: change.payment_units.map(checked_units).transpose()?,
        callback: change.callback.map(checked_callback).transpose()?,
        resend_unknown_after_seconds: change
            .resend_unknown_after_seconds
            .map(|seconds| seconds.map(checked_resend_after).transpose())
            .transpose()?,
        ..change
    })
}

/// The change of the callback, if its values are valid.
fn checked_callback(change: CallbackChange) -> Result<CallbackChange, Invalid> {
    let CallbackChange::Set { token, aes_key } = change else { return Ok(change) };
    Ok(CallbackChange::Set {
        token: token.as_ref().map(checked_token).transpose()?,
        aes_key: aes_key.map(|key| key.as_ref().map(checked_aes_key).transpose()).transpose()?,
    })
}

fn checked_gateway_secret(secret: SecretString) -> Result<SecretString, Invalid> {
    check_token(GATEWAY_SECRET_PREFIX, secret.expose_secret())
        .map_err(|why| Invalid::new("gateway_secret", why))?;
    Ok(secret)
}

fn checked_token(token: &SecretString) -> Result<SecretString, Invalid> {
    let text = token.expose_secret().trim();
    if TOKEN_CHARS.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(SecretString::from(text));
    }
    let (least, most) = (*TOKEN_CHARS.start(), *TOKEN_CHARS.end());
    Err(Invalid::new("callback.token", Why::NoCallbackToken { least, most }))
}

fn checked_aes_key(key: &SecretString) -> Result<SecretString, Invalid> {
    let text = key.expose_secret().trim();
    match text.parse::<EncodingAesKey>() {
        Ok(_) => Ok(SecretString::from(text)),
        Err(error) => Err(Invalid::new("callback.encoding_aes_key", error)),
    }
}

fn checked_resend_after(seconds: u32) -> Result<u32, Invalid> {
    if RESEND_AFTER_SECONDS.contains(&seconds) {
        return Ok(seconds);
    }
    let (least, most) = (*RESEND_AFTER_SECONDS.start(), *RESEND_AFTER_SECONDS.end());
    Err(Invalid::new("resend_unknown_after_seconds", Why::NoResendAfter { least, most }))
}

fn checked_secret(secret: &SecretString) -> Result<SecretString, Invalid> {
    // A secret that was copied from a web page often has a space around it.
    let text = secret.expose_secret().trim();
    if text.is_empty() || text.len() > MAX_SECRET_CHARS || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Invalid::new("secret", Why::NoAppSecret { most: MAX_SECRET_CHARS }));
    }
    Ok(SecretString::from(text))
}

fn checked_name(name: &str) -> Result<String, Invalid> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        return Err(Invalid::new("name", Why::NoAppName { most: MAX_NAME_CHARS }));
    }
    Ok(name.to_owned())
}

fn checked_units(units: u32) -> Result<u32, Invalid> {
    if (1..=MAX_PAYMENT_UNITS).contains(&units) {
        return Ok(units);
    }
    Err(Invalid::new("payment_units", Why::NoPaymentUnits { most: MAX_PAYMENT_UNITS }))
}
