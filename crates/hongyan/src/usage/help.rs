//! Help in Chinese: every text of the tree of commands is replaced, and then the words of clap's own in what clap renders.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};

use clap::builder::PossibleValue;
use clap::error::ErrorKind;
use clap::{Arg, Command};

use super::words;

/// The words that clap writes itself, and their Chinese.
const FRAME: [(&str, &str); 12] = [
    ("Usage: ", "用法："),
    ("Usage:", "用法："),
    ("Commands:", "命令："),
    ("Arguments:", "参数："),
    ("Options:", "选项："),
    ("Possible values:", "可选值："),
    ("[possible values: ", "[可选值："),
    ("[default: ", "[默认值："),
    ("[env: ", "[环境变量："),
    ("[OPTIONS]", "[选项]"),
    ("<COMMAND>", "<命令>"),
    ("[COMMAND]", "[命令]"),
];

/// The tree of commands, with Chinese texts. A text without Chinese stays English; a test finds it.
pub(super) fn in_chinese(command: Command) -> Command {
    translated(command, &mut |text| words::chinese(text).unwrap_or(text).to_owned())
}

/// Replaces every text. The tree is built first, so that it has the options and the command for help, too.
fn translated(mut command: Command, say: &mut dyn FnMut(&str) -> String) -> Command {
    command.build();
    walk(command, say)
}

fn walk(mut command: Command, say: &mut dyn FnMut(&str) -> String) -> Command {
    if let Some(text) = command.get_about().map(ToString::to_string) {
        command = command.about(say(&text));
    }
    if let Some(text) = command.get_long_about().map(ToString::to_string) {
        command = command.long_about(paragraphs(&text, say));
    }
    if let Some(text) = command.get_after_help().map(ToString::to_string) {
        command = command.after_help(lines(&text, say));
    }
    command.mut_args(|arg| argument(arg, say)).mut_subcommands(|below| walk(below, say))
}

fn argument(mut arg: Arg, say: &mut dyn FnMut(&str) -> String) -> Arg {
    let help = arg.get_help().map(|text| say(&text.to_string()));
    let long_help = arg.get_long_help().map(|text| paragraphs(&text.to_string(), say));
    let values = arg.get_possible_values();
    let Some(help) = help else { return arg };
    if arg.is_hide_possible_values_set() || values.iter().all(|value| value.get_help().is_none()) {
        arg = arg.help(help);
        return if let Some(text) = long_help { arg.long_help(text) } else { arg };
    }
    // The values' own texts cannot be replaced in the argument: its type makes them. They become a part of its help.
    let named: Vec<&str> = values.iter().map(PossibleValue::get_name).collect();
    let mut list = String::new();
    for value in &values {
        let about = value.get_help().map(|text| format!("：{}", say(&text.to_string()))).unwrap_or_default();
        let _ = write!(list, "\n- {}{about}", value.get_name());
    }
    let long = format!("{}\n\n可选值：{list}", long_help.as_ref().unwrap_or(&help));
    let short = format!("{help} [可选值：{}]", named.join(", "));
    arg.hide_possible_values(true).help(short).long_help(long)
}

/// A text of several paragraphs.
fn paragraphs(text: &str, say: &mut dyn FnMut(&str) -> String) -> String {
    text.split("\n\n").map(say).collect::<Vec<_>>().join("\n\n")
}

/// The text after the options: each line is a paragraph, a step, or an example with or without a comment.
fn lines(text: &str, say: &mut dyn FnMut(&str) -> String) -> String {
    text.lines().map(|text| line(text, say)).collect::<Vec<_>>().join("\n")
}

fn line(text: &str, say: &mut dyn FnMut(&str) -> String) -> String {
    let Some(example) = text.strip_prefix("  ") else {
        return if text.is_empty() { String::new() } else { say(text) };
    };
    // A comment stands apart from its command.
    if let Some((command, comment)) = example.split_once("   ") {
        let comment_only = comment.trim_start();
        let space = &example[command.len()..example.len() - comment_only.len()];
        return format!("  {command}{space}{}", say(comment_only));
    }
    match example.split_once(". ") {
        Some((number, step)) if number.parse::<u8>().is_ok() && !step.starts_with("hongyan ") => {
            format!("  {number}. {}", say(step))
        }
        _ => text.to_owned(),
    }
}

/// Help as clap renders it, in Chinese, for a terminal with colours.
pub(super) fn rendered(error: &clap::Error) -> String {
    framed(&error.render().ansi().to_string())
}

/// Replaces the words of clap's own.
pub(super) fn framed(text: &str) -> String {
    FRAME.iter().fold(text.to_owned(), |text, (english, chinese)| text.replace(english, chinese))
}

/// Prints help, where clap would print it.
pub(super) fn print(error: &clap::Error) {
    let to_stdout = error.kind() == ErrorKind::DisplayHelp;
    let is_terminal =
        if to_stdout { std::io::stdout().is_terminal() } else { std::io::stderr().is_terminal() };
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    let text = if is_terminal && !is_set("NO_COLOR") && !is_dumb {
        rendered(error)
    } else {
        framed(&error.render().to_string())
    };
    // A reader that went away needs no error.
    let _written = if to_stdout {
        std::io::stdout().write_all(text.as_bytes())
    } else {
        std::io::stderr().write_all(text.as_bytes())
    };
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_text_of_the_help_has_its_chinese_and_no_chinese_is_left_over() {
        let mut texts = BTreeSet::new();
        translated(Cli::command(), &mut |text| {
            texts.insert(text.to_owned());
            text.to_owned()
        });
        let missing: Vec<_> = texts.iter().filter(|text| words::chinese(text).is_none()).collect();
        assert!(missing.is_empty(), "write the Chinese of these texts into usage/words.rs: {missing:#?}");
        let unused: Vec<_> = words::HELP
            .iter()
            .map(|(english, _)| english)
            .filter(|english| !texts.contains(**english))
            .collect();
        assert!(unused.is_empty(), "no help has these texts: remove them from usage/words.rs: {unused:#?}");
    }

    #[test]
    fn the_chinese_of_a_text_names_the_same_flags_and_settings() {
        // Flags, variables, placeholders and names of settings.
        let names = |text: &str| -> BTreeSet<String> {
            let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c)));
            let is_name = |word: &&str| {
                word.starts_with("--")
                    || (word.len() > 2 && word.contains('_'))
                    || (word.len() > 3 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
            };
            words.filter(is_name).map(str::to_owned).collect()
        };
        for (english, chinese) in words::HELP {
            // The Chinese may name more: `access_token` has no Chinese name.
            assert!(names(english).is_subset(&names(chinese)), "{english}");
            for (word, _) in FRAME {
                assert!(!chinese.contains(word), "{chinese}");
            }
        }
    }

    #[test]
    fn an_example_keeps_its_command_and_its_columns() {
        let mut shout = |text: &str| text.to_uppercase();
        let text =
            "Examples:\n  hongyan demo      everything\n  hongyan serve\n\n  1. do this\n  2. hongyan check";
        assert_eq!(
            lines(text, &mut shout),
            "EXAMPLES:\n  hongyan demo      EVERYTHING\n  hongyan serve\n\n  1. DO THIS\n  2. hongyan check"
        );
    }
}
