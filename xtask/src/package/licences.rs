//! The list of the licences of all crates and lists of others in the binary, with their texts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use super::crates::{self, Crate};
use super::files::{failed, read, sorted};
use crate::command::{Result, root};

/// How the files begin that have a licence or what it demands to be passed on.
const NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE"];

/// What is not a crate: the licences of the lists from which the list of frequent passwords was made.
const OF_LISTS: &str = "crates/hongyan-gateway/src/people/frequent.LICENSE.txt";

/// The text of the list.
///
/// # Errors
/// When cargo fails, or when a licence cannot be read.
pub(super) fn list() -> Result<String> {
    let crates = crates::all()?;
    let mut list = String::from(
        "Hongyan contains the following crates of others, SQLite, which is in the public domain, and frequent passwords from \
         lists\nof others. On Linux its binary uses the C library of the machine. Each crate is listed with its licence; the \
         texts\nof the licences follow.\n\n",
    );
    // A text, without its line breaks, leads to the text and to the crates that have it.
    let mut texts: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
    for one in crates.values().filter(|one| one.is_foreign) {
        let label = format!("{} {}", one.name, one.version);
        let _ = writeln!(list, "{label}: {} {}", one.licence, one.repository);
        for text in texts_of(one)? {
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let (_, users) = texts.entry(words).or_insert_with(|| (text, Vec::new()));
            if users.last() != Some(&label) {
                users.push(label.clone());
            }
        }
    }
    for (text, users) in texts.values() {
        let _ = write!(list, "\n{}\n{}\n\n{}\n", "-".repeat(80), users.join(", "), text.trim_end());
    }
    let _ = write!(list, "\n{}\n{}", "-".repeat(80), read(&root().join(OF_LISTS))?);
    Ok(list)
}

fn texts_of(one: &Crate) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    for path in sorted(&one.folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        if path.is_file() && NAMES.iter().any(|begin| name.starts_with(begin)) {
            let bytes = fs::read(&path).map_err(|error| failed(&path, &error))?;
            texts.push(String::from_utf8_lossy(&bytes).replace('\r', ""));
        }
    }
    Ok(texts)
}
