//! Where refused lines go: to a file, or the first of them to the terminal.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::explain::explain;
use crate::failure::Failure;
use crate::output;
use crate::text::say;

/// How many refusals are shown on the terminal; the summary counts all of them.
const SHOWN: usize = 10;

/// Where refused lines go.
pub(super) struct Refusals {
    file: Option<(PathBuf, BufWriter<File>)>,
    shown: usize,
}

impl Refusals {
    /// Each run tries refused lines again, so the file starts empty in each run.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self { file: None, shown: 0 }) };
        let file = File::create(path).map_err(|error| Failure::cannot_write(path, &error))?;
        Ok(Self { file: Some((path.to_owned(), BufWriter::new(file))), shown: 0 })
    }

    /// Reports one refused line and the reason.
    pub(super) fn add(&mut self, line: u64, item: Option<&Value>, problem: &Value) -> Result<(), Failure> {
        let Some((path, file)) = &mut self.file else {
            self.shown += 1;
            if self.shown <= SHOWN {
                let why = explain(problem);
                output::warn(say!("第 {line} 行：{why}", "line {line}: {why}"; why));
            } else if self.shown == SHOWN + 1 {
                output::warn(say!(
                    "还有更多行被拒绝；--errors FILE 把它们全部写到文件",
                    "more lines were refused; --errors FILE writes all of them to a file"
                ));
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
