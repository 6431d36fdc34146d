//! The style sheet and the script of the site.

use hongyan_ui::assets::Asset;

/// What these pages have beyond the look of all pages.
pub(super) const STYLE: Asset =
    Asset::new("docs", "css", "text/css; charset=utf-8", include_str!("docs.css"));

/// Searches while somebody types.
pub(super) const SCRIPT: Asset =
    Asset::new("docs", "js", "text/javascript; charset=utf-8", include_str!("docs.js"));
