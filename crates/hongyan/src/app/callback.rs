//! `hongyan app callback`: the pushes that WeChat sends to the gateway.

use ::http::Method;
use hongyan_gateway::vault::random_token;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::cli::AppCallbackArgs;
use crate::failure::Failure;
use crate::http::Api;
use crate::output;
use crate::text::{say, word};

/// How long a token is. WeChat takes 3 to 32 letters and digits.
const TOKEN_CHARS: usize = 32;

/// How long an `EncodingAESKey` is.
const AES_KEY_CHARS: usize = 43;

/// The values that an operator enters on both sides: on WeChat's page for message push, and at the gateway.
pub(crate) struct NewSecrets {
    pub(crate) token: String,
    pub(crate) encoding_aes_key: String,
}

impl NewSecrets {
    /// Makes secrets that nobody can guess.
    pub(crate) fn make() -> Self {
        Self { token: letters_and_digits(TOKEN_CHARS), encoding_aes_key: letters_and_digits(AES_KEY_CHARS) }
    }
}

fn letters_and_digits(count: usize) -> String {
    let mut text = String::new();
    while text.len() < count {
        text.extend(random_token("").expose_secret().chars().filter(char::is_ascii_alphanumeric));
    }
    text.truncate(count);
    text
}

pub(super) async fn run(args: &AppCallbackArgs) -> Result<(), Failure> {
    let api = Api::remote(&args.remote)?;
    let path = format!("/v1/apps/{}", args.appid);
    if args.set {
        return set(args, &api, &path).await;
    }
    if args.remove {
        let app = api.call(Method::PATCH, &path, &[], Some(&json!({ "callback": null }))).await?;
        if args.remote.json {
            return output::json(&app["callback"]);
        }
        output::remark(say!(
            "小程序 {} 不再接受推送；也请在微信上删除它的地址",
            "{} accepts no pushes any more; also remove its address at WeChat",
            args.appid
        ));
        return Ok(());
    }
    let app = api.call(Method::GET, &path, &[], None).await?;
    show(args, &app["callback"])
}

async fn set(args: &AppCallbackArgs, api: &Api, path: &str) -> Result<(), Failure> {
    let before = api.call(Method::GET, path, &[], None).await?;
    if !before["callback"].is_null() && !args.force {
        return Err(Failure::run(say!(
            "小程序 {} 已经设置了消息推送；生成新的 Token 和密钥之后，在微信填好新值之前，微信的推送会被拒绝。确实要换请加 --force",
            "{} has a callback already; after new secrets are made, WeChat's pushes are refused until the new secrets are \
             entered at WeChat. --force makes new secrets",
            args.appid
        )));
    }
    let NewSecrets { token, encoding_aes_key } = NewSecrets::make();
    let key = (!args.plain).then_some(encoding_aes_key);
    let callback = json!({ "callback": { "token": token, "encoding_aes_key": key } });
    let app = api.call(Method::PATCH, path, &[], Some(&callback)).await?;
    let address = app["callback"]["path"].as_str().unwrap_or_default();
    if args.remote.json {
        return output::json(&json!({ "path": address, "token": token, "encoding_aes_key": key }));
    }
    output::remark(say!(
        "请把下面的内容填到 mp.weixin.qq.com 的“消息推送”页面并提交，微信会立即检查地址。Token 和密钥以后不再显示。",
        "Enter this on mp.weixin.qq.com, on the page for message push, and submit. WeChat checks at once whether the \
         address is yours. The token and the key are not shown again."
    ));
    let url = format!("https://{}{address}", word("你的域名", "YOUR-HOST"));
    let mut rows = vec![vec!["URL".to_owned(), url], vec!["Token".to_owned(), token]];
    rows.extend(key.map(|key| vec!["EncodingAESKey".to_owned(), key]));
    let mode = if args.plain {
        word("明文模式", "plain (明文模式)")
    } else {
        word("安全模式", "safe (安全模式)")
    };
    rows.push(vec![word("消息加密方式", "mode").to_owned(), mode.to_owned()]);
    rows.push(vec![word("数据格式", "format").to_owned(), word("JSON 或 XML", "JSON or XML").to_owned()]);
    output::line(&output::table(&[word("微信页面上", "ON WECHAT'S PAGE"), word("填写", "ENTER")], &rows))
}

fn show(args: &AppCallbackArgs, callback: &Value) -> Result<(), Failure> {
    if args.remote.json {
        return output::json(callback);
    }
    if callback.is_null() {
        output::remark(say!(
            "小程序 {} 没有设置消息推送；设置：hongyan app callback {} --set",
            "{} has no callback; set it up with: hongyan app callback {} --set",
            args.appid,
            args.appid
        ));
        return Ok(());
    }
    let text = |name: &str| callback[name].as_str().unwrap_or(word("从未", "never")).to_owned();
    let rows = [
        vec![word("路径", "path").to_owned(), text("path")],
        vec![word("模式", "mode").to_owned(), text("mode")],
        vec![word("微信检查于", "checked by WeChat").to_owned(), text("verified_at")],
        vec![word("最近的推送", "last event").to_owned(), text("last_event_at")],
    ];
    output::line(&output::table(&[word("消息推送", "CALLBACK"), args.appid.as_ref()], &rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_secrets_are_as_wechat_wants_them() {
        let secrets = NewSecrets::make();
        for (text, length) in [(secrets.token, 32), (secrets.encoding_aes_key, 43)] {
            assert_eq!(text.len(), length);
            assert!(text.chars().all(|c| c.is_ascii_alphanumeric()), "{text}");
        }
        assert_ne!(NewSecrets::make().token, NewSecrets::make().token);
    }
}
