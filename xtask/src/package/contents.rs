//! The files that the tarball and the packages contain, whatever their place there.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::files::{clear_folder, copy, read, sorted, write};
use super::{binary, licences, work};
use crate::command::{Result, output_of, root, run as run_command};

/// The completion scripts: the shell, and the file's name.
const COMPLETIONS: [(&str, &str); 3] =
    [("bash", "hongyan.bash"), ("fish", "hongyan.fish"), ("zsh", "_hongyan")];

/// The manual pages: their language, and their folder. `man` looks for `man1` in the folders of `share/man`.
pub(super) const MANUALS: [(&str, &str); 2] = [("en", "man/man1"), ("zh", "man/zh_CN/man1")];

/// Files of the repository: what they are called, and where they are.
const SOURCES: [(&str, &str); 7] = [
    ("README.md", "README.md"),
    ("README.zh-CN.md", "README.zh-CN.md"),
    ("CHANGELOG.md", "CHANGELOG.md"),
    ("LICENSE-MIT", "LICENSE-MIT"),
    ("LICENSE-APACHE", "LICENSE-APACHE"),
    ("hongyan.example.toml", "hongyan.example.toml"),
    ("hongyan.service", "packages/linux/hongyan.service"),
];

/// The list of the licences of all crates in the binary.
const THIRD_PARTY: &str = "THIRD-PARTY.txt";

/// A folder with `hongyan`, `completions/`, `man/`, `hongyan.toml` for the packages, and texts. It is made once.
///
/// # Errors
/// When the binary cannot be built, or a file cannot be made.
pub(super) fn folder() -> Result<&'static Path> {
    static FOLDER: OnceLock<Result<PathBuf>> = OnceLock::new();
    FOLDER.get_or_init(make).as_deref().map_err(Clone::clone)
}

/// The list of the licences of all crates in the binary.
///
/// # Errors
/// As [`folder()`].
pub(super) fn third_party() -> Result<PathBuf> {
    Ok(folder()?.join(THIRD_PARTY))
}

fn make() -> Result<PathBuf> {
    let binary = binary::dist_binary()?;
    let folder = work()?.join("contents");
    clear_folder(&folder)?;
    copy(&binary, &folder.join("hongyan"), 0o755)?;
    for (name, source) in SOURCES {
        copy(&root().join(source), &folder.join(name), 0o644)?;
    }
    write(&folder.join(THIRD_PARTY), licences::list()?, 0o644)?;
    write(&folder.join("hongyan.toml"), settings(&read(&root().join("hongyan.example.toml"))?)?, 0o644)?;
    for (shell, name) in COMPLETIONS {
        let script = output_of(in_english(&binary).args(["completions", shell]))
            .ok_or_else(|| format!("hongyan completions {shell} failed"))?;
        write(&folder.join("completions").join(name), script + "\n", 0o644)?;
    }
    // The command writes files for their user alone.
    let pages = work()?.join("man");
    for (language, place) in MANUALS {
        clear_folder(&pages)?;
        run_command(in_english(&binary).args(["man", "--lang", language]).arg(&pages))?;
        for page in sorted(&pages)? {
            copy(&page, &folder.join(place).join(page.file_name().unwrap_or_default()), 0o644)?;
        }
    }
    Ok(folder)
}

fn in_english(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    command.env("LC_ALL", "C").env("LANG", "C").env_remove("LANGUAGE");
    command
}

/// The configuration of the packages: the example, with the directory of the service.
fn settings(example: &str) -> Result<String> {
    let (default, here) = ("\ndata_dir = \"hongyan-data\"\n", "\ndata_dir = \"/var/lib/hongyan\"\n");
    if example.matches(default).count() != 1 {
        return Err("hongyan.example.toml no longer has the line data_dir = \"hongyan-data\"".into());
    }
    Ok(example.replace(default, here))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packages_keep_data_in_the_directory_of_the_service() {
        let example = read(&root().join("hongyan.example.toml")).unwrap();
        let made = settings(&example).unwrap();
        assert_eq!(made.lines().count(), example.lines().count());
        assert!(made.contains("\ndata_dir = \"/var/lib/hongyan\"\n"));
    }
}
