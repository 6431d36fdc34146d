//! The style sheet, the script and the icon that all pages share.
//!
//! Each is served at a path that names its content, so a browser keeps it for ever and never shows an old one with a new
//! page.

use axum::Router;
use axum::http::header;
use axum::routing::get;

/// The style sheet.
pub const STYLE: Asset =
    Asset::new("style", "css", "text/css; charset=utf-8", include_str!("assets/style.css"));

/// What makes a page live, and nicer to use with a keyboard. A page that only shows works without it.
pub const SCRIPT: Asset =
    Asset::new("live", "js", "text/javascript; charset=utf-8", include_str!("assets/live.js"));

/// The icon.
pub const ICON: Asset = Asset::new("icon", "svg", "image/svg+xml", include_str!("assets/icon.svg"));

/// A file that pages load.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    name: &'static str,
    extension: &'static str,
    content_type: &'static str,
    content: &'static str,
    hash: u32,
}

impl Asset {
    /// A file, as it is built in.
    pub const fn new(
        name: &'static str,
        extension: &'static str,
        content_type: &'static str,
        content: &'static str,
    ) -> Self {
        Self { name, extension, content_type, content, hash: fnv(content.as_bytes()) }
    }

    /// Where it is served. The path changes with the content.
    pub fn path(&self) -> String {
        format!("/assets/{}-{:08x}.{}", self.name, self.hash, self.extension)
    }

    /// Its content.
    pub const fn content(&self) -> &'static str {
        self.content
    }

    /// Serves it.
    pub fn route<S: Clone + Send + Sync + 'static>(self, router: Router<S>) -> Router<S> {
        let headers = [
            (header::CONTENT_TYPE, self.content_type),
            (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        router.route(&self.path(), get(async move || (headers, self.content)))
    }
}

/// Serves what all pages share.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    [STYLE, SCRIPT, ICON].into_iter().fold(Router::new(), |router, asset| asset.route(router))
}

/// FNV-1a: tells contents apart, and is no protection.
const fn fnv(bytes: &[u8]) -> u32 {
    let mut hash = 0x811c_9dc5_u32;
    let mut place = 0;
    while place < bytes.len() {
        hash = (hash ^ bytes[place] as u32).wrapping_mul(0x0100_0193);
        place += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_the_content() {
        let (one, other) =
            (Asset::new("a", "css", "text/css", "one"), Asset::new("a", "css", "text/css", "other"));
        assert_ne!(one.path(), other.path());
        assert!(one.path().starts_with("/assets/a-"), "{}", one.path());
    }

    #[test]
    fn the_style_sheet_loads_nothing() {
        assert!(!STYLE.content().contains("url(") && !STYLE.content().contains("@import"));
    }
}
