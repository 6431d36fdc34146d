//! The command line in the reader's language: how it is parsed, its help, and the errors in it.
//!
//! | module | knows |
//! | --- | --- |
//! | [`help`] | how help becomes Chinese |
//! | [`wrong`] | an error in the command line, in Chinese |
//! | [`words`] | the Chinese of every text |
//! | [`manual`] | the manual pages |

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};
use hongyan_ui::Language;

use crate::cli::Cli;

mod help;
mod manual;
mod words;
mod wrong;

pub(crate) use manual::manual_pages;

/// Every command, with its help in this language.
pub(crate) fn command(language: Language) -> clap::Command {
    in_language(Cli::command(), language)
}

fn in_language(command: clap::Command, language: Language) -> clap::Command {
    match language {
        Language::En => command,
        Language::Zh => help::in_chinese(command),
    }
}

/// Parses the command line. A request for help, and an error, end the process here: exit code 0 and 2.
pub(crate) fn parse(language: Language) -> Cli {
    let parsed = command(language).try_get_matches();
    parsed.and_then(|matches| Cli::from_arg_matches(&matches)).unwrap_or_else(|error| match language {
        Language::En => error.exit(),
        Language::Zh => exit_in_chinese(error),
    })
}

fn exit_in_chinese(error: clap::Error) -> ! {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            help::print(&error);
            std::process::exit(error.exit_code());
        }
        ErrorKind::DisplayVersion | ErrorKind::Io | ErrorKind::Format => error.exit(),
        _ => error.apply::<wrong::InChinese>().exit(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chinese_command_line_takes_the_same_arguments() {
        command(Language::Zh).debug_assert();
        for line in [
            &["hongyan", "app", "add", "--appid", "wx1", "--token", "stable", "--lang", "zh"][..],
            &[
                "hongyan",
                "send",
                "--app",
                "wx1",
                "--to",
                "o",
                "--template",
                "t",
                "--data",
                "a=b",
                "--permit",
                "wait",
            ],
            &["hongyan", "--lang", "zh", "user", "add", "lihua", "--role", "admin"],
        ] {
            let debug = |language| {
                let matches = command(language).try_get_matches_from(line).unwrap();
                format!("{:?}", Cli::from_arg_matches(&matches).unwrap())
            };
            assert_eq!(debug(Language::Zh), debug(Language::En));
        }
    }

    #[test]
    fn help_for_one_command_is_help_of_the_command() {
        let help = |line: &[&str]| {
            let error = command(Language::Zh).try_get_matches_from(line).unwrap_err();
            help::rendered(&error)
        };
        let whole = help(&["hongyan", "help", "app", "add"]);
        assert_eq!(whole, help(&["hongyan", "app", "add", "--help"]));
        assert!(whole.contains("用法：") && whole.contains("选项："), "{whole}");
        assert!(whole.contains("- stable：") && whole.contains("示例："), "{whole}");
        assert!(help(&["hongyan", "app", "-h"]).contains("命令："));
    }

    #[test]
    fn errors_name_what_is_wrong() {
        for (line, words) in [
            (
                &["serve", "--colour", "red"][..],
                &["错误：", "不认识的参数", "--colour", "用法：", "--help"][..],
            ),
            (&["serv"], &["不认识的命令", "serv", "serve"]),
            (&["user", "add", "x", "--role", "boss"], &["boss", "--role", "可选值：", "viewer"]),
            (&["key", "revoke"], &["缺少必需的参数", "<ID>"]),
            (&["check", "--deep", "--deep"], &["--deep", "不能重复"]),
            (&["app", "callback", "wx1", "--set", "--remove"], &["--set", "--remove", "不能同时使用"]),
            (&["serve", "--listen", "here"], &["here", "--listen", "地址和端口"]),
            (&["key", "create", "--name", "x", "--expires", "9y"], &["9y", "--expires"]),
            (&["app", "show", "a b"], &["a b", "<APPID>", "字母、数字"]),
            (&["key", "create", "--name", "x", "--scopes", "money"], &["没有权限范围 \"money\"", "permits"]),
            (&["message", "list", "--limit", "0"], &["0", "--limit", "不在", "之内"]),
            (&["send", "--app"], &["--app", "需要一个值"]),
            (&["serve", "extra"], &["不认识的参数", "extra"]),
        ] {
            let line: Vec<_> = std::iter::once("hongyan").chain(line.iter().copied()).collect();
            let error = command(Language::Zh).try_get_matches_from(&line).unwrap_err();
            let text = error.apply::<wrong::InChinese>().to_string();
            for word in words {
                assert!(text.contains(word), "{line:?}: no {word} in\n{text}");
            }
        }
    }
}
