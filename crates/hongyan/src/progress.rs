//! Progress for a person at a terminal. Nothing is shown if standard error is not a terminal.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use hongyan_store::sqlite::{Stage, Watcher};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::text::word;

/// A progress bar over bytes, or a spinner if the total is unknown. The bar disappears at the end.
pub(crate) fn bytes(total: Option<u64>, what: &str) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let template = match total {
        Some(_) => word(
            "{msg} [{bar:30}] {bytes} / {total_bytes}，{bytes_per_sec}，剩余 {eta}",
            "{msg} [{bar:30}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} to go",
        ),
        None => "{spinner} {msg} {bytes} {elapsed}",
    };
    let style = ProgressStyle::with_template(template).expect("a template that a test has read");
    ProgressBar::with_draw_target(total, target).with_style(style).with_message(what.to_owned())
}

/// A count of what was read, if standard output is not the terminal on which it would be shown.
pub(crate) fn count(is_long: bool, what: &str) -> ProgressBar {
    let is_shown = is_long && std::io::stderr().is_terminal() && !std::io::stdout().is_terminal();
    let target = if is_shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style =
        ProgressStyle::with_template("{spinner} {human_pos} {msg}, {elapsed}").expect("it is well formed");
    ProgressBar::with_draw_target(None, target).with_style(style).with_message(what.to_owned())
}

/// Shows the progress of work on a database, and stops the work when a flag is set.
pub(crate) fn watcher(stop: &Arc<AtomicBool>) -> Watcher {
    let (copying, looking) =
        (bytes(Some(0), word("复制中", "copying")), bytes(None, word("逐页检查中", "looking at every page")));
    looking.set_style(ProgressStyle::with_template("{spinner} {msg} {elapsed}").expect("it is well formed"));
    let (stop, begun) = (Arc::clone(stop), Once::new());
    Arc::new(move |stage| {
        match stage {
            Stage::Copying { done, total } => {
                copying.set_length(total);
                copying.set_position(done);
            }
            // Only once: each call starts a thread, and the watcher is called thousands of times.
            Stage::Looking => begun.call_once(|| {
                copying.finish_and_clear();
                looking.enable_steady_tick(Duration::from_millis(200));
            }),
        }
        !stop.load(Ordering::Relaxed)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_without_a_terminal_counts_and_shows_nothing() {
        for total in [Some(10), None] {
            let bar = bytes(total, "reading");
            bar.inc(4);
            assert_eq!(bar.position(), 4);
            assert!(bar.is_hidden() || std::io::stderr().is_terminal());
        }
        let bar = count(true, "read");
        bar.inc(4);
        assert_eq!(bar.position(), 4);
        let stop = Arc::new(AtomicBool::new(false));
        let watcher = watcher(&stop);
        assert!(watcher(Stage::Copying { done: 1, total: 2 }) && watcher(Stage::Looking));
        stop.store(true, Ordering::Relaxed);
        assert!(!watcher(Stage::Looking), "the watcher tells the work to stop");
    }
}
