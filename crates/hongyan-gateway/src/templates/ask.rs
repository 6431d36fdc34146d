//! Calls about templates with the app's token.

use std::future::Future;

use hongyan_ledger::settle::is_token_refusal;
use hongyan_wechat::{CallError, Client, SecretString};

use crate::apps::{App, Apps};
use crate::token::TokenError;

/// Why a call with the app's token failed.
#[derive(Debug, Clone)]
pub(super) enum AskError {
    /// There was no token.
    Token(TokenError),
    /// The call itself failed.
    Call(CallError),
}

impl Apps {
    /// Makes a call with the app's token; if WeChat refuses the token, makes the call once more with the next token.
    pub(super) async fn ask<T, Fut>(
        &self,
        app: &App,
        call: impl Fn(Client, SecretString) -> Fut,
    ) -> Result<T, AskError>
    where
        Fut: Future<Output = Result<T, CallError>>,
    {
        let token = self.token(app).await.map_err(AskError::Token)?;
        match call(self.0.wechat.clone(), token.value.clone()).await {
            Err(CallError::Refused { errcode, .. }) if is_token_refusal(errcode) => {
                let token = self.token_after(app, token.generation).await.map_err(AskError::Token)?;
                call(self.0.wechat.clone(), token.value.clone()).await.map_err(AskError::Call)
            }
            other => other.map_err(AskError::Call),
        }
    }
}
