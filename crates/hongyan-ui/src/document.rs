//! The head of every page, also of a page without a navigation.
//!
//! The markup is `document.html`. The template of a page extends it, or extends a template that does, and the page's struct has
//! a field `frame` that is a [`Document`] or dereferences to one. For that, the file `askama.toml` of a crate with pages lists
//! the folder of this file.

use crate::Language;
use crate::assets::{ICON, SCRIPT, STYLE};

/// What stands in the head of a page, but for the page's own title.
#[derive(Debug, Clone, Copy)]
pub struct Document {
    /// The language of the page.
    pub language: Language,
    /// The name of the whole: it stands behind each title.
    pub brand: &'static str,
}

impl Document {
    /// The path of the style sheet.
    pub fn style(&self) -> String {
        STYLE.path()
    }

    /// The path of the script.
    pub fn script(&self) -> String {
        SCRIPT.path()
    }

    /// The path of the icon.
    pub fn icon(&self) -> String {
        ICON.path()
    }
}
