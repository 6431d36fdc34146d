//! Setting up the person's second factor, and taking it away.

use std::fmt::Write;

use askama::Template;
use axum::Router;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use hongyan_gateway::people::{FactorError, LoginError, NewFactor};
use hongyan_ui::texts;
use http::StatusCode;
use qrcode::{Color, QrCode};
use secrecy::SecretString;
use serde::Deserialize;

use super::account::{AccountPage, store_is_away};
use crate::console::Console;
use crate::form::Form;
use crate::page::{Frame, Place, with_status};
use crate::refusal::Refusal;
use crate::visit::Visit;

const ACCOUNT: &str = "/console/account";

pub(super) fn routes() -> Router<Console> {
    // A secret is shown in the answer to a form. The address of that page leads back to the account.
    let back = async || Redirect::to(ACCOUNT);
    Router::new()
        .route("/console/account/factor", get(back).post(begin))
        .route("/console/account/factor/confirm", get(back).post(confirm))
        .route("/console/account/factor/remove", post(remove))
}

texts! {
    struct Words;
    title = "设置第二因素", "Set up a second factor";
    scan = "用身份验证器应用扫描二维码，或手动输入密钥，再输入应用显示的验证码。确认之后才生效。", "Scan the code with an authenticator app, or type the secret into it. Then enter the code that the app shows. The second factor counts once it is confirmed.";
    qr_code = "密钥的二维码", "QR code of the secret";
    secret = "密钥", "Secret";
    address = "地址", "Address";
    code = "验证码", "Code";
    confirm = "确认并启用", "Confirm and turn on";
    wrong = "验证码不对。请检查手机的时间，再输入新的验证码。", "The code is wrong. Check the phone's clock, and enter a new code.";
    back = "返回我的账号", "Back to my account";
}

#[derive(Template)]
#[template(path = "pages/factor.html")]
struct FactorPage {
    frame: Frame,
    words: Words,
    secret: String,
    uri: String,
    qr: Option<Drawing>,
    sealed: String,
    trouble: Option<&'static str>,
}

impl FactorPage {
    fn new(visit: &Visit, factor: NewFactor) -> Self {
        let uri = factor.totp.uri(&visit.person.name);
        Self {
            frame: Frame::new(visit, Place::Apart),
            words: Words(visit.language()),
            secret: factor.totp.base32(),
            qr: Drawing::of(&uri),
            uri,
            sealed: factor.sealed,
            trouble: None,
        }
    }
}

#[derive(Deserialize)]
struct Begin {
    password: SecretString,
}

/// `POST /console/account/factor`: shows a new secret.
async fn begin(visit: Visit, Form(form): Form<Begin>) -> Result<Response, Refusal> {
    match visit.console.gateway.sessions.new_factor(&visit.person, form.password).await {
        Ok(factor) => Ok(with_status(StatusCode::OK, &FactorPage::new(&visit, factor))),
        Err(error) => refused(&visit, error).await,
    }
}

#[derive(Deserialize)]
struct Confirm {
    sealed: String,
    code: String,
}

/// `POST /console/account/factor/confirm`: the person's app has the secret, for it shows the right code.
async fn confirm(visit: Visit, Form(form): Form<Confirm>) -> Result<Response, Refusal> {
    let sessions = &visit.console.gateway.sessions;
    match sessions.confirm_factor(&visit.person, &form.sealed, &form.code).await {
        Ok(()) => Ok(Redirect::to("/console/account?factor-set").into_response()),
        Err(error) => refused(&visit, error).await,
    }
}

/// The page after a second factor was not set up.
async fn refused(visit: &Visit, error: FactorError) -> Result<Response, Refusal> {
    let error = match error {
        FactorError::Exists => return Ok(Redirect::to(ACCOUNT).into_response()),
        FactorError::WrongCode(factor) => {
            let mut page = FactorPage::new(visit, *factor);
            page.trouble = Some(page.words.wrong());
            return Ok(with_status(StatusCode::UNPROCESSABLE_ENTITY, &page));
        }
        FactorError::Store(error) => return Err(store_is_away(&error)),
        FactorError::Over => LoginError::Over,
        FactorError::TooMany(error) => LoginError::TooMany(error),
        FactorError::Login(error) => error,
    };
    AccountPage::with_factor_as_it_was(visit, &error).await
}

#[derive(Deserialize)]
struct Remove {
    password: SecretString,
    #[serde(default)]
    code: String,
}

/// `POST /console/account/factor/remove`.
async fn remove(visit: Visit, Form(form): Form<Remove>) -> Result<Response, Refusal> {
    match visit.console.gateway.sessions.remove_factor(&visit.person, form.password, &form.code).await {
        Ok(()) => Ok(Redirect::to("/console/account?factor-gone").into_response()),
        Err(error) => AccountPage::with_factor_as_it_was(&visit, &error).await,
    }
}

/// A QR code, as a path of SVG: one square for each dark module.
struct Drawing {
    modules: usize,
    path: String,
}

impl Drawing {
    /// The light frame that a camera needs around the code, in modules.
    const FRAME: usize = 4;

    /// The code of a text; `None` if the text is too long for a code.
    fn of(text: &str) -> Option<Self> {
        let code = QrCode::new(text).ok()?;
        let modules = code.width();
        let mut path = String::new();
        for (place, color) in code.to_colors().into_iter().enumerate() {
            if color == Color::Dark {
                let (x, y) = (place % modules + Self::FRAME, place / modules + Self::FRAME);
                // Writing to a String does not fail.
                let _ = write!(path, "M{x} {y}h1v1h-1z");
            }
        }
        Some(Self { modules, path })
    }

    /// The width and height, with the frame.
    fn side(&self) -> usize {
        self.modules + 2 * Self::FRAME
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_begins_with_the_square_in_its_corner_and_has_a_frame() {
        let drawing = Drawing::of("otpauth://totp/Hongyan:lihua?secret=GEZDGNBVGY3TQOJQ").unwrap();
        assert!(drawing.path.starts_with("M4 4h1v1h-1zM5 4h1v1h-1z"), "{}", drawing.path);
        assert_eq!(drawing.side(), drawing.modules + 8);
        assert!(Drawing::of(&"x".repeat(5_000)).is_none());
    }
}
