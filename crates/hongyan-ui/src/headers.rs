//! What a browser may do with a page.

use axum::http::{HeaderName, header};

/// A page runs our own scripts, shows our own styles and pictures, and asks nobody but the host that it came from.
macro_rules! policy {
    ($may_frame_it:literal) => {
        concat!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; ",
            "manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors ",
            $may_frame_it,
        )
    };
}

/// The policy of a page that nobody may put into a frame.
pub const POLICY: &str = policy!("'none'");

/// The policy of a page that the pages of its own host may put into a frame.
pub const POLICY_IN_A_FRAME: &str = policy!("'self'");

/// The policy of a page that has pages of its own host in frames.
pub const POLICY_WITH_FRAMES: &str = concat!(policy!("'none'"), "; frame-src 'self'");

/// The headers of a page that shows what only its reader may see: nothing of it is kept anywhere.
pub const OF_A_PAGE: [(HeaderName, &str); 6] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::VARY, "accept-language, cookie"),
];
