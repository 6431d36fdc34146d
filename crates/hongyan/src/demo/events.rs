//! `hongyan demo --events`: what an operator enters on WeChat's page for pushes, on both sides.

use ::http::Method;
use hongyan_gateway::vault::random_token;
use secrecy::ExposeSecret;
use serde_json::json;
use url::Url;

use crate::failure::Failure;
use crate::http::Api;
use crate::listen::base;

/// How long an `EncodingAESKey` is.
const AES_KEY_CHARS: usize = 43;

/// Lets the sandbox push to the gateway, in safe mode. Both must be serving already: WeChat checks the address first.
///
/// # Errors
/// When either refuses.
pub(super) async fn connect(gateway: &Api, sandbox: &Url, appid: &str) -> Result<(), Failure> {
    let (token, aes_key) = (secret(32), secret(AES_KEY_CHARS));
    let app = json!({ "callback": { "token": token, "encoding_aes_key": aes_key } });
    gateway.call(Method::PATCH, &format!("/v1/apps/{appid}"), &[], Some(&app)).await?;
    let callback = json!({
        "appid": appid,
        "url": format!("{}/callback/{appid}", base(gateway.url())),
        "token": token,
        "encoding_aes_key": aes_key,
        "mode": "safe",
        "format": "json",
    });
    let sandbox = Api::new(sandbox.clone(), "none".into())?;
    sandbox.call(Method::POST, "/_sandbox/callback", &[], Some(&callback)).await?;
    Ok(())
}

/// Letters and digits, as many as are wanted.
fn secret(chars: usize) -> String {
    let mut text = String::new();
    while text.len() < chars {
        text.extend(random_token("").expose_secret().chars().filter(char::is_ascii_alphanumeric));
    }
    text.truncate(chars);
    text
}
