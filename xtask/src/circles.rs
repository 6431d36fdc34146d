//! Circles of files: in a crate, no file may need one that needs it, by however many others in between. Whoever reads a
//! crate from the bottom up can begin then.
//!
//! What a file needs is read from its `use` lines and from paths that begin with `crate::`, `super::` or the name of a
//! module below it. A re-export is no need: what is imported by it is looked up where it stands. Tests inside a file do
//! not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, io};

use crate::command::{Result, root};

/// Crates that still have circles. The list may only become shorter.
const NOT_YET: [&str; 1] = ["hongyan-gateway"];

/// A module, by its path from the crate's root.
type Module = Vec<String>;

/// Looks at every crate.
///
/// # Errors
/// With the circles, if there are any; and if a crate that is listed as having some has none any more.
pub(crate) fn check() -> Result {
    let mut troubles = Vec::new();
    let unreadable = |error: io::Error| format!("the crates cannot be read: {error}");
    for entry in fs::read_dir(root().join("crates")).map_err(unreadable)? {
        let dir = entry.map_err(unreadable)?.path();
        let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let circles = Crate::read(&dir.join("src")).map_err(unreadable)?.circles();
        match (circles.is_empty(), NOT_YET.contains(&name.as_str())) {
            (true, true) => troubles.push(format!("{name} has no circle any more: take it off the list")),
            (false, false) => troubles.extend(circles.iter().map(|circle| format!("{name}: {circle}"))),
            _ => {}
        }
    }
    if troubles.is_empty() { Ok(()) } else { Err(format!("circles of files:\n{}", troubles.join("\n"))) }
}

/// A crate's files without comments and tests, and what each re-exports: a name, and the module in which it stands.
#[derive(Default)]
struct Crate {
    texts: BTreeMap<Module, String>,
    reexports: BTreeMap<Module, BTreeMap<String, Module>>,
}

impl Crate {
    fn read(src: &Path) -> io::Result<Self> {
        let mut files = Self::default();
        files.read_dir(src, &Vec::new())?;
        files.find_reexports();
        Ok(files)
    }

    fn read_dir(&mut self, dir: &Path, module: &Module) -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let mut inner = module.clone();
            if path.is_dir() {
                inner.push(stem);
                self.read_dir(&path, &inner)?;
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                if !matches!(stem.as_str(), "lib" | "main" | "mod") {
                    inner.push(stem);
                }
                self.texts.insert(inner, code_of(&fs::read_to_string(&path)?));
            }
        }
        Ok(())
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

    /// The module that a path leads into, and what is left of the path there. `None`: another crate's.
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
            // Where the name stands, through however many re-exports.
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

/// A file's text without comments and without the tests at its end, whatever they are compiled for. Where `mod tests;`
/// names a file of tests, the text goes on behind it.
fn code_of(text: &str) -> String {
    let text = text.split("]\nmod tests {").next().unwrap_or_default();
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The trees of a file's `use` lines, each with whether it is a re-export; and the lines that are none.
fn imports(text: &str) -> (Vec<(bool, String)>, String) {
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
fn expand(tree: &str) -> Vec<Vec<String>> {
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

/// Paths in a text whose first word is one of these.
fn paths(text: &str, is_meant: impl Fn(&str) -> bool) -> Vec<Vec<String>> {
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
