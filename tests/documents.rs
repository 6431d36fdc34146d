//! The pages of `docs/`, compared with the source tree.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All files below a folder whose name ends with `ending`.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_str().unwrap().ends_with(ending) {
            found.push(path);
        }
    }
    found
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join("docs").join(name)).unwrap()
}

/// The names of all functions in the project's Rust files.
fn functions() -> BTreeSet<String> {
    let texts = ["crates", "tests"].into_iter().flat_map(|folder| files(&root().join(folder), ".rs"));
    let mut names = BTreeSet::new();
    for text in texts.map(|path| fs::read_to_string(path).unwrap()) {
        for rest in text.split("fn ").skip(1) {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            names.insert(rest[..end].to_owned());
        }
    }
    names
}

/// The texts in backticks in the last column of a page's tables.
fn named_tests(text: &str) -> Vec<&str> {
    let cells =
        text.lines().filter_map(|line| line.strip_suffix(" |")).filter_map(|line| line.rsplit(" | ").next());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).filter(|name| name.len() > 20).collect()
}

#[test]
fn every_test_that_the_security_check_names_is_there_in_both_languages() {
    let functions = functions();
    let english = page("asvs.md");
    let named = named_tests(&english);
    assert!(named.len() > 50, "{named:?}");
    let missing: Vec<_> = named.iter().filter(|name| !functions.contains(**name)).collect();
    assert!(missing.is_empty(), "the pages name tests that do not exist: {missing:?}");
    assert_eq!(named_tests(&page("asvs.zh-CN.md")), named);
}

/// The anchor of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let named = text.split("<a id=\"").skip(1).filter_map(|rest| rest.split('"').next());
    headings.map(|line| anchor(line.trim_start_matches('#'))).chain(named.map(str::to_owned)).collect()
}

#[test]
fn every_link_of_the_pages_leads_somewhere() {
    let mut lost = Vec::new();
    let mut pages = files(&root().join("docs"), ".md");
    pages.extend(
        ["README.md", "README.zh-CN.md", "SECURITY.md", "CONTRIBUTING.md"].map(|name| root().join(name)),
    );
    for path in pages {
        let text = fs::read_to_string(&path).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") || link.contains(char::is_whitespace) {
                continue;
            }
            let (file, anchor) =
                link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let leads = match (fs::read_to_string(&target), anchor) {
                (Ok(text), Some(anchor)) => anchors(&text).contains(anchor),
                _ => target.exists(),
            };
            if !leads {
                lost.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(lost.is_empty(), "{lost:#?}");
}
