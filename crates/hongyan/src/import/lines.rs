//! Reads lines of JSON one after the other and groups them into batches. A file of any size needs memory for a few
//! batches, and some bytes for each line that was accepted before.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde_json::{Value, json};

use super::kind::Kind;
use super::known::{Mark, hash};
use super::state::Earlier;
use crate::failure::Failure;
use crate::strict_json;
use crate::text::{Text, say};

/// The longest line that is read; the largest WeChat message has about 4 KB.
const MAX_LINE_BYTES: u64 = 256 * 1024;

/// The most bytes of lines in one batch: with the JSON around them this stays far below the gateway's default limit for a
/// request (4 MiB).
const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// One line to send.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    /// The line's number, from 1.
    pub(super) line: u64,
    /// The message or permit.
    pub(super) value: Value,
    /// The mark of the line: later runs recognise the line by it.
    pub(super) mark: Mark,
}

impl Item {
    /// Whether sending the line again changes nothing.
    pub(super) fn is_repeatable(&self, kind: Kind) -> bool {
        kind == Kind::Messages || self.value["code"].is_string()
    }
}

/// Lines that are sent together.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Batch {
    pub(super) items: Vec<Item>,
    /// Lines that are not sent, each with its problem as the API writes it.
    pub(super) refused: Vec<(u64, Value)>,
    /// How many lines were skipped because an earlier run sent them.
    pub(super) known: u64,
    /// The number of the last line before the first line that needs an answer.
    pub(super) after: u64,
    /// The number of the batch's last line.
    pub(super) last_line: u64,
    /// The offset of the end of that line in the file.
    pub(super) end: u64,
}

/// How lines become batches.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) kind: Kind,
    /// Whether to make a reference from the content of a line without a reference.
    pub(super) reference_from_line: bool,
    /// The most items in a batch.
    pub(super) items: usize,
}

/// Reads and counts lines.
pub(super) struct Reader {
    input: Box<dyn BufRead + Send>,
    line: u64,
    offset: u64,
}

/// One line as read.
enum Raw {
    Text(Vec<u8>),
    TooLong,
}

impl Reader {
    /// Opens a file (`-`: standard input).
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let input: Box<dyn BufRead + Send> = if path == Path::new("-") {
            Box::new(BufReader::new(std::io::stdin()))
        } else {
            let file = File::open(path).map_err(|error| Failure::cannot_read(path, &error))?;
            Box::new(BufReader::with_capacity(64 * 1024, file))
        };
        Ok(Self { input, line: 0, offset: 0 })
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

/// Reads to the end of a line and discards it.
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

/// All batches of an input, made on demand. An error ends the batches.
///
/// Lines that earlier runs sent are skipped. Lines that earlier runs may have sent are refused.
pub(super) fn batches(
    mut reader: Reader,
    plan: Plan,
    mut earlier: Earlier,
) -> impl Iterator<Item = Result<Batch, Failure>> {
    let mut names = Names::default();
    std::iter::from_fn(move || {
        let mut batch = Batch::default();
        let mut bytes = 0;
        let begins_at = reader.line;
        while batch.items.len() + batch.refused.len() < plan.items && bytes < MAX_BATCH_BYTES {
            let read = match reader.next_line() {
                Err(error) => {
                    let line = reader.line + 1;
                    return Some(Err(Failure::run(say!(
                        "不能读取第 {line} 行：{error}",
                        "cannot read line {line}: {error}"
                    ))));
                }
                Ok(None) => break,
                Ok(Some(Raw::TooLong)) => {
                    let detail =
                        say!("一行最多 {MAX_LINE_BYTES} 字节", "a line has at most {MAX_LINE_BYTES} bytes");
                    Err(problem("line_too_long", &detail))
                }
                Ok(Some(Raw::Text(text))) => {
                    bytes += text.len();
                    item(&text, plan, &mut names)
                }
            };
            if batch.items.is_empty() && batch.refused.is_empty() {
                batch.after = reader.line - 1;
            }
            match read {
                Ok(None) => {}
                Ok(Some((_, mark))) if earlier.accepted.take(mark) => batch.known += 1,
                Ok(Some((_, mark))) if earlier.doubtful.take(mark) => {
                    batch.refused.push((reader.line, no_answer()));
                }
                Ok(Some((value, mark))) => batch.items.push(Item { line: reader.line, value, mark }),
                Err(problem) => batch.refused.push((reader.line, problem)),
            }
        }
        (batch.last_line, batch.end) = (reader.line, reader.offset);
        (reader.line > begins_at).then_some(Ok(batch))
    })
}

/// How many of the lines that earlier runs sent are still in the input.
///
/// # Errors
/// When the input cannot be read.
pub(super) fn count_known(reader: Reader, plan: Plan, earlier: Earlier) -> Result<u64, Failure> {
    batches(reader, plan, earlier).try_fold(0, |known, batch| Ok(known + batch?.known))
}

/// The content of a line and its mark; `None` for an empty line.
fn item(text: &[u8], plan: Plan, names: &mut Names) -> Result<Option<(Value, Mark)>, Value> {
    // Some editors begin a file with a byte order mark.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).trim_ascii();
    if text.is_empty() {
        return Ok(None);
    }
    let mut value = strict_json::value(text).map_err(|error| {
        let code = if error.is_data() { "invalid_field" } else { "malformed_json" };
        problem(code, &Text::same(error.to_string()))
    })?;
    if !value.is_object() {
        return Err(problem("malformed_json", &say!("一行是一个 JSON 对象", "a line is one JSON object")));
    }
    if plan.kind == Kind::Messages {
        names.give(&mut value, plan.reference_from_line)?;
    }
    let mark = Mark::of(&value);
    Ok(Some((value, mark)))
}

/// Gives references and idempotency keys to messages that have none.
#[derive(Default)]
struct Names {
    /// How often each text without a reference was met.
    met: HashMap<Mark, u64>,
}

impl Names {
    /// Makes sure that a message has a reference and an idempotency key, which is made from the reference.
    ///
    /// A made reference depends on the content, and on the number of equal lines before. It does not depend on the line's
    /// number: that number changes when lines before it are added or removed.
    fn give(&mut self, message: &mut Value, from_line: bool) -> Result<(), Value> {
        if message.get("reference").is_none_or(Value::is_null) {
            if !from_line {
                return Err(problem(
                    "missing_reference",
                    &say!(
                        "每行都要有业务编号 `reference`，重复导入时才不会成为第二条消息；--reference-from-line 由内容生成业务编号",
                        "a line needs a reference, so that a repeat does not make a second message; --reference-from-line makes a \
                         reference from the line's content"
                    ),
                ));
            }
            let mark = Mark::of(message);
            let met = self.met.entry(mark).or_default();
            *met += 1;
            message["reference"] = format!("line-{mark}-{met}").into();
        }
        if message.get("idempotency_key").is_none_or(Value::is_null) {
            // The reference is hashed because it may contain characters that a key must not contain. The gateway refuses
            // a reference that is not a string.
            let reference = message["reference"].as_str().unwrap_or_default();
            message["idempotency_key"] = format!("import-{}", hash(reference.as_bytes())).into();
        }
        Ok(())
    }
}

/// The problem of a line that cannot be repeated and may have been accepted.
pub(super) fn no_answer() -> Value {
    problem(
        "no_answer",
        &say!(
            "应答丢失，而订阅没有凭据可供网关识别重复：请查看该用户的额度里是否有它（GET /v1/permits）。有则从文件里删除这一行；\
             没有则用另一个文件导入这一行",
            "the answer was lost, and a subscription has no code by which the gateway recognises a repeat: check whether the \
             user's permits contain it (GET /v1/permits). If they do, remove the line from the file; if not, import the line \
             from another file"
        ),
    )
}

/// A problem of the command itself, in the gateway's form.
pub(super) fn problem(code: &str, detail: &Text) -> Value {
    let mut problem = json!({ "code": code, "detail": detail.en });
    if detail.zh != detail.en {
        problem["detail_zh"] = detail.zh.as_str().into();
    }
    problem
}

#[cfg(test)]
mod tests {
    use super::super::known::Known;
    use super::*;

    fn read(text: &str, plan: Plan) -> Vec<Batch> {
        read_after(text, plan, Earlier::default())
    }

    fn read_after(text: &str, plan: Plan, earlier: Earlier) -> Vec<Batch> {
        let reader =
            Reader { input: Box::new(std::io::Cursor::new(text.as_bytes().to_vec())), line: 0, offset: 0 };
        batches(reader, plan, earlier).map(Result::unwrap).collect()
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
        assert_eq!(key, &again.items[0].value["idempotency_key"], "the position does not change the key");
        let own = one("{\"reference\":\"a\",\"idempotency_key\":\"mine\"}", PLAN);
        assert_eq!(own.items[0].value["idempotency_key"], "mine");
        assert_eq!(key, "import-564a3cc6ee37d624", "older versions made the same key");
        assert_eq!(one("{}", PLAN).refused[0].1["code"], "missing_reference");

        let from_line = Plan { reference_from_line: true, ..PLAN };
        let twice = one("{\"to\":\"x\"}\n{\"to\":\"x\"}", from_line);
        assert_ne!(twice.items[0].value["reference"], twice.items[1].value["reference"]);
        assert_eq!(twice, one("{\"to\":\"x\"}\n{\"to\":\"x\"}", from_line));
        // References do not depend on position or formatting: the first of two equal lines stays the first.
        let references = |text: &str| -> Vec<String> {
            let batches = read(text, from_line);
            let items = batches.iter().flat_map(|batch| &batch.items);
            items.map(|item| item.value["reference"].as_str().unwrap().to_owned()).collect()
        };
        let moved = references("{\"to\":\"y\"}\n{ \"to\": \"x\" }\n\n{\"to\":\"x\"}");
        assert_eq!(references("{\"to\":\"x\"}\n{\"to\":\"x\"}"), moved[1..]);
        let permits = Plan { kind: Kind::Permits, ..PLAN };
        assert_eq!(one("{\"kind\":\"form\"}", permits).items[0].value, json!({ "kind": "form" }));
    }

    #[test]
    fn a_field_that_stands_twice_is_refused_and_not_the_last_one_taken() {
        let text = r#"{"reference":"a","data":{"thing1":"Latte","thing1":"Mocha"}}"#;
        let (_, problem) = &read(text, PLAN)[0].refused[0];
        assert_eq!(problem["code"], "invalid_field");
        assert!(problem["detail"].as_str().unwrap().contains("thing1"), "{problem}");
    }

    #[test]
    fn lines_that_an_earlier_run_brought_are_left_out_and_doubtful_ones_are_refused() {
        let all: Vec<Item> = read("{\"reference\":\"a\"}\n{\"reference\":\"b\"}", PLAN).remove(0).items;
        let earlier = Earlier {
            accepted: Known::new(vec![all[0].mark]),
            doubtful: Known::new(vec![all[1].mark]),
            older: None,
        };
        let text = "{\"reference\":\"new\"}\n{\"reference\":\"b\"}\n\n{ \"reference\": \"a\" }\n{\"reference\":\"c\"}";
        let batches = read_after(text, Plan { items: 9, ..PLAN }, earlier.clone());
        let numbers: Vec<u64> = batches[0].items.iter().map(|item| item.line).collect();
        assert_eq!((numbers, batches[0].known, batches[0].after), (vec![1, 5], 1, 0));
        assert_eq!((batches[0].refused[0].0, &batches[0].refused[0].1["code"]), (2, &json!("no_answer")));
        // A file whose lines were all accepted before is one batch without a line to send.
        let known = read_after("{\"reference\":\"a\"}\n", PLAN, earlier);
        assert_eq!((known.len(), known[0].known, known[0].items.len(), known[0].after), (1, 1, 0, 0));
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
