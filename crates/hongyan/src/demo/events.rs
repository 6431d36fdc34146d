//! `hongyan demo --events`: does what an operator enters on both sides: on WeChat's page for pushes, and at the gateway.

use ::http::Method;
use serde_json::json;
use url::Url;

use crate::app::callback::NewSecrets;
use crate::failure::Failure;
use crate::http::Api;
use crate::listen::base;

/// Lets the sandbox push to the gateway in safe mode. Both must be serving already: WeChat checks the address first.
///
/// # Errors
/// When the gateway or the sandbox refuses.
pub(super) async fn connect(gateway: &Api, sandbox: &Url, appid: &str) -> Result<(), Failure> {
    let NewSecrets { token, encoding_aes_key } = NewSecrets::make();
    let app = json!({ "callback": { "token": token, "encoding_aes_key": encoding_aes_key } });
    gateway.call(Method::PATCH, &format!("/v1/apps/{appid}"), &[], Some(&app)).await?;
    let callback = json!({
        "appid": appid,
        "url": format!("{}/callback/{appid}", base(gateway.url())),
        "token": token,
        "encoding_aes_key": encoding_aes_key,
        "mode": "safe",
        "format": "json",
    });
    let sandbox = Api::new(sandbox.clone(), "none".into())?;
    sandbox.call(Method::POST, "/_sandbox/callback", &[], Some(&callback)).await?;
    Ok(())
}
