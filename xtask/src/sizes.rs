//! Checks the sizes of files: no file has more than 500 lines. A longer file has more than one topic, and is split by
//! topic.

use std::fs;
use std::path::Path;

use crate::command::{Result, root};
use crate::sources::files;

/// The most lines of a source file.
const MOST_LINES: usize = 500;

/// The directories of sources.
const PLACES: [&str; 7] = ["crates", "tests", "bench", "crash", "contract", "xtask", "fuzz"];

/// Tables: readers look entries up, so a table may have as many lines as it has entries.
const TABLES: [&str; 2] = ["crates/hongyan-wechat/src/errcode/table.rs", "crates/hongyan/src/usage/words.rs"];

/// Checks every source file.
///
/// # Errors
/// When files are too long, or when a listed table does not exist any more; the error lists them.
pub(crate) fn check() -> Result {
    let unreadable = |path: &Path, error| format!("{} cannot be read: {error}", path.display());
    let mut sizes = Vec::new();
    for place in PLACES {
        let place = root().join(place);
        for file in files(&place).map_err(|error| unreadable(&place, error))? {
            let text = fs::read_to_string(&file).map_err(|error| unreadable(&file, error))?;
            let name = file.strip_prefix(root()).unwrap_or(&file).to_string_lossy().replace('\\', "/");
            sizes.push((name, text.lines().count()));
        }
    }
    let troubles = troubles(&sizes, &TABLES);
    if troubles.is_empty() { Ok(()) } else { Err(format!("sizes of files:\n{}", troubles.join("\n"))) }
}

fn troubles(sizes: &[(String, usize)], tables: &[&str]) -> Vec<String> {
    let mut troubles = Vec::new();
    for (file, lines) in sizes {
        if *lines > MOST_LINES && !tables.contains(&file.as_str()) {
            troubles.push(format!("{file} has {lines} lines; split the file by topic"));
        }
    }
    for listed in tables {
        if sizes.iter().all(|(file, _)| file != listed) {
            troubles.push(format!("{listed} does not exist any more: remove it from the list"));
        }
    }
    troubles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_found_unless_it_is_a_table() {
        let sizes =
            [("a.rs", 500), ("b.rs", 501), ("table.rs", 9_999)].map(|(file, lines)| (file.to_owned(), lines));
        let found = troubles(&sizes, &["table.rs", "gone.rs"]);
        let files: Vec<_> = found.iter().filter_map(|trouble| trouble.split(' ').next()).collect();
        assert_eq!(files, ["b.rs", "gone.rs"], "{found:?}");
    }
}
