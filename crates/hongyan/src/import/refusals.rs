//! Where refused lines go: into a file that takes them, or to the terminal, the first of them.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::http::explain;
use crate::output;

/// Refusals that are shown where no file takes them; the summary counts all.
const SHOWN: usize = 10;

/// Where refused lines go.
pub(super) struct Refusals {
    file: Option<(PathBuf, BufWriter<File>)>,
    shown: usize,
}

impl Refusals {
    /// Each run tries again what was refused, so the file begins anew with each.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self { file: None, shown: 0 }) };
        let file = File::create(path).map_err(|error| Failure::cannot_write(path, &error))?;
        Ok(Self { file: Some((path.to_owned(), BufWriter::new(file))), shown: 0 })
    }

    /// One line that was not taken, and why.
    pub(super) fn add(&mut self, line: u64, item: Option<&Value>, problem: &Value) -> Result<(), Failure> {
        let Some((path, file)) = &mut self.file else {
            self.shown += 1;
            if self.shown <= SHOWN {
                output::warn(&format!("line {line}: {}", explain(problem)));
            } else if self.shown == SHOWN + 1 {
                output::warn("there are more; --errors FILE takes all of them");
            }
            return Ok(());
        };
        let mut entry = json!({ "line": line, "problem": problem });
        if let Some(reference) = item.and_then(|item| item.get("reference")) {
            entry["reference"] = reference.clone();
        }
        writeln!(file, "{entry}").map_err(|error| Failure::cannot_write(path, &error))
    }

    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        match &mut self.file {
            Some((path, file)) => file.flush().map_err(|error| Failure::cannot_write(path, &error)),
            None => Ok(()),
        }
    }
}
