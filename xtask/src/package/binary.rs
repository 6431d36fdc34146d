//! The stripped binary that runs on old Linux systems.
//!
//! Rust's own build needs the C library of the machine that links it. Zig's linker links for a C library of a given
//! version, so the binary runs on CentOS 7, Debian 8, Ubuntu 14.04 and everything newer.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::files::failed;
use crate::command::{Result, cargo, output_of, run as run_command, target_dir};
use crate::prepare;

/// The platform of the binary.
pub(super) const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The oldest C library that the binary runs with: the version of CentOS 7.
pub(super) const GLIBC: (u32, u32) = (2, 17);

/// The largest size of the binary: 20 MB.
const MAX_BYTES: u64 = 20_000_000;

/// Builds the binary if it is out of date, checks it, and returns its path.
///
/// # Errors
/// When the build fails, or when the binary is too large or needs a newer C library.
pub(crate) fn dist_binary() -> Result<PathBuf> {
    prepare::programs(&[("objdump", "binutils")])?;
    let python = prepare::python_packages("packages/linux")?;
    let programs = python.parent().expect("Python lies in the environment's bin");
    let mut paths = vec![programs.to_owned()];
    paths.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let paths = std::env::join_paths(paths).map_err(|error| format!("PATH: {error}"))?;
    let target = target_dir()?;
    let mut build = cargo(&["zigbuild", "--profile", "dist", "--locked", "--package", "hongyan"]);
    build.args(["--target", &format!("{TARGET}.{}.{}", GLIBC.0, GLIBC.1), "--target-dir"]).arg(&target);
    // cargo finds zigbuild in PATH, and zigbuild starts Zig by this Python.
    run_command(build.env("PATH", paths).env("CARGO_ZIGBUILD_PYTHON_PATH", &python))?;
    let binary = target.join(TARGET).join("dist/hongyan");
    check(&binary)?;
    Ok(binary)
}

fn check(binary: &Path) -> Result {
    let bytes = fs::metadata(binary).map_err(|error| failed(binary, &error))?.len();
    if bytes > MAX_BYTES {
        return Err(format!("{}: {bytes} bytes; at most {MAX_BYTES} are allowed", binary.display()));
    }
    let symbols = output_of(Command::new("objdump").arg("-T").arg(binary))
        .ok_or_else(|| format!("objdump cannot read {}", binary.display()))?;
    let newest = newest_glibc(&symbols).ok_or_else(|| format!("{}: needs no glibc?", binary.display()))?;
    if newest > GLIBC {
        return Err(format!("{}: needs glibc {}.{}", binary.display(), newest.0, newest.1));
    }
    println!("{}: {bytes} bytes, needs glibc {}.{}", binary.display(), newest.0, newest.1);
    Ok(())
}

/// The newest version of glibc that a list of symbols (of `objdump -T`) names.
fn newest_glibc(symbols: &str) -> Option<(u32, u32)> {
    let names = symbols.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')'));
    let versions = names.filter_map(|name| name.strip_prefix("GLIBC_"));
    versions.filter_map(version).max()
}

/// The first two numbers of a version.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_glibc_is_found_among_symbols() {
        let symbols = "\
0000000000000000      DF *UND*  0000000000000000 (GLIBC_2.2.5) read
0000000000000000      DF *UND*  0000000000000000 (GLIBC_2.17) clock_gettime
0000000000000000      DF *UND*  0000000000000000  GLIBC_2.3.4 __memcpy_chk
0000000000000000      DF *UND*  0000000000000000 (GCC_3.0) _Unwind_Backtrace";
        assert_eq!(newest_glibc(symbols), Some((2, 17)));
        assert_eq!(newest_glibc("0000000000000000 g    DF .text main"), None);
    }
}
