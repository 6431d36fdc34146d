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
    text.push_str(ENTRIES);
    text
}

/// The end of the example file: what must exist when the gateway serves.
const ENTRIES: &str = r#"
# Apps, webhooks and API keys that must exist. They are applied at each start: what is missing is made, what differs is
# changed, and nothing is removed. A member that is not set stays as it is. The same tables may be in setup_file.
# Each secret may be in a file that the member with the ending _file names. See docs/setup.md.

# [[app]]
# appid = "wx0123456789abcdef"
# secret_file = "/run/secrets/wechat-app-secret"      # the AppSecret
# name = "Tea house"
# on_unknown = "hold"                                 # hold, resend
# payment_units = 1
# waiting_order = "oldest_first"                      # oldest_first, newest_first
# truncate = false
# resend_unknown_after_seconds = 0                    # 0: never
# token = "stable"                                    # stable, plain
# gateway_secret_file = "/run/secrets/gateway-secret" # hyg_ and 32 random bytes in base64url
# callback_token_file = "/run/secrets/callback-token"
# callback_encoding_aes_key_file = "/run/secrets/callback-aes-key"

# [[webhook]]
# name = "orders"
# url = "https://shop.example/hooks/hongyan"
# types = ["message.sent", "message.failed"]          # empty: all types
# apps = ["wx0123456789abcdef"]                       # empty: all apps
# secret_file = "/run/secrets/webhook-secret"         # whsec_ and 24 to 64 random bytes in base64

# [[key]]
# name = "orders"
# scopes = ["messages", "permits"]
# apps = ["wx0123456789abcdef"]                       # without apps: all apps
# expires_at = "2030-01-01T00:00:00Z"                 # without expires_at: never
# secret_file = "/run/secrets/hongyan-api-key"        # hyk_ and 32 random bytes in base64url
"#;
