//! Checks dependencies: each dependency in a crate's `Cargo.toml` is named in the crate's sources, each dependency of the
//! workspace belongs to a crate, and a dependency that only tests name is a dev-dependency.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::Value;

use crate::command::{Result, metadata, root};
use crate::sources::{code_of, files, without_comments};

/// Dependencies that are needed although no source names them: the crate, the dependency, and the reason. Today there is
/// no such dependency.
const UNNAMED: [(&str, &str, &str); 0] = [];

/// Checks every crate.
///
/// # Errors
/// When dependencies are not needed; the error lists them.
pub(crate) fn check() -> Result {
    let unreadable = |error: io::Error| format!("the sources cannot be read: {error}");
    let mut troubles = Vec::new();
    let mut used = BTreeSet::new();
    for manifest in ["Cargo.toml", "fuzz/Cargo.toml"] {
        for package in packages(manifest)? {
            troubles.extend(package.troubles().map_err(unreadable)?);
            used.extend(package.dependencies.into_iter().map(|dependency| dependency.name));
        }
    }
    let workspace = fs::read_to_string(root().join("Cargo.toml")).map_err(unreadable)?;
    let unused = shared(&workspace).filter(|name| !used.contains(*name));
    troubles.extend(unused.map(|name| format!("the workspace: no crate depends on {name}")));
    if troubles.is_empty() { Ok(()) } else { Err(format!("dependencies:\n{}", troubles.join("\n"))) }
}

/// A crate, as cargo describes it.
struct Package {
    name: String,
    dir: PathBuf,
    dependencies: Vec<Dependency>,
    /// The kind of each target, and its first file.
    targets: Vec<(String, PathBuf)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Dependency {
    name: String,
    /// `None` for a normal dependency; otherwise `dev` or `build`.
    kind: Option<String>,
    /// The target platforms, if the dependency is limited to them.
    target: Option<String>,
    features: Vec<String>,
}

fn packages(manifest: &str) -> Result<Vec<Package>> {
    let metadata = metadata(&["--no-deps", "--manifest-path", manifest])?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let dependency = |value: &Value| Dependency {
        name: text(&value["rename"]).or_else(|| text(&value["name"])).unwrap_or_default(),
        kind: text(&value["kind"]),
        target: text(&value["target"]),
        features: list(&value["features"]).iter().filter_map(text).collect(),
    };
    let package = |value: &Value| {
        let manifest = PathBuf::from(text(&value["manifest_path"]).unwrap_or_default());
        let target = |value: &Value| {
            let path = PathBuf::from(text(&value["src_path"]).unwrap_or_default());
            (text(&value["kind"][0]).unwrap_or_default(), path)
        };
        Package {
            name: text(&value["name"]).unwrap_or_default(),
            dir: manifest.parent().unwrap_or(&manifest).to_owned(),
            dependencies: list(&value["dependencies"]).iter().map(dependency).collect(),
            targets: list(&value["targets"]).iter().map(target).collect(),
        }
    };
    Ok(list(&metadata["packages"]).iter().map(package).collect())
}

impl Package {
    fn troubles(&self) -> io::Result<Vec<String>> {
        let (own, build, tests) = (self.own_code()?, self.build_code()?, self.all_code()?);
        let mut troubles = Vec::new();
        for (at, dependency) in self.dependencies.iter().enumerate() {
            let name = &dependency.name;
            let (code, whose) = match dependency.kind.as_deref() {
                None => (&own, "its code"),
                Some("build") => (&build, "its build script"),
                Some(_) => (&tests, "its code or its tests"),
            };
            let is_excepted =
                UNNAMED.iter().any(|(package, unnamed, _)| *package == self.name && unnamed == name);
            if !names(code, name) && !is_excepted {
                troubles.push(format!(
                    "{}: {whose} does not name {name}; if the dependency is needed anyway, give the reason in \
                     xtask/src/dependencies.rs",
                    self.name
                ));
            }
            // Tests see what the crate itself depends on; a build script does not.
            let is_seen = |other: &Dependency| {
                other.kind == dependency.kind
                    || (other.kind.is_none() && dependency.kind.as_deref() == Some("dev"))
            };
            let is_covered = |other: &Dependency| {
                other.name == *name
                    && is_seen(other)
                    && (other.target.is_none() || other.target == dependency.target)
                    && dependency.features.iter().all(|feature| other.features.contains(feature))
            };
            if self
                .dependencies
                .iter()
                .enumerate()
                .any(|(other_at, other)| other_at != at && is_covered(other))
            {
                troubles.push(format!("{}: {name} is a dependency twice", self.name));
            }
        }
        Ok(troubles)
    }

    /// The sources of the crate itself, without tests.
    fn own_code(&self) -> io::Result<String> {
        let mut code = String::new();
        for dir in self.dirs(|kind| matches!(kind, "lib" | "bin")) {
            let (mut texts, mut tests) = (Vec::new(), Vec::new());
            for file in files(&dir)? {
                let text = fs::read_to_string(&file)?;
                tests.extend(modules_of_tests(&file, &text));
                texts.push((file, text));
            }
            for (file, text) in texts {
                if !tests.iter().any(|module| file.starts_with(module) || file == module.with_extension("rs"))
                {
                    code.push_str(&code_of(&text));
                }
            }
        }
        Ok(code)
    }

    fn build_code(&self) -> io::Result<String> {
        let scripts = self.targets.iter().filter(|(kind, _)| kind == "custom-build");
        scripts.map(|(_, script)| fs::read_to_string(script)).collect()
    }

    /// All sources that are compiled for tests.
    fn all_code(&self) -> io::Result<String> {
        let mut code = String::new();
        for dir in self.dirs(|kind| kind != "custom-build") {
            for file in files(&dir)? {
                code.push_str(&without_comments(&fs::read_to_string(file)?));
            }
        }
        Ok(code)
    }

    /// The directories of the sources of these targets.
    fn dirs(&self, is_meant: impl Fn(&str) -> bool) -> BTreeSet<PathBuf> {
        let meant = self.targets.iter().filter(|(kind, _)| is_meant(kind));
        let dirs = meant.filter_map(|(_, path)| path.parent().map(Path::to_owned));
        dirs.filter(|dir| *dir != self.dir).collect()
    }
}

/// The modules that a file uses only for tests, as paths without an extension.
fn modules_of_tests(file: &Path, text: &str) -> Vec<PathBuf> {
    let beside = file.parent().unwrap_or(file);
    let stem = file.file_stem().unwrap_or_default();
    let below = if ["lib", "main", "mod"].iter().any(|name| stem == *name) {
        beside.to_owned()
    } else {
        beside.join(stem)
    };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let marked = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]");
    let named = marked.filter_map(|pair| pair[1].split_once("mod ")?.1.strip_suffix(';'));
    named.map(|name| below.join(name)).collect()
}

/// Whether a text names a crate, in a path or in a `use` line.
fn names(text: &str, dependency: &str) -> bool {
    let name = dependency.replace('-', "_");
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(&name).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + name.len()..]);
        let is_whole = !before.ends_with(is_word) && !after.starts_with(is_word);
        // `crate::http::…` is a module of the crate itself, `::http::…` is not.
        let is_first = before.strip_suffix("::").is_none_or(|before| !before.ends_with(is_word));
        is_whole && is_first && (after.starts_with("::") || before.ends_with("use "))
    })
}

/// The shared dependencies of the workspace.
fn shared(manifest: &str) -> impl Iterator<Item = &str> {
    let section = manifest.split("[workspace.dependencies]\n").nth(1).unwrap_or_default();
    let lines = section.lines().take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| Some(line.split_once('=')?.0.trim())).filter(|name| !name.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_is_named_by_a_path_or_a_use_line() {
        for text in [
            "use http_body::Body;",
            "fn f() { http_body::f() }",
            "#[http_body::main]",
            "use http_body;",
            "::http_body::f()",
        ] {
            assert!(names(text, "http-body"), "{text}");
        }
        for text in
            ["use http_body_util::Full;", "let http_body = 1;", "crate::http_body::f()", "my_http_body::f()"]
        {
            assert!(!names(text, "http-body"), "{text}");
        }
    }

    #[test]
    fn modules_of_tests_are_found_beside_their_file_or_below_it() {
        let text = "mod a;\n#[cfg(test)]\nmod tests;\n#[cfg(test)]\npub(crate) mod world;\n#[cfg(test)]\nmod inside {\n";
        let of = |file| modules_of_tests(Path::new(file), text);
        assert_eq!(of("src/b/mod.rs"), [Path::new("src/b/tests"), Path::new("src/b/world")]);
        assert_eq!(of("src/b.rs"), [Path::new("src/b/tests"), Path::new("src/b/world")]);
    }

    #[test]
    fn what_the_crates_share_stands_in_one_section() {
        let manifest = "[workspace]\nmembers = []\n[workspace.dependencies]\na = \"1\" # why\nb = { version = \"2\" }\n\n[profile.dev]\ndebug = 1\n";
        assert_eq!(shared(manifest).collect::<Vec<_>>(), ["a", "b"]);
    }
}
