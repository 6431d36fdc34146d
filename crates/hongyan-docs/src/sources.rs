//! The Markdown of the pages and the pictures, as the build script packed them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The pages, compressed.
static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pages.bin"));

/// The pictures: their path below `docs/`, and their content.
static PICTURES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/pictures.rs"));

static TEXTS: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let unpacked = miniz_oxide::inflate::decompress_to_vec_zlib(PACKED);
    let unpacked = unpacked.expect("the build script packed it");
    let mut rest = std::str::from_utf8(&unpacked).expect("every page is UTF-8");
    let mut texts = BTreeMap::new();
    while let Some((head, after)) = rest.split_once('\n') {
        let (name, size) = head.rsplit_once(' ').expect("a page begins with its name and its size");
        let (text, next) = after.split_at(size.parse().expect("a size is a number"));
        texts.insert(name.to_owned(), text.to_owned());
        rest = next;
    }
    texts
});

/// The text of a file, by its path from the root of the repository.
pub(crate) fn text(path: &str) -> Option<&'static str> {
    TEXTS.get(path).map(String::as_str)
}

/// The paths of all files, sorted.
pub(crate) fn paths() -> impl Iterator<Item = &'static str> {
    TEXTS.keys().map(String::as_str)
}

/// A picture, by its path below `docs/`.
pub(crate) fn picture(path: &str) -> Option<&'static [u8]> {
    PICTURES.iter().find(|(name, _)| *name == path).map(|(_, content)| *content)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The most bytes of the site in the binary.
    const MOST_BYTES: usize = 1_500_000;

    #[test]
    fn the_files_are_there_as_they_were_written() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for path in ["README.md", "README.zh-CN.md", "docs/api.md", "docs/decisions/README.md"] {
            assert_eq!(text(path).unwrap(), std::fs::read_to_string(root.join(path)).unwrap(), "{path}");
        }
        assert!(picture("images/phone.png").is_some() && picture("api.md").is_none());
    }

    #[test]
    fn the_site_adds_little_to_the_binary() {
        let pictures: usize = PICTURES.iter().map(|(_, content)| content.len()).sum();
        let bytes = PACKED.len() + pictures;
        assert!(bytes <= MOST_BYTES, "pages {}, pictures {pictures} bytes", PACKED.len());
    }
}
