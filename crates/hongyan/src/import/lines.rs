//! Lines of JSON, read one after the other and put together to batches. A file of any size takes the memory of a few
//! batches.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Kind;
use crate::failure::Failure;

/// The longest line that is read; the largest message of WeChat's has some 4 KB.
const MAX_LINE_BYTES: u64 = 256 * 1024;

/// The most bytes of lines in one batch: with what JSON adds, far below the gateway's default for a request (4 MiB).
const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// One line that can be sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    /// Its number, from 1.
    pub(super) line: u64,
    /// The message or permit.
    pub(super) value: Value,
}

/// Lines that go together.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Batch {
    pub(super) items: Vec<Item>,
    /// Lines that are wrong by themselves, each with its problem in the API's form.
    pub(super) refused: Vec<(u64, Value)>,
    /// The number of the last line that belongs to it.
    pub(super) last_line: u64,
    /// Where that line ends in the file.
    pub(super) end: u64,
}

/// What lines are to become.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) kind: Kind,
    /// Make a reference from number and content of a line that has none.
    pub(super) reference_from_line: bool,
    /// The most items of a batch.
    pub(super) items: usize,
}

/// Reads lines, and counts them.
pub(super) struct Reader {
    input: Box<dyn BufRead + Send>,
    line: u64,
    offset: u64,
}

/// One line as it was read.
enum Raw {
    Text(Vec<u8>),
    TooLong,
}

impl Reader {
    /// Opens a file (`-`: standard input) behind the line with this number, which ends at this place.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn open(path: &Path, offset: u64, line: u64) -> Result<Self, Failure> {
        let cannot = |error: std::io::Error| Failure::run(format!("cannot read {}: {error}", path.display()));
        if path == Path::new("-") {
            let mut reader = Self { input: Box::new(BufReader::new(std::io::stdin())), line: 0, offset: 0 };
            while reader.line < line && reader.next_line().map_err(cannot)?.is_some() {}
            return Ok(reader);
        }
        let mut file = File::open(path).map_err(cannot)?;
        file.seek(SeekFrom::Start(offset)).map_err(cannot)?;
        Ok(Self { input: Box::new(BufReader::with_capacity(64 * 1024, file)), line, offset })
    }

    fn next_line(&mut self) -> std::io::Result<Option<Raw>> {
        let mut text = Vec::new();
        let read = self.input.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut text)? as u64;
        if read == 0 {
            return Ok(None);
        }
        self.line += 1;
        self.offset += read;
        if read == MAX_LINE_BYTES && text.last() != Some(&b'\n') {
            self.offset += skip_line(&mut self.input)?;
            return Ok(Some(Raw::TooLong));
        }
        Ok(Some(Raw::Text(text)))
    }
}

/// Reads to the end of a line, without keeping it.
fn skip_line(input: &mut impl BufRead) -> std::io::Result<u64> {
    let mut skipped = 0;
    loop {
        let buffer = input.fill_buf()?;
        let (used, is_over) = match buffer.iter().position(|&byte| byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        input.consume(used);
        skipped += used as u64;
        if is_over {
            return Ok(skipped);
        }
    }
}

/// All batches of an input, made as they are asked for. After an error there are no more.
pub(super) fn batches(mut reader: Reader, plan: Plan) -> impl Iterator<Item = Result<Batch, Failure>> {
    std::iter::from_fn(move || {
        let mut batch = Batch::default();
        let mut bytes = 0;
        let begins_at = reader.line;
        while batch.items.len() + batch.refused.len() < plan.items && bytes < MAX_BATCH_BYTES {
            match reader.next_line() {
                Err(error) => {
                    let line = reader.line + 1;
                    return Some(Err(Failure::run(format!("cannot read line {line}: {error}"))));
                }
                Ok(None) => break,
                Ok(Some(Raw::TooLong)) => {
                    let detail = format!("a line has at most {MAX_LINE_BYTES} bytes");
                    batch.refused.push((reader.line, problem("line_too_long", &detail)));
                }
                Ok(Some(Raw::Text(text))) => {
                    bytes += text.len();
                    match item(&text, reader.line, plan) {
                        Ok(Some(value)) => batch.items.push(Item { line: reader.line, value }),
                        Ok(None) => {}
                        Err(problem) => batch.refused.push((reader.line, problem)),
                    }
                }
            }
        }
        (batch.last_line, batch.end) = (reader.line, reader.offset);
        (reader.line > begins_at).then_some(Ok(batch))
    })
}

/// What a line says; `None` for an empty one.
fn item(text: &[u8], line: u64, plan: Plan) -> Result<Option<Value>, Value> {
    // Editors of some systems begin a file with this mark.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).trim_ascii();
    if text.is_empty() {
        return Ok(None);
    }
    let mut value: Value =
        serde_json::from_slice(text).map_err(|error| problem("malformed_json", &error.to_string()))?;
    if !value.is_object() {
        return Err(problem("malformed_json", "a line is one JSON object"));
    }
    if plan.kind == Kind::Messages {
        name(&mut value, text, line, plan.reference_from_line)?;
    }
    Ok(Some(value))
}

/// Makes sure that a message has a reference, and the idempotency key that follows from it.
fn name(message: &mut Value, text: &[u8], line: u64, from_line: bool) -> Result<(), Value> {
    if message.get("reference").is_none_or(Value::is_null) {
        if !from_line {
            return Err(problem(
                "missing_reference",
                "a line has a reference, so that it can be sent again without becoming a second message; \
                 --reference-from-line makes one from its number and content",
            ));
        }
        message["reference"] = format!("line-{line}-{}", hash(text)).into();
    }
    if message.get("idempotency_key").is_none_or(Value::is_null) {
        // Hashed, for a reference may hold what a key may not. One that is no text is refused by the gateway.
        let reference = message["reference"].as_str().unwrap_or_default();
        message["idempotency_key"] = format!("import-{}", hash(reference.as_bytes())).into();
    }
    Ok(())
}

/// Sixteen hexadecimal digits that stand for a text.
pub(super) fn hash(text: &[u8]) -> String {
    let digest = Sha256::digest(text);
    let number = digest.iter().take(8).fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
    format!("{number:016x}")
}

/// A problem of our own, in the gateway's form.
pub(super) fn problem(code: &str, detail: &str) -> Value {
    json!({ "code": code, "detail": detail })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, plan: Plan) -> Vec<Batch> {
        let reader =
            Reader { input: Box::new(std::io::Cursor::new(text.as_bytes().to_vec())), line: 0, offset: 0 };
        batches(reader, plan).map(Result::unwrap).collect()
    }

    const PLAN: Plan = Plan { kind: Kind::Messages, reference_from_line: false, items: 2 };

    #[test]
    fn lines_become_batches_and_know_where_they_end() {
        let text =
            "\u{feff}{\"reference\":\"a\"}\r\n\n{\"reference\":\"b\"}\nnonsense\n{\"reference\":\"c\"}";
        let batches = read(text, PLAN);
        let lines: Vec<Vec<u64>> =
            batches.iter().map(|batch| batch.items.iter().map(|item| item.line).collect()).collect();
        assert_eq!(lines, [vec![1, 3], vec![5]]);
        assert_eq!(batches[1].refused[0].0, 4);
        assert_eq!(batches[1].refused[0].1["code"], "malformed_json");
        assert_eq!((batches[0].last_line, batches[1].last_line), (3, 5));
        let end = batches[0].end as usize;
        assert_eq!(&text[end..end + 8], "nonsense");
        assert_eq!(batches[1].end as usize, text.len());
        assert!(read("", PLAN).is_empty());
    }

    #[test]
    fn a_reference_makes_the_key_and_a_line_may_make_the_reference() {
        let one = |text: &str, plan| read(text, plan).remove(0);
        let (first, again) =
            (one("{\"reference\":\"订单 1\"}", PLAN), one("\n{\"reference\":\"订单 1\"}", PLAN));
        let key = &first.items[0].value["idempotency_key"];
        assert!(key.as_str().unwrap().is_ascii(), "{key}");
        assert_eq!(key, &again.items[0].value["idempotency_key"], "wherever it stands");
        let own = one("{\"reference\":\"a\",\"idempotency_key\":\"mine\"}", PLAN);
        assert_eq!(own.items[0].value["idempotency_key"], "mine");
        assert_eq!(one("{}", PLAN).refused[0].1["code"], "missing_reference");

        let from_line = Plan { reference_from_line: true, ..PLAN };
        let twice = one("{\"to\":\"x\"}\n{\"to\":\"x\"}", from_line);
        assert_ne!(twice.items[0].value["reference"], twice.items[1].value["reference"]);
        assert_eq!(twice, one("{\"to\":\"x\"}\n{\"to\":\"x\"}", from_line));
        let permits = Plan { kind: Kind::Permits, ..PLAN };
        assert_eq!(one("{\"kind\":\"form\"}", permits).items[0].value, json!({ "kind": "form" }));
    }

    #[test]
    fn a_line_without_end_is_refused_and_the_next_one_is_read() {
        let text = format!("{}\n{{\"reference\":\"a\"}}\n", "x".repeat(MAX_LINE_BYTES as usize * 3));
        let batch = read(&text, PLAN).remove(0);
        assert_eq!((batch.refused[0].0, &batch.refused[0].1["code"]), (1, &json!("line_too_long")));
        assert_eq!(batch.items[0].line, 2);
        assert_eq!(batch.end as usize, text.len());
    }
}
