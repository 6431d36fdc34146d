//! The crates that the binary contains: their versions, licences, and who needs whom.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

use super::binary::TARGET;
use super::files::read;
use crate::command::{Result, cargo, metadata, output_of, root};

/// A crate of the binary.
#[derive(Debug)]
pub(super) struct Crate {
    pub(super) name: String,
    pub(super) version: String,
    /// An SPDX expression.
    pub(super) licence: String,
    pub(super) description: String,
    pub(super) repository: String,
    /// The folder of its sources.
    pub(super) folder: PathBuf,
    /// Whether the crate is from a registry, and not of this repository.
    pub(super) is_foreign: bool,
    /// The SHA-256 of what the registry gave.
    pub(super) checksum: Option<String>,
    /// The crates that this crate needs, as keys of [`all`].
    pub(super) needs: BTreeSet<Key>,
}

/// Name and version.
pub(super) type Key = (String, String);

/// All crates of the binary. A crate that only runs while the binary is built is not in it.
///
/// # Errors
/// When cargo fails.
pub(super) fn all() -> Result<BTreeMap<Key, Crate>> {
    let linked = linked()?;
    let checksums = checksums(&read(&root().join("Cargo.lock"))?);
    let metadata = metadata(&["--locked", "--filter-platform", TARGET])?;
    let packages = list(&metadata["packages"]);
    let keys: BTreeMap<&str, Key> =
        packages.iter().map(|package| (text(&package["id"]), key(package))).collect();
    let mut crates = BTreeMap::new();
    for package in packages {
        let key = key(package);
        if linked.contains(&key) {
            let checksum = checksums.get(&key).cloned();
            crates.insert(key, read_package(package, checksum));
        }
    }
    for node in list(&metadata["resolve"]["nodes"]) {
        let Some(one) = keys.get(text(&node["id"])).and_then(|key| crates.get_mut(key)) else { continue };
        let is_normal =
            |needed: &&Value| list(&needed["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
        let needed = list(&node["deps"]).iter().filter(is_normal);
        one.needs = needed
            .filter_map(|needed| keys.get(text(&needed["pkg"])))
            .filter(|key| linked.contains(*key))
            .cloned()
            .collect();
    }
    Ok(crates)
}

fn read_package(package: &Value, checksum: Option<String>) -> Crate {
    let manifest = PathBuf::from(text(&package["manifest_path"]));
    Crate {
        name: text(&package["name"]).to_owned(),
        version: text(&package["version"]).to_owned(),
        // Some crates use the form that cargo had before SPDX.
        licence: text(&package["license"]).replace('/', " OR ").replace("  ", " "),
        description: text(&package["description"]).split_whitespace().collect::<Vec<_>>().join(" "),
        repository: text(&package["repository"]).to_owned(),
        folder: manifest.parent().map(PathBuf::from).unwrap_or_default(),
        is_foreign: !package["source"].is_null(),
        checksum,
        needs: BTreeSet::new(),
    }
}

/// The crates whose code gets into the binary. `cargo tree` knows which features the binary has; `cargo metadata` does
/// not.
fn linked() -> Result<BTreeSet<Key>> {
    let edges = "normal,no-proc-macro";
    let tree = output_of(&mut cargo(&[
        "tree",
        "--locked",
        "--package=hongyan",
        "--edges",
        edges,
        "--target",
        TARGET,
        "--prefix=none",
        "--format={p}",
    ]))
    .ok_or("cargo tree failed")?;
    let keys = tree.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned()))
    });
    Ok(keys.collect())
}

/// The checksums in a lock file.
fn checksums(lock: &str) -> BTreeMap<Key, String> {
    let blocks = lock.split("[[package]]");
    let value = |block: &str, name: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
        line.map(|text| text.trim_matches('"').to_owned())
    };
    let sums = blocks.filter_map(|block| {
        let key = (value(block, "name")?, value(block, "version")?);
        Some((key, value(block, "checksum")?))
    });
    sums.collect()
}

fn key(package: &Value) -> Key {
    (text(&package["name"]).to_owned(), text(&package["version"]).to_owned())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_read_from_a_lock_file() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.2.3\"\nsource = \"registry\"\n\
            checksum = \"0f\"\n\n[[package]]\nname = \"own\"\nversion = \"0.1.0\"\ndependencies = [\n \"a\",\n]\n";
        let sums = checksums(lock);
        assert_eq!(sums.len(), 1);
        assert_eq!(sums[&("a".to_owned(), "1.2.3".to_owned())], "0f");
    }

    #[test]
    fn the_binary_contains_tokio_and_no_crate_that_only_tests_use() {
        let crates = all().unwrap();
        let has = |name: &str| crates.keys().any(|(known, _)| known == name);
        assert!(has("tokio") && has("libsqlite3-sys") && has("hongyan-gateway"));
        assert!(!has("proptest") && !has("libtest-mimic") && !has("xtask"));
        assert!(
            crates.values().all(|one| !one.is_foreign || (one.checksum.is_some() && !one.licence.is_empty()))
        );
    }
}
