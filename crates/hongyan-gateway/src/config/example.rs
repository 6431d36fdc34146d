//! Makes the example file from the rows of all settings.

use std::fmt::Write;

use super::row::Kind;
use super::settings::TABLE;

/// The example file: every setting with its default and a comment.
pub fn example_toml() -> String {
    let mut text = String::from(
        "# Settings of Hongyan. The values here are the defaults. A setting that is commented out has no default, or a\n\
         # default that follows from another setting. Each setting can also be an environment variable: HONGYAN_ and\n\
         # the name in capitals (HONGYAN_LISTEN). The variable wins over this file, and a command line flag wins over\n\
         # both.\n\
         # HONGYAN_MASTER_KEY_FILE, HONGYAN_MASTER_KEY_PREVIOUS_FILE, HONGYAN_DATABASE_FILE and\n\
         # HONGYAN_WECHAT_PROXY_FILE name files to read from.\n",
    );
    for setting in TABLE {
        text.push('\n');
        for line in setting.about {
            // The text of a doc comment begins with the space after its slashes.
            writeln!(text, "#{line}").expect("a String takes everything");
        }
        let mark = if setting.kind == Kind::Default { "" } else { "# " };
        writeln!(text, "{mark}{} = {}", setting.key, (setting.example)()).expect("a String takes everything");
    }
    text
}
