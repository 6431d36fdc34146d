//! A question before something is deleted. Only a person at a terminal is asked: a script has decided already.

use std::io::{BufRead, IsTerminal, Write};

use crate::failure::Failure;
use crate::text::{Text, say};

/// Asks, and goes on only after a yes.
///
/// # Errors
/// When the answer is not a yes.
pub(crate) fn confirm(question: &Text, is_sure: bool) -> Result<(), Failure> {
    let (input, mut output) = (std::io::stdin(), std::io::stderr());
    if is_sure || !input.is_terminal() || !output.is_terminal() {
        return Ok(());
    }
    let mut line = String::new();
    let asked = write!(output, "{} [y/N] ", question.shown()).and_then(|()| output.flush());
    let answered = asked.and_then(|()| input.lock().read_line(&mut line));
    answered.map_err(|error| {
        Failure::run(say!("不能询问：{error}；加 --yes 则不询问", "cannot ask: {error}; --yes does not ask"))
    })?;
    if is_yes(&line) { Ok(()) } else { Err(Failure::run(say!("没有任何改动", "nothing was changed"))) }
}

fn is_yes(line: &str) -> bool {
    let line = line.trim();
    ["y", "yes"].iter().any(|yes| line.eq_ignore_ascii_case(yes)) || line == "是"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        for yes in ["y\n", " YES\r\n", "是\n"] {
            assert!(is_yes(yes), "{yes}");
        }
        for no in ["", "\n", "n\n", "no", "yep"] {
            assert!(!is_yes(no), "{no}");
        }
    }
}
