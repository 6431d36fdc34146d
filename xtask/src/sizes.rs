//! Sizes of files: none has more than 500 lines. A longer one has more than one thing to say, and is split by what its
//! parts know.

use std::fs;
use std::path::Path;

use crate::command::{Result, root};
use crate::sources::files;

/// A source file has no more lines.
const MOST_LINES: usize = 500;

/// Where sources are.
const PLACES: [&str; 7] = ["crates", "tests", "bench", "crash", "contract", "xtask", "fuzz"];

/// Tables: they are looked up, not read, and may have as many lines as they have entries.
const TABLES: [&str; 1] = ["crates/hongyan-wechat/src/errcode/table.rs"];

/// Looks at every source file.
///
/// # Errors
/// With the files that are too long; and with tables that are not there any more.
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
            troubles.push(format!("{file} has {lines} lines; split it by what its parts know"));
        }
    }
    for listed in tables {
        if sizes.iter().all(|(file, _)| file != listed) {
            troubles.push(format!("{listed} is not there any more: take it off the list"));
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
