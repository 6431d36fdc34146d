//! Circles of files: within a crate no file may need a file that needs it, directly or through others. So a reader can
//! read a crate from the bottom up.
//!
//! The needs of a file are read from its `use` lines and from paths that begin with `crate::`, `super::` or the name of a
//! module below it. A re-export is not a need: an import through a re-export counts for the module that defines the name.
//! Tests inside a file do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, io};

use crate::command::{Result, root};
use crate::sources::{code_of, expand, files, imports, paths};

/// A module: its path from the crate's root.
type Module = Vec<String>;

/// Checks every crate.
///
/// # Errors
/// When there are circles; the error lists them.
pub(crate) fn check() -> Result {
    let mut troubles = Vec::new();
    let unreadable = |error: io::Error| format!("the crates cannot be read: {error}");
    for entry in fs::read_dir(root().join("crates")).map_err(unreadable)? {
        let dir = entry.map_err(unreadable)?.path();
        let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let circles = Crate::read(&dir.join("src")).map_err(unreadable)?.circles();
        troubles.extend(circles.iter().map(|circle| format!("{name}: {circle}")));
    }
    if troubles.is_empty() { Ok(()) } else { Err(format!("circles of files:\n{}", troubles.join("\n"))) }
}

/// A crate's files without comments and tests, and the re-exports of each: a name, and the module that defines it.
#[derive(Default)]
struct Crate {
    texts: BTreeMap<Module, String>,
    reexports: BTreeMap<Module, BTreeMap<String, Module>>,
}

impl Crate {
    fn read(src: &Path) -> io::Result<Self> {
        let mut of = Self::default();
        for file in files(src)? {
            let inside = file.strip_prefix(src).unwrap_or(&file).with_extension("");
            let mut module: Module = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            if module.last().is_some_and(|name| matches!(name.as_str(), "lib" | "main" | "mod")) {
                module.pop();
            }
            of.texts.insert(module, code_of(&fs::read_to_string(&file)?));
        }
        of.find_reexports();
        Ok(of)
    }

    fn find_reexports(&mut self) {
        let mut reexports: BTreeMap<Module, BTreeMap<String, Module>> = BTreeMap::new();
        for (module, text) in &self.texts {
            for path in
                imports(text).0.iter().filter(|(is_public, _)| *is_public).flat_map(|(_, tree)| expand(tree))
            {
                let Some((place, rest)) = self.resolve(module, &path) else { continue };
                if let Some(name) = rest.last().or(path.last())
                    && place != *module
                {
                    reexports.entry(module.clone()).or_default().insert(name.clone(), place);
                }
            }
        }
        self.reexports = reexports;
    }

    /// The module to which a path leads, and the rest of the path. `None` for another crate.
    fn resolve(&self, module: &Module, path: &[String]) -> Option<(Module, Vec<String>)> {
        let mut rest = path;
        let mut place = match rest.first()?.as_str() {
            "crate" => Vec::new(),
            first if first == "self" || first == "super" || self.is_below(module, first) => module.clone(),
            first if self.reexports.get(module).is_some_and(|names| names.contains_key(first)) => {
                module.clone()
            }
            _ => return None,
        };
        while let Some(word @ ("crate" | "self" | "super")) = rest.first().map(String::as_str) {
            if word == "super" {
                place.pop();
            }
            rest = &rest[1..];
        }
        while let Some(name) = rest.first().filter(|name| self.is_below(&place, name)) {
            place.push(name.clone());
            rest = &rest[1..];
        }
        Some((place, rest.to_vec()))
    }

    fn is_below(&self, module: &Module, name: &str) -> bool {
        let mut below = module.clone();
        below.push(name.to_owned());
        self.texts.contains_key(&below)
    }

    /// The modules that a module needs.
    fn needs(&self, module: &Module) -> BTreeSet<Module> {
        let text = &self.texts[module];
        let (imports, others) = imports(text);
        let imported = imports.iter().filter(|(is_public, _)| !is_public).flat_map(|(_, tree)| expand(tree));
        let named =
            paths(&others, |first| matches!(first, "crate" | "super") || self.is_below(module, first));
        let mut needed = BTreeSet::new();
        for path in imported.chain(named) {
            let Some((mut place, rest)) = self.resolve(module, &path) else { continue };
            // The module that defines the name, through any number of re-exports.
            let mut name = rest.first();
            for _ in 0..self.texts.len() {
                let Some(there) = name.and_then(|name| self.reexports.get(&place)?.get(name)) else { break };
                place.clone_from(there);
                if let Some(module) = name.filter(|name| self.is_below(&place, name)) {
                    place.push(module.clone());
                    name = rest.get(1);
                }
            }
            if place != *module && self.texts.contains_key(&place) && !(place.is_empty() && rest.is_empty()) {
                needed.insert(place);
            }
        }
        needed
    }

    /// Each circle, as the names of its files.
    fn circles(&self) -> Vec<String> {
        let needs: BTreeMap<&Module, BTreeSet<Module>> =
            self.texts.keys().map(|module| (module, self.needs(module))).collect();
        let reaches = |from: &Module| {
            let (mut seen, mut open) = (BTreeSet::new(), vec![from.clone()]);
            while let Some(module) = open.pop() {
                for next in &needs[&module] {
                    if seen.insert(next.clone()) {
                        open.push(next.clone());
                    }
                }
            }
            seen
        };
        let reached: BTreeMap<&Module, BTreeSet<Module>> =
            self.texts.keys().map(|module| (module, reaches(module))).collect();
        let mut circles = BTreeSet::new();
        for (&module, to) in &reached {
            let circle: Vec<String> = to
                .iter()
                .filter(|other| to.contains(module) && reached[other].contains(module))
                .map(|other| if other.is_empty() { "lib".to_owned() } else { other.join("/") })
                .collect();
            if circle.len() > 1 {
                circles.insert(circle.join(", "));
            }
        }
        circles.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
        let mut of = Crate::default();
        for (module, text) in files {
            let module = module.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
            of.texts.insert(module, code_of(text));
        }
        of.find_reexports();
        of.circles()
    }

    #[test]
    fn a_circle_is_found_however_it_is_spelt() {
        let below = ("b", "use crate::c::{D, E};\n");
        for back in
            ["use crate::b::X;\n", "use super::b::{self};\n", "fn f() { crate::b::x() }\n", "use crate::X;\n"]
        {
            let files = [("", "mod b;\nmod c;\npub use b::X;\n"), below, ("c", back)];
            assert_eq!(circles_of(&files), ["b, c"], "{back}");
        }
    }

    #[test]
    fn a_comment_a_test_and_a_re_export_are_no_need() {
        for back in [
            "// crate::b::X\n",
            "#[cfg(test)]\nmod tests {\n    use crate::b::X;\n}\n",
            "#[cfg(all(test, unix))]\nmod tests {\n    use crate::b::X;\n}\n",
            "pub use crate::b::X;\n",
            "use other::b::X;\n",
        ] {
            let files = [("", "mod b;\nmod c;\n"), ("b", "use crate::c::D;\n"), ("c", back)];
            assert_eq!(circles_of(&files), Vec::<String>::new(), "{back}");
        }
    }

    #[test]
    fn what_stands_behind_the_name_of_a_file_of_tests_counts() {
        let files = [
            ("", "mod a;\n"),
            ("a", "mod b;\n#[cfg(test)]\nmod tests;\nfn f() { b::g() }\n"),
            ("a/b", "use super::Shared;\n"),
        ];
        assert_eq!(circles_of(&files), ["a, a/b"]);
    }

    #[test]
    fn a_folder_that_uses_a_file_which_uses_the_folder_is_a_circle() {
        let files = [("", "mod a;\n"), ("a", "mod b;\nfn f() { b::g() }\n"), ("a/b", "use super::Shared;\n")];
        assert_eq!(circles_of(&files), ["a, a/b"]);
    }
}
