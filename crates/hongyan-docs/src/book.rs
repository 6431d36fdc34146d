//! All pages in one language, made from their Markdown when the first of them is asked for.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use hongyan_ui::Language;

use crate::markdown::{self, Rendered};
use crate::summary::{self, Entry};
use crate::{place, sources};

/// The folder whose pages need no line in the summary: each of them is listed behind the folder's README.
const DECISIONS: &str = "docs/decisions/";

/// All pages in one language.
#[derive(Debug)]
pub(crate) struct Book {
    pub(crate) language: Language,
    /// The pages in their order.
    pub(crate) pages: Vec<Page>,
}

/// One page.
#[derive(Debug)]
pub(crate) struct Page {
    /// The part of the summary in which the page is.
    pub(crate) part: Option<&'static str>,
    /// The page's name in the list of pages.
    pub(crate) name: String,
    /// Where the page is, inside its language.
    pub(crate) slug: String,
    /// The language in which the page is written.
    pub(crate) language: Language,
    /// Whether the list of pages has it even while the reader is elsewhere.
    pub(crate) is_listed: bool,
    pub(crate) content: Rendered,
}

static EN: LazyLock<Book> = LazyLock::new(|| Book::made(Language::En));
static ZH: LazyLock<Book> = LazyLock::new(|| Book::made(Language::Zh));

impl Book {
    /// The book of a language.
    pub(crate) fn of(language: Language) -> &'static Self {
        language.pick(&*ZH, &*EN)
    }

    /// The page at an address, and its place among the pages.
    pub(crate) fn page(&self, slug: &str) -> Option<(usize, &Page)> {
        self.pages.iter().enumerate().find(|(_, page)| page.slug == slug)
    }

    fn made(language: Language) -> Self {
        let files = files();
        let name_of = |file: &str| files.get(file).cloned();
        let page = |part, name: Option<&str>, file: &str| {
            let content = markdown::render(file, sources::text(file).unwrap_or_default(), language, &name_of);
            Page {
                part,
                name: name.map_or_else(|| content.title.clone(), str::to_owned),
                slug: place::slug(file),
                language: place::language_of(file),
                is_listed: name.is_some(),
                content,
            }
        };
        let mut pages = Vec::new();
        for part in summary::parts(summary_of(language)) {
            for Entry { name, file } in part.entries {
                let Some(file) = file_of(file) else { continue };
                pages.push(page(part.title, Some(name), &file));
                if file.starts_with(DECISIONS) {
                    let decisions =
                        sources::paths().filter(|path| path.starts_with(DECISIONS) && *path != file);
                    pages.extend(decisions.map(|decision| page(part.title, None, decision)));
                }
            }
        }
        Self { language, pages }
    }
}

fn summary_of(language: Language) -> &'static str {
    let path = language.pick("docs/SUMMARY.zh-CN.md", "docs/SUMMARY.md");
    sources::text(path).unwrap_or_default()
}

/// The path of a file that a summary names.
fn file_of(entry: &str) -> Option<String> {
    place::resolved("docs/SUMMARY.md", entry)
}

/// The files of all pages in both languages, and the name of each page.
fn files() -> BTreeMap<String, String> {
    let summaries =
        [Language::En, Language::Zh].into_iter().flat_map(|language| summary::parts(summary_of(language)));
    let listed = summaries
        .flat_map(|part| part.entries)
        .filter_map(|entry| Some((file_of(entry.file)?, entry.name.to_owned())));
    let decisions = sources::paths().filter(|path| path.starts_with(DECISIONS));
    // A name in a summary replaces the name of the file.
    decisions.map(|path| (path.to_owned(), path.to_owned())).chain(listed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_of_docs_is_in_the_summary_of_its_language() {
        let pages = files();
        let is_summary = |path: &str| path.starts_with("docs/SUMMARY");
        let docs = sources::paths().filter(|path| path.starts_with("docs/") && !is_summary(path));
        let missing: Vec<_> = docs.filter(|path| !pages.contains_key(*path)).collect();
        assert!(missing.is_empty(), "add a line to docs/SUMMARY.md or docs/SUMMARY.zh-CN.md: {missing:?}");
        for page in pages.keys() {
            assert!(sources::text(page).is_some(), "a summary lists {page}, which does not exist");
        }
    }

    #[test]
    fn both_languages_have_the_same_pages_in_the_same_order() {
        let slugs =
            |language| Book::of(language).pages.iter().map(|page| page.slug.as_str()).collect::<Vec<_>>();
        assert_eq!(slugs(Language::Zh), slugs(Language::En));
        let mut each = slugs(Language::En);
        each.sort_unstable();
        assert!(each.windows(2).all(|pair| pair[0] != pair[1]), "two pages have one address: {each:?}");
        for page in &Book::of(Language::Zh).pages {
            let file = sources::paths().find(|path| place::slug(path) == page.slug).unwrap();
            let is_translated = place::twin(file).is_some();
            assert_eq!(page.language == Language::Zh, is_translated, "{}", page.slug);
        }
    }
}
