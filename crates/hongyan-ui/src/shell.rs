//! What most pages have around their content: the navigation, the switch of the language, the foot.
//!
//! The markup is `shell.html`, which extends the [document](crate::document). The template of a page extends it, and the page's
//! struct has a field `frame` that is a [`Shell`] or dereferences to one.

use std::ops::Deref;

use axum::http::Uri;

use crate::{Document, Language, texts};

texts! {
    /// The words around the content of a page.
    pub struct Around;
    navigation = "主导航", "Main navigation";
    skip = "跳到正文", "Skip to the content";
    live_on = "实时", "Live";
    live_off = "未连接", "Not live";
}

/// What most pages have around their content.
#[derive(Debug, Clone)]
pub struct Shell {
    /// What stands in the head. The brand also stands in the navigation.
    pub document: Document,
    /// The words in the language of the page.
    pub around: Around,
    /// The page to which the name leads.
    pub home: &'static str,
    /// The links of the navigation, in groups.
    pub navigation: Vec<Vec<Link>>,
    /// The links of the foot.
    pub foot: Vec<Link>,
    /// The path of the stream that says when to draw the page anew, if the page is live.
    pub live: Option<&'static str>,
    /// The address of the page.
    pub address: Uri,
}

/// A link of the navigation or of the foot.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    /// Where it leads.
    pub path: &'static str,
    /// Its text.
    pub name: &'static str,
    /// The reader is there.
    pub is_here: bool,
}

impl Link {
    /// A link, which is marked if its path is the reader's place.
    pub fn new(path: &'static str, name: &'static str, place: &str) -> Self {
        Self { path, name, is_here: path == place }
    }
}

impl Deref for Shell {
    type Target = Document;
    fn deref(&self) -> &Document {
        &self.document
    }
}

impl Shell {
    /// A page that is not live and has an empty foot.
    pub fn new(
        language: Language,
        (home, brand): (&'static str, &'static str),
        navigation: Vec<Vec<Link>>,
        address: Uri,
    ) -> Self {
        let (document, around) = (Document { language, brand }, Around(language));
        Self { document, around, home, navigation, foot: Vec::new(), live: None, address }
    }

    /// The address of the page in the other language.
    pub fn in_other_language(&self) -> String {
        self.language.other().address(&self.address)
    }

    /// The version of the program.
    pub fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}

#[cfg(test)]
mod tests {
    use askama::Template;

    use super::*;

    #[derive(Template)]
    #[template(path = "shell.html")]
    struct EmptyPage {
        frame: Shell,
    }

    #[test]
    fn the_page_marks_its_place_and_links_to_itself_in_the_other_language() {
        let links = vec![vec![Link::new("/", "Home", "/a"), Link::new("/a", "A", "/a")]];
        let address = "/a?q=%22%3E%26&lang=en".parse().unwrap();
        let frame = Shell::new(Language::En, ("/", "Hongyan"), links, address);
        let page = EmptyPage { frame }.render().unwrap();
        assert!(page.contains("<html lang=\"en\">"), "{page}");
        assert!(page.contains("<a href=\"/a\" aria-current=\"page\">A</a>"), "{page}");
        assert_eq!(page.matches("aria-current").count(), 1);
        assert!(page.contains("href=\"/a?q=%22%3E%26&#38;lang=zh\" lang=\"zh-CN\""), "{page}");
    }

    #[test]
    fn only_a_live_page_has_a_sign_and_a_stream() {
        let mut frame = Shell::new(Language::Zh, ("/", "鸿雁"), Vec::new(), Uri::from_static("/"));
        assert!(!EmptyPage { frame: frame.clone() }.render().unwrap().contains("data-live"));
        frame.live = Some("/live");
        let page = EmptyPage { frame }.render().unwrap();
        assert!(page.contains("<body data-live=\"/live\">") && page.contains("data-live-sign"), "{page}");
    }
}
