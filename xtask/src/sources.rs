//! Reads Rust sources: lists files, and the names that they use. There is no parser: rustfmt's output has few forms.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// All Rust files in a directory and below, sorted. Built and installed files are left out.
pub(crate) fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !matches!(name.as_ref(), "target" | "node_modules") && !name.starts_with('.') {
                found.extend(files(&path)?);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// A file's text without comments and without the tests at its end. If `mod tests;` names a file of tests, the text
/// continues after that line.
pub(crate) fn code_of(text: &str) -> String {
    without_comments(text.split("]\nmod tests {").next().unwrap_or_default())
}

/// A text without the parts after `//`.
pub(crate) fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The trees of a file's `use` lines, each with whether it is a re-export; and the other lines.
pub(crate) fn imports(text: &str) -> (Vec<(bool, String)>, String) {
    let (mut found, mut others) = (Vec::new(), String::new());
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let is_visibility = |words: &str| words.starts_with("pub") && !words.contains(char::is_whitespace);
        let (is_public, begin) = match line.split_once("use ") {
            Some(("", begin)) => (false, begin),
            Some((before, begin)) if is_visibility(before.trim_end()) => (true, begin),
            _ => {
                others.push_str(line);
                others.push('\n');
                continue;
            }
        };
        let mut tree = begin.to_owned();
        while !tree.contains(';') {
            let Some(more) = lines.next() else { break };
            tree.push_str(more);
        }
        tree.truncate(tree.find(';').unwrap_or(tree.len()));
        found.push((is_public, tree));
    }
    (found, others)
}

/// `a::{b, c::d}` as `a::b` and `a::c::d`, without `as …`.
pub(crate) fn expand(tree: &str) -> Vec<Vec<String>> {
    let words = |path: &str| {
        let path = path.split(" as ").next().unwrap_or_default();
        path.split("::")
            .map(|word| word.trim().to_owned())
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
    };
    let Some((prefix, inner)) = tree.split_once('{') else { return vec![words(tree)] };
    let inner = inner.rsplit_once('}').map_or(inner, |(inner, _)| inner);
    let (mut depth, mut begin, mut parts) = (0_usize, 0, Vec::new());
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(&inner[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[begin..]);
    let expand_part = |part: &str| expand(part).into_iter().map(|rest| [words(prefix), rest].concat());
    parts.into_iter().filter(|part| !part.trim().is_empty()).flat_map(expand_part).collect()
}

/// The paths in a text whose first word is one of these.
pub(crate) fn paths(text: &str, is_meant: impl Fn(&str) -> bool) -> Vec<Vec<String>> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for token in text.split(|c: char| !is_word(c) && c != ':') {
        let path: Vec<String> = token.split("::").map(str::to_owned).collect();
        if path.len() > 1
            && path.iter().all(|word| !word.is_empty() && !word.contains(':'))
            && is_meant(&path[0])
        {
            found.push(path);
        }
    }
    found
}
