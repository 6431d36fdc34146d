//! The example file, made from the rows of all settings.

use std::fmt::Write;

use super::row::Kind;
use super::settings::TABLE;

/// The example file: every setting with its default and a comment.
pub fn example_toml() -> String {
    let mut text = String::from(
        "# Settings of Hongyan. What is given here is the default; what is commented out has none, or one that\n\
         # follows from another setting. Each can also be set as an environment variable, HONGYAN_ and its name in\n\
         # capitals (HONGYAN_LISTEN), which wins over this file; a command line flag wins over both.\n\
         # HONGYAN_MASTER_KEY_FILE, HONGYAN_MASTER_KEY_PREVIOUS_FILE, HONGYAN_DATABASE_FILE and\n\
         # HONGYAN_WECHAT_PROXY_FILE name files to read from.\n",
    );
    for setting in TABLE {
        text.push('\n');
        for line in setting.about {
            // A doc comment begins with the space behind its slashes.
            writeln!(text, "#{line}").expect("a String takes everything");
        }
        let mark = if setting.kind == Kind::Default { "" } else { "# " };
        writeln!(text, "{mark}{} = {}", setting.key, (setting.example)()).expect("a String takes everything");
    }
    text
}
