//! Packs the Markdown pages into one compressed file, and lists the pictures. So the binary has the whole site, and the
//! repository has no generated file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// How hard the packer tries; 9 is the most that is worth its time.
const LEVEL: u8 = 9;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let docs = root.join("docs");
    println!("cargo::rerun-if-changed={}", docs.display());
    let mut pages = files(&docs, &["md"]);
    for page in files_of(&root, &["md"]) {
        println!("cargo::rerun-if-changed={}", page.display());
        pages.push(page);
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let mut packed = Vec::new();
    for page in &pages {
        let text = fs::read(page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        // A page is a line with its path and its size, and then its text.
        packed.extend_from_slice(format!("{} {}\n", name(&root, page), text.len()).as_bytes());
        packed.extend_from_slice(&text);
    }
    let packed = miniz_oxide::deflate::compress_to_vec_zlib(&packed, LEVEL);
    fs::write(out.join("pages.bin"), packed).expect("OUT_DIR is writable");

    let mut pictures = "&[\n".to_owned();
    for picture in files(&docs.join("images"), &["png", "svg"]) {
        let path = picture.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", picture.display()));
        writeln!(pictures, "({:?}, include_bytes!({:?})),", name(&docs, &picture), path.to_string_lossy())
            .expect("a string grows");
    }
    pictures.push(']');
    fs::write(out.join("pictures.rs"), pictures).expect("OUT_DIR is writable");
}

/// The path of a file inside a folder, with `/`.
fn name(folder: &Path, file: &Path) -> String {
    let inside = file.strip_prefix(folder).expect("the file was found in the folder");
    inside.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// The files with these extensions in a folder and below it, sorted.
fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = files_of(folder, extensions);
    for below in entries(folder).into_iter().filter(|path| path.is_dir()) {
        found.extend(files(&below, extensions));
    }
    found
}

/// The files with these extensions in a folder, sorted.
fn files_of(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let is_wanted = |path: &PathBuf| {
        path.is_file()
            && path
                .extension()
                .and_then(|extension| extension.to_str())
                .is_some_and(|extension| extensions.contains(&extension))
    };
    entries(folder).into_iter().filter(is_wanted).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut entries: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    entries.sort();
    entries
}
