//! At which address a file of the repository is served, and where a link of a page leads.

use hongyan_ui::Language;

use crate::sources;

/// Where the site begins.
pub(crate) const ROOT: &str = "/docs";

/// The ending of the Chinese version of a page.
const CHINESE: &str = ".zh-CN.md";

/// The language in which a file is written.
pub(crate) fn language_of(file: &str) -> Language {
    if file.ends_with(CHINESE) { Language::Zh } else { Language::En }
}

/// The address of a page inside its language: `docs/api.zh-CN.md` is at `api`. The README is the start page, which is at
/// the empty address.
pub(crate) fn slug(file: &str) -> String {
    let name = file.strip_suffix(CHINESE).or_else(|| file.strip_suffix(".md")).unwrap_or(file);
    // `SECURITY.md` and `docs/security.md` are two pages.
    let name = name.strip_prefix("docs/").map_or_else(
        || if name == "README" { name.to_owned() } else { format!("project/{name}") },
        str::to_owned,
    );
    let name = name.strip_suffix("README").map_or(&*name, |folder| folder.trim_end_matches('/'));
    name.to_lowercase()
}

/// The other version of a page.
pub(crate) fn twin(file: &str) -> Option<String> {
    let twin = match file.strip_suffix(CHINESE) {
        Some(name) => format!("{name}.md"),
        None => format!("{}{CHINESE}", file.strip_suffix(".md")?),
    };
    sources::text(&twin).map(|_| twin)
}

/// The address of a page or of anything else in a language.
pub(crate) fn address(language: Language, slug: &str) -> String {
    format!("{ROOT}/{}/{slug}", language.code())
}

/// A path that is written in a file, as a path from the root of the repository. `None` if it leads out of the repository.
pub(crate) fn resolved(file: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Where a link leads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// To this address: in the site, on the page itself, or at another host.
    Address(String),
    /// To a file that the site does not have.
    Nowhere,
}

/// The target of a link that a file names, in the book of a language. `is_page` says which files are pages.
pub(crate) fn target(file: &str, book: Language, link: &str, is_page: impl Fn(&str) -> bool) -> Target {
    if link.starts_with('#') || link.contains("://") || link.starts_with("mailto:") {
        return Target::Address(link.to_owned());
    }
    let (path, anchor) =
        link.split_once('#').map_or((link, String::new()), |(path, anchor)| (path, format!("#{anchor}")));
    let Some(path) = resolved(file, path) else { return Target::Nowhere };
    if let Some(picture) = path.strip_prefix("docs/")
        && sources::picture(picture).is_some()
    {
        return Target::Address(format!("{ROOT}/{picture}"));
    }
    let is_file = path.rsplit_once('.').is_some_and(|(_, extension)| extension == "md");
    let page = if is_file { path } else { format!("{path}/README.md") };
    if !is_page(&page) {
        return Target::Nowhere;
    }
    // A page without a translation is in both books, so its reader stays in the book.
    let language = if twin(&page).is_some() { language_of(&page) } else { book };
    Target::Address(address(language, &slug(&page)) + &anchor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_the_same_address_in_both_languages() {
        for (file, expected) in [
            ("README.md", ""),
            ("README.zh-CN.md", ""),
            ("docs/api.md", "api"),
            ("docs/api.zh-CN.md", "api"),
            ("docs/ARCHITECTURE.md", "architecture"),
            ("docs/security.md", "security"),
            ("SECURITY.md", "project/security"),
            ("docs/decisions/README.md", "decisions"),
            ("docs/decisions/0015-signals.md", "decisions/0015-signals"),
        ] {
            assert_eq!(slug(file), expected);
        }
        assert_eq!(twin("docs/api.md").as_deref(), Some("docs/api.zh-CN.md"));
        assert_eq!(twin("docs/api.zh-CN.md").as_deref(), Some("docs/api.md"));
        assert_eq!(twin("docs/ARCHITECTURE.md"), None);
    }

    #[test]
    fn a_link_leads_into_the_site_or_is_text() {
        let lead = |file, link| target(file, Language::Zh, link, |page| sources::text(page).is_some());
        let to = |address: &str| Target::Address(address.to_owned());
        assert_eq!(lead("docs/api.zh-CN.md", "facade.zh-CN.md#x"), to("/docs/zh/facade#x"));
        assert_eq!(lead("docs/api.zh-CN.md", "facade.md"), to("/docs/en/facade"));
        assert_eq!(lead("docs/api.zh-CN.md", "ARCHITECTURE.md#states"), to("/docs/zh/architecture#states"));
        assert_eq!(lead("README.zh-CN.md", "docs/decisions/"), to("/docs/zh/decisions"));
        assert_eq!(lead("docs/api.zh-CN.md", "../README.zh-CN.md"), to("/docs/zh/"));
        assert_eq!(lead("README.zh-CN.md", "docs/images/phone.png"), to("/docs/images/phone.png"));
        assert_eq!(lead("docs/api.zh-CN.md", "#x"), to("#x"));
        assert_eq!(lead("docs/api.zh-CN.md", "https://example.com/a#b"), to("https://example.com/a#b"));
        for link in ["../LICENSE-MIT", "../crates/hongyan/src/main.rs", "../../x.md"] {
            assert_eq!(lead("docs/api.zh-CN.md", link), Target::Nowhere, "{link}");
        }
    }
}
