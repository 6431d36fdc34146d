//! The page of the documentation about commands, compared with the commands.

use std::collections::BTreeSet;

use clap::{Command, CommandFactory};

use super::Cli;

const PAGES: [&str; 2] =
    [include_str!("../../../../docs/cli.md"), include_str!("../../../../docs/cli.zh-CN.md")];

/// The names of all commands that do something.
fn leaves(command: &Command, path: &str, found: &mut BTreeSet<String>) {
    let name = format!("{path}{}", command.get_name());
    if !command.has_subcommands() {
        found.insert(name);
        return;
    }
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        leaves(below, &format!("{name} "), found);
    }
}

/// The commands in the first column of the page's tables.
fn in_tables(page: &str) -> BTreeSet<String> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `hongyan ")?.split('`').next());
    rows.map(|rest| format!("hongyan {rest}")).collect()
}

/// The lines of the page's code blocks.
fn examples(page: &str) -> Vec<&str> {
    page.split("```")
        .skip(1)
        .step_by(2)
        .flat_map(str::lines)
        .filter(|line| line.starts_with("hongyan "))
        .collect()
}

/// The command of an example, and its long flags.
fn parts(root: &Command, example: &str) -> (String, Command, Vec<String>) {
    let (mut command, mut name) = (root.clone(), "hongyan".to_owned());
    let mut words = example.split_whitespace().skip(1);
    let flags = example.split_whitespace().filter_map(|word| word.strip_prefix("--"));
    while let Some(below) = words.next().and_then(|word| command.find_subcommand(word).cloned()) {
        name = format!("{name} {}", below.get_name());
        command = below;
    }
    (name, command, flags.map(str::to_owned).collect())
}

#[test]
fn the_page_lists_every_command_with_an_example_in_both_languages() {
    let mut root = Cli::command();
    root.build();
    let mut commands = BTreeSet::new();
    leaves(&Cli::command(), "", &mut commands);
    for page in PAGES {
        assert_eq!(in_tables(page), commands);
        let mut shown = BTreeSet::new();
        for example in examples(page) {
            let (name, command, flags) = parts(&root, example);
            for flag in flags {
                let is_known =
                    command.get_arguments().any(|argument| argument.get_long() == Some(flag.as_str()));
                assert!(is_known, "{example}: there is no --{flag}");
            }
            shown.insert(name);
        }
        assert_eq!(shown, commands);
    }
    assert_eq!(examples(PAGES[0]), examples(PAGES[1]));
}
