//! Writes the pages of `docs/` that are made from the code, or, with `--check`, says which are not current.
//! `cargo xtask errcodes` runs it.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let check = std::env::args().nth(1).is_some_and(|arg| arg == "--check");
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let mut failed = false;
    for page in hongyan_gateway::reference::pages() {
        let (name, text) = (page.file(), page.markdown());
        let path = docs.join(&name);
        if std::fs::read_to_string(&path).is_ok_and(|written| written == text) {
            continue;
        }
        if check {
            eprintln!("docs/{name} is not current; write it with: cargo xtask errcodes");
            failed = true;
        } else if let Err(error) = std::fs::write(&path, text) {
            eprintln!("docs/{name} cannot be written: {error}");
            failed = true;
        } else {
            println!("docs/{name} is written");
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
