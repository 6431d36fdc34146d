//! `hongyan import`: sends many messages or permits from a file of JSON lines through a running gateway.
//!
//! Batches are sent one after the other, so that a user's messages keep the order of the file. A message's idempotency
//! key is made from its `reference`, so a repeat (after a lost answer, Ctrl-C or a crash) does not make a second message.
//!
//! | module | knows |
//! | --- | --- |
//! | [`kind`] | what an import sends: messages or permits |
//! | [`lines`] | how lines are read and made into batches, one at a time in memory |
//! | [`upload`] | how a batch is sent, and when it is repeated |
//! | [`state`] | what an import remembers between its runs |
//! | [`refusals`] | where refused lines go |
//! | [`known`] | which lines were accepted already, even if the file was edited |

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::cli::ImportArgs;
use crate::failure::Failure;
use crate::http::Api;
use crate::text::{Text, say, word};
use crate::{listen, output, progress, signals};

mod kind;
mod known;
mod lines;
mod refusals;
mod state;
mod upload;

use kind::Kind;
use lines::{Batch, Plan, Reader};
use refusals::Refusals;
use state::{Earlier, Older, State};
use upload::{Ended, Tally, Upload};

/// How many batches are read ahead of the batch that is being sent.
const READ_AHEAD: usize = 2;

/// Runs the command. Exit code 1 if a line was refused, or if the import ended before the end of the file.
pub(crate) async fn run(args: ImportArgs) -> Result<(), Failure> {
    let api = Api::remote(&args.remote)?;
    let kind = if args.permits { Kind::Permits } else { Kind::Messages };
    let from_stdin = args.file == Path::new("-");
    let state_file = match (&args.state, from_stdin) {
        (Some(file), _) => Some(file.clone()),
        (None, true) => None,
        (None, false) => Some(state::beside(&args.file)),
    };
    keep_apart(&args, state_file.as_deref())?;
    let plan = Plan { kind, reference_from_line: args.reference_from_line, items: usize::from(args.batch) };
    // The file is opened before its state: a wrong file name leaves no state file behind.
    let reader = Reader::open(&args.file)?;
    let (mut state, mut earlier) = State::open(state_file, kind, listen::base(api.url()), args.restart)?;
    let bytes = size(&args.file);
    if let Some(older) = earlier.older.take() {
        earlier = take_over(&args.file, plan, bytes.is_some(), &older, &mut state)?;
    }
    if bytes.is_some() {
        is_the_same_file(&args.file, plan, &earlier)?;
    }
    let mut refusals = Refusals::open(args.errors.as_deref())?;
    if earlier.accepted.total() > 0 {
        output::remark(say!(
            "{} 行在以前的导入中已接受，这次跳过（--restart 发送全部行）",
            "{} lines were accepted by earlier runs and are skipped (--restart sends all lines)",
            earlier.accepted.total()
        ));
    }
    let stop = signals::stop()?;
    let (stopping, stopped) = tokio::sync::watch::channel(false);
    tokio::spawn(async move {
        stop.await;
        stopping.send_replace(true);
        // The task keeps the sender, so that a receiver sees the change and not a closed channel.
        std::future::pending::<()>().await;
    });

    let began = Instant::now();
    let bar = progress::bytes(bytes, word("导入中", "importing"));
    let batches = read(reader, plan, earlier)?;
    let upload =
        Upload { api: &api, kind, give_up_after: Duration::from_secs(args.give_up_after), stop: stopped };
    let mut tally = Tally::default();
    let ended = loop {
        let mut stop = upload.stop.clone();
        let batch = tokio::select! {
            batch = batches.recv_async() => batch,
            _ = stop.wait_for(|&stopped| stopped) => break Ended::Stopped,
        };
        let Ok(batch) = batch else { break Ended::AtTheEnd };
        let batch = batch?;
        let (line, end) = (batch.last_line, batch.end);
        state.passed(batch.after)?;
        let ended = upload.send_batch(batch, &mut state, &mut tally, &mut refusals).await;
        refusals.flush()?;
        match ended? {
            Ended::AtTheEnd => {}
            early => break early,
        }
        state.passed(line)?;
        bar.set_position(end);
    };
    bar.finish_and_clear();
    say(&args, &state, &tally, began.elapsed())?;
    match ended {
        Ended::AtTheEnd if tally.refused() == 0 => Ok(()),
        Ended::AtTheEnd => Err(Failure::said()),
        Ended::Stopped => Err(Failure::run(say!(
            "在第 {} 行之后停止；再执行同一命令即可继续",
            "stopped after line {}; the same command continues from there",
            state.line
        ))),
        Ended::GaveUp(why) => {
            let (line, seconds) = (state.line, args.give_up_after);
            Err(Failure::run(say!(
                "在第 {line} 行之后重试了 {seconds} 秒，不再重试：{why}；再执行同一命令即可继续",
                "gave up after line {line} and {seconds} s: {why}; the same command continues from there";
                why
            )))
        }
    }
}

/// The size of a regular file. A pipe has no size and cannot be read twice.
fn size(file: &Path) -> Option<u64> {
    std::fs::metadata(file).ok().filter(std::fs::Metadata::is_file).map(|about| about.len())
}

/// Refuses to overwrite the file that is imported.
fn keep_apart(args: &ImportArgs, state: Option<&Path>) -> Result<(), Failure> {
    let Ok(imported) = std::fs::canonicalize(&args.file) else { return Ok(()) };
    let same = |path: Option<&Path>| {
        path.and_then(|path| std::fs::canonicalize(path).ok()).is_some_and(|path| path == imported)
    };
    if same(args.errors.as_deref()) || same(state) {
        return Err(Failure::usage(say!(
            "--errors 和 --state 不能是要导入的文件本身",
            "--errors and --state must name other files than the one that is imported"
        )));
    }
    Ok(())
}

/// A state belongs to one file, and most of its lines are still there after an edit. Lines of another file that happen to
/// be equal must not count as imported.
fn is_the_same_file(file: &Path, plan: Plan, earlier: &Earlier) -> Result<(), Failure> {
    let total = earlier.accepted.total();
    if total == 0 {
        return Ok(());
    }
    let still_there = lines::count_known(Reader::open(file)?, plan, earlier.clone())?;
    if still_there * 2 >= total {
        return Ok(());
    }
    Err(Failure::run(say!(
        "以前从 {file} 导入了 {total} 行，而现在文件里只有其中的 {still_there} 行：这似乎是另一个文件。--restart 忘掉以前的导入并发送全部行；\
         --state FILE 另用一个状态文件",
        "earlier runs imported {total} lines from {file}, and now the file has only {still_there} of these lines: this seems \
         to be another file. --restart forgets the earlier runs and sends all lines; --state FILE keeps a separate state",
        file = file.display()
    )))
}

/// Continues the import of an older version. All lines before its last line count as accepted, as they did for that
/// version: it did not remember which lines were refused.
fn take_over(
    file: &Path,
    plan: Plan,
    can_be_read_twice: bool,
    older: &Older,
    state: &mut State,
) -> Result<Earlier, Failure> {
    let cannot = |error: std::io::Error| Failure::cannot_read(file, &error);
    if !can_be_read_twice || !older.is_of(file).map_err(cannot)? {
        return Err(Failure::run(say!(
            "旧版本的 hongyan 导入过另一个同名文件，到第 {} 行；--restart 忘掉那次导入并发送全部行，--state FILE 另用一个状态文件",
            "an older version of hongyan imported another file of this name, up to line {}; --restart forgets that import and \
             sends all lines, --state FILE keeps a separate state",
            older.line
        )));
    }
    let (mut accepted, mut doubtful) = (Vec::new(), Vec::new());
    for batch in lines::batches(Reader::open(file)?, plan, Earlier::default()) {
        for item in batch?.items {
            if item.line <= older.line {
                accepted.push(item.mark);
            } else if item.line <= older.sending && !item.is_repeatable(plan.kind) {
                doubtful.push(item.mark);
            }
        }
    }
    output::warn(say!(
        "旧版本的 hongyan 停在第 {} 行，没有记下被拒绝的行：该行之前被拒绝的行不会重试。如果有，请放在另一个文件里导入",
        "an older version of hongyan stopped at line {} and did not remember refused lines: refused lines before that line are \
         not tried again. If there were refused lines, import them from a separate file",
        older.line
    ));
    state.take_over(&accepted, &doubtful)
}

/// Reads on a separate thread: standard input may block, and a blocked read cannot be interrupted. The thread ends with
/// the process.
fn read(
    reader: Reader,
    plan: Plan,
    earlier: Earlier,
) -> Result<flume::Receiver<Result<Batch, Failure>>, Failure> {
    let (sender, batches) = flume::bounded(READ_AHEAD);
    std::thread::Builder::new()
        .name("hongyan-import".into())
        .spawn(move || {
            for batch in lines::batches(reader, plan, earlier) {
                let failed = batch.is_err();
                // The receiver is gone: the import has ended before the end of the file.
                if sender.send(batch).is_err() || failed {
                    break;
                }
            }
        })
        .map_err(|error| Failure::run(say!("无法启动线程：{error}", "cannot start a thread: {error}")))?;
    Ok(batches)
}

fn say(args: &ImportArgs, state: &State, tally: &Tally, took: Duration) -> Result<(), Failure> {
    if args.remote.json {
        return output::json(&json!({
            "accepted": tally.accepted,
            "replayed": tally.replayed,
            "known": tally.known,
            "refused": tally.refused(),
            "codes": tally.codes,
            "last_line": state.line,
            "state": state.file(),
            "errors": args.errors,
            "seconds": took.as_secs_f64(),
        }));
    }
    let mut text = say!(
        "接受 {} 行，以前已接受 {} 行，拒绝 {} 行",
        "{} accepted, {} accepted before, {} refused",
        tally.accepted,
        tally.replayed,
        tally.refused()
    );
    let codes: Vec<_> = tally.codes.iter().map(|(code, count)| format!("{code} {count}")).collect();
    if !codes.is_empty() {
        text = text.and(&Text::same(format!(" ({})", codes.join(", "))));
    }
    if tally.known > 0 {
        let known =
            say!("；跳过 {} 行，以前已发送", "; {} skipped, because earlier runs sent them", tally.known);
        text = text.and(&known);
    }
    text = text.and(&say!("，用时 {:.1} 秒", ", in {:.1} s", took.as_secs_f64()));
    output::line(text.shown())?;
    if tally.refused() > 0 && state.file().is_some() {
        output::remark(say!(
            "请在文件里改正被拒绝的行，再执行同一命令：它只发送尚未接受的行。",
            "Correct the refused lines in the file and repeat the command: it sends only what was not accepted yet."
        ));
    }
    Ok(())
}
